"""What handlers share, by typed application keys."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from plays_service.api.errors import ApiError
from plays_service.settings import Settings
from plays_service.tasks import ResultReader, Task, TaskRunner

__all__ = ["READER", "RUNNER", "SETTINGS", "STOPPING", "UPLOADS", "task_of"]

SETTINGS: Final = web.AppKey("settings", Settings)
RUNNER: Final = web.AppKey("runner", TaskRunner)
READER: Final = web.AppKey("reader", ResultReader)
#: Set when the service is about to stop: it takes no uploads and lets nobody wait.
STOPPING: Final = web.AppKey("stopping", asyncio.Event)
#: The handlers of the uploads under way.
UPLOADS: Final = web.AppKey("uploads", set[asyncio.Task[Any]])


def task_of(request: web.Request) -> Task:
    """The task that the path names. Raises `ApiError` 404."""
    text = request.match_info["task_id"]
    try:
        task = request.app[RUNNER].registry.get(UUID(text))
    except ValueError:
        task = None
    if task is None or str(task.id) != text.lower():
        raise ApiError(
            404, "There is no task with this id: it never was, was deleted, or has expired"
        )
    return task
