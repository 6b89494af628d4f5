"""Worker processes that may die without taking the service, or other tasks, with them."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing.connection import wait
from typing import Any, Final, TypeVar

from plays_service.aggregation import use_engine

if sys.platform != "win32":
    import resource

__all__ = ["WorkerDiedError", "WorkerPool"]

_log = logging.getLogger(__name__)
R = TypeVar("R")

#: Files that a worker may have open, where the system allows it. Without end is not allowed
#: everywhere, not even where the limit is said to be that.
_OPEN_FILES: Final = 65536

_START_METHOD: Final = "spawn" if sys.platform == "win32" else "forkserver"

#: How often a call may lose its worker before it is given up.
ATTEMPTS: Final = 3


class WorkerDiedError(RuntimeError):
    """A call cost its worker's life every time."""


class WorkerPool:
    """Runs calls in processes. A process that dies costs its calls a retry.

    A broken `ProcessPoolExecutor` stays broken and does not say which call broke it. So the pool
    is replaced, and each call that was under way is repeated alone in a pool of its own: where
    that breaks too, the culprit is found.
    """

    def __init__(self, workers: int, engine: str, *, fork: bool = False) -> None:
        """``fork``: make the workers now, as copies of this process, which is much faster.

        For a process that has no other threads yet, on Linux.
        """
        self._workers = workers
        self._engine = engine
        self._pool = self._make_pool(workers, "fork" if fork else _START_METHOD)
        if fork:
            self._pool.submit(os.getpid)
        self._alone = asyncio.Lock()
        self.restarts = 0  #: pools that had to be replaced

    async def call(self, function: Callable[..., R], *args: Any) -> R:
        """The result of ``function(*args)`` in a worker.

        Raises what the function raises, and `WorkerDiedError`.
        """
        pool = self._pool
        try:
            return await asyncio.wrap_future(pool.submit(function, *args))
        except BrokenProcessPool:
            self._replace(pool)
        async with self._alone:
            for attempt in range(2, ATTEMPTS + 1):
                _log.warning("a worker died; %s runs alone, try %d", _name(function), attempt)
                own = self._make_pool(1)
                try:
                    return await asyncio.wrap_future(own.submit(function, *args))
                except BrokenProcessPool:
                    continue
                finally:
                    own.shutdown(wait=False)
        raise WorkerDiedError(
            f"its worker died {ATTEMPTS} times in a row (killed, or out of memory)"
        )

    def close(self) -> None:
        """End the workers when their present calls are done; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _replace(self, broken: Executor) -> None:
        if self._pool is broken:  # each call under way comes here; the first replaces
            self.restarts += 1
            self._pool = self._make_pool(self._workers)
            broken.shutdown(wait=False)

    def _make_pool(self, workers: int, method: str = _START_METHOD) -> ProcessPoolExecutor:
        # Once this process has an event loop and threads, never by forking it.
        context = multiprocessing.get_context(method)
        if method == "forkserver":
            context.set_forkserver_preload(["plays_service.aggregation"])
        return ProcessPoolExecutor(
            workers, mp_context=context, initializer=_start_worker, initargs=(self._engine,)
        )


def _name(function: Callable[..., Any]) -> str:
    function = function.func if isinstance(function, partial) else function
    return function.__name__


def _start_worker(engine: str) -> None:
    use_engine(engine)
    _raise_file_limit()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; we stop them
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _raise_file_limit() -> None:
    """A merge has all partials open, and a huge file has thousands."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _die_with_parent() -> None:
    """A worker must not outlive a killed service and write beside its successor's workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
