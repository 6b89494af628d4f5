"""An input, whole or still growing, into readings of segments that follow on each other.

Where a record starts can be told only from the start of the file, because of quotes. Reading all
of it first would take as long as aggregating a good part of it. So segments begin at a guess (the
first line), all at once, and each is checked against the one before: it must start where that
ended. Where it does not, the guess was inside quotes, and the segment is read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Final

from plays_service import aggregation
from plays_service.aggregation import Reading, Segment, Source
from plays_service.pipeline.growth import Growth
from plays_service.pipeline.work import SMALL, Call, Work

__all__ = ["SegmentReader", "shares_of"]

#: Bytes behind a segment that must be there before it is read: no record, and nothing that has to
#: be looked at to tell its end, reaches further, but for lines over the limit.
_LOOKAHEAD: Final = 2 << 20
#: Segments for each worker that are read ahead of the first whose reading is awaited.
_READ_AHEAD: Final = 4
#: Shares for each worker of what is left, of which a segment is one where the work is alone.
_SHARES: Final = 2
#: The longest such segment, in usual ones.
_LONGEST: Final = 8


class SegmentReader:
    """Has the segments of ``source`` aggregated, as ``growth`` lets it."""

    def __init__(self, call: Call, work: Work, source: Source, growth: Growth) -> None:
        self._call = call
        self._work = work
        self._source = source
        self._growth = growth
        self._begun: asyncio.Queue[_Begun | None] = asyncio.Queue()
        self._room = asyncio.Semaphore(_READ_AHEAD * work.workers)

    @asynccontextmanager
    async def readings(self) -> AsyncIterator[AsyncIterator[tuple[Path, Reading]]]:
        """The readings in order, each with its partial; up to the first with an error.

        On leaving, calls that have not begun never will, and those that have are waited for.
        """
        begun: list[asyncio.Future[Reading | None]] = []
        beginning = asyncio.create_task(self._begin_all(begun))
        beginning.add_done_callback(lambda _: self._begun.put_nowait(None))
        checked = self._checked(beginning)
        try:
            yield checked
        finally:
            await checked.aclose()
            beginning.cancel()
            await asyncio.gather(beginning, return_exceptions=True)
            for one in begun:
                one.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def _begin_all(self, begun: list[asyncio.Future[Reading | None]]) -> None:
        async for segment in self._segments():
            await self._room.acquire()
            one = self._begin(segment)
            begun.append(one.running)
            self._begun.put_nowait(one)

    async def _segments(self) -> AsyncIterator[Segment]:
        """Each segment when its bytes are there; where all but the first start is a guess."""
        growth, most, workers = self._growth, self._work.segment_size, self._work.workers
        first = start = self._source.dialect.data_start
        while True:
            step = self._step(start)
            await growth.reached(start + step + _LOOKAHEAD)
            if growth.is_whole and growth.size - start <= most * workers:
                break
            yield Segment(start, start + step, start > first, not growth.is_whole)
            start += step
        # the rest is shared out, so that no worker is left with a whole segment at the end
        rest = max(growth.size - start, 0)
        count = max(-(-rest // most), min(workers, rest // (SMALL // 2)))
        for share in shares_of(rest, count):
            at = start + share.start
            yield Segment(at, start + share.stop, at > first)

    def _step(self, start: int) -> int:
        """Bytes of the segment at ``start``."""
        growth, most = self._growth, self._work.segment_size
        if not growth.is_whole:
            # smaller at first, so that of a short upload, too, most is done when it ends
            begun = start - self._source.dialect.data_start
            return min(most, max(SMALL, begun // 4))
        if not self._work.alone:
            return most
        # The longer, the fewer partials that have the same groups; and shorter toward the end, so
        # that all workers end together: guided self-scheduling (Polychronopoulos and Kuck, 1987).
        share = (growth.size - start) // (_SHARES * self._work.workers)
        return min(max(most, share), _LONGEST * most)

    def _begin(self, segment: Segment) -> _Begun:
        work = self._work
        # named by its bytes: what an earlier process finished is found, if it cut alike
        start = "rough" if segment.rough else "exact"
        partial = work.folder / f"{segment.start}-{segment.end}.{start}.partial"
        call = self._call(
            aggregation.aggregate_segment, self._source, segment, partial, work.seed, work.memory
        )
        return _Begun(segment, partial, asyncio.ensure_future(call))

    async def _checked(
        self, beginning: asyncio.Task[None]
    ) -> AsyncGenerator[tuple[Path, Reading], None]:
        expected = self._source.dialect.data_start
        while (one := await self._begun.get()) is not None:
            self._room.release()
            if one.segment.end <= expected:
                continue  # a long record of the segment before took all of it
            reading = await one.running
            partial = one.partial
            if reading is None or reading.start != expected:
                await asyncio.to_thread(partial.unlink, missing_ok=True)
                partial, reading = await self._read_again(replace(one.segment, start=expected))
            expected = reading.end
            yield partial, reading
            if reading.summary.error is not None:
                return
        await beginning  # which raises what it failed with
        if expected < self._growth.size:
            raise RuntimeError(f"the segments end at {expected} of {self._growth.size} bytes")

    async def _read_again(self, segment: Segment) -> tuple[Path, Reading]:
        """Read a segment whose start is known by now."""
        while True:
            growing = not self._growth.is_whole
            one = self._begin(replace(segment, rough=False, growing=growing))
            reading = await one.running
            if reading is not None:
                return one.partial, reading
            await self._growth.whole()


@dataclass(frozen=True, slots=True)
class _Begun:
    """A segment on its way to its partial."""

    segment: Segment
    partial: Path
    running: asyncio.Future[Reading | None]


def shares_of(total: int, count: int) -> list[range]:
    """``range(total)`` in ``count`` parts of about the same length."""
    bounds = [total * i // count for i in range(count + 1)] if count else []
    return [range(start, stop) for start, stop in pairwise(bounds)]
