"""Many short calls in one hop to a thread or a process.

To hand a call over and take its result back costs more than most short calls do themselves. While
one hop is under way the calls that come wait, and go together in the next: alone a call waits for
nobody, and the more there are, the less each of them costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Batcher", "Outcome", "run_all"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a call."""

    result: Any = None
    error: Exception | None = None


def run_all(functions: Sequence[Callable[[], Any]]) -> list[Outcome]:
    """Run the functions one after the other, wherever this is called."""
    return [_outcome(function) for function in functions]


def _outcome(function: Callable[[], Any]) -> Outcome:
    try:
        return Outcome(function())
    except Exception as error:  # whoever awaits the call is told
        return Outcome(error=error)


#: Runs functions somewhere; `run_all` does the work there.
RunAll = Callable[[Sequence[Callable[[], Any]]], Awaitable[list[Outcome]]]


#: Seconds between two looks whether a call that is cancelled may still be waited for.
_LOOK_AGAIN: Final = 1.0


def _nothing() -> None:
    pass


class Batcher:
    """Runs calls by ``run_all``, at most ``most`` of them in a hop, and so many hops at once.

    Where a hop fails as a whole, its calls are repeated one by one, so that the culprit is found
    and the others do not suffer.
    """

    def __init__(
        self,
        run_all: RunAll,
        *,
        hops: int,
        most: int,
        may_wait: Callable[[], bool] = lambda: True,
    ) -> None:
        """Where ``may_wait`` is false, a call that is cancelled is not waited for."""
        self._run_all = run_all
        self._free_hops = hops
        self._most = most
        self._may_wait = may_wait
        self._waiting: deque[_Call] = deque()
        self._hops: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def run(self, function: Callable[[], Any], begin: Callable[[], None] = _nothing) -> Any:
        """What the function returns. Raises what it raises. ``begin`` is called when it is sent.

        A call that is cancelled ends only when it has really ended, or was never begun, or where
        it may not wait.
        """
        call = _Call(function, begin, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if self._free_hops:
            self._free_hops -= 1
            # In no context: its calls are of several tasks and requests.
            hop = asyncio.create_task(self._work(), context=Context())
            self._hops.add(hop)
            hop.add_done_callback(self._hops.discard)
        try:
            outcome = await asyncio.shield(call.ended)
        except asyncio.CancelledError:
            if call in self._waiting:
                self._waiting.remove(call)
                raise
            while not call.ended.done() and self._may_wait():
                await asyncio.wait([call.ended], timeout=_LOOK_AGAIN)
            raise
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    async def _work(self) -> None:
        while self._waiting:
            count = min(self._most, len(self._waiting))
            await self._run([self._waiting.popleft() for _ in range(count)])
        self._free_hops += 1

    async def _run(self, calls: Sequence[_Call]) -> None:
        for call in calls:
            call.begin()
        try:
            outcomes = await self._run_all([call.function for call in calls])
        except Exception as error:
            if len(calls) > 1:
                for call in calls:
                    await self._run([call])
                return
            outcomes = [Outcome(error=error)]
        for call, outcome in zip(calls, outcomes, strict=True):
            call.ended.set_result(outcome)


@dataclass(frozen=True, slots=True, eq=False)
class _Call:
    function: Callable[[], Any]
    begin: Callable[[], None]
    ended: asyncio.Future[Outcome]
