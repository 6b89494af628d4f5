"""Whether the service lives, and whether it takes work."""

from __future__ import annotations

from aiohttp import web

from plays_service import __version__
from plays_service.aggregation import engine_name
from plays_service.api.context import RUNNER, SETTINGS, STOPPING
from plays_service.api.errors import ApiError

__all__ = ["get_health", "get_ready"]


async def get_health(_request: web.Request) -> web.Response:
    """200 as long as the process answers at all."""
    return web.json_response({"status": "ok", "version": __version__, "engine": engine_name()})


async def get_ready(request: web.Request) -> web.Response:
    """200 while uploads are taken; else 503, and why."""
    refuse_uploads(request.app)
    return web.json_response({"status": "ready"})


def refuse_uploads(app: web.Application) -> None:
    """Raise `ApiError` 503 where no upload can be taken now."""
    if app[STOPPING].is_set():
        raise ApiError(503, "The service is stopping; try again in a moment", {"Retry-After": "5"})
    if app[RUNNER].unfinished >= app[SETTINGS].max_queued_tasks:
        raise ApiError(
            503, "Too many tasks are waiting; try again in a moment", {"Retry-After": "10"}
        )
