"""Errors as JSON: every one has a status that fits and a message that helps."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from plays_service.api.requests import method_of, route_of
from plays_service.tasks import TOO_MANY_OPEN, QuotaError, disk_problem

__all__ = ["ApiError", "errors_as_json", "gone", "no_room"]

_log = logging.getLogger(__name__)

_MESSAGES: Final = {
    404: "There is nothing at this address; files go to POST /process_csv",
    405: "This address does not take {method}; it takes {allowed}",
}


class ApiError(Exception):
    """An answer with an error status, as ``{"message": ...}``."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


def gone() -> ApiError:
    """The answer where the task is known, and the file of its result is not there any more."""
    return ApiError(
        404,
        "The result is gone from the server: it was deleted, or has expired; upload the file again",
    )


def no_room(error: OSError) -> ApiError:
    """The answer where the disk has no room, or the system refuses. Passes other errors on."""
    problem = disk_problem(error)
    if problem is None:
        raise error
    if error.errno == errno.EFBIG:
        return ApiError(413, f"{problem}; split the file", {"Connection": "close"})
    if isinstance(error, QuotaError):
        problem = (
            "The service has used up its disk quota; delete results, or try again when some expire"
        )
    else:
        problem = f"{problem}; try again later"
    if error.errno in TOO_MANY_OPEN:
        return ApiError(503, problem, {"Retry-After": "10", "Connection": "close"})
    return ApiError(507, problem, {"Retry-After": "60", "Connection": "close"})


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with JSON whatever goes wrong; never with a traceback."""
    try:
        return await handler(request)
    except ConnectionError:
        raise  # nobody is there to be answered
    except Exception as error:
        if isinstance(error, web.HTTPException) and error.status < 400:
            raise
        answer = _answer_to(request, error)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already") from error
        return answer


def _answer_to(request: web.Request, error: Exception) -> web.Response:
    if isinstance(error, web.HTTPException):
        return _http_exception(request, error)
    if isinstance(error, OSError) and disk_problem(error) is not None:
        _log.error("%s %s failed: %s", method_of(request), route_of(request), error.strerror)
        error = no_room(error)
    if isinstance(error, ApiError):
        return _answer(error.status, error.message, error.headers)
    _log.exception("%s %s failed", method_of(request), route_of(request))
    return _answer(500, "The service failed at this request; its log says why")


def _http_exception(request: web.Request, error: web.HTTPException) -> web.Response:
    headers = {}
    text = error.text or error.reason
    if isinstance(error, web.HTTPMethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    if error.status in _MESSAGES:
        text = _MESSAGES[error.status].format(method=request.method, allowed=headers.get("Allow"))
    return _answer(error.status, text, headers)


def _answer(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    answer = web.json_response({"message": message}, status=status, headers=headers)
    if answer.headers.get("Connection") == "close":
        answer.force_close()  # aiohttp does not read its own headers
    return answer
