"""Errors as JSON: every one has a status that fits and a message that helps."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from plays_service.api.requests import method_of, route_of

__all__ = ["ApiError", "errors_as_json"]

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


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer with JSON whatever goes wrong; never with a traceback."""
    try:
        return await handler(request)
    except ApiError as error:
        return _answer(error.status, error.message, error.headers)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return _http_exception(request, error)
    except ConnectionError:
        raise  # nobody is there to be answered
    except Exception as error:
        _log.exception("%s %s failed", method_of(request), route_of(request))
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already") from error
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
