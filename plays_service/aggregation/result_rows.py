"""The rows of a result, read back: what `rows` writes, taken apart again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, TypeAlias

from plays_service.aggregation.fields import parse_date
from plays_service.aggregation.rows import RESULT_HEADER

__all__ = ["DATE_MAX", "DamagedResultError", "ResultRow", "date_text", "read_row", "read_rows"]

#: 9999-12-31, the last date that there is, as `fields.parse_date` gives it.
DATE_MAX: Final = 9999_12_31

#: Song, date (YYYYMMDD), plays.
ResultRow: TypeAlias = tuple[bytes, int, int]


class DamagedResultError(ValueError):
    """A file that is not a result as it was written."""


def read_rows(
    file: BinaryIO, start: int = len(RESULT_HEADER)
) -> Iterator[tuple[int, int, ResultRow]]:
    """Offset, end and values of each row from the one on that begins at ``start``.

    Raises `DamagedResultError`.
    """
    file.seek(start)
    while raw := _read_raw(file):
        yield start, start + len(raw), _parse(raw)
        start += len(raw)


def read_row(file: BinaryIO, offset: int) -> ResultRow:
    """The row that begins at ``offset``. Raises `DamagedResultError`."""
    file.seek(offset)
    return _parse(_read_raw(file))


def date_text(date: int) -> str:
    """``YYYY-MM-DD`` of YYYYMMDD."""
    return f"{date // 10_000:04}-{date // 100 % 100:02}-{date % 100:02}"


def _read_raw(file: BinaryIO) -> bytes:
    """The bytes of a row with its line end. All its quotes are in pairs, whatever the song."""
    line = file.readline()
    if line.count(b'"') % 2 == 0:
        return line
    lines = [line]
    while lines[-1]:
        lines.append(file.readline())
        if lines[-1].count(b'"') % 2:
            return b"".join(lines)
    raise DamagedResultError("a row of the result has no end")


def _parse(raw: bytes) -> ResultRow:
    try:
        song, day, plays = raw.removesuffix(b"\n").rsplit(b",", 2)
        if song.startswith(b'"'):
            song = song[1:-1].replace(b'""', b'"')
        if not (song and raw.endswith(b"\n") and (date := parse_date(day))):
            raise ValueError
        return song, date, int(plays)
    except ValueError:
        raise DamagedResultError("the result holds what is no row") from None
