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

from plays_service.tasks import WorkerDiedError, WorkerPool
from plays_service.tasks.batcher import Batcher, Outcome, run_all


@pytest.fixture
async def pool() -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(2, "auto")
    yield pool
    await asyncio.to_thread(pool.close)


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


async def test_a_call_that_kills_every_worker_ends_while_others_go_on(
    pool: WorkerPool,
) -> None:
    other = asyncio.create_task(pool.call(_take_a_while))
    await asyncio.sleep(0.2)
    with pytest.raises(WorkerDiedError, match="died 3 times"):
        await pool.call(_die)
    assert await other == "done"
    assert await pool.call(len, "still here") == 10


async def test_a_call_that_kills_every_worker_spares_those_it_was_sent_with(
    pool: WorkerPool,
) -> None:
    async def in_a_worker(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        return await pool.call(run_all, functions)

    batcher = Batcher(in_a_worker, hops=1, most=10)
    calls: list[Callable[[], Any]] = [partial(len, "abc"), _die, partial(len, "abcd")]
    running = [batcher.run(call) for call in calls]
    results = await asyncio.gather(*running, return_exceptions=True)
    assert (results[0], results[2]) == (3, 4)
    assert isinstance(results[1], WorkerDiedError)
