"""Building a view: one pass over the result, and a sort that may be larger than memory.

What does not fit the memory is sorted in runs, which are merged.
"""

from __future__ import annotations

import heapq
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from plays_service.aggregation.publish import appearing
from plays_service.aggregation.result_rows import DamagedResultError, read_rows
from plays_service.aggregation.row_query import RowQuery
from plays_service.aggregation.view_file import HEAD_SIZE, view_head, width_for

__all__ = ["build_view"]

#: What a row is sorted by, and its offset in the result.
_Entry: TypeAlias = tuple[bytes, int]
#: How many merges it has been through, at most; its entries.
_Run: TypeAlias = tuple[int, BinaryIO]

#: Makes an empty file for a run.
_NewRun: TypeAlias = Callable[[], BinaryIO]

#: Bytes that an entry takes in memory besides its key.
_ENTRY_COST: Final = 150
#: Runs that are merged at once: each takes a file descriptor and a buffer.
_RUNS_AT_ONCE: Final = 64
_RUN_ENTRY: Final = struct.Struct("<IQ")


def build_view(result: Path, query: RowQuery, view: Path, memory: int) -> int:
    """See `engine.build_view`."""
    width = width_for(result.stat().st_size)
    with appearing(view) as temporary, temporary.open("wb") as target, ExitStack() as runs:

        def new_run() -> BinaryIO:  # without a name: whatever ends the process, nothing is left
            return runs.enter_context(tempfile.TemporaryFile(dir=view.parent))

        target.write(bytes(HEAD_SIZE))
        with result.open("rb") as source:
            for _, offset in _ordered(source, query, memory, new_run):
                target.write(offset.to_bytes(width, "little"))
        count = (target.tell() - HEAD_SIZE) // width
        target.seek(0)
        target.write(view_head(count, width))
    return count


def _ordered(result: BinaryIO, query: RowQuery, memory: int, new_run: _NewRun) -> Iterable[_Entry]:
    entries = _wanted(result, query)
    if query.sort == "appearance":
        return entries
    return _sorted(entries, memory, new_run, descending=query.descending)


def _wanted(result: BinaryIO, query: RowQuery) -> Iterator[_Entry]:
    for offset, _, row in read_rows(result):
        try:
            if query.matches(row):
                yield query.key(row), offset
        except UnicodeDecodeError:
            raise DamagedResultError("a song of the result is no UTF-8") from None


def _sorted(
    entries: Iterable[_Entry], memory: int, new_run: _NewRun, *, descending: bool
) -> Iterable[_Entry]:
    """The entries by key; equal ones stay as they come."""
    by_key = itemgetter(0)
    runs: list[_Run] = []
    chunk: list[_Entry] = []
    cost = 0
    for entry in entries:
        chunk.append(entry)
        cost += _ENTRY_COST + len(entry[0])
        if cost > memory // 2:
            chunk.sort(key=by_key, reverse=descending)
            runs.append((0, _write_run(chunk, new_run())))
            chunk, cost = [], 0
            if len(runs) == _RUNS_AT_ONCE:
                _make_room(runs, new_run, descending=descending)
    chunk.sort(key=by_key, reverse=descending)
    return _merged(runs, chunk, descending=descending) if runs else chunk


def _make_room(runs: list[_Run], new_run: _NewRun, *, descending: bool) -> None:
    """Merge the last runs of one level, two at least, into one of the next.

    So an entry is written once for each level, and there are few, however many runs come.
    """
    first = last = len(runs) - 1
    while first and (first == last or runs[first - 1][0] == runs[first][0]):
        first -= 1
    merged = _write_run(_merged(runs[first:], descending=descending), new_run())
    runs[first:] = [(runs[first][0] + 1, merged)]


def _merged(
    runs: Sequence[_Run], last: Sequence[_Entry] = (), *, descending: bool
) -> Iterator[_Entry]:
    """The entries of all runs, which are closed then. Equal ones keep the order of runs."""
    sources = [*(_read_run(run) for _, run in runs), last]
    yield from heapq.merge(*sources, key=itemgetter(0), reverse=descending)
    for _, run in runs:
        run.close()


def _write_run(entries: Iterable[_Entry], run: BinaryIO) -> BinaryIO:
    """The run, with the entries in it, ready to be read."""
    for key, offset in entries:
        run.write(_RUN_ENTRY.pack(len(key), offset))
        run.write(key)
    run.seek(0)
    return run


def _read_run(run: BinaryIO) -> Iterator[_Entry]:
    while head := run.read(_RUN_ENTRY.size):
        size, offset = _RUN_ENTRY.unpack(head)
        yield run.read(size), offset
