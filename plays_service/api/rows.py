"""``/tasks/<id>/rows`` and ``/tasks/<id>/summary``: a result without downloading it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from plays_service.aggregation import (
    DATE_MAX,
    SORTS,
    Page,
    RowQuery,
    parse_date,
    row_fields,
)
from plays_service.api.compression import WORTH_PACKING, coding_of, compress
from plays_service.api.context import READER, task_of
from plays_service.api.errors import ApiError
from plays_service.api.reading import reading
from plays_service.tasks import State, Task

__all__ = ["get_rows", "get_summary"]

#: Rows of a page.
_DEFAULT_LIMIT: Final = 100
_LONGEST_PAGE: Final = 1000
#: Characters of a song to look for.
_LONGEST_SONG: Final = 200
_ORDERS: Final = ("asc", "desc")


async def get_rows(request: web.Request) -> web.Response:
    """A page of the rows: sorted, filtered."""
    task = _succeeded_task_of(request)
    query, offset, limit = _query(request.query), _offset(request.query), _limit(request.query)

    def answer(page: Page) -> web.Response:
        return _answer(request, _page_body(page, request, offset, limit))

    async with reading():
        return await request.app[READER].page(task, query, offset, limit, answer)


async def get_summary(request: web.Request) -> web.Response:
    """Counts, plays in the course of time, top songs."""
    task = _succeeded_task_of(request)
    async with reading():
        return await request.app[READER].summary(task, partial(_answer, request))


def _succeeded_task_of(request: web.Request) -> Task:
    """The task that the path names. Raises `ApiError` 404, and 409 where it has no result."""
    task = task_of(request)
    if task.state is not State.SUCCESS:
        if task.has_ended:
            text = f"The task is {task.state}, so there are no rows: {task.message}"
        else:
            text = f"The task is {task.state}: its rows are there when it is SUCCESS"
        raise ApiError(409, text, None if task.has_ended else {"Retry-After": "1"})
    return task


def _answer(request: web.Request, body: bytes) -> web.Response:
    """JSON, packed where that is asked for and worth it."""
    coding = coding_of(request.headers.get("Accept-Encoding", ""))
    headers = {"Vary": "Accept-Encoding"}
    if coding is not None and len(body) >= WORTH_PACKING:
        body, headers["Content-Encoding"] = compress(body, coding), coding
    return web.Response(
        body=body, headers=headers, content_type="application/json", charset="utf-8"
    )


def _query(params: Mapping[str, str]) -> RowQuery:
    sort = _choice(params, "sort", SORTS)
    order = _choice(params, "order", _ORDERS)
    song = params.get("song", "")
    if len(song) > _LONGEST_SONG:
        raise ApiError(400, f"song must be at most {_LONGEST_SONG} characters long")
    day = _date(params, "date")
    first, last = _date(params, "date_from") or 0, _date(params, "date_to") or DATE_MAX
    if day is not None:
        first, last = max(first, day), min(last, day)
    return RowQuery(sort, order == "desc", song, first, last)


def _choice(params: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = params.get(name, choices[0])
    if text not in choices:
        raise ApiError(400, f"{name} must be one of: {', '.join(choices)}")
    return text


def _date(params: Mapping[str, str], name: str) -> int | None:
    """YYYYMMDD; None where it is not asked for."""
    text = params.get(name)
    if not text:
        return None
    date = parse_date(text.encode()) if re.fullmatch(r"[0-9-]{10}", text) else 0
    if not date:
        raise ApiError(400, f"{name} must be a day of the calendar, such as 2020-01-31")
    return date


def _offset(params: Mapping[str, str]) -> int:
    text = params.get("offset", "0")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise ApiError(400, "offset must be a number of rows to leave out, such as 100")
    return int(text)


def _limit(params: Mapping[str, str]) -> int:
    text = params.get("limit", str(_DEFAULT_LIMIT))
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= _LONGEST_PAGE:
        raise ApiError(400, f"limit must be a number of rows between 1 and {_LONGEST_PAGE}")
    return int(text)


def _page_body(page: Page, request: web.Request, offset: int, limit: int) -> bytes:
    end = offset + len(page.rows)
    before = max(0, offset - limit)
    fields: dict[str, Any] = {
        "total": page.total,
        "offset": offset,
        "rows": [row_fields(row) for row in page.rows],
        "links": {
            "next": _link(request, end, limit) if end < page.total else None,
            "prev": _link(request, before, limit) if offset else None,
        },
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def _link(request: web.Request, offset: int, limit: int) -> str:
    return str(request.rel_url.update_query(offset=offset, limit=limit))
