"""Whether the service lives, and whether it takes work."""

from __future__ import annotations

from aiohttp import web

from plays_service import __version__
from plays_service.aggregation import engine_name
from plays_service.api.context import RUNNER, SETTINGS, STOPPING, UPLOADS
from plays_service.api.errors import ApiError, no_room

__all__ = ["check_ready", "get_health", "get_ready", "refuse_uploads"]


async def get_health(_request: web.Request) -> web.Response:
    """200 as long as the process answers at all."""
    return web.json_response({"status": "ok", "version": __version__, "engine": engine_name()})


async def get_ready(request: web.Request) -> web.Response:
    """200 while uploads are taken and worked on; else 503 or 507, and why.

    Also 200 where they are taken, and wait for workers elsewhere: ``waiting`` says for what.
    """
    check_ready(request.app)
    problem = request.app[RUNNER].calls.executor.problem
    return web.json_response({"status": "ready"} | ({"waiting": problem} if problem else {}))


def check_ready(app: web.Application) -> None:
    """Raise `ApiError` 503 or 507 where uploads are not taken, or not worked on."""
    refuse_uploads(app)
    executor = app[RUNNER].calls.executor
    if not executor.alive and executor.problem is None:
        raise ApiError(503, "No worker runs; one is being started", {"Retry-After": "1"})


def refuse_uploads(app: web.Application) -> None:
    """Raise `ApiError` 503 or 507 where no upload can be taken now."""
    settings = app[SETTINGS]
    if app[STOPPING].is_set():
        raise ApiError(503, "The service is stopping; try again in a moment", {"Retry-After": "5"})
    if app[RUNNER].unfinished >= settings.max_queued_tasks:
        raise ApiError(
            503, "Too many tasks are waiting; try again in a moment", {"Retry-After": "10"}
        )
    if len(app[RUNNER].registry) >= settings.max_tasks:
        raise ApiError(
            503,
            "Too many results are kept; delete some, or try again when some expire",
            {"Retry-After": "60"},
        )
    if len(app[UPLOADS]) >= settings.max_uploads:
        raise ApiError(
            503, "Too many uploads are under way; try again in a moment", {"Retry-After": "10"}
        )
    try:
        app[RUNNER].disk.check()
    except OSError as error:
        raise no_room(error) from None
