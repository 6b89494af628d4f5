"""Workers that die."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from plays_service.executors import WorkerDiedError, WorkerLimits, WorkerPool
from plays_service.executors.batcher import Batcher, Outcome, run_all
from plays_service.executors.worker import Crew


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(2, "auto", WorkerLimits(memory=64 << 20, seconds=2))
    await pool.start()
    yield pool
    await pool.close()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_once(mark: Path) -> str:
    if not mark.exists():
        mark.touch()
        _die()
    return "survived"


def _take_a_while() -> str:
    time.sleep(0.5)
    return "done"


def _fail() -> None:
    raise ValueError("no good")


async def test_a_call_gives_back_what_its_function_returns(pool: WorkerPool) -> None:
    assert await pool.call(len, "abc") == 3
    assert await pool.call(os.getpid) != os.getpid()


async def test_an_error_of_the_function_is_passed_on(pool: WorkerPool) -> None:
    with pytest.raises(ValueError, match="no good"):
        await pool.call(_fail)
    assert pool.restarts == 0


async def test_a_worker_that_dies_once_costs_a_retry(pool: WorkerPool, tmp_path: Path) -> None:
    assert await pool.call(_die_once, tmp_path / "mark") == "survived"
    assert pool.restarts == 1


def _hang() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    time.sleep(3600)


def _stop() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _take_memory(size: int) -> int:
    return len(bytes(size))


@pytest.mark.parametrize("hang", [_hang, _stop])
async def test_a_call_that_hangs_ends_while_others_go_on(
    pool: WorkerPool, hang: Callable[[], None]
) -> None:
    hanging = asyncio.create_task(pool.call(hang))
    for _ in range(20):
        assert await pool.call(len, "abc") == 3
        await asyncio.sleep(0.02)
    with pytest.raises(WorkerDiedError, match=r"took longer than 2 s, 3 times"):
        await hanging
    assert pool.restarts == 3
    assert await pool.call(len, "abc") == 3


async def test_the_system_refuses_what_goes_far_beyond_the_memory(pool: WorkerPool) -> None:
    assert await pool.call(_take_memory, 64 << 20) == 64 << 20
    with pytest.raises(MemoryError):
        await pool.call(_take_memory, 512 << 20)
    assert pool.restarts > 1  # it was tried again in a fresh one


def _leave_memory_behind() -> None:
    _left.append(bytes(100 << 20))


_left: list[bytes] = []


async def test_what_earlier_calls_have_left_costs_nobody_a_result(pool: WorkerPool) -> None:
    await asyncio.gather(*(pool.call(_leave_memory_behind) for _ in range(2)))
    assert await pool.call(_take_memory, 100 << 20) == 100 << 20
    assert pool.restarts > 0


async def test_a_worker_that_died_idle_costs_no_try(pool: WorkerPool) -> None:
    for _ in range(3):
        pids = await asyncio.gather(*(pool.call(_pid_after_a_while) for _ in range(2)))
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
    assert await pool.call(len, "abc") == 3


def _pid_after_a_while() -> int:
    time.sleep(0.2)
    return os.getpid()


async def test_workers_that_cannot_be_started_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pool = WorkerPool(1, "auto")
    failures = iter([OSError("no more processes")] * 2)
    start = Crew.start

    def fail_at_first(crew: Crew) -> None:
        if (error := next(failures, None)) is not None:
            raise error
        start(crew)

    monkeypatch.setattr(Crew, "start", fail_at_first)
    calling = asyncio.create_task(pool.call(len, "abc"))
    await pool.start()
    assert pool.alive == 1
    assert await calling == 3
    await pool.close()


async def test_closing_does_not_wait_for_a_call_that_hangs() -> None:
    pool = WorkerPool(1, "auto")
    await pool.start()
    hanging = asyncio.create_task(pool.call(_hang))
    await asyncio.sleep(0.2)
    await pool.close(0.2)
    with pytest.raises(WorkerDiedError):
        await hanging
    assert pool.restarts == 1


async def test_closing_ends_calls_that_wait_for_a_worker() -> None:
    pool = WorkerPool(1, "auto")
    waiting = asyncio.create_task(pool.call(len, "abc"))  # for a worker that was never started
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(WorkerDiedError):
        await waiting


async def test_a_call_that_kills_every_worker_ends_while_others_go_on(
    pool: WorkerPool,
) -> None:
    other = asyncio.create_task(pool.call(_take_a_while))
    await asyncio.sleep(0.2)
    with pytest.raises(WorkerDiedError, match=r"died .*3 times in a row"):
        await pool.call(_die)
    assert await other == "done"
    assert await pool.call(len, "still here") == 10


async def test_a_call_that_kills_every_worker_spares_those_it_was_sent_with(
    pool: WorkerPool,
) -> None:
    async def in_a_worker(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        return await pool.call(run_all, functions, tries=1 if len(functions) > 1 else None)

    batcher = Batcher(in_a_worker, hops=1, most=10)
    calls: list[Callable[[], Any]] = [partial(len, "abc"), _die, partial(len, "abcd")]
    running = [batcher.run(call) for call in calls]
    results = await asyncio.gather(*running, return_exceptions=True)
    assert (results[0], results[2]) == (3, 4)
    assert isinstance(results[1], WorkerDiedError)
    assert pool.restarts == 4  # one for all of them together
