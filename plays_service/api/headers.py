"""Headers that every answer has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from aiohttp import web

from plays_service.api.context import OWNER
from plays_service.api.requests import ROUTE, request_id, route_of

__all__ = ["add_headers", "finish_answer"]

#: An answer of the API is data: a browser must not guess otherwise, nor let other sites have it.
#: The page sets a Content-Security-Policy of its own.
_SECURITY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
)
#: A year, in seconds (RFC 6797).
_ONLY_HTTPS: Final = "max-age=31536000"
#: What one owner may see, no shared cache may keep, and nobody may see after a token's end.
_PRIVATE: Final = "private, no-cache"


async def finish_answer(request: web.Request, answer: web.StreamResponse) -> None:
    """Called by aiohttp before it sends the answer to a request that is HTTP."""
    request[ROUTE] = route_of(request)
    if isinstance(answer, web.HTTPException) and answer.status >= 400:
        _turn_into_json(answer)
    if OWNER in request:
        answer.headers.setdefault("Cache-Control", _PRIVATE)
    add_headers(request, answer)


def _turn_into_json(answer: web.HTTPException) -> None:
    """What aiohttp refuses before any middleware: an Expect header that it does not know."""
    answer.content_type = "application/json"
    answer.text = json.dumps({"message": answer.text})
    assert isinstance(answer.body, bytes)
    answer.headers["Content-Length"] = str(len(answer.body))


def add_headers(request: web.BaseRequest, answer: web.StreamResponse) -> None:
    """Add what the answer does not have yet."""
    for name, value in _SECURITY.items():
        answer.headers.setdefault(name, value)
    if request.secure:
        answer.headers.setdefault("Strict-Transport-Security", _ONLY_HTTPS)
    answer.headers["Server"] = "plays_service"  # and not which versions of what
    answer.headers["X-Request-ID"] = request_id(request)
