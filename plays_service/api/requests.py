"""What a request is called in the log and in metrics: its id and its route, never its path."""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

__all__ = [
    "NO_ROUTE",
    "REQUEST_ID",
    "ROUTE",
    "method_of",
    "name_requests",
    "request_id",
    "route_of",
]

_log = logging.getLogger(__name__)

#: The id of the request that the code at hand answers; tasks keep that of their upload.
REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request id", default=None)
#: `route_of` of a request that has been answered.
ROUTE: Final = web.RequestKey("route", str)
#: What `ROUTE` would be of an address that is none, or of what is not HTTP.
NO_ROUTE: Final = "-"

_ID: Final = web.RequestKey("id", str)
_ID_HEADER: Final = "X-Request-ID"
_GOOD_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


@web.middleware
async def name_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request its id before anything else is done with it."""
    request_id(request)
    try:
        return await handler(request)
    except ConnectionError:
        _log.info("%s %s: the client went away", method_of(request), route_of(request))
        raise


def request_id(request: web.BaseRequest) -> str:
    """The request's id: that which the client (or a proxy) has sent, or a new one.

    From now on, log lines have it too.
    """
    known = request.get(_ID)
    if known is None:
        sent = request.headers.get(_ID_HEADER, "")
        known = request[_ID] = sent if _GOOD_ID.fullmatch(sent) else uuid4().hex
        REQUEST_ID.set(known)
    return known


def route_of(request: web.Request) -> str:
    """The route, such as ``/tasks/{task_id}``. A path may have a file's name in it, or worse."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else NO_ROUTE


def method_of(request: web.BaseRequest) -> str:
    """The method, where it is one that HTTP knows; a client may send any word."""
    return request.method if request.method in hdrs.METH_ALL else "OTHER"
