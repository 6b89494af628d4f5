"""Reading a result by its rows, in workers: what is made for it is made once, and kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from plays_service import aggregation
from plays_service.aggregation import Page, RowQuery
from plays_service.tasks.runner import TaskRunner
from plays_service.tasks.task import Task

__all__ = ["BusyError", "ResultReader"]

#: Makings under way or waiting, of the whole service.
_MAKINGS: Final = 16
#: And of one result, so that whoever floods one leaves room for the others.
_MAKINGS_OF_ONE: Final = 4
#: Pages and summaries that are read at once, in threads of their own: uploads need the others.
_PAGE_THREADS: Final = 2
#: Of these, how many there may be with those that wait.
_PAGES: Final = 64
#: How often a view may be dropped, for others, between its making and its use.
_TRIES: Final = 3
#: Bytes of a result that are turned into JSON lines in one call.
_PIECE_SIZE: Final = 1 << 20


R = TypeVar("R")


class BusyError(RuntimeError):
    """So much is being made of results that no more can be taken now."""


class ResultReader:
    """The rows, the summary and other forms of results of tasks that have succeeded.

    Every call raises `FileNotFoundError` where the task is removed meanwhile, `DamagedResultError`,
    `WorkerDiedError` and other `OSError`.
    """

    def __init__(self, runner: TaskRunner, *, workers: int, memory: int) -> None:
        """``memory`` is in bytes, of a worker."""
        self._runner = runner
        self._memory = memory
        # Making a view of a huge result takes seconds: most workers must stay free of that.
        self._slots = asyncio.Semaphore(max(1, workers // 2))
        self._makings: dict[Path, asyncio.Task[None]] = {}
        self._page_threads = ThreadPoolExecutor(_PAGE_THREADS, "pages")
        self._pages = 0

    async def stop(self) -> None:
        """Give up what is being made, after the calls under way."""
        makings = list(self._makings.values())
        for one in makings:
            one.cancel()
        await asyncio.gather(*makings, return_exceptions=True)
        self._page_threads.shutdown(wait=False)

    async def page(
        self, task: Task, query: RowQuery, offset: int, limit: int, render: Callable[[Page], R]
    ) -> R:
        """What ``render``, in a thread, makes of some of the rows: see `aggregation.read_page`.

        Raises `BusyError`.
        """
        result = self._runner.store.result_of(task)
        view = self._runner.store.derived_of(task) / query.view_name
        for _ in range(_TRIES):
            page = partial(_render, render, result, query, view, offset, limit)
            rendered = await self._in_thread(page)
            if rendered is not None:
                return rendered
            await self._make(task, view, aggregation.make_view, result, query, view, self._memory)
        raise BusyError("views of this result are dropped before they can be used")

    async def summary(self, task: Task, render: Callable[[bytes], R]) -> R:
        """What ``render``, in a thread, makes of the summary in JSON. Raises `BusyError`."""
        path = self._runner.store.derived_of(task) / "summary.json"
        if not path.exists():
            result = self._runner.store.result_of(task)
            await self._make(
                task, path, aggregation.make_summary, result, path, self._memory, task.seed
            )
        return await self._in_thread(lambda: render(path.read_bytes()))

    async def parquet(self, task: Task) -> Path:
        """The result as a file of Parquet. Raises `BusyError` and `ParquetError`."""
        path = self._runner.store.derived_of(task) / "result.parquet"
        if not path.exists():
            result = self._runner.store.result_of(task)
            await self._make(task, path, aggregation.make_parquet, result, path)
        return path

    async def json_lines(self, task: Task) -> AsyncIterator[bytes]:
        """The result as JSON lines, piece by piece."""
        result, start = self._runner.store.result_of(task), 0
        while True:
            piece, start = await self._call(
                task, aggregation.json_lines, result, start, _PIECE_SIZE
            )
            if not piece:
                return
            yield piece

    async def _in_thread(self, function: Callable[[], R]) -> R:
        """A page is a few reads: in a worker it would wait for a segment of somebody else."""
        if self._pages >= _PAGES:
            raise BusyError("too many pages are being read")
        self._pages += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._page_threads, function)
        finally:
            self._pages -= 1

    async def _make(
        self, task: Task, target: Path, function: Callable[..., Any], *args: Any
    ) -> None:
        """Have ``target`` made, by one call for all that want it at the same time."""
        making = self._makings.get(target)
        if making is None:
            of_this = sum(path.parent == target.parent for path in self._makings)
            if len(self._makings) >= _MAKINGS or of_this >= _MAKINGS_OF_ONE:
                raise BusyError("too much is being made of results")
            making = asyncio.create_task(self._run(task, partial(function, *args)))
            self._makings[target] = making
            making.add_done_callback(partial(self._forget, target))
        await asyncio.shield(making)

    def _forget(self, target: Path, making: asyncio.Task[None]) -> None:
        del self._makings[target]
        if not making.cancelled():
            making.exception()  # known to who waits, if anyone still does

    async def _run(self, task: Task, function: Callable[[], Any]) -> None:
        runner = self._runner
        async with self._slots:
            await asyncio.to_thread(runner.disk.check)
            try:
                await self._call(task, function)
            finally:
                size = await asyncio.to_thread(runner.store.size_of_result, task)
                runner.keep_result(task, size)

    async def _call(self, task: Task, function: Callable[..., Any], *args: Any) -> Any:
        # A turn of its own: who reads results waits for those who read, not for an aggregation.
        return await self._runner.calls.run(("rows", task.id), function, *args)


def _render(render: Callable[[Page], R], *page: Any) -> R | None:
    """None where there is no view."""
    found = aggregation.read_page(*page)
    return None if found is None else render(found)
