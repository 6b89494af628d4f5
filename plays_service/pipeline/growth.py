"""How far an input is that is still being written."""

from __future__ import annotations

import asyncio

__all__ = ["Growth"]


class Growth:
    """Bytes of an input on disk, for those who wait for more of them."""

    def __init__(self) -> None:
        self.size = 0
        self.expected = 0  #: bytes in the end, about; 0: nobody knows
        self._whole = False
        self._changed = asyncio.Event()

    @property
    def is_whole(self) -> bool:
        """Whether nothing more will come."""
        return self._whole

    def grow(self, size: int) -> None:
        """The first ``size`` bytes are there."""
        self.size = size
        self._changed.set()

    def finish(self, size: int) -> None:
        """All ``size`` bytes are there."""
        self._whole = True
        self.expected = size
        self.grow(size)

    async def reached(self, size: int) -> None:
        """Return when so many bytes are there, or all."""
        while self.size < size and not self._whole:
            self._changed.clear()
            await self._changed.wait()

    async def whole(self) -> None:
        """Return when all bytes are there."""
        while not self._whole:
            self._changed.clear()
            await self._changed.wait()
