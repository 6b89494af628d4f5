"""What is made of a result on demand, and kept beside it: views, the summary, Parquet.

All of it can be made again, so it may be deleted at any time. The folder is made in that of the
task, and is gone with it: then the calls raise `FileNotFoundError` and leave nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from plays_service.aggregation.engine import build_view, summarize
from plays_service.aggregation.parquet import write_parquet
from plays_service.aggregation.publish import appearing, clear_half_made
from plays_service.aggregation.row_query import RowQuery
from plays_service.aggregation.view_file import ViewFile

__all__ = ["make_parquet", "make_summary", "make_view"]

#: Views of a result that are kept.
_VIEWS: Final = 8
#: Bytes that all of them may take: as many as the result, or this where it is small.
_SMALL: Final = 1 << 20


def make_view(result: Path, query: RowQuery, view: Path, memory: int) -> int:
    """`build_view`, but for at most so many views of a result: the ones unused for longest go."""
    _begin(view)
    if ViewFile.open(view) is not None:
        return 0  # somebody was faster
    _make_room(view.parent, max(result.stat().st_size, _SMALL))
    return build_view(result, query, view, memory)


def make_summary(result: Path, target: Path, memory: int, seed: int) -> None:
    """`summarize` into a file of JSON."""
    _begin(target)
    summary = summarize(result, memory, seed)
    with appearing(target) as temporary:
        text = json.dumps(summary.to_json(), ensure_ascii=False)
        temporary.write_text(text, encoding="utf-8")


def make_parquet(result: Path, target: Path) -> None:
    """`write_parquet` to a file that appears whole or not at all."""
    _begin(target)
    with appearing(target) as temporary:
        write_parquet(result, temporary)


def _begin(target: Path) -> None:
    """Make the folder, and clear what a worker that died has left of the same file."""
    target.parent.mkdir(exist_ok=True)
    clear_half_made(target)


def _make_room(folder: Path, size: int) -> None:
    """Delete views until one more may come."""
    views = sorted(_sizes(folder))
    total = sum(view_size for _, view_size, _ in views)
    while views and (len(views) >= _VIEWS or total > size):
        _, view_size, path = views.pop(0)
        path.unlink(missing_ok=True)
        total -= view_size


def _sizes(folder: Path) -> Iterator[tuple[int, int, Path]]:
    """When each view was used last, its size in bytes, and where it is."""
    for path in folder.glob("*.view"):
        with suppress(FileNotFoundError):  # somebody else makes room
            about = path.stat()
            yield about.st_mtime_ns, about.st_size, path
