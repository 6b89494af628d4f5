"""A result in numbers: counts, plays in the course of time, the songs with the most plays."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from plays_service.aggregation.keys import key_hash
from plays_service.aggregation.result_rows import DATE_MAX, ResultRow, date_text, read_rows

__all__ = ["MOST_PERIODS", "ResultSummary", "summarize"]

#: Songs that are named with their plays.
_TOP_SONGS: Final = 20
#: Days, or months, that are told one by one; where there are more, they are taken together.
MOST_PERIODS: Final = 1000

#: What a date (YYYYMMDD) is divided by to tell day, month, year; and how long that is as a text.
_UNITS: Final = {1: "day", 100: "month", 10_000: "year"}
_LENGTHS: Final = {"day": 10, "month": 7, "year": 4}
#: Numbers for all days of the calendar, if each month had 31.
_DAYS: Final = 10_001 * 372
#: Bytes that a song takes in the dictionary besides its text.
_SONG_COST: Final = 220

#: A share of the songs: those whose hash ends in the bits ``value``, as many as ``mask`` has.
_Share: TypeAlias = tuple[int, int]


@dataclass(slots=True)
class _Timeline:
    """Plays in the course of time, as finely as `MOST_PERIODS` allows."""

    totals: Counter[int] = field(default_factory=Counter)
    divisor: int = 1  #: of `_UNITS`
    days: bytearray = field(default_factory=lambda: bytearray(_DAYS // 8))  #: a bit each

    def add(self, date: int, plays: int) -> None:
        """Count the plays of a day (YYYYMMDD)."""
        day = date // 10_000 * 372 + date // 100 % 100 * 31 + date % 100
        self.days[day >> 3] |= 1 << (day & 7)
        self.totals[date // self.divisor] += plays
        if len(self.totals) > MOST_PERIODS and self.divisor < max(_UNITS):
            self.divisor *= 100
            coarser: Counter[int] = Counter()
            for period, total in self.totals.items():
                coarser[period // 100] += total
            self.totals = coarser


@dataclass(frozen=True, slots=True)
class ResultSummary:
    """A result in numbers. Dates are YYYYMMDD; 0 where there is no row."""

    rows: int
    songs: int  #: different ones
    dates: int  #: different ones
    plays: int  #: of all rows
    first_date: int
    last_date: int
    periods: tuple[tuple[int, int], ...]  #: a date divided by ``divisor``, and its plays; in order
    divisor: int
    top_songs: tuple[tuple[bytes, int], ...]  #: by plays, most first; equal ones by their bytes

    def to_json(self) -> dict[str, Any]:
        """The summary as the API shows it."""
        return {
            "rows": self.rows,
            "songs": self.songs,
            "dates": self.dates,
            "plays": self.plays,
            "first_date": date_text(self.first_date) if self.rows else None,
            "last_date": date_text(self.last_date) if self.rows else None,
            "per_day_unit": _UNITS[self.divisor],
            "per_day": [
                {"date": self._period_text(period), "plays": plays}
                for period, plays in self.periods
            ],
            "top_songs": [
                {"song": song.decode(), "plays": plays} for song, plays in self.top_songs
            ],
        }

    def _period_text(self, period: int) -> str:
        """``2020-01-31``, ``2020-01`` or ``2020``."""
        return date_text(period * self.divisor)[: _LENGTHS[_UNITS[self.divisor]]]


def summarize(result: Path, memory: int, seed: int) -> ResultSummary:
    """See `engine.summarize`."""
    timeline = _Timeline()
    first, last = DATE_MAX, 0
    rows = 0
    for _, date, plays in _rows(result):
        rows += 1
        timeline.add(date, plays)
        first, last = min(first, date), max(last, date)
    songs, best = _songs(result, memory // 2, seed)
    return ResultSummary(
        rows=rows,
        songs=songs,
        dates=int.from_bytes(timeline.days, "little").bit_count(),
        plays=timeline.totals.total(),
        first_date=first if rows else 0,
        last_date=last,
        periods=tuple(sorted(timeline.totals.items())),
        divisor=timeline.divisor,
        top_songs=tuple(best),
    )


def _top(totals: Iterable[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
    """The songs with the most plays."""
    return heapq.nsmallest(_TOP_SONGS, totals, key=lambda one: (-one[1], one[0]))


def _rows(result: Path) -> Iterator[ResultRow]:
    with result.open("rb") as file:
        for _, _, row in read_rows(file):
            yield row


def _songs(result: Path, budget: int, seed: int) -> tuple[int, list[tuple[bytes, int]]]:
    """How many songs there are, and the top ones; one share of them after the other.

    The first share is all. When that outgrows the ``budget`` (bytes), half of it is left for later.
    """
    songs = 0
    best: list[tuple[bytes, int]] = []
    shares: list[_Share] = [(0, 0)]
    while shares:
        totals, later = _share_of_songs(result, shares.pop(), budget, seed)
        shares += later
        songs += len(totals)
        best = _top([*best, *totals.items()])
    return songs, best


def _share_of_songs(
    result: Path, share: _Share, budget: int, seed: int
) -> tuple[Counter[bytes], list[_Share]]:
    """The plays of each song of the share, or of a part of it; and the shares that are left."""
    mask, value = share
    later: list[_Share] = []
    totals: Counter[bytes] = Counter()
    cost = 0
    for song, _, plays in _rows(result):
        if mask and key_hash(song, 1, seed) & mask != value:
            continue
        cost += 0 if song in totals else _SONG_COST + len(song)
        totals[song] += plays
        if cost > budget and len(totals) > 1:
            later.append((2 * mask + 1, value + mask + 1))
            mask = 2 * mask + 1
            for other in [one for one in totals if key_hash(one, 1, seed) & mask != value]:
                del totals[other]
                cost -= _SONG_COST + len(other)
    return totals, later
