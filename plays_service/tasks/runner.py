"""Taking tasks from PENDING to their end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final
from uuid import UUID

from plays_service.aggregation import CsvError, DamagedFileError, Summary
from plays_service.executors import WorkerDiedError
from plays_service.executors.batcher import Batcher, Outcome, run_all
from plays_service.pipeline import Call, Growth, Pipeline, Progress, Work
from plays_service.settings import Settings
from plays_service.tasks.calls import Calls
from plays_service.tasks.current import context_of
from plays_service.tasks.disk import disk_problem
from plays_service.tasks.disk_budget import DiskBudget
from plays_service.tasks.registry import TaskRegistry
from plays_service.tasks.sharing import Sharing
from plays_service.tasks.stats import Stats
from plays_service.tasks.store import TaskStore
from plays_service.tasks.task import State, Task

__all__ = ["TaskRunner"]

_log = logging.getLogger(__name__)

_CANCELLED: Final = "The task was cancelled"
#: Seconds.
_SAVE_AGAIN: Final = 1.0
_DELETE_AGAIN: Final = 1.0
_SWEEP_AT_LEAST_EVERY: Final = 60.0
_LAST_CALLS: Final = 20.0  #: that they have to end, before a task can be removed


@dataclass(frozen=True, slots=True)
class _PipelineRun:
    """A pipeline that runs while its input may still grow."""

    growth: Growth
    running: asyncio.Task[Summary]

    @property
    def summary(self) -> Summary | None:
        """What the input is found to be, where that is known before its end: it is bad."""
        ended = self.running.done() and not self.running.cancelled()
        return self.running.result() if ended and self.running.exception() is None else None


class TaskRunner:
    """Runs tasks, keeps their state safe, and forgets them when they expire.

    A state is on disk before anyone is told: what a client has seen is still true after a crash.
    """

    def __init__(self, store: TaskStore, settings: Settings) -> None:
        self.registry = TaskRegistry()
        self.stats = Stats()
        self.store = store
        self._settings = settings
        self.disk = DiskBudget(
            settings.data_dir, quota=settings.disk_quota, margin=settings.disk_margin
        )
        self.calls = Calls(settings)
        # Short calls go together, but for syncing: the disk does that together by itself.
        hops, most = (8, 1) if settings.fsync else (2, 32)
        # Threads of their own: where the disk is slow, nothing else waits for one.
        self._disk_threads = ThreadPoolExecutor(hops, "disk")
        self._disk = Batcher(self._in_disk_thread, hops=hops, most=most)
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._early: dict[UUID, _PipelineRun] = {}  # of tasks that are to be
        self._sweepers: list[asyncio.Task[None]] = []
        self._sharing = Sharing(self, store.replicas) if store.replicas is not None else None

    async def start(self) -> None:
        """Take up the tasks on disk: ended ones are known again, the others go on."""
        for task, input_size, result_size in await asyncio.to_thread(self._load):
            if task.has_ended:
                self.registry.add(task)
                task.errors = ()
                self.disk.keep(task.id, result_size)
            else:
                self.resume(task, input_size)
        await self.calls.executor.start()  # so that the first upload does not wait for a worker
        _log.info("%d tasks on disk, %d to go on", len(self.registry), len(self._running))
        self._sweepers = [asyncio.create_task(one) for one in (self._sweep(), self._delete_again())]
        if self._sharing is not None:
            self._sharing.start()

    def _load(self) -> list[tuple[Task, int, int]]:
        store = self.store
        return [(one, store.size_of(one), store.size_of_result(one)) for one in store.load()]

    async def stop(self, seconds: float | None = None) -> None:
        """Stop after the calls under way, which may take so many seconds.

        What has not ended goes on at the next start.
        """
        for sweeper in self._sweepers:
            sweeper.cancel()
        if self._sharing is not None:
            self._sharing.stop()
        running = [*self._running.values(), *(one.running for one in self._early.values())]
        for one in running:
            one.cancel()
        await asyncio.gather(self.calls.executor.close(seconds), *running, return_exceptions=True)
        await asyncio.to_thread(self._disk_threads.shutdown)

    def resume(self, task: Task, size: int) -> None:
        """Run a task that is on disk, with an input of so many bytes."""
        self.registry.add(task)
        self.disk.keep_input(task.id, size)
        self._run_soon(task, None, size)

    async def find(self, task_id: UUID) -> Task | None:
        """The task, whichever replica has it; None where it is unknown or expired."""
        task = self.registry.get(task_id)
        if self._sharing is None:
            return task
        if task is not None:
            async with task.ending:  # others may have seen its end already, and removed it since
                pass
        if task is None or task.has_ended:
            return await self._sharing.find(task_id)
        return task

    def begin(self, task: Task, size: int) -> None:
        """Run the pipeline on an input of which ``size`` bytes are on disk so far."""
        self._early[task.id] = early = self._start_pipeline(task, size)
        early.growth.grow(size)

    def grow(self, task: Task, size: int) -> None:
        """So many bytes are on disk now."""
        self._early[task.id].growth.grow(size)

    def has_verdict(self, task: Task) -> bool:
        """Whether the input is known to be bad, whatever may follow in it."""
        return self._early[task.id].summary is not None

    async def accept(self, task: Task, size: int) -> None:
        """Make an input of ``size`` bytes on disk a task; it will never be lost any more.

        Raises `OSError`.
        """
        early = self._early.get(task.id)
        if early is not None and early.summary is not None:
            # The task must have ended before it is one: its input was not written to the end, and
            # a restart would find less in it than was sent.
            task.fail(self._told(early.summary))
        await asyncio.to_thread(self.store.accept, task)
        self._early.pop(task.id, None)
        self.registry.add(task)
        self.disk.keep_input(task.id, size)
        self.stats.count_accepted(task, time.time())
        if task.has_ended:
            task.errors = ()
            self.disk.keep(task.id, 0)
            self.stats.count_ended(task)
            task.ended.set()
            _log.info("task %s: %s", task.id, task.state)
            await asyncio.to_thread(self.store.clean, task)
            self._hand_over(task)
            return
        self._run_soon(task, early, size)

    async def abandon(self, task: Task) -> None:
        """Forget an input that becomes no task."""
        early = self._early.pop(task.id, None)
        if early is not None:
            early.running.cancel()
            await asyncio.gather(early.running, return_exceptions=True)
        await asyncio.to_thread(self.store.discard, task)

    async def accept_bytes(self, data: bytes, task: Task) -> None:
        """Make ``data``, the whole input, a task. Raises `OSError`."""
        self.disk.claim_input(task.id, len(data), new=len(data))
        await self._disk.run(partial(self.store.accept_bytes, data, task))
        self.registry.add(task)
        self.stats.count_accepted(task, time.time())
        self._run_soon(task, None, len(data))

    async def reveal(self, task: Task) -> None:
        """Bring the task's state up to what is really going on, before a client sees it.

        Most tasks end before anyone asks whether they have started: only those that are asked for
        pay for the mark that lets it survive a crash. Where the disk does not take that, the task
        stays PENDING.
        """
        if task.state is not State.PENDING or task.started is None or self._is_elsewhere(task):
            return
        async with task.ending:  # a mark that came after the end would never be deleted
            if task.state is State.PENDING:
                try:
                    await asyncio.to_thread(self.store.mark_started, task, task.started)
                except OSError as error:
                    _log.warning("task %s: cannot write that it has started: %s", task.id, error)
                    return
                task.state = State.STARTED
                task.changed.send()

    async def errors_of(self, task: Task) -> tuple[CsvError, ...]:
        """The bad records that a task tells: of an ended one they are only on disk."""
        if task.has_ended and task.skipped:
            return await asyncio.to_thread(self.store.errors_of, task)
        return task.errors

    async def cancel(self, task: Task) -> bool:
        """End a task as REVOKED; False where it has ended already. Raises `OSError`.

        Work under way ends with its segment. Raises `TimeoutError` where another replica has the
        task, and does not react.
        """
        if self._sharing is not None and self._is_elsewhere(task):
            return await self._sharing.cancel(task)
        revoked = await self._end(task, State.REVOKED, _CANCELLED, self.store.save)
        if revoked and (running := self._running.get(task.id)) is not None:
            running.cancel()
        return revoked

    async def remove(self, task: Task) -> None:
        """Forget an ended task and delete its result. Raises `OSError`: then it is still there."""
        running = self._running.get(task.id)
        if running is not None:  # its last calls still write into its folder
            await asyncio.wait([running], timeout=_LAST_CALLS)
            if not running.done():
                raise TimeoutError
        if self.registry.get(task.id) is task or self._sharing is not None:
            await asyncio.to_thread(self.store.remove, task)
            self.registry.remove(task)
            self.disk.release(task.id)

    def keep_result(self, task: Task, size: int) -> None:
        """Count what an ended task takes of the disk by now, in bytes."""
        if self._sharing is not None:
            self._sharing.keep_result(task, size)
        elif self.registry.get(task.id) is task:  # or it takes nothing any more
            self.disk.keep(task.id, size)

    @property
    def unfinished(self) -> int:
        """Tasks that have not ended, or whose end is being cleared up."""
        return len(self._running)

    def _run_soon(self, task: Task, run: _PipelineRun | None, size: int) -> None:
        run = run or self._start_pipeline(task, size)
        run.growth.finish(size)
        running = asyncio.create_task(
            self._run(task, run.running), name=f"task {task.id}", context=context_of(task.id)
        )
        self._running[task.id] = running
        running.add_done_callback(lambda _: self._forget_run(task))

    def _forget_run(self, task: Task) -> None:
        self._running.pop(task.id, None)
        if task.has_ended:
            self._hand_over(task)

    def _hand_over(self, task: Task) -> None:
        if self._sharing is not None:
            self._sharing.hand_over(task)

    def _is_elsewhere(self, task: Task) -> bool:
        """Whether another replica has the task, or all have."""
        return self._sharing is not None and self.registry.get(task.id) is not task

    async def _run(self, task: Task, pipeline: asyncio.Task[Summary]) -> None:
        try:
            await self._run_to_end(task, pipeline)
        except asyncio.CancelledError:
            if not task.has_ended:
                raise  # the service stops; the task goes on when it starts again
        if self.store.input_of(task).exists():  # it was not cleaned at its end
            await asyncio.to_thread(self.store.clean, task)

    async def _run_to_end(self, task: Task, pipeline: asyncio.Task[Summary]) -> None:
        try:
            try:
                summary = await pipeline
            except DamagedFileError as error:
                summary = await self._again(task, error)
        except Exception as error:
            # where the disk is full, this makes the room to say so
            await asyncio.to_thread(self.store.drop_work, task)
            await self._end_surely(task, State.FAILURE, _reason(task, error))
        else:
            task.count(self._told(summary))
            if summary.error is not None:
                await self._end_surely(task, State.FAILURE, str(summary.error))
            else:
                await self._end_surely(task, State.SUCCESS, "None")

    async def _again(self, task: Task, error: DamagedFileError) -> Summary:
        """Do without the partials that the disk, or whoever else writes there, has damaged."""
        _log.error("task %s: %s; it begins anew", task.id, error)
        await asyncio.to_thread(self.store.drop_work, task)
        size = await asyncio.to_thread(self.store.size_of, task)
        run = self._start_pipeline(task, size)
        run.growth.finish(size)
        return await run.running

    def _start_pipeline(self, task: Task, size: int) -> _PipelineRun:
        growth = Growth()
        pipeline = Pipeline(
            self._caller(task, size), self._work(task), growth, self._reporter(task)
        )
        running = asyncio.create_task(
            pipeline.run(), name=f"pipeline {task.id}", context=context_of(task.id)
        )
        return _PipelineRun(growth, running)

    def _caller(self, task: Task, size: int) -> Call:
        def begin() -> None:
            if task.started is None and not task.has_ended:
                task.started = time.time()
                task.changed.send()

        return self.calls.of(task.id, size, begin)

    def _reporter(self, task: Task) -> Progress:
        def report(progress: float, segments: int, summary: Summary) -> None:
            task.progress = max(task.progress, progress)
            task.segments = segments
            task.changed.send()
            if summary.error is None:
                task.count(self._told(summary))

        return report

    def _told(self, summary: Summary) -> Summary:
        """As much of the summary as a task tells."""
        return replace(summary, errors=summary.errors[: self._settings.max_errors])

    async def _in_disk_thread(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._disk_threads, run_all, functions)

    def _work(self, task: Task) -> Work:
        return Work(
            input=self.store.input_of(task),
            result=self.store.result_of(task),
            folder=self.store.work_of(task),
            encoding=task.encoding,
            skip_errors=task.skip_errors,
            seed=task.seed,
            segment_size=self._settings.segment_size,
            memory=self._settings.worker_memory,
            workers=self.calls.executor.workers,
            fsync=self._settings.fsync,
        )

    async def _end(
        self, task: Task, state: State, message: str, save: Callable[[Task], None]
    ) -> bool:
        """Give the task its one final state; False where it has one already. Raises `OSError`."""
        async with task.ending:
            if task.has_ended:
                return False
            progress = 1.0 if state is State.SUCCESS else task.progress
            end = replace(
                task, state=state, message=message, finished=time.time(), progress=progress
            )
            size = await self._disk.run(partial(self._save_end, save, end))
            task.become(end)  # what calls under way have reported meanwhile is not on disk
            task.errors = ()  # `errors_of` finds them
            self.disk.keep(task.id, size)
        self.stats.count_ended(task)
        task.ended.set()
        task.changed.send()
        _log.info("task %s: %s", task.id, state)
        return True

    def _save_end(self, save: Callable[[Task], None], end: Task) -> int:
        """Save the last state of a task; the bytes of its result."""
        save(end)
        return self.store.size_of_result(end)

    async def _end_surely(self, task: Task, state: State, message: str) -> None:
        """`_end` when no call is under way, however long the disk takes to have room for it."""
        while True:
            try:
                await self._end(task, state, message, self.store.end)
            except OSError as error:
                _log.error("task %s: cannot write its state, will try again: %s", task.id, error)
                await asyncio.sleep(_SAVE_AGAIN)
            else:
                return

    async def _sweep(self) -> None:
        """Remove what has expired, and delete what dead replicas have removed, again and again."""
        ttl = self._settings.result_ttl
        while True:
            try:
                if self._sharing is not None:
                    await asyncio.to_thread(self.store.trash.clear_abandoned)
                expired = await self._expired(ttl)
            except OSError as error:
                _log.error("cannot look for expired tasks, will try again: %s", error)
                expired = []
            for task in expired:
                try:
                    await self.remove(task)
                except OSError as error:
                    _log.error("cannot remove expired task %s: %s", task.id, error)
            await asyncio.sleep(min(max(ttl / 10, 0.1), _SWEEP_AT_LEAST_EVERY))

    async def _expired(self, ttl: float) -> list[Task]:
        if self._sharing is not None:
            return await self._sharing.expired(ttl)
        return [
            one
            for one in self.registry
            if one.finished is not None
            and one.finished + ttl < time.time()
            and one.id not in self._running  # or its last call would hold up all
        ]

    async def _delete_again(self) -> None:
        """Delete what the disk would not delete before, as soon as it lets us."""
        while True:
            await asyncio.sleep(_DELETE_AGAIN)
            if self.store.trash.resisting:
                await asyncio.to_thread(self.store.trash.delete_again)


def _reason(task: Task, error: Exception) -> str:
    """What a client is told of a failure that is not the file's fault."""
    if isinstance(error, WorkerDiedError):
        _log.error("task %s: %s", task.id, error)
        return f"The file could not be aggregated: {error}"
    if isinstance(error, MemoryError):
        _log.error("task %s: a worker's memory was not enough", task.id)
        return "The file needs more memory than PLAYS_WORKER_MEMORY lets a worker have"
    if (problem := disk_problem(error)) is not None:
        _log.error("task %s: %s", task.id, error)
        return f"{problem}; upload the file again later"
    _log.error("task %s failed", task.id, exc_info=error)
    return "The service failed at this task (not the file's fault); upload it again"
