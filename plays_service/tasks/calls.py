"""Calls to workers: every task has its turn, and short calls of several tasks share one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Final

from plays_service.executors import Executor, FairQueue, WorkerLimits, WorkerPool
from plays_service.executors.batcher import Batcher, Outcome, run_all
from plays_service.pipeline import Call
from plays_service.settings import Settings

__all__ = ["Calls"]

#: Bytes of an input up to which a call is short, and how many of them go together to a worker:
#: with fewer each costs more, with more others wait.
_SHORT: Final = 512 << 10
_SHORT_TOGETHER: Final = 16
#: The turn that short calls of all tasks take together.
_SHORT_TURN: Final = "short calls"
#: Calls under way for each worker elsewhere: one that it has, and one that is on its way to it.
_CALLS_FOR_WORKER: Final = 2


class Calls:
    """The way of all calls to the executor."""

    def __init__(self, settings: Settings) -> None:
        self._queue = FairQueue(settings.workers, self._may_wait)
        self.executor = _make_executor(settings, self._queue)
        self._short = Batcher(
            self._run_short, hops=settings.workers, most=_SHORT_TOGETHER, may_wait=self._may_wait
        )

    @property
    def waiting(self) -> int:
        """Calls that wait for a worker."""
        return len(self._queue) + len(self._short)

    async def run(self, turn_of: Hashable, function: Callable[..., Any], *args: Any) -> Any:
        """What the function returns in a worker, when it is the turn of ``turn_of`` there.

        Raises what the function raises, and `WorkerDiedError`.
        """
        return await self._queue.run(turn_of, partial(self.executor.call, function, *args))

    def of(self, turn_of: Hashable, size: int, begin: Callable[[], None]) -> Call:
        """What runs the calls on an input of ``size`` bytes; ``begin`` is called before each."""

        def start(function: Callable[..., Any], *args: Any) -> Awaitable[Any]:
            begin()
            return self.executor.call(function, *args)

        async def call(function: Callable[..., Any], *args: Any) -> Any:
            return await self._queue.run(turn_of, partial(start, function, *args))

        async def call_short(function: Callable[..., Any], *args: Any) -> Any:
            return await self._short.run(partial(function, *args), begin)

        return call_short if size <= _SHORT else call

    async def _run_short(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        """Short calls of several tasks, which take one turn together."""
        if len(functions) == 1:
            return [Outcome(await self.run(_SHORT_TURN, *functions))]
        # Of several it is not known which one a worker died of: they are repeated one by one.
        start = partial(self.executor.call, run_all, functions, tries=1)
        outcomes: list[Outcome] = await self._queue.run(_SHORT_TURN, start)
        for one in outcomes:
            if isinstance(one.error, MemoryError):
                raise one.error  # alone it is seen by the executor, which may have a fresh worker
        return outcomes

    def _may_wait(self) -> bool:
        """Whether clients may wait for what they do not want any more: not without any workers."""
        return self.executor.problem is None


def _make_executor(settings: Settings, queue: FairQueue) -> Executor:
    if settings.executor == "process":
        limits = WorkerLimits(memory=settings.worker_memory, seconds=settings.segment_timeout)
        return WorkerPool(settings.workers, settings.engine, limits, tries=settings.max_tries)
    module = import_module("plays_service.executors.celery_executor")  # nobody else has Celery
    executor: Executor = module.CeleryExecutor(
        settings, lambda workers: queue.resize(_CALLS_FOR_WORKER * workers)
    )
    return executor
