"""Uploads of every kind, and what must become of them."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import Final

__all__ = ["KINDS", "Upload"]

_HEADER: Final = b"Song,Date,Number of Plays\n"
_RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"

Row = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Upload:
    """A body, and the result or the message of the failure that it must come to."""

    body: bytes
    result: bytes | None = None
    failure: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)


def _text(rows: list[Row]) -> bytes:
    return b"".join(b"Song %d,2020-01-%02d,%d\n" % row for row in rows)


def _result(rows: list[Row]) -> bytes:
    totals: dict[tuple[int, int], int] = {}
    for song, day, plays in rows:
        totals[song, day] = totals.get((song, day), 0) + plays
    return _RESULT_HEADER + _text([(*key, total) for key, total in totals.items()])


def _rows(random: Random, count: int, songs: int) -> list[Row]:
    return [
        (random.randrange(songs), random.randint(1, 28), random.randint(0, 1000))
        for _ in range(count)
    ]


def _tiny(random: Random) -> Upload:
    rows = _rows(random, random.randint(1, 20), 5)
    return Upload(_HEADER + _text(rows), _result(rows))


def _few_groups(random: Random) -> Upload:
    rows = _rows(random, random.randint(9_000, 15_000), 20)
    return Upload(_HEADER + _text(rows), _result(rows))


def _many_segments(random: Random) -> Upload:
    """So many, of so few groups, that partials are combined."""
    rows = [(song, 1, plays) for song, _, plays in _rows(random, 5_000, 3)]
    times = random.randint(45, 50)
    return Upload(_HEADER + _text(rows) * times, _result(rows * times))


def _many_groups(random: Random) -> Upload:
    rows = _rows(random, random.randint(9_000, 15_000), 1 << 30)
    return Upload(_HEADER + _text(rows), _result(rows))


def _packed(random: Random) -> Upload:
    upload = _few_groups(random)
    return Upload(gzip.compress(upload.body, 1), upload.result)


def _bad(random: Random) -> Upload:
    rows = _rows(random, random.randint(0, 12_000), 20)
    body = _HEADER + _text(rows) + b"Umbrella,2020-01-01,many\n" + _text(rows)
    line = len(rows) + 2
    return Upload(body, failure=f'line {line}: Number of Plays: "many" is not a whole number')


def _bad_but_skipped(random: Random) -> Upload:
    upload = _bad(random)
    rows = [line for line in upload.body.split(b"\n")[1:-1] if not line.endswith(b"many")]
    parsed = [
        (int(song[5:]), int(date[-2:]), int(plays))
        for song, date, plays in (row.split(b",") for row in rows)
    ]
    return Upload(upload.body, _result(parsed), query={"on_error": "skip"})


KINDS: Final[Mapping[str, Callable[[Random], Upload]]] = MappingProxyType(
    {
        "tiny": _tiny,
        "few groups": _few_groups,
        "many segments": _many_segments,
        "many groups": _many_groups,
        "packed": _packed,
        "bad": _bad,
        "bad but skipped": _bad_but_skipped,
    }
)
