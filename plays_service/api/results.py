"""Answers to ``GET /result/<id>``."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

from aiohttp import web

from plays_service.api.context import RUNNER, STOPPING, task_of
from plays_service.api.errors import ApiError
from plays_service.api.waiting import wait_unless_stopping
from plays_service.tasks import State, Task

__all__ = ["get_result"]

#: Longest time in seconds that a client can wait for the end of a task.
LONGEST_WAIT: Final = 60.0

#: Bytes of a result that is read faster than another thread is asked to.
_SMALL: Final = 64 << 10
#: Headers with which a client asks for something else than all of it.
_CONDITIONS: Final = frozenset(
    {
        "Range",
        "If-Range",
        "If-Match",
        "If-None-Match",
        "If-Modified-Since",
        "If-Unmodified-Since",
    }
)
#: Characters of a file name that a download keeps: clients take headers of 8 KiB at most.
_LONGEST_STEM: Final = 200
#: Seconds after which asking again makes sense.
_RETRY_AFTER: Final = "1"
_PREFER_WAIT: Final = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?([^,;"\s]+)', re.IGNORECASE)


async def get_result(request: web.Request) -> web.StreamResponse:
    """The result, or the state of the task; with ``?wait=`` not before the task has ended."""
    task = task_of(request)
    seconds = _wait_seconds(request)
    if seconds and not task.has_ended:
        await wait_unless_stopping(task.ended.wait(), request.app[STOPPING], seconds)
    if task.state is State.SUCCESS:
        return await _file_response(request, task)
    if task.has_ended:
        return web.json_response({"state": task.state.value, "message": task.message})
    return web.json_response(
        {"state": State.PENDING.value, "message": "None"}, headers={"Retry-After": _RETRY_AFTER}
    )


async def _file_response(request: web.Request, task: Task) -> web.StreamResponse:
    path = request.app[RUNNER].store.result_of(task)
    headers = {
        "Content-Type": "text/csv; charset=utf-8",
        "Content-Disposition": content_disposition(task.filename),
    }
    try:
        about = path.stat()  # a hop to a thread takes ten times as long
        if about.st_size <= _SMALL and not any(name in request.headers for name in _CONDITIONS):
            return _small_response(path, about, headers)
    except FileNotFoundError:
        raise ApiError(404, "The result is gone from the server; upload the file again") from None
    _check_range(request, about.st_size)
    return web.FileResponse(path, headers=headers)


def _small_response(path: Path, about: os.stat_result, headers: dict[str, str]) -> web.Response:
    """What `FileResponse` answers when nothing is asked but the whole file, in one step."""
    response = web.Response(body=path.read_bytes(), headers=headers)
    response.etag = f"{about.st_mtime_ns:x}-{about.st_size:x}"
    response.last_modified = about.st_mtime
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _check_range(request: web.Request, size: int) -> None:
    """Raise `ApiError` 416 (RFC 9110, section 15.5.17): `FileResponse` would, but not as JSON."""
    if "If-Range" in request.headers:
        return  # it may well make the range void
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if start is not None and start >= size:
        raise ApiError(
            416,
            f"The range lies beyond the {size} bytes of the result",
            {"Content-Range": f"bytes */{size}"},
        )


def content_disposition(filename: str) -> str:
    """The header that offers the result for download (RFC 6266; RFC 8187 beyond ASCII)."""
    plain = filename.removesuffix(".gz").removesuffix(".zst")
    name = f"{PurePath(plain).stem[:_LONGEST_STEM] or 'upload'}-totals.csv"
    fallback = re.sub(r'[^ -~]|["\\]', "_", name)
    header = f'attachment; filename="{fallback}"'
    return header if fallback == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def _wait_seconds(request: web.Request) -> float:
    """Seconds from ``?wait=`` or ``Prefer: wait=`` (RFC 7240, section 4.3). Raises `ApiError`."""
    text = request.query.get("wait")
    if text is None:
        match = _PREFER_WAIT.search(request.headers.get("Prefer", ""))
        if match is None or not re.fullmatch(r"[0-9]{1,9}", match[1]):
            return 0.0  # a preference that cannot be understood is ignored
        text = match[1]
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        raise ApiError(400, "wait must be a number of seconds, such as ?wait=30 (at most 60)")
    return min(float(text), LONGEST_WAIT)
