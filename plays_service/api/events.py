"""``/tasks/<id>/events``: the task whenever it changes, as server-sent events (HTML standard)."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from plays_service.api.context import RUNNER, STOPPING, task_of
from plays_service.api.tasks import describe
from plays_service.tasks import Task

__all__ = ["get_events"]

#: Seconds between two events at least: people cannot follow more.
_PAUSE: Final = 0.2
#: Seconds without a change after which a comment shows that the connection lives.
_HEARTBEAT: Final = 15.0
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx collects them
}


async def get_events(request: web.Request) -> web.StreamResponse:
    """An event ``task`` with what `/tasks/<id>` shows: at once, at each change, and at the end."""
    task, runner = task_of(request), request.app[RUNNER]
    stopping = request.app[STOPPING]
    answer = web.StreamResponse(headers=_HEADERS)
    await answer.prepare(request)
    while True:
        await runner.reveal(task)
        seen, ended = task.changed.count, task.has_ended
        await answer.write(f"event: task\ndata: {json.dumps(describe(task))}\n\n".encode())
        if ended:
            return answer
        while not await changed_within(task, seen, stopping, _HEARTBEAT):
            if stopping.is_set():
                return answer  # the client comes back by itself
            await answer.write(b": nothing new\n\n")
        if not task.has_ended:
            await asyncio.sleep(_PAUSE)


async def changed_within(task: Task, seen: int, stopping: asyncio.Event, seconds: float) -> bool:
    """Whether the task changes in time; False at once when the service stops."""
    waits = [asyncio.ensure_future(task.changed.wait(seen)), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return task.changed.count > seen
