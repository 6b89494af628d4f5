"""Answers to ``GET /result/<id>``."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from plays_service.api.context import READER, RUNNER, STOPPING, task_of
from plays_service.api.errors import ApiError
from plays_service.api.forms import CSV, PACKED_CSV, PARQUET, form_for
from plays_service.api.reading import reading
from plays_service.api.result_file import file_response, stream_response
from plays_service.api.waiting import wait_unless_stopping
from plays_service.tasks import State, Task

__all__ = ["get_result"]

#: Longest time in seconds that a client can wait for the end of a task.
_LONGEST_WAIT: Final = 60.0

#: Seconds after which asking again makes sense.
_RETRY_AFTER: Final = "1"
#: As JSON writes numbers from 0 on.
_SECONDS: Final = re.compile(r"[0-9]{1,400}(\.[0-9]{1,400})?(e[+-]?[0-9]{1,3})?", re.IGNORECASE)
_PREFER_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([^,;"\s]+)', re.IGNORECASE)


async def get_result(request: web.Request) -> web.StreamResponse:
    """The result, or the state of the task; with ``?wait=`` not before the task has ended.

    Whoever asks by suffix or Accept header gets the result in another form than CSV.
    """
    task = task_of(request)
    seconds = _wait_seconds(request)
    if seconds and not task.has_ended:
        await wait_unless_stopping(task.ended.wait(), request.app[STOPPING], seconds)
    if task.state is State.SUCCESS:
        return await _answer(request, task)
    if task.has_ended:
        return web.json_response({"state": task.state.value, "message": task.message})
    return web.json_response(
        {"state": State.PENDING.value, "message": "None"}, headers={"Retry-After": _RETRY_AFTER}
    )


async def _answer(request: web.Request, task: Task) -> web.StreamResponse:
    """The result in the form that is asked for."""
    form, reader = form_for(request), request.app[READER]
    path = request.app[RUNNER].store.result_of(task)
    if form in (CSV, PACKED_CSV):
        return await file_response(request, path, task.filename, form)
    async with reading():
        if form is PARQUET:
            path = await reader.parquet(task)
            return await file_response(request, path, task.filename, form)
        pieces = reader.json_lines(task)
        return await stream_response(request, path, pieces, task.filename, form)


def _wait_seconds(request: web.Request) -> float:
    """Seconds from ``?wait=`` or ``Prefer: wait=`` (RFC 7240, section 4.3). Raises `ApiError`."""
    text = request.query.get("wait")
    if text is None:
        match = _PREFER_WAIT.search(request.headers.get("Prefer", ""))
        if match is None or not re.fullmatch(r"[0-9]{1,9}", match[1]):
            return 0.0  # a preference that cannot be understood is ignored
        text = match[1]
    if not _SECONDS.fullmatch(text):
        raise ApiError(400, "wait must be a number of seconds, such as ?wait=30 (at most 60)")
    return min(float(text), _LONGEST_WAIT)
