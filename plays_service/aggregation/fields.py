"""Fields of a record, and the three values in them."""

from __future__ import annotations

import calendar
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from plays_service.aggregation.errors import CsvError, never_closed

if TYPE_CHECKING:
    from plays_service.aggregation.dialect import Dialect

__all__ = [
    "PLAYS_MAX",
    "PLAYS_MIN",
    "closing_quote",
    "decode",
    "parse_date",
    "parse_plays",
    "read_values",
    "split_fields",
]

#: Bounds of one number of plays: a signed 64-bit integer. Totals have no bounds.
PLAYS_MIN: Final = -(1 << 63)
PLAYS_MAX: Final = (1 << 63) - 1

_DATE: Final = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_WHOLE_NUMBER: Final = re.compile(rb"([+-]?)([0-9]+)")
_BLANKS: Final = b" \t"
#: Longest field in bytes whose value is remembered: the caches must not grow with the input.
_CACHED_SIZE: Final = 40


def read_values(record: bytes, line: int, dialect: Dialect) -> tuple[bytes, int, int]:
    """Song, date (as `parse_date` gives it) and plays of a record without its line end.

    Raises `CsvError` for the first thing that is wrong, in this order: bytes that do not decode,
    quoting, number of fields, Song, Date, Number of Plays.
    """
    if not record.isascii():
        decode(record, line, dialect.encoding)
    fields = split_fields(record, dialect.delimiter, line)
    if len(fields) != dialect.fields:
        count = f"{len(fields)} field{'s' if len(fields) > 1 else ''}"
        raise CsvError(line, f"{count} where the header has {dialect.fields}")
    song = fields[dialect.song]
    if not song:
        raise CsvError(line, "is empty; every record needs a song", "Song", "")
    text = fields[dialect.date]
    date = parse_date(text) if len(text) <= _CACHED_SIZE else parse_date.__wrapped__(text)
    if not date:
        raise _bad_date(text, line)
    text = fields[dialect.plays]
    plays = parse_plays(text) if len(text) <= _CACHED_SIZE else parse_plays.__wrapped__(text)
    if plays is None:
        raise _bad_plays(text, line)
    return song, date, plays


def split_fields(
    record: bytes, delimiter: bytes, line: int, line_end: bytes = b"\n"
) -> list[bytes]:
    """The decoded fields of a whole record, without its line end (RFC 4180, section 2).

    A quote is special only at the start of a field. Raises `CsvError` for text after a closing
    quote and for a quote that is never closed, on the line that opened it.
    """
    if b'"' not in record:
        return record.split(delimiter)
    fields: list[bytes] = []
    pos = 0
    while True:
        if record.startswith(b'"', pos):
            end = closing_quote(record, pos + 1)
            if end < 0:
                opened = line + record.count(line_end, 0, pos)
                raise never_closed(opened)
            field, pos = record[pos + 1 : end].replace(b'""', b'"'), end + 1
            if pos < len(record) and not record.startswith(delimiter, pos):
                raise CsvError(
                    line,
                    f"text after the closing quote of field {len(fields) + 1}; "
                    "inside a quoted field write a quote as two",
                )
        else:
            end = record.find(delimiter, pos)
            end = len(record) if end < 0 else end
            field, pos = record[pos:end], end
        fields.append(field)
        if pos == len(record):
            return fields
        pos += 1


def closing_quote(record: bytes, pos: int) -> int:
    """Offset of the quote that closes a field whose content starts at ``pos``, or -1."""
    while (pos := record.find(b'"', pos)) >= 0 and record.startswith(b'"', pos + 1):
        pos += 2
    return pos


def decode(value: bytes, line: int, encoding: str) -> str:
    """``value`` as text. Raises `CsvError` where it is no UTF-8.

    Uploads in another encoding were transcoded on arrival; what could not be decoded was left as
    bytes that are no UTF-8 either, so that it is found here, on its line.
    """
    try:
        return value.decode()
    except UnicodeDecodeError:
        hint = "; if it is written in another encoding, say which: ?encoding=cp1252"
        raise CsvError(
            line, f"bytes that are not valid {encoding}{hint if encoding == 'UTF-8' else ''}"
        ) from None


@lru_cache(maxsize=1 << 14)  # a file has few dates: checking each once is most of the speed
def parse_date(field: bytes) -> int:
    """A calendar date ``YYYY-MM-DD`` as the number ``YYYYMMDD``; 0 where it is none."""
    match = _DATE.fullmatch(field.strip(_BLANKS))
    if match is None:
        return 0
    year, month, day = (int(part) for part in match.groups())
    if not (year and 1 <= month <= 12 and 1 <= day <= calendar.monthrange(year, month)[1]):
        return 0
    return year * 10_000 + month * 100 + day


@lru_cache(maxsize=1 << 16)  # most numbers are small ones
def parse_plays(field: bytes) -> int | None:
    """A whole number within 64 bits; None where it is none. Spaces and tabs around it go."""
    match = _WHOLE_NUMBER.fullmatch(field.strip(_BLANKS))
    if match is None:
        return None
    digits = match[2].lstrip(b"0") or b"0"
    if len(digits) > len(str(PLAYS_MAX)):
        return None
    plays = int(match[1] + digits)
    return plays if PLAYS_MIN <= plays <= PLAYS_MAX else None


def _shown(field: bytes) -> str:
    return field.strip(_BLANKS).decode()


def _bad_date(field: bytes, line: int) -> CsvError:
    is_form = _DATE.fullmatch(field.strip(_BLANKS))
    problem = "is not a day of the calendar" if is_form else "is not a date written YYYY-MM-DD"
    return CsvError(line, problem, "Date", _shown(field))


def _bad_plays(field: bytes, line: int) -> CsvError:
    problem = "is not a whole number"
    if _WHOLE_NUMBER.fullmatch(field.strip(_BLANKS)):
        problem = f"is out of range: it must lie between {PLAYS_MIN} and {PLAYS_MAX}"
    return CsvError(line, problem, "Number of Plays", _shown(field))
