"""A file whose aggregation takes a few seconds, in segments of which each takes a moment."""

from __future__ import annotations

from collections import Counter
from typing import Final

import aiohttp

from tests.acceptance.conftest import Server, result

__all__ = ["LONG_FILE", "LONG_RESULT", "SMALL_SEGMENTS", "has_the_long_result"]

SMALL_SEGMENTS: Final = "64KiB"
_ROWS: Final = [(row % 1999, row % 28 + 1, row) for row in range(150_000)]


def _lines(rows: list[tuple[int, int, int]]) -> bytes:
    return b"".join(b"Song %d,2020-01-%02d,%d\n" % row for row in rows)


def _totals() -> list[tuple[int, int, int]]:
    totals: Counter[tuple[int, int]] = Counter()
    for song, day, plays in _ROWS:
        totals[song, day] += plays
    return [(*key, total) for key, total in totals.items()]


LONG_FILE: Final = b"Song,Date,Number of Plays\n" + _lines(_ROWS)
LONG_RESULT: Final = b"Song,Date,Total Number of Plays for Date\n" + _lines(_totals())


async def has_the_long_result(http: aiohttp.ClientSession, server: Server, task_id: str) -> bool:
    """Whether the task gave the totals; no assertion, which would show where megabytes differ."""
    return await result(http, server, task_id) == LONG_RESULT
