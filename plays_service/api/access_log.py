"""One line in the log for each request, and its share of the metrics."""

from __future__ import annotations

import logging
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from plays_service.api.metrics import HttpMetrics
from plays_service.api.requests import NO_ROUTE, ROUTE, method_of

__all__ = ["access_logger"]

_log = logging.getLogger(__name__)

_LINE: Final = (
    "%(method)s %(route)s %(status)d, %(bytes_in)d bytes in, %(bytes_out)d out, %(ms).1f ms"
)
#: Routes that machines ask all the time.
_QUIET: Final = frozenset({"/health", "/ready", "/metrics"})


def access_logger(metrics: HttpMetrics) -> type[AbstractAccessLogger]:
    """A class, since aiohttp makes one for each connection, and gives it nothing of ours."""

    class AccessLogger(AbstractAccessLogger):
        def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
            route = request.get(ROUTE, NO_ROUTE)
            method = method_of(request)
            metrics.count(method, route, response.status, time)
            level = logging.DEBUG if route in _QUIET else logging.INFO
            if _log.isEnabledFor(level):
                about = {
                    "method": method,
                    "route": route,
                    "status": response.status,
                    "bytes_in": request.content.total_bytes,
                    "bytes_out": _bytes_out(request, response),
                    "ms": round(time * 1000, 1),
                }
                _log.log(level, _LINE, about)

    return AccessLogger


def _bytes_out(request: web.BaseRequest, response: web.StreamResponse) -> int:
    sent = response.body_length
    if isinstance(response, web.FileResponse) and request.method != "HEAD":
        sent += response.content_length or 0  # the system sends it, and aiohttp does not count it
    return sent
