"""What handlers share, by typed application keys."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

from plays_service.api.errors import ApiError
from plays_service.settings import Settings
from plays_service.tasks import CURRENT_TASK, ResultReader, Task, TaskRunner
from plays_service.tokens import TokenFile

__all__ = [
    "OWNER",
    "READER",
    "RUNNER",
    "SETTINGS",
    "STOPPING",
    "TOKENS",
    "UPLOADS",
    "find_task",
    "task_of",
]

SETTINGS: Final = web.AppKey("settings", Settings)
RUNNER: Final = web.AppKey("runner", TaskRunner)
READER: Final = web.AppKey("reader", ResultReader)
#: Set when the service is about to stop: it takes no uploads and lets nobody wait.
STOPPING: Final = web.AppKey("stopping", asyncio.Event)
#: The handlers of the uploads under way.
UPLOADS: Final = web.AppKey("uploads", set[asyncio.Task[Any]])
#: The tokens that let clients in; without this everybody may do all.
TOKENS: Final = web.AppKey("tokens", TokenFile)
#: Whose token the request came with, where tokens are asked for.
OWNER: Final = web.RequestKey("owner", str)
#: The task that the path names, as it was found before the handler began.
_FOUND: Final = web.RequestKey("found", Task)


@web.middleware
async def find_task(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Look for the task that the path names where this process does not have it in memory."""
    try:
        task_id = UUID(request.match_info.get("task_id", ""))
    except ValueError:
        return await handler(request)
    if (task := await request.app[RUNNER].find(task_id)) is not None:
        request[_FOUND] = task
    return await handler(request)


def task_of(request: web.Request) -> Task:
    """The task that the path names. Raises `ApiError` 404, also where it is somebody else's."""
    text = request.match_info["task_id"]
    task: Task | None = request.get(_FOUND)
    if task is None or str(task.id) != text.lower() or not _may_know(request, task):
        raise ApiError(
            404, "There is no task with this id: it never was, was deleted, or has expired"
        )
    CURRENT_TASK.set(task.id)
    return task


def _may_know(request: web.Request, task: Task) -> bool:
    """Where tokens are asked for, a task is its owner's; one that has none is nobody's."""
    return TOKENS not in request.app or task.owner == request[OWNER]
