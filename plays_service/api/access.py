"""Who may do what: API tokens (RFC 6750), where the service asks for them.

A token in the query is not taken: addresses end up in logs, histories and Referer headers. Nor are
wrong tokens counted: at 256 random bits there is no guessing them.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from plays_service.api.context import OWNER, TOKENS
from plays_service.api.errors import ApiError
from plays_service.api.requests import method_of, route_of

__all__ = ["COOKIE", "check_access", "require_token", "token_of"]

#: What a browser sends, which cannot add the header to its downloads.
COOKIE: Final = "plays_token"

#: Routes that need no token: what a visitor must see before it can give one, and what asks
#: whether the service lives.
_OPEN: Final = frozenset({"/", "/static/{file}", "/docs", "/openapi.json", "/health", "/ready"})
#: Whoever forgets a token need not have a good one.
_OPEN_METHODS: Final = frozenset({("DELETE", "/session")})
#: What browsers say of a request that no other site has made (Fetch Metadata).
_OWN_SITE: Final = frozenset({"same-origin", "none"})


@web.middleware
async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 401 to a request without a good token, before any of its body is read."""
    check_access(request)
    return await handler(request)


def check_access(request: web.Request) -> None:
    """Find out whose the request is. Raises `ApiError` 401."""
    tokens = request.app.get(TOKENS)
    if tokens is None or _is_open(request):
        return
    token = token_of(request)
    owner = tokens.owner_of(token) if token else None
    if owner is None:
        raise _unauthorized(request, wrong=bool(token))
    request[OWNER] = owner


def token_of(request: web.Request) -> str:
    """The token that came with the request; empty where there is none."""
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""
    if request.headers.get("Sec-Fetch-Site", "none") not in _OWN_SITE:
        return ""  # another page on this host may make the browser send the cookie
    return request.cookies.get(COOKIE, "")


def _is_open(request: web.Request) -> bool:
    route = route_of(request)
    return route in _OPEN or (method_of(request), route) in _OPEN_METHODS


def _unauthorized(request: web.Request, *, wrong: bool) -> ApiError:
    problem = "This token is not known, or not any more" if wrong else "This needs a token"
    headers = {"WWW-Authenticate": "Bearer"}
    if request.can_read_body:
        headers["Connection"] = "close"  # so that a client stops sending what nobody reads
    return ApiError(401, f"{problem}; send the header: Authorization: Bearer <your token>", headers)
