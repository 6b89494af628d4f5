"""``/tasks/<id>/events``: the task whenever it changes, as server-sent events (HTML standard)."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from plays_service.api.context import RUNNER, STOPPING, task_of
from plays_service.api.tasks import described
from plays_service.api.waiting import wait_unless_stopping
from plays_service.tasks import ENDED

__all__ = ["get_events"]

#: Seconds between two events at least: people cannot follow more.
_PAUSE: Final = 0.2
#: Seconds without a change after which an event shows that the connection lives.
_HEARTBEAT: Final = 15.0
_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # or nginx collects them
}


async def get_events(request: web.Request) -> web.StreamResponse:
    """An event ``task`` with what `/tasks/<id>` shows: at once, at each change, and at the end.

    Between them ``heartbeat``, with empty data: of comments, EventSource tells no script.
    """
    task, runner = task_of(request), request.app[RUNNER]
    stopping = request.app[STOPPING]
    answer = web.StreamResponse(headers=_HEADERS)
    await answer.prepare(request)
    if request.method == "HEAD":  # aiohttp would send the events all the same
        return answer
    while True:
        seen = task.changed.count
        fields = await described(runner, task)
        await answer.write(f"event: task\ndata: {json.dumps(fields)}\n\n".encode())
        if fields["state"] in ENDED:
            return answer
        while task.changed.count == seen:
            if stopping.is_set():
                return answer  # the client comes back by itself
            await wait_unless_stopping(task.changed.wait(seen), stopping, _HEARTBEAT)
            if task.changed.count == seen:
                await answer.write(b"event: heartbeat\ndata:\n\n")
        if not task.has_ended:
            await asyncio.sleep(_PAUSE)
