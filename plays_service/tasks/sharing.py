"""A runner among others on one data folder: their tasks as this one sees them, and the other way.

What is on disk is the truth. A task in memory is its own replica's; everybody else reads it when it
is asked for, and again and again as long as somebody waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from uuid import UUID
from weakref import WeakValueDictionary

from plays_service.tasks.replicas import Replicas
from plays_service.tasks.task import State, Task

if TYPE_CHECKING:
    from plays_service.tasks.runner import TaskRunner

__all__ = ["Sharing"]

_log = logging.getLogger(__name__)

#: Seconds between two looks at what others have done.
_LOOK_AGAIN: Final = 0.5
#: Seconds that a replica has to cancel a task when it is asked to, or others to take it over.
_CANCELLED_WITHIN: Final = 20.0


class Sharing:
    """Keeps a runner and the other replicas of its data folder up to date with each other."""

    def __init__(self, runner: TaskRunner, replicas: Replicas) -> None:
        self._runner = runner
        self._replicas = replicas
        self._seen: WeakValueDictionary[UUID, Task] = WeakValueDictionary()
        self._counted: set[UUID] = set()  # ended tasks that the disk budget knows of
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look at the others from now on."""
        self._looking = asyncio.create_task(self._look())

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    async def find(self, task_id: UUID) -> Task | None:
        """A task that another replica runs, or that has ended; None where there is none."""
        task = self._seen.get(task_id)
        if task is not None and not task.has_ended:
            await self._refresh(task)  # another replica may have told the client more
        if task is None or task.has_ended:  # which another may have removed since
            task = await self._find_on_disk(task_id)
        return task

    async def _find_on_disk(self, task_id: UUID) -> Task | None:
        read = await asyncio.to_thread(self._read, task_id)
        if read is None:
            return None
        seen = self._seen.get(task_id)
        if seen is None or seen.has_ended:
            self._seen[task_id] = read
            return read
        await self._refresh(seen)  # who has asked meanwhile waits for this one, and is told by it
        return seen

    async def cancel(self, task: Task) -> bool:
        """Have its replica cancel a task; False where it has ended otherwise.

        Raises `TimeoutError` where the replica does not react.
        """
        if task.has_ended:
            return False
        async with asyncio.timeout(_CANCELLED_WITHIN):
            while not task.ended.is_set():
                await asyncio.to_thread(self._replicas.ask_to_cancel, task.id)
                await asyncio.sleep(_LOOK_AGAIN)
        return task.state is State.REVOKED

    async def expired(self, ttl: float) -> list[Task]:
        """Tasks, of whichever replica, that ended longer ago than ``ttl`` (seconds).

        What all ended tasks take of the disk is counted anew by the way.
        """
        found = await asyncio.to_thread(lambda: list(self._runner.store.survey()))
        self._count({task_id: size for task_id, _, size in found})
        late = [task_id for task_id, written, _ in found if written + ttl < time.time()]
        tasks = [await asyncio.to_thread(self._runner.store.read, task_id) for task_id in late]
        return [one for one in tasks if one is not None and one.has_ended]

    def _count(self, sizes: Mapping[UUID, int]) -> None:
        runner = self._runner
        for task_id in self._counted - sizes.keys():
            runner.disk.release(task_id)
        for task_id, size in sizes.items():
            if runner.registry.get(task_id) is None:
                runner.disk.keep(task_id, size)
        self._counted = set(sizes)

    def keep_result(self, task: Task, size: int) -> None:
        """Count what an ended task takes of the disk (bytes), until the next look at all."""
        self._runner.disk.keep(task.id, size)
        self._counted.add(task.id)

    def hand_over(self, task: Task) -> None:
        """A task of this replica has ended: from now on all read it from the disk."""
        self._runner.registry.remove(task)
        self._counted.add(task.id)

    async def _look(self) -> None:
        while True:
            try:
                await self._take_over()
                await self._obey()
                await self._tell()
                for task in tuple(self._seen.values()):
                    if not task.has_ended:
                        await self._refresh(task)
            except Exception as error:  # whatever it is: who looks no more takes over no more
                _log.error("cannot look at the other replicas, will try again", exc_info=error)
            await asyncio.sleep(_LOOK_AGAIN)

    async def _take_over(self) -> None:
        while (taken := await asyncio.to_thread(self._next_taken)) is not None:
            task, size = taken
            _log.info("task %s is taken over from a replica that is gone", task.id)
            self._runner.resume(task, size)

    def _next_taken(self) -> tuple[Task, int] | None:
        store = self._runner.store
        task = store.take_over()
        return None if task is None else (task, store.size_of(task))

    async def _obey(self) -> None:
        for task_id in await asyncio.to_thread(self._replicas.cancellations):
            if (task := self._runner.registry.get(task_id)) is not None:
                await self._runner.cancel(task)

    async def _tell(self) -> None:
        """Let the others know of the tasks that run here."""
        for task in self._runner.registry:
            await self._runner.reveal(task)
            if task.state is State.STARTED:
                await asyncio.to_thread(self._replicas.note, task.id, task.to_json())

    async def _refresh(self, task: Task) -> None:
        now = await asyncio.to_thread(self._read, task.id)
        if now is None:
            task.state, task.message = State.REVOKED, "The task was deleted"
            task.finished = time.time()
        elif now.progress < task.progress and not now.has_ended:
            return  # another replica has just taken it over
        else:
            task.become(now)
        task.changed.send()
        if task.has_ended:
            task.ended.set()

    def _read(self, task_id: UUID) -> Task | None:
        """The task as it is on disk, with what its replica tells of it as long as it runs."""
        task = self._runner.store.read(task_id)
        if task is None or task.state is not State.STARTED:
            return task
        told = self._replicas.note_of(task_id)
        return Task.from_json(told) if told else task
