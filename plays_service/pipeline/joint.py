"""Several inputs on their way to one result, as if they were one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation import Summary
from plays_service.pipeline.growth import Growth
from plays_service.pipeline.partials import Partials
from plays_service.pipeline.pipeline import Pipeline
from plays_service.pipeline.work import Call, Work

__all__ = ["Input", "JointPipeline"]

#: Inputs for each worker that are read ahead of the first whose reading is awaited.
_READ_AHEAD: Final = 2


@dataclass(frozen=True, slots=True)
class Input:
    """One of several inputs: UTF-8 on disk, whole or still growing."""

    path: Path
    encoding: str  #: that it had, for messages
    growth: Growth
    share: float  #: of all the work, 0..1, for the progress


class JointPipeline:
    """Aggregates ``inputs`` into ``work.result``, in the order in which they come.

    Each has a header and a dialect of its own. Whatever takes more than one call, the merge above
    all, is done once for all of them: a row's place in the order of first appearance is its offset
    and the sizes of the inputs before. Of ``work``, ``input`` and ``encoding`` are not used.
    """

    def __init__(
        self,
        call: Call,
        work: Work,
        inputs: AsyncIterator[Input],
        progress: Callable[[float], None],
    ) -> None:
        self._call = call
        self._work = work
        self._inputs = inputs
        self._progress = progress
        self._done: list[float] = []  # of each input, as a share of all

    async def run(self) -> tuple[list[Summary], int]:
        """What was found in each input, up to the first with an error; and the number of groups.

        With an error there is no result. Raises what ``call`` and ``inputs`` raise.
        """
        summaries: list[Summary] = []
        whole = Growth()
        whole.finish(0)
        partials = Partials(self._call, self._work, whole)
        async with aclosing(self._readings()) as readings:
            async for paths, summary in readings:
                summaries.append(summary)
                if summary.error is not None:
                    return summaries, 0
                for path in paths:
                    await partials.add(path)
        merge = Pipeline(self._call, self._work, whole, lambda done, *_: self._progress(done))
        return summaries, await merge.merge(partials.paths)

    async def _readings(self) -> AsyncGenerator[tuple[list[Path], Summary], None]:
        """Partials and summary of each input, in order."""
        begun: deque[asyncio.Future[tuple[list[Path], Summary]]] = deque()
        base = 0
        try:
            async for one in self._inputs:
                begun.append(asyncio.ensure_future(self._read(one, base)))
                async with aclosing(_ended_before(one.growth, begun)) as ended:
                    async for reading in ended:
                        yield reading
                base += one.growth.size
                while len(begun) > _READ_AHEAD * self._work.workers:
                    yield await begun.popleft()
            while begun:
                yield await begun.popleft()
        finally:
            for one_begun in begun:
                one_begun.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    async def _read(self, one: Input, base: int) -> tuple[list[Path], Summary]:
        number = len(self._done)
        self._done.append(0.0)

        def progress(done: float, *_: object) -> None:
            self._done[number] = done * one.share
            self._progress(sum(self._done))

        folder = self._work.folder / f"input-{number}"
        work = replace(self._work, input=one.path, encoding=one.encoding, folder=folder)
        return await Pipeline(self._call, work, one.growth, progress).read(base)


async def _ended_before(
    growth: Growth, begun: deque[asyncio.Future[tuple[list[Path], Summary]]]
) -> AsyncGenerator[tuple[list[Path], Summary], None]:
    """Readings that have ended, in order, until ``growth`` is whole.

    That of a growing input ends early where it finds an error.
    """
    whole = asyncio.ensure_future(growth.whole())
    try:
        while begun and not whole.done():
            either: list[asyncio.Future[Any]] = [whole, begun[0]]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if begun[0].done():
                yield begun.popleft().result()
        await whole
    finally:
        whole.cancel()
