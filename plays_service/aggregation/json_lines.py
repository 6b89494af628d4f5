"""A result as JSON lines: an object a row, UTF-8, LF (https://jsonlines.org)."""

from __future__ import annotations

import json
from pathlib import Path

from plays_service.aggregation.result_rows import (
    DamagedResultError,
    ResultRow,
    date_text,
    read_rows,
)
from plays_service.aggregation.rows import RESULT_HEADER

__all__ = ["json_lines", "row_fields"]


def json_lines(result: Path, start: int, size: int) -> tuple[bytes, int]:
    """See `engine.json_lines`."""
    start = max(start, len(RESULT_HEADER))
    stop = start + size
    lines: list[str] = []
    with result.open("rb") as file:
        for _, end, row in read_rows(file, start):
            lines.append(json.dumps(row_fields(row), ensure_ascii=False))
            start = end
            if end >= stop:
                break
    lines.append("")
    return "\n".join(lines).encode(), start


def row_fields(row: ResultRow) -> dict[str, str | int]:
    """The row as an object of JSON."""
    song, date, plays = row
    try:
        return {"song": song.decode(), "date": date_text(date), "plays": plays}
    except UnicodeDecodeError:
        raise DamagedResultError("a song of the result is no UTF-8") from None
