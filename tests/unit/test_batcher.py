"""Short calls that go together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest

from plays_service.executors.batcher import Batcher, Outcome, run_all


class Somewhere:
    """Where the calls go: holds them until told, and may fail at some."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()
        self.sizes: list[int] = []
        self.fails_with_more_than = 1_000

    async def run_all(self, functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        self.sizes.append(len(functions))
        self.arrived.set()
        await self.open.wait()
        if len(functions) > self.fails_with_more_than:
            raise RuntimeError("the hop failed")
        return run_all(functions)


@pytest.fixture
async def somewhere() -> Somewhere:
    return Somewhere()


def giving(number: int) -> Callable[[], int]:
    return lambda: number


def soon(awaitable: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(awaitable)


async def test_a_call_alone_waits_for_nobody(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    assert await batcher.run(lambda: 5) == 5
    assert await batcher.run(lambda: 6) == 6
    assert somewhere.sizes == [1, 1]


async def test_calls_that_come_meanwhile_go_together(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    somewhere.open.clear()
    first = soon(batcher.run(lambda: 0))
    await somewhere.arrived.wait()
    others = [soon(batcher.run(giving(number))) for number in range(1, 14)]
    await asyncio.sleep(0)
    somewhere.open.set()
    assert await asyncio.gather(first, *others) == list(range(14))
    assert somewhere.sizes == [1, 10, 3]


async def test_no_more_hops_than_allowed(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=2, most=1)
    somewhere.open.clear()
    calls = [soon(batcher.run(lambda: None)) for _ in range(5)]
    await asyncio.sleep(0.01)
    assert len(somewhere.sizes) == 2
    somewhere.open.set()
    await asyncio.gather(*calls)
    assert len(somewhere.sizes) == 5


async def test_one_that_raises_harms_no_other(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    calls = [soon(batcher.run(function)) for function in (lambda: 1, lambda: 1 // 0, lambda: 2)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert (results[0], results[2]) == (1, 2)
    assert isinstance(results[1], ZeroDivisionError)


async def test_a_hop_that_fails_is_repeated_one_by_one(somewhere: Somewhere) -> None:
    somewhere.fails_with_more_than = 1
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    calls = [soon(batcher.run(giving(number))) for number in range(3)]
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert somewhere.sizes == [3, 1, 1, 1]
    somewhere.fails_with_more_than = 0
    with pytest.raises(RuntimeError, match="the hop failed"):
        await batcher.run(lambda: 1)


async def test_a_cancelled_call_that_waits_is_never_made(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    made = []
    somewhere.open.clear()
    first = soon(batcher.run(lambda: made.append(1)))
    await somewhere.arrived.wait()
    second = soon(batcher.run(lambda: made.append(2)))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.wait([second])
    somewhere.open.set()
    await first
    assert made == [1]


async def test_a_cancelled_call_under_way_ends_when_it_has_ended(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=10)
    made = []
    somewhere.open.clear()
    call = soon(batcher.run(lambda: made.append(1)))
    await somewhere.arrived.wait()
    call.cancel()
    await asyncio.sleep(0.01)
    assert not call.done()
    somewhere.open.set()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert made == [1]


async def test_begin_is_called_when_a_call_is_sent(somewhere: Somewhere) -> None:
    batcher = Batcher(somewhere.run_all, hops=1, most=1)
    begun: list[int] = []
    somewhere.open.clear()
    calls = [soon(batcher.run(lambda: None, partial(begun.append, number))) for number in range(2)]
    await somewhere.arrived.wait()
    assert begun == [0]
    somewhere.open.set()
    await asyncio.gather(*calls)
    assert begun == [0, 1]


async def test_a_hop_belongs_to_none_of_its_calls() -> None:
    whose = ContextVar("whose", default="nobody's")
    whose.set("mine")
    seen = []

    async def look(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
        seen.append(whose.get())
        return run_all(functions)

    assert await Batcher(look, hops=1, most=1).run(giving(1)) == 1
    assert seen == ["nobody's"]
