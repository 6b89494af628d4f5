"""Worker processes that may die, or hang, without taking the service or other tasks with them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, Final, Self, TypeVar

from plays_service.executors.worker import Crew, WorkerLimits, WorkerLostError

__all__ = ["WorkerDiedError", "WorkerPool"]

_log = logging.getLogger(__name__)
R = TypeVar("R")

#: Seconds before the next try to start a process, at first and at most.
_START_AGAIN: Final = 0.1
_START_AGAIN_AT_MOST: Final = 10.0
#: Seconds for which the start of all workers, and the end of killed ones, is awaited.
_START_AWAITED: Final = 10.0
_END_AWAITED: Final = 5.0


class WorkerDiedError(RuntimeError):
    """A call cost its worker's life every time, or there are no workers any more."""


class WorkerPool:
    """Runs calls in worker processes, one call in each at a time.

    A worker that dies, or takes too long and is killed, is replaced, and costs its call a try; a
    call that has none left fails, and the others go on.
    """

    def __init__(
        self, workers: int, engine: str, limits: WorkerLimits | None = None, *, tries: int = 3
    ) -> None:
        self.workers = workers
        self.restarts = 0  #: workers that had to be replaced
        self._engine = engine
        self._limits = limits or WorkerLimits()
        self._tries = tries
        self._free: asyncio.LifoQueue[Crew] = asyncio.LifoQueue()  # the last one's caches are warm
        self._crews: set[Crew] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Future[Crew]] = set()  # for a crew that is free
        self._closing = False

    @classmethod
    def forked(cls, workers: int, engine: str) -> Self:
        """A pool whose workers are there now, as copies of this process; see `Crew`."""
        pool = cls(workers, engine)
        crew = Crew(engine, pool._limits, processes=workers, fork=True)
        crew.launch()
        pool._add(crew)
        return pool

    async def start(self) -> None:
        """Start the workers; return when all of them are there, or it takes long."""
        self._start(self.workers)
        await asyncio.wait(self._starting, timeout=_START_AWAITED)

    @property
    def problem(self) -> str | None:
        """None: workers that are lost are replaced here."""
        return None

    @property
    def alive(self) -> int:
        """Workers that are there, as far as is known."""
        return sum(crew.processes for crew in self._crews)

    async def call(self, function: Callable[..., R], *args: Any, tries: int | None = None) -> R:
        """The result of ``function(*args)`` in a worker.

        Raises what the function raises, and `WorkerDiedError` when it has cost so many workers
        (None: as many as the pool's setting says). It must not be cancelled: what runs, runs.
        """
        left = self._tries if tries is None else tries
        lost = 0
        while True:
            crew = await self._free_crew()
            was_fresh = crew.is_fresh
            try:
                return await crew.run(function, *args)
            except MemoryError:
                # What earlier calls have left in the process counts, too: a fresh one has more.
                crew.kill()
                self._replace(crew)
                if was_fresh:
                    raise
            except WorkerLostError as error:
                lost += error.begun
                self._replace(crew)
                _log.warning("%s: its worker %s; try %d", _name(function), error, lost)
                if lost == left or self._closing:
                    raise WorkerDiedError(f"its worker {error}, {lost} times in a row") from None
            finally:
                if not crew.is_lost:
                    self._free.put_nowait(crew)

    async def close(self, seconds: float | None = None) -> None:
        """End the workers when their present calls are done, or after so many seconds."""
        self._closing = True
        for start in self._starting:
            start.cancel()
        for getting in self._waiting:
            getting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        crews = tuple(self._crews)
        closing = [asyncio.create_task(asyncio.to_thread(crew.close)) for crew in crews]
        if closing and (late := (await asyncio.wait(closing, timeout=seconds))[1]):
            _log.warning("%d workers do not end by themselves and are killed", len(late))
            for crew in crews:
                crew.kill()
            await asyncio.wait(late, timeout=_END_AWAITED)

    async def _free_crew(self) -> Crew:
        while not self._closing:
            getting = asyncio.ensure_future(self._free.get())
            self._waiting.add(getting)
            getting.add_done_callback(self._waiting.discard)
            try:
                await asyncio.wait([getting])
            except asyncio.CancelledError:
                getting.cancel()
                raise
            if not getting.cancelled() and not (crew := getting.result()).is_lost:
                return crew
        raise WorkerDiedError("the workers are being ended")

    def _replace(self, lost: Crew) -> None:
        if lost in self._crews:  # each call that it had comes here; the first replaces
            self._crews.remove(lost)
            self.restarts += 1
            if not self._closing:
                self._start(lost.processes)

    def _start(self, workers: int) -> None:
        for _ in range(workers):
            one = asyncio.create_task(self._start_one())
            self._starting.add(one)
            one.add_done_callback(self._starting.discard)

    async def _start_one(self) -> None:
        pause = _START_AGAIN
        while True:
            crew = Crew(self._engine, self._limits)
            try:
                await asyncio.to_thread(crew.start)
            except (OSError, EOFError, BrokenProcessPool) as error:
                crew.give_up()
                _log.error("cannot start a worker, will try again: %r", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _START_AGAIN_AT_MOST)
            else:
                self._add(crew)
                return

    def _add(self, crew: Crew) -> None:
        self._crews.add(crew)
        for _ in range(crew.processes):
            self._free.put_nowait(crew)


def _name(function: Callable[..., Any]) -> str:
    function = function.func if isinstance(function, partial) else function
    return function.__name__
