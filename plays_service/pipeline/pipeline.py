"""One input on its way to its result: which calls to a worker, in which order.

The service and the command line run the same pipeline; they differ in what ``call`` is, and in
whether the input is still growing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from plays_service import aggregation
from plays_service.aggregation import PARTITIONS, CsvError, Dialect, Source, Summary
from plays_service.aggregation.dialect import HEAD_SIZE
from plays_service.pipeline.growth import Growth
from plays_service.pipeline.partials import Partials, total_size
from plays_service.pipeline.segment_reader import SegmentReader, shares_of
from plays_service.pipeline.work import Call, Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Pipeline", "Progress"]

#: Told the fraction that is done, 0..1, how many segments are read, and what they have found.
Progress = Callable[[float, int, Summary], None]

#: Fractions of the whole at the end of each stage, about as the time goes.
_SEGMENTS_DONE: Final = 0.8
_MERGE_DONE: Final = 0.9


class Pipeline:
    """Aggregates ``work.input`` into ``work.result``, which appears whole or not at all.

    It may run while the input is being written, as ``growth`` tells it: what is there is
    aggregated at once.
    """

    def __init__(self, call: Call, work: Work, growth: Growth, progress: Progress) -> None:
        self._call = call
        self._work = work
        self._growth = growth
        self._progress = progress
        self._summary = Summary()
        self._segments = 0

    async def run(self) -> Summary:
        """What was found; with an error (the first bad record of the file) there is no result.

        An error is known as soon as the bytes up to it are on disk, whole or not. Raises what
        ``call`` raises. When it is cancelled it ends only after the calls that are under way.
        """
        work = self._work
        small = min(work.segment_size, work.small)
        await self._growth.reached(small + 1)
        if self._growth.size <= small:
            return await self._run_small()
        partials, summary = await self.read()
        if summary.error is None:
            summary = replace(summary, groups=await self.merge(partials))
        return summary

    async def read(self, base: int = 0) -> tuple[list[Path], Summary]:
        """Partials of the whole input, in order, and what was found; or up to an error.

        ``base`` is how many bytes other inputs have before this one.
        """
        work = self._work
        await asyncio.to_thread(partial(work.folder.mkdir, parents=True, exist_ok=True))
        try:
            dialect = await self._read_dialect()
        except CsvError as error:
            return [], Summary(error=error)
        partials = await self._aggregate(Source(work.input, dialect, work.skip_errors, base))
        return partials, self._summary.moved(dialect.data_line)

    async def _run_small(self) -> Summary:
        work = self._work
        summary: Summary = await self._call(
            partial(
                aggregation.aggregate_small,
                work.input,
                work.result,
                work.folder,
                encoding=work.encoding,
                skip_errors=work.skip_errors,
                seed=work.seed,
                memory=work.memory,
                fsync=work.fsync,
            )
        )
        self._segments, self._summary = 1, summary
        self._report(_MERGE_DONE)
        return summary

    async def _read_dialect(self) -> Dialect:
        work = self._work
        dialect: Dialect | None = None
        await self._growth.reached(HEAD_SIZE)
        if not self._growth.is_whole:
            dialect = await self._call(aggregation.early_dialect_of, work.input, work.encoding)
        if dialect is None:
            await self._growth.whole()
            dialect = await self._call(aggregation.dialect_of, work.input, work.encoding)
        return dialect

    # ---- Segments ----

    async def _aggregate(self, source: Source) -> list[Path]:
        """Partials of the whole input, in order; or up to its first bad record."""
        partials = Partials(self._call, self._work, self._growth)
        reader = SegmentReader(self._call, self._work, source, self._growth)
        async with reader.readings() as readings:
            async for path, reading in readings:
                self._summary = self._summary.then(reading.summary)
                self._segments += 1
                self._report(self._fraction(reading.end))
                if self._summary.error is not None:
                    break
                await partials.add(path)
        return partials.paths

    def _report(self, fraction: float) -> None:
        self._progress(fraction, self._segments, self._summary)

    def _fraction(self, done: int) -> float:
        size = self._growth.expected
        return _SEGMENTS_DONE * done / max(size, done) if size else 0.0

    # ---- Merge ----

    async def merge(self, partials: Sequence[Path]) -> int:
        """Merge the partials into the result; the number of its groups."""
        work = self._work
        size = await asyncio.to_thread(total_size, partials)
        if size <= work.segment_size:
            run = work.folder / "whole.run"
            groups: int = await self._call(
                partial(
                    aggregation.merge_small, partials, work.result, run, seed=work.seed,
                    memory=work.memory, fsync=work.fsync,
                )
            )  # fmt: skip
            return groups
        shares = shares_of(PARTITIONS, min(PARTITIONS, size // work.segment_size + 1))
        runs = [work.folder / f"{share.start}-{share.stop}.run" for share in shares]
        calls = [
            partial(
                self._call, aggregation.merge_partitions, partials, share, run, work.seed,
                work.memory,
            )
            for share, run in zip(shares, runs, strict=True)
        ]  # fmt: skip
        groups = 0
        async with _in_order(calls) as merged:
            async for done, count in merged:
                groups += count
                share_done = (_MERGE_DONE - _SEGMENTS_DONE) * done / len(calls)
                self._report(_SEGMENTS_DONE + share_done)
        await asyncio.to_thread(_unlink, partials)  # the result needs as much disk again
        await self._write(runs)
        return groups

    async def _write(self, runs: Sequence[Path]) -> None:
        work = self._work
        temporary = aggregation.temporary_for(work.folder / "result.csv")
        plan = await self._call(aggregation.plan_result, runs, temporary, work.segment_size)
        calls = [
            partial(self._call, aggregation.write_ranges, runs, ranges, temporary, offset)
            for ranges, offset in plan
        ]
        async with _in_order(calls) as written:
            async for done, _ in written:
                share_done = (1 - _MERGE_DONE) * done / (len(calls) + 1)
                self._report(_MERGE_DONE + share_done)
        await self._call(
            partial(aggregation.publish_once, temporary, work.result, fsync=work.fsync)
        )


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink()


@asynccontextmanager
async def _in_order(
    calls: Sequence[Callable[[], Awaitable[Any]]],
) -> AsyncIterator[AsyncIterator[tuple[int, Any]]]:
    """Start all calls; their results in order, each with how many there were so far.

    On leaving, calls that have not begun never will, and those that have are waited for.
    """
    running = [asyncio.ensure_future(call()) for call in calls]

    async def results() -> AsyncIterator[tuple[int, Any]]:
        for done, one in enumerate(running, 1):
            yield done, await one

    try:
        yield results()
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
