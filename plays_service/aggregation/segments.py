"""Cutting a file into segments of whole records."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, Final

from plays_service.aggregation.dialect import Dialect
from plays_service.aggregation.records import RecordReader
from plays_service.aggregation.summary import Segment

__all__ = ["cut_segments"]

_BLOCK_SIZE: Final = 4 << 20


def cut_segments(path: Path, dialect: Dialect, segment_size: int) -> list[Segment]:
    """Segments of ``segment_size`` bytes, and up to a record more, that hold the whole file.

    Where a record ends is known only from where the one before it ended, because of quotes: so
    each segment is cut from the one before.
    """
    segments = []
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = dialect.data_start
        while start < size:
            end = _cut(file, start, start + max(1, segment_size), size, dialect)
            segments.append(Segment(start, end))
            start = end
    return segments


def _cut(file: BinaryIO, start: int, target: int, size: int, dialect: Dialect) -> int:
    """Where the first record at ``target`` or after it starts; the end of the file, if none does.

    A record, or nothing, starts at ``start``.
    """
    if target >= size:
        return size
    line_end = _find(file, dialect.line_end, target - 1, size)
    end = size if line_end < 0 else line_end + 1
    if _find(file, b'"', start, end) < 0:
        start = end  # without quotes every line end is a record's end
    for offset, *_ in RecordReader(file, start, size, dialect):
        if offset >= target:
            return offset
    return size


def _find(file: BinaryIO, byte: bytes, start: int, end: int) -> int:
    """Offset of the first ``byte`` in ``[start, end)``, or -1."""
    file.seek(start)
    while start < end and (block := file.read(min(_BLOCK_SIZE, end - start))):
        found = block.find(byte)
        if found >= 0:
            return start + found
        start += len(block)
    return -1
