"""Telling whoever waits that something has changed."""

from __future__ import annotations

import asyncio

__all__ = ["Signal"]


class Signal:
    """Counts how often it was sent, so that nobody misses one who looks elsewhere meanwhile."""

    def __init__(self) -> None:
        self.count = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def send(self) -> None:
        """Wake everybody that waits."""
        self.count += 1
        for one in self._waiting:
            if not one.done():
                one.set_result(None)
        self._waiting.clear()

    async def wait(self, seen: int) -> None:
        """Return when it was sent more often than ``seen``."""
        if self.count > seen:
            return
        one: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(one)
        try:
            await one
        finally:
            self._waiting.discard(one)
