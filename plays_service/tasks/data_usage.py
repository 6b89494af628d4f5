"""How much of the disk the data folder takes."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["DataUsage"]

#: Seconds for which a measure is good, at least.
_GOOD_FOR: Final = 60.0
#: Times as long as it took, that a measure is good: so it never takes more than that share.
_REST: Final = 20
#: Seconds that `measure` waits for the disk.
_PATIENCE: Final = 1.0
#: Bytes of a block, as `stat` (2) counts them.
_BLOCK: Final = 512


class DataUsage:
    """Measures a folder when it is asked for, and not again for a while."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bytes: int | None = None
        self._good_until = 0.0
        self._measuring: asyncio.Task[None] | None = None

    async def measure(self) -> int | None:
        """Bytes on disk, as of some time ago; None while the first measure is under way."""
        if self._measuring is None and time.monotonic() >= self._good_until:
            self._measuring = asyncio.create_task(self._measure())
        if self._measuring is not None:
            await asyncio.wait([self._measuring], timeout=_PATIENCE)
        return self._bytes

    async def _measure(self) -> None:
        start = time.monotonic()
        try:
            self._bytes = await asyncio.to_thread(_size_of, str(self._folder))
        finally:
            end = time.monotonic()
            self._good_until = end + max(_GOOD_FOR, _REST * (end - start))
            self._measuring = None


def _size_of(folder: str) -> int:
    """Bytes that all files below take; those that come and go meanwhile may be missed."""
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(f"{path}/{name}").st_blocks * _BLOCK
    return total
