"""Files of plays whose totals are known."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from typing import Final

__all__ = ["Upload", "bad_upload", "large_upload", "small_upload"]

_HEADER: Final = b"Song,Date,Number of Plays\n"
_RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
_SONGS: Final = 20_000
#: About half a MiB of rows, each a group of its own.
_BLOCK: Final = b"".join(b"Song %d,2020-01-%02d,7\n" % (n, n % 28 + 1) for n in range(_SONGS))


@dataclass(frozen=True, slots=True)
class Upload:
    """A file, and what must come of it: a result, or the message of a failure."""

    data: bytes
    result: bytes | None
    message: str = ""


def small_upload(choice: random.Random) -> Upload:
    """Some rows of three songs."""
    totals: dict[int, int] = {}
    rows = [(choice.randrange(3), choice.randrange(1000)) for _ in range(choice.randrange(1, 200))]
    for song, plays in rows:
        totals[song] = totals.get(song, 0) + plays
    data = b"".join(b"Song %d,2020-01-01,%d\n" % row for row in rows)
    result = b"".join(b"Song %d,2020-01-01,%d\n" % total for total in totals.items())
    return Upload(_HEADER + data, _RESULT_HEADER + result)


def large_upload(blocks: int, *, packed: bool = False) -> Upload:
    """The same rows so many times over."""
    data = _HEADER + _BLOCK * blocks
    result = _RESULT_HEADER + _BLOCK.replace(b",7\n", b",%d\n" % (7 * blocks))
    return Upload(gzip.compress(data, 1) if packed else data, result)


def bad_upload(choice: random.Random) -> Upload:
    """A bad record somewhere in some megabytes."""
    blocks = choice.randrange(8)
    line = 2 + blocks * _SONGS
    message = f'line {line}: Number of Plays: "many" is not a whole number'
    return Upload(_HEADER + _BLOCK * blocks + b"a,2020-01-01,many\n" + _BLOCK, None, message)
