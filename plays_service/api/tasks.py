"""``/tasks/<id>``: the whole task, and its end by the client."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from plays_service.api.context import RUNNER, task_of
from plays_service.api.errors import ApiError, no_room
from plays_service.tasks import State, Task, TaskRunner

__all__ = ["delete_task", "described", "get_task"]


async def get_task(request: web.Request) -> web.Response:
    """Everything that a client may know of its task."""
    return web.json_response(await described(request.app[RUNNER], task_of(request)))


async def delete_task(request: web.Request) -> web.Response:
    """Cancel a task that has not ended; remove one that has, with its result.

    ``only=running`` leaves one that has ended as it is: whoever cancels a task may come too late.
    """
    task, runner = task_of(request), request.app[RUNNER]
    only = request.query.get("only")
    if only not in (None, "running"):
        raise ApiError(400, "only must be running; without it a task that has ended is removed")
    try:
        if await runner.cancel(task):
            return web.json_response(await described(runner, task))
        if only:
            raise ApiError(409, f"The task is {task.state}: it has ended, and stays as it is")
        await runner.remove(task)
    except TimeoutError:
        raise ApiError(
            503, "The task's last calls are still under way; try again", {"Retry-After": "5"}
        ) from None
    except OSError as error:
        raise no_room(error) from error
    return web.Response(status=204)


async def described(runner: TaskRunner, task: Task) -> dict[str, Any]:
    """The task, as it is now, as JSON: times in ISO 8601, links to what can be fetched."""
    await runner.reveal(task)
    errors = await runner.errors_of(task)
    return _fields(task) | {"errors": [error.to_json() for error in errors]}


def _fields(task: Task) -> dict[str, Any]:
    links = {"self": f"/tasks/{task.id}", "events": f"/tasks/{task.id}/events"}
    if task.state is not State.REVOKED:
        links["result"] = f"/result/{task.id}"
    if task.state is State.SUCCESS:
        links |= {"rows": f"/tasks/{task.id}/rows", "summary": f"/tasks/{task.id}/summary"}
    fields = task.to_json()
    del fields["owner"]
    return fields | {
        "created": _iso(task.created),
        "started": _iso(task.started),
        "finished": _iso(task.finished),
        "seconds_left": _seconds_left(task),
        "links": links,
    }


def _seconds_left(task: Task) -> float | None:
    """An estimate: what is left takes as long, for its share, as what is done has taken."""
    if task.has_ended:
        return 0.0
    if task.started is None or not task.progress:
        return None
    return round((time.time() - task.started) * (1 - task.progress) / task.progress, 1)


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
