"""Where the records of a segment begin."""

from __future__ import annotations

from typing import BinaryIO, Final

from plays_service.aggregation.dialect import Dialect
from plays_service.aggregation.summary import Segment

__all__ = ["first_record"]

_BLOCK_SIZE: Final = 256 << 10


def first_record(file: BinaryIO, segment: Segment, dialect: Dialect) -> int:
    """Offset of the segment's first record, or of its end where no line starts in it."""
    if not segment.rough or segment.start == 0:
        return segment.start
    offset = segment.start - 1  # a line may start right at the segment's start
    file.seek(offset)
    while offset < segment.end and (block := file.read(min(_BLOCK_SIZE, segment.end - offset))):
        found = block.find(dialect.line_end)
        if found >= 0:
            return offset + found + 1
        offset += len(block)
    return offset
