"""One input on its way to its result: which calls to a worker, in which order.

The service and the command line run the same pipeline; they differ in what ``call`` is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from plays_service import aggregation
from plays_service.aggregation import PARTITIONS, CsvError, Segment, Source, Summary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Call", "Progress", "Work", "run_pipeline"]

#: ``call(function, *args)`` runs the function in a worker and gives back what it returns.
Call = Callable[..., Awaitable[Any]]
#: Told the fraction that is done, 0..1, and what the segments read so far have found.
Progress = Callable[[float, Summary], None]

#: Fractions of the whole at the end of each stage, about as the time goes.
_SEGMENTS_DONE: Final = 0.8
_MERGE_DONE: Final = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be aggregated, and with what means. Sizes are in bytes."""

    input: Path
    result: Path
    folder: Path  #: for partials and runs; whoever runs the pipeline deletes it
    encoding: str
    skip_errors: bool
    seed: int
    segment_size: int
    memory: int  #: of a worker
    fsync: bool


async def run_pipeline(call: Call, work: Work, progress: Progress) -> Summary:
    """Aggregate ``work.input`` into ``work.result``, which appears whole or not at all.

    A summary with an error (the first bad record of the file) comes without a result. Raises what
    ``call`` raises. When it is cancelled it ends only after the calls that are under way.
    """
    size = (await asyncio.to_thread(work.input.stat)).st_size
    if size > work.segment_size:
        return await _Segmented(call, work, progress).run()
    summary: Summary = await call(
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
    return summary


class _Segmented:
    """segment → partial → merge, for a file of more than one segment."""

    def __init__(self, call: Call, work: Work, progress: Progress) -> None:
        self._call = call
        self._work = work
        self._progress = progress
        self._summary = Summary()

    async def run(self) -> Summary:
        work = self._work
        await asyncio.to_thread(partial(work.folder.mkdir, parents=True, exist_ok=True))
        try:
            dialect = await self._call(aggregation.dialect_of, work.input, work.encoding)
        except CsvError as error:
            return Summary(error=error)
        source = Source(work.input, dialect, work.skip_errors)
        segments = await self._call(
            aggregation.cut_segments, work.input, dialect, work.segment_size
        )
        partials = await self._aggregate(source, segments)
        if self._summary.error is None:
            groups = await self._merge(partials)
            self._summary = replace(self._summary, groups=groups)
        return self._summary.moved(dialect.data_line)

    async def _aggregate(self, source: Source, segments: Sequence[Segment]) -> list[Path]:
        """One partial for each segment, up to the first that has a bad record."""
        work = self._work
        # named by their bytes: what an earlier process finished is found, if it cut alike
        partials = [work.folder / f"{one.start}-{one.end}.partial" for one in segments]
        calls = [
            partial(
                self._call, aggregation.aggregate_segment, source, segment, path, work.seed,
                work.memory,
            )
            for segment, path in zip(segments, partials, strict=True)
        ]  # fmt: skip
        async with _in_order(calls) as summaries:
            async for done, summary in summaries:
                self._summary = self._summary.then(summary)
                self._progress(_SEGMENTS_DONE * done / len(segments), self._summary)
                if self._summary.error is not None:
                    break
        return partials

    async def _merge(self, partials: Sequence[Path]) -> int:
        """Merge the partials into the result; the number of its groups."""
        work = self._work
        size = await asyncio.to_thread(_total_size, partials)
        shares = _shares(PARTITIONS, min(PARTITIONS, size // work.segment_size + 1))
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
                self._progress(_SEGMENTS_DONE + share_done, self._summary)
        await self._write(runs)
        return groups

    async def _write(self, runs: Sequence[Path]) -> None:
        work = self._work
        temporary = work.folder / "result.csv"
        plan = await self._call(aggregation.plan_result, runs, temporary, work.segment_size)
        calls = [
            partial(self._call, aggregation.write_ranges, runs, ranges, temporary, offset)
            for ranges, offset in plan
        ]
        async with _in_order(calls) as written:
            async for done, _ in written:
                share_done = (1 - _MERGE_DONE) * done / (len(calls) + 1)
                self._progress(_MERGE_DONE + share_done, self._summary)
        await self._call(partial(aggregation.publish, temporary, work.result, fsync=work.fsync))


def _total_size(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _shares(total: int, count: int) -> list[range]:
    """``range(total)`` in ``count`` parts of about the same length."""
    bounds = [total * i // count for i in range(count + 1)]
    return [range(start, stop) for start, stop in pairwise(bounds)]


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
