"""What is made of results, by the C kernel.

`views`, `result_summary` and `json_lines` do the same, and are the truth.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from plays_service.aggregation import _kernel
from plays_service.aggregation.publish import appearing
from plays_service.aggregation.result_rows import DamagedResultError
from plays_service.aggregation.result_summary import MOST_PERIODS, ResultSummary
from plays_service.aggregation.row_query import SORTS, RowQuery
from plays_service.aggregation.rows import RESULT_HEADER
from plays_service.aggregation.view_file import HEAD_SIZE, step_of, view_head, width_for

__all__ = ["build_view", "json_lines", "summarize"]

#: A character and the UTF-8 of what it becomes, as match.h has it.
_FOLD: Final = struct.Struct("=I12s")


def build_view(result: Path, query: RowQuery, view: Path, memory: int) -> int:
    """See `engine.build_view`."""
    width = width_for(result.stat().st_size)
    step = step_of(query)
    with appearing(view) as temporary, _damage_named():
        rows = _kernel.build_view(
            os.fsencode(result),
            len(RESULT_HEADER),
            os.fsencode(temporary),
            HEAD_SIZE,
            os.fsencode(temporary.with_suffix(".run.tmp")),
            step,
            width,
            SORTS.index(query.sort),
            query.descending,
            memory,
            query.song.encode(),
            query.first_date,
            query.last_date,
            _folds() if query.song else b"",
        )
        with temporary.open("r+b") as file:
            file.write(view_head(rows, step, width))
    return rows


def summarize(result: Path, memory: int, seed: int) -> ResultSummary:
    """See `engine.summarize`."""
    with _damage_named():
        rows, songs, dates, plays, first, last, divisor, periods, best = _kernel.summarize(
            os.fsencode(result), len(RESULT_HEADER), seed, memory, MOST_PERIODS
        )
    return ResultSummary(
        rows=rows,
        songs=songs,
        dates=dates,
        plays=_number(plays),
        first_date=first,
        last_date=last,
        periods=tuple(sorted((period, _number(total)) for period, total in periods)),
        divisor=divisor,
        top_songs=tuple((song, _number(total)) for song, total in best),
    )


def json_lines(result: Path, start: int, size: int) -> tuple[bytes, int]:
    """See `engine.json_lines`."""
    with _damage_named():
        return _kernel.json_lines(os.fsencode(result), max(start, len(RESULT_HEADER)), size)


def _number(wide: bytes) -> int:
    return int.from_bytes(wide, sys.byteorder, signed=True)


@lru_cache(maxsize=1)
def _folds() -> bytes:
    """What `str.casefold` does to characters beyond ASCII: the kernel does the same by it."""
    beyond = map(chr, (*range(0x80, 0xD800), *range(0xE000, sys.maxunicode + 1)))
    return b"".join(
        _FOLD.pack(ord(one), folded.encode()) for one in beyond if (folded := one.casefold()) != one
    )


@contextmanager
def _damage_named() -> Iterator[None]:
    try:
        yield
    except _kernel.DamagedError:
        raise DamagedResultError("the result holds what is no row") from None
