"""The queue in front of the executor."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from functools import partial

import pytest

from plays_service.executors import FairQueue


class Calls:
    """Calls that end when they are told to, and remember in which order they began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Future[str]] = {}

    def start(self, name: str) -> asyncio.Future[str]:
        self.begun.append(name)
        self._ends[name] = asyncio.get_running_loop().create_future()
        return self._ends[name]

    async def end(self, name: str) -> None:
        self._ends[name].set_result(name)
        await asyncio.sleep(0.01)

    async def end_all(self) -> None:
        while waiting := [name for name, end in self._ends.items() if not end.done()]:
            await self.end(waiting[0])


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    calls = Calls()
    yield calls
    await calls.end_all()


async def _enqueue(queue: FairQueue, calls: Calls, *names: str) -> list[asyncio.Task[str]]:
    """Calls named like ``a1`` belong to the task ``a``."""
    running = [
        asyncio.create_task(queue.run(name[0], partial(calls.start, name))) for name in names
    ]
    await asyncio.sleep(0.01)
    return running


async def test_no_more_calls_run_than_there_are_slots(calls: Calls) -> None:
    queue = FairQueue(2)
    await _enqueue(queue, calls, "a1", "a2", "a3")
    assert calls.begun == ["a1", "a2"]
    assert len(queue) == 1
    await calls.end("a1")
    assert calls.begun == ["a1", "a2", "a3"]


async def test_tasks_take_turns(calls: Calls) -> None:
    queue = FairQueue(1)
    await _enqueue(queue, calls, "a1", "a2", "a3", "a4", "b1", "c1", "c2")
    for name in ("a1", "a2", "b1", "c1", "a3", "c2", "a4"):
        assert calls.begun[-1] == name
        await calls.end(name)
    assert len(queue) == 0


async def test_a_cancelled_call_that_waits_never_begins(calls: Calls) -> None:
    queue = FairQueue(1)
    _, second, _ = await _enqueue(queue, calls, "a1", "a2", "b1")
    second.cancel()
    await asyncio.sleep(0.01)
    await calls.end("a1")
    assert calls.begun == ["a1", "b1"]


async def test_a_cancelled_call_does_not_count_among_those_that_wait(calls: Calls) -> None:
    queue = FairQueue(1)
    _, *cancelled = await _enqueue(queue, calls, "a1", "a2", "b1", "b2")
    for one, left in zip(cancelled, (2, 1, 0), strict=True):
        one.cancel()
        await asyncio.sleep(0.01)
        assert len(queue) == left
    await calls.end("a1")
    await _enqueue(queue, calls, "c1")
    assert calls.begun == ["a1", "c1"]


async def test_a_cancelled_call_keeps_its_slot_and_ends_only_with_its_work(calls: Calls) -> None:
    queue = FairQueue(1)
    first, second = await _enqueue(queue, calls, "a1", "b1")
    first.cancel()
    await asyncio.sleep(0.01)
    assert not first.done()
    assert calls.begun == ["a1"]
    await calls.end("a1")
    assert first.cancelled()
    assert calls.begun == ["a1", "b1"]
    await calls.end("b1")
    assert await second == "b1"


async def test_a_slot_given_to_a_call_that_is_cancelled_at_that_moment_is_not_lost(
    calls: Calls,
) -> None:
    queue = FairQueue(1)
    _, second = await _enqueue(queue, calls, "a1", "b1")
    calls._ends["a1"].set_result("a1")
    await asyncio.sleep(0)  # the slot goes to b1, which has not noticed yet
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    (third,) = await _enqueue(queue, calls, "c1")
    if "b1" in calls.begun:
        await calls.end("b1")
    assert calls.begun[-1] == "c1"
    await calls.end("c1")
    assert await third == "c1"


async def test_an_error_of_a_call_is_passed_on_and_frees_its_slot(calls: Calls) -> None:
    queue = FairQueue(1)
    first, second = await _enqueue(queue, calls, "a1", "b1")
    calls._ends["a1"].set_exception(OSError("disk on fire"))
    with pytest.raises(OSError, match="disk on fire"):
        await first
    await asyncio.sleep(0.01)
    await calls.end("b1")
    assert await second == "b1"


async def test_an_error_that_nobody_waits_for_any_more_is_not_logged(
    calls: Calls, caplog: pytest.LogCaptureFixture
) -> None:
    """A task that was cancelled is cancelled again when the service stops."""
    queue = FairQueue(1)
    (first,) = await _enqueue(queue, calls, "a1")
    for _ in range(2):
        first.cancel()
        await asyncio.sleep(0.01)
    assert first.cancelled()
    calls._ends.pop("a1").set_exception(OSError("disk on fire"))
    await asyncio.sleep(0.01)
    del first
    gc.collect()
    assert not caplog.records
    await _enqueue(queue, calls, "b1")
    assert calls.begun == ["a1", "b1"]
