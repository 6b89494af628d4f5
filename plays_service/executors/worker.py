"""Worker processes that live and die together, and what each does at its start."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, Final, TypeVar

from plays_service.aggregation import use_engine
from plays_service.open_files import raise_open_files_limit

if sys.platform != "win32":
    import resource

__all__ = ["Crew", "WorkerLimits", "WorkerLostError", "limit_worker"]

R = TypeVar("R")

#: Bytes that a worker may take beyond what it has at its start and its memory for groups, and a
#: fraction of that memory: what groups take is an estimate.
_SPARE: Final = 64 << 20
_SPARE_FRACTION: Final = 0.5
#: Seconds that a process may take to start.
_START_TIME: Final = 60.0
_START_METHOD: Final = "spawn" if sys.platform == "win32" else "forkserver"


class WorkerLostError(RuntimeError):
    """A worker died, or had to be ended; the text says which.

    ``begun`` is whether it may have been the call's fault.
    """

    def __init__(self, how: str, *, begun: bool) -> None:
        super().__init__(how)
        self.begun = begun


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLimits:
    """What a call may take. None: there is no limit."""

    memory: int | None = None  #: bytes for groups; the system refuses what goes far beyond it
    seconds: float | None = None


class Crew:
    """Processes behind one `ProcessPoolExecutor`: when one of them dies, all are lost.

    The service's crews are of one process, so that it is known which call a process died of, and
    one that hangs is ended alone. The command line makes one crew by ``fork``, as copies of its own
    process, which is much faster; it must have no other threads yet.
    """

    def __init__(
        self, engine: str, limits: WorkerLimits, *, processes: int = 1, fork: bool = False
    ) -> None:
        self.processes = processes
        self.is_lost = False
        self.is_fresh = True  #: has had no call yet
        self._seconds = limits.seconds if processes == 1 else None
        self._pid: int | None = None
        # Once this process has an event loop and threads, never by forking it.
        context = multiprocessing.get_context("fork" if fork else _START_METHOD)
        if context.get_start_method() == "forkserver":
            context.set_forkserver_preload(["plays_service.aggregation"])
        self._executor = ProcessPoolExecutor(
            processes,
            mp_context=context,
            initializer=_start_worker,
            initargs=(engine, limits.memory),
        )

    def start(self) -> None:
        """Start the processes, and wait for one: so long, and no longer.

        Raises `OSError` (`TimeoutError` is one) or `BrokenProcessPool`.
        """
        self._pid = self._executor.submit(os.getpid).result(_START_TIME)

    def launch(self) -> None:
        """Start the processes, and wait for none: one that cannot start loses its first call."""
        self._executor.submit(os.getpid).add_done_callback(self._launched)

    def _launched(self, pid: Future[int]) -> None:
        if not pid.cancelled() and pid.exception() is None:
            self._pid = pid.result()

    async def run(self, function: Callable[..., R], *args: Any) -> R:
        """The result of ``function(*args)``. Raises what that raises, and `WorkerLostError`."""
        self.is_fresh = False
        try:
            call = self._executor.submit(function, *args)
        except BrokenProcessPool:
            raise self._lost("had died", begun=False) from None
        result = asyncio.wrap_future(call)
        ended, _ = await asyncio.wait([result], timeout=self._seconds)
        if not ended:
            self.kill()
            result.cancel()
            raise self._lost(f"took longer than {self._seconds:g} s", begun=True)
        if result.cancelled():
            raise self._lost("is being ended", begun=False)
        try:
            return await result
        except BrokenProcessPool:
            raise self._lost("died (killed, or out of memory)", begun=True) from None

    def kill(self) -> None:
        """End a process that may not listen any more."""
        if self._pid is not None and not self.is_lost:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
        self.give_up()

    def give_up(self) -> None:
        """Wait for nothing any more."""
        self.is_lost = True
        self._executor.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes when their present calls are done; what waits is dropped."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _lost(self, how: str, *, begun: bool) -> WorkerLostError:
        self.give_up()
        return WorkerLostError(how, begun=begun)


def limit_worker(engine: str, memory: int | None) -> None:
    """Make this process a worker: its engine, its open files, its memory (bytes)."""
    use_engine(engine)
    raise_open_files_limit()
    if memory is not None:
        _limit_memory(memory)


def _start_worker(engine: str, memory: int | None) -> None:
    limit_worker(engine, memory)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; we stop them
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _limit_memory(memory: int) -> None:
    """Let the system refuse what goes far beyond the setting, before the machine suffers.

    Of data (`RLIMIT_DATA`, on Linux heap and private mappings), because the address space is also
    taken by what costs nothing.
    """
    if sys.platform != "linux":
        return
    match = re.search(r"VmData:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    limit = (int(match[1]) << 10) + int(memory * (1 + _SPARE_FRACTION)) + _SPARE
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _die_with_parent() -> None:
    """A worker must not outlive a killed service and write beside its successor's workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
