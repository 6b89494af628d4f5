"""The queue in front of the executor: tasks take turns, call by call."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from typing import Any, Final, TypeVar

__all__ = ["FairQueue"]

R = TypeVar("R")

#: Seconds between two looks whether a call that is cancelled may still be waited for.
_LOOK_AGAIN: Final = 1.0


class FairQueue:
    """Lets at most ``slots`` calls run at once, and the tasks that wait take turns.

    So a task of one call runs between two calls of a task of thousands.
    """

    def __init__(self, slots: int, may_wait: Callable[[], bool] = lambda: True) -> None:
        """Where ``may_wait`` is false, a call that is cancelled is not waited for."""
        self._slots = slots
        self._may_wait = may_wait
        self._free = slots  # below 0 when there were more of them
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(calls) for calls in self._waiting.values())

    def resize(self, slots: int) -> None:
        """Let so many calls run at once from now on; those that run go on."""
        more, self._slots = slots - self._slots, slots
        self._free += min(more, 0)
        for _ in range(more):
            self._release()

    async def run(self, turn_of: Hashable, start: Callable[[], Awaitable[R]]) -> R:
        """Await ``start()`` when it is the turn of ``turn_of``.

        A cancelled call keeps its slot until what it started has really ended, and ends only
        then, if it may wait: whoever awaited it can rely on nothing being written any more.
        """
        await self._acquire(turn_of)
        running = asyncio.ensure_future(start())
        running.add_done_callback(self._note_end)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await self._end(running)
            raise

    async def _end(self, running: asyncio.Future[Any]) -> None:
        while not running.done():
            if not self._may_wait():
                running.cancel()
            await asyncio.wait([running], timeout=_LOOK_AGAIN)

    def _note_end(self, running: asyncio.Future[Any]) -> None:
        self._release()
        if not running.cancelled():
            running.exception()  # known to who waits, if anyone still does

    async def _acquire(self, turn_of: Hashable) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(turn_of, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # the slot had just been given
            else:
                self._leave(turn_of, turn)
            raise

    def _leave(self, turn_of: Hashable, turn: asyncio.Future[None]) -> None:
        """Wait no more: without any workers no slot would come by to notice."""
        calls = self._waiting.get(turn_of, deque())
        with suppress(ValueError):  # the slot went past it already
            calls.remove(turn)
        if not calls:
            self._waiting.pop(turn_of, None)

    def _release(self) -> None:
        while self._waiting and self._free >= 0:
            turn_of, calls = self._waiting.popitem(last=False)
            turn = calls.popleft()
            if calls:
                self._waiting[turn_of] = calls  # to the end of the line
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
