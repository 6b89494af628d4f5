"""Rows of the result (RFC 4180, minimal quoting, LF)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["RESULT_HEADER", "format_row"]

RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"

_NEEDS_QUOTES: Final = re.compile(rb'[,"\r\n]')


def format_row(song: bytes, date: int, total: int) -> bytes:
    """One row with its line end; ``date`` is ``YYYYMMDD`` as a number."""
    if _NEEDS_QUOTES.search(song):
        song = b'"%b"' % song.replace(b'"', b'""')
    year, month_day = divmod(date, 10_000)
    return b"%b,%04d-%02d-%02d,%d\n" % (song, year, *divmod(month_day, 100), total)
