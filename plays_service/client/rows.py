"""The rows of a result, while it comes."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import date
from typing import Final, NamedTuple

__all__ = ["Row", "read_rows"]

#: Characters that a song may have, at most: the service takes records of 1 MiB.
_LONGEST_SONG: Final = 1 << 20


class Row(NamedTuple):
    """The total of a song for a day."""

    song: str
    date: date
    plays: int


async def read_rows(blocks: AsyncIterator[bytes]) -> AsyncIterator[Row]:
    """The rows of a result that comes in blocks."""
    # Python's limit is an eighth of that, and there is but one for all readers.
    csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_SONG))
    rest, is_header = b"", True
    async for block in blocks:
        rest += block
        end = _end_of_records(rest)
        text, rest = rest[:end].decode(), rest[end:]
        for fields in csv.reader(io.StringIO(text, newline="")):
            if not is_header:
                song, day, plays = fields
                yield Row(song, date.fromisoformat(day), int(plays))
            is_header = False


def _end_of_records(data: bytes) -> int:
    """Where the last whole record ends: at a line end with an even number of quotes before it."""
    quotes, end = data.count(b'"'), len(data)
    while end:
        line_end = data.rfind(b"\n", 0, end) + 1
        quotes -= data.count(b'"', line_end, end)
        if quotes % 2 == 0:
            return line_end
        end = max(line_end - 1, 0)
    return 0
