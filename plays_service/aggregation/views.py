"""Building a view: one pass over the result, and a sort that may be larger than memory.

What does not fit the memory is sorted in runs, which are merged.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from plays_service.aggregation.publish import appearing
from plays_service.aggregation.result_rows import DamagedResultError, read_rows
from plays_service.aggregation.row_query import RowQuery
from plays_service.aggregation.view_file import HEAD_SIZE, step_of, view_head, width_for

__all__ = ["build_view"]

#: What a row is sorted by, and its offset in the result.
_Entry: TypeAlias = tuple[bytes, int]

#: Bytes that an entry takes in memory besides its key.
_ENTRY_COST: Final = 150
#: Runs that are merged at once: each takes a file descriptor and a buffer.
_RUNS_AT_ONCE: Final = 64
_RUN_ENTRY: Final = struct.Struct("<IQ")


def build_view(result: Path, query: RowQuery, view: Path, memory: int) -> int:
    """See `engine.build_view`."""
    width = width_for(result.stat().st_size)
    step, count = step_of(query), 0
    with appearing(view) as temporary, temporary.open("wb") as target:
        target.write(bytes(HEAD_SIZE))
        with result.open("rb") as source:
            for count, (_, offset) in enumerate(_ordered(source, query, memory, view.parent), 1):
                if (count - 1) % step == 0:
                    target.write(offset.to_bytes(width, "little"))
        target.seek(0)
        target.write(view_head(count, step, width))
    return count


def _ordered(result: BinaryIO, query: RowQuery, memory: int, folder: Path) -> Iterable[_Entry]:
    entries = _wanted(result, query)
    if query.sort == "appearance":
        return entries
    return _sorted(entries, memory, folder, descending=query.descending)


def _wanted(result: BinaryIO, query: RowQuery) -> Iterator[_Entry]:
    for offset, _, row in read_rows(result):
        try:
            if query.matches(row):
                yield query.key(row), offset
        except UnicodeDecodeError:
            raise DamagedResultError("a song of the result is no UTF-8") from None


def _sorted(
    entries: Iterable[_Entry], memory: int, folder: Path, *, descending: bool
) -> Iterable[_Entry]:
    """The entries by key; equal ones stay as they come."""
    by_key = itemgetter(0)
    runs: list[BinaryIO] = []
    chunk: list[_Entry] = []
    cost = 0
    for entry in entries:
        chunk.append(entry)
        cost += _ENTRY_COST + len(entry[0])
        if cost > memory // 2:
            chunk.sort(key=by_key, reverse=descending)
            runs.append(_write_run(chunk, folder))
            chunk, cost = [], 0
            if len(runs) == _RUNS_AT_ONCE:
                runs = [_write_run(_merged(runs, descending=descending), folder)]
    chunk.sort(key=by_key, reverse=descending)
    return _merged(runs, chunk, descending=descending) if runs else chunk


def _merged(
    runs: Sequence[BinaryIO], last: Sequence[_Entry] = (), *, descending: bool
) -> Iterator[_Entry]:
    """The entries of all runs, which are closed afterwards. Equal ones keep the order of runs."""
    sources = [*map(_read_run, runs), last]
    yield from heapq.merge(*sources, key=itemgetter(0), reverse=descending)
    for run in runs:
        run.close()


def _write_run(entries: Iterable[_Entry], folder: Path) -> BinaryIO:
    """The entries in a file without a name: whatever ends the process, nothing is left."""
    run: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 -- `_merged` closes it
    for key, offset in entries:
        run.write(_RUN_ENTRY.pack(len(key), offset))
        run.write(key)
    run.seek(0)
    return run


def _read_run(run: BinaryIO) -> Iterator[_Entry]:
    while head := run.read(_RUN_ENTRY.size):
        size, offset = _RUN_ENTRY.unpack(head)
        yield run.read(size), offset
