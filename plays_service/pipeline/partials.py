"""The partials of an input, kept few."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from plays_service import aggregation
from plays_service.pipeline.growth import Growth
from plays_service.pipeline.work import Call, Work

__all__ = ["Partials", "total_size"]

#: Partials that are combined into one while others are still to come.
_COMBINED: Final = 8
#: Partials up to which none are combined once the input is whole.
_MERGED_AT_ONCE: Final = 64


class Partials:
    """Partials in order; where groups are few, combined, so that little is left to merge.

    As in a log-structured merge tree: so many of one level become one of the next.
    """

    def __init__(self, call: Call, work: Work, growth: Growth) -> None:
        self.paths: list[Path] = []
        self._levels: list[int] = []  # how often each was combined
        self._call = call
        self._work = work
        self._growth = growth

    async def add(self, path: Path) -> None:
        """Take the next one; some may become one for it."""
        self.paths.append(path)
        self._levels.append(0)
        while self._levels[-_COMBINED:] == [self._levels[-1]] * _COMBINED:
            if not await self._combine():
                return

    async def _combine(self) -> bool:
        """Make the last ones one; False where that is not worth it."""
        if self._growth.is_whole and len(self.paths) < _MERGED_AT_ONCE:
            return False  # that is left to the merge, which is what comes next
        work, last = self._work, self.paths[-_COMBINED:]
        if await asyncio.to_thread(total_size, last) > work.segment_size // 4:
            return False
        level = self._levels[-1] + 1
        combined = last[0].with_name(f"{last[0].name.partition('.')[0]}.{level}.combined")
        await self._call(aggregation.combine_partials, last, combined, work.seed, work.memory)
        self.paths[-_COMBINED:] = [combined]
        self._levels[-_COMBINED:] = [level]
        return True


def total_size(paths: Sequence[Path]) -> int:
    """Bytes of all the files."""
    return sum(path.stat().st_size for path in paths)
