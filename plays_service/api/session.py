"""``/session``: a token as a cookie, for browsers."""

from __future__ import annotations

from aiohttp import web

from plays_service.api.access import COOKIE, token_of
from plays_service.api.context import TOKENS

__all__ = ["delete_session", "post_session"]


async def post_session(request: web.Request) -> web.Response:
    """Keep the token that came with the request in a cookie, out of reach of scripts.

    Where no tokens are asked for, there is nothing to keep.
    """
    answer = web.Response(status=204)
    if TOKENS in request.app:
        answer.set_cookie(
            COOKIE,
            token_of(request),
            httponly=True,
            samesite="Strict",
            secure=_is_secure(request),
        )
    return answer


async def delete_session(_request: web.Request) -> web.Response:
    """Make the browser forget the token."""
    answer = web.Response(status=204)
    answer.del_cookie(COOKIE)
    return answer


def _is_secure(request: web.Request) -> bool:
    """Whether the browser speaks HTTPS, if only to a proxy: a lie harms nobody but the liar."""
    return request.secure or request.headers.get("X-Forwarded-Proto") == "https"
