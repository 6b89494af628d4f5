"""A page of the rows that a query wants, by way of its view."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from plays_service.aggregation.result_rows import ResultRow, read_row, read_rows
from plays_service.aggregation.row_query import RowQuery
from plays_service.aggregation.view_file import ViewFile

__all__ = ["Page", "read_page"]

#: Bytes of songs after which a page ends, so that it stays small however long they are.
_PAGE_TEXT: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows that match."""

    total: int  #: rows that match
    rows: list[ResultRow]


def read_page(result: Path, query: RowQuery, view: Path, offset: int, limit: int) -> Page | None:
    """Up to ``limit`` of the matching rows, from number ``offset`` on; None without a view.

    Fewer, but one at least, where their songs are long: together about 1 MiB. Raises
    `FileNotFoundError` where the result is gone, and `DamagedResultError`.
    """
    opened = ViewFile.open(view)
    if opened is None:
        return None
    start, stop = min(offset, opened.rows), min(offset + limit, opened.rows)
    if query.is_backwards:
        start, stop = opened.rows - stop, opened.rows - start
    with result.open("rb") as file:
        try:
            os.utime(view)  # the view that was not used for longest goes first
            offsets = _offsets(opened, file, start, stop)
        except FileNotFoundError:
            return None  # it has just gone, for others
        if query.is_backwards:
            offsets.reverse()
        return Page(opened.rows, _read(file, offsets))


def _offsets(view: ViewFile, result: BinaryIO, start: int, stop: int) -> list[int]:
    """Where the rows ``[start, stop)`` of the view begin in the result."""
    if view.step == 1 or start == stop:
        return view.offsets(start, stop - start)
    known, skipped = divmod(start, view.step)
    (begin,) = view.offsets(known, 1)
    count = skipped + stop - start
    rows = read_rows(result, begin)
    return [offset for (offset, _, _), _ in zip(rows, range(count), strict=False)][skipped:]


def _read(result: BinaryIO, offsets: list[int]) -> list[ResultRow]:
    rows: list[ResultRow] = []
    size = 0
    for offset in offsets:
        if size > _PAGE_TEXT:
            break
        rows.append(read_row(result, offset))
        size += len(rows[-1][0])
    return rows
