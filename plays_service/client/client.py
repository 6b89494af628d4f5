"""The client: what the service can do, as methods."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self, TypeVar
from uuid import UUID

from plays_service.client.connection import Connection, read_json, retry_after
from plays_service.client.download import Download, DownloadProgress, save
from plays_service.client.errors import (
    AccessDeniedError,
    AnswerError,
    ServiceUnavailableError,
    TaskNotEndedError,
    TaskNotFoundError,
    TemporaryError,
    UploadRefusedError,
    WaitTimeoutError,
)
from plays_service.client.retries import Retries
from plays_service.client.rows import Row, read_rows
from plays_service.client.sources import Content, Sending, Source, UploadProgress, source_of
from plays_service.client.task import Task

__all__ = ["Client"]

R = TypeVar("R")

#: Seconds that the service is asked to hold its answer until a task has ended.
_LONG_WAIT: Final = 30.0
#: The same where somebody watches the progress.
_SHORT_WAIT: Final = 0.5


class Client:
    """A connection to the service at ``url``, an asynchronous context manager.

    An unreachable or busy service is asked again for ``retry_for`` seconds (with backoff, jitter
    and its ``Retry-After``), as long as that cannot do a thing twice. Every method raises
    `ServiceUnavailableError` after that, `AccessDeniedError` where ``token`` is not what the
    service wants, and those with an id `TaskNotFoundError`.
    """

    def __init__(self, url: str, *, token: str | None = None, retry_for: float = 60.0) -> None:
        self._url = url
        self._token = token
        self._retry_for = retry_for
        self._connection: Connection

    async def __aenter__(self) -> Self:
        """Raises `ValueError` where ``url`` is none."""
        self._connection = Connection(self._url, self._token)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._connection.close()

    async def submit(
        self,
        content: Content,
        *,
        filename: str | None = None,
        on_error: Literal["fail", "skip"] = "fail",
        encoding: str | None = None,
        progress: UploadProgress | None = None,
    ) -> str:
        """Upload a file (a path), bytes, or what an asynchronous iterator gives: the task's id.

        Nothing is held in memory but a few MiB. The upload is sent again only where the service
        surely made no task of it (it was not reached, said that it is busy, or did not get the
        last byte), and the content can be read again: an iterator, once begun, cannot. Raises
        `UploadRefusedError`, and `OSError` where the file cannot be read.
        """
        source = source_of(content)
        query = {"filename": filename or source.filename, "on_error": on_error}
        if encoding is not None:
            query["encoding"] = encoding
        return await self._repeat(lambda: self._send(source, query, progress))

    async def task(self, task_id: str) -> Task:
        """What the service tells of a task."""
        known = _checked(task_id)

        async def get() -> Task:
            async with self._connection.answer("GET", "tasks", known) as answer:
                return await read_json(answer, Task.from_json)

        return await self._repeat(get)

    async def wait(
        self,
        task_id: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 -- so that the error names the task
        progress: Callable[[Task], None] | None = None,
    ) -> Task:
        """Return when the task has succeeded, as it is then.

        A restart of the service only makes it take longer. ``timeout`` is in seconds; ``progress``
        is told the task twice a second. Raises `TaskFailedError` with line, column and value,
        `TaskRevokedError`, and `WaitTimeoutError`.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (task := await self.task(task_id)).has_ended:
                    if progress is not None:
                        progress(task)
                    await self._until_ended(task_id, _SHORT_WAIT if progress else _LONG_WAIT)
        except TimeoutError:
            raise WaitTimeoutError(f"the task {task_id} has not ended in {timeout:g} s") from None
        task.check()
        return task

    async def result(
        self,
        task_id: str,
        *,
        to: str | PathLike[str],
        progress: DownloadProgress | None = None,
    ) -> None:
        """Download the totals into the file ``to``, which appears whole or not at all.

        Raises what `download` raises, and `OSError`.
        """
        await save(self.download(task_id, progress=progress), Path(to))

    async def rows(self, task_id: str) -> AsyncIterator[Row]:
        """The totals row by row, in order of first appearance. Raises what `download` raises."""
        async with aclosing(self.download(task_id)) as blocks:
            async for row in read_rows(blocks):
                yield row

    async def download(
        self, task_id: str, *, progress: DownloadProgress | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The totals as CSV, in blocks. A broken connection goes on where it broke.

        Raises `TaskFailedError`, `TaskRevokedError`, `TaskNotEndedError`.
        """
        retries = Retries(self._retry_for)
        download = Download(self._connection, _checked(task_id), retries, progress)
        try:
            async with aclosing(download.blocks()) as blocks:
                async for block in blocks:
                    yield block
        except TaskNotEndedError:
            (await self.task(task_id)).check()
            raise

    async def cancel(self, task_id: str) -> Task:
        """Cancel the task if it has not ended; the task as it is then.

        Where it ends in the same moment, the service removes it: `TaskNotFoundError`.
        """
        task = await self.task(task_id)
        if task.has_ended:
            return task
        return await self._delete(task_id) or await self.task(task_id)

    async def remove(self, task_id: str) -> None:
        """Make the service forget the task and its result, whether it has ended or not."""
        while await self._delete(task_id) is not None:
            pass

    async def aggregate(
        self,
        content: Content,
        *,
        to: str | PathLike[str],
        on_error: Literal["fail", "skip"] = "fail",
        encoding: str | None = None,
    ) -> Task:
        """Upload, wait and download: the totals are in the file ``to`` when this returns."""
        task_id = await self.submit(content, on_error=on_error, encoding=encoding)
        task = await self.wait(task_id)
        await self.result(task_id, to=to)
        return task

    async def _repeat(self, attempt: Callable[[], Awaitable[R]]) -> R:
        retries = Retries(self._retry_for)
        while True:
            try:
                return await attempt()
            except TemporaryError as error:
                await retries.pause(error)

    async def _send(
        self, source: Source, query: dict[str, str], progress: UploadProgress | None
    ) -> str:
        sending = Sending(source, progress)
        headers = {"Content-Type": "text/csv"}
        if source.size is not None:
            headers["Content-Length"] = str(source.size)
        try:
            async with self._connection.answer(
                "POST", "process_csv", query=query, headers=headers, body=sending.blocks()
            ) as answer:
                return await read_json(answer, lambda fields: str(UUID(fields["task_id"])))
        except TemporaryError as error:
            if sending.failed is not None:
                raise sending.failed from None
            untouched = not error.sent or not sending.ended
            if untouched and (source.is_repeatable or not sending.begun):
                raise
            raise ServiceUnavailableError(_lost(str(error), untouched=untouched)) from error
        except AccessDeniedError:
            raise
        except AnswerError as error:
            raise UploadRefusedError(error.status, error.message) from None
        except TaskNotFoundError as error:
            raise UploadRefusedError(404, str(error)) from None

    async def _until_ended(self, task_id: str, seconds: float) -> None:
        """Return when the task has ended or, if it has not, after a while."""
        query = {"wait": str(seconds)}
        began = time.monotonic()

        async def ask() -> float:
            async with self._connection.answer("HEAD", "result", task_id, query=query) as answer:
                return retry_after(answer)

        pause = await self._repeat(ask)
        if time.monotonic() - began < seconds / 2:  # it stops, and lets nobody wait
            await asyncio.sleep(pause)

    async def _delete(self, task_id: str) -> Task | None:
        """Cancel the task, or remove it where it has ended: then None."""
        known = _checked(task_id)

        async def delete() -> Task | None:
            try:
                async with self._connection.answer("DELETE", "tasks", known) as answer:
                    if answer.status == 204:
                        return None
                    return await read_json(answer, Task.from_json)
            except TemporaryError as error:
                if error.sent:  # a second try would remove what the first has cancelled
                    raise ServiceUnavailableError(str(error)) from error
                raise

        return await self._repeat(delete)


def _checked(task_id: str) -> str:
    """The id as a part of a path. Raises `TaskNotFoundError` where it can be none."""
    try:
        return str(UUID(task_id))
    except ValueError:
        raise TaskNotFoundError(f"{task_id!r} is not the id of a task") from None


def _lost(problem: str, *, untouched: bool) -> str:
    if untouched:
        return f"{problem}; the service made no task of it: send the file again"
    return f"{problem}; the whole file was sent, so that there may be a task of it"
