"""A result on its way here, in as many goes as it takes."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final, TypeAlias

import aiohttp

from plays_service.client.connection import Connection
from plays_service.client.errors import PlaysError, TaskNotEndedError, TemporaryError
from plays_service.client.retries import Retries

__all__ = ["Download", "DownloadProgress", "save"]

#: Told how many bytes have come, and how many there are.
DownloadProgress: TypeAlias = Callable[[int, int], None]

_BLOCK_SIZE: Final = 1 << 20
_CONTENT_RANGE: Final = re.compile(r"bytes ([0-9]+)-[0-9]+/([0-9]+)")


class Download:
    """The bytes of one result. Where the connection breaks, it goes on at the same byte.

    The range is asked for together with the tag of what has come (RFC 9110, section 13.1.5), so
    that two results are never mixed.
    """

    def __init__(
        self,
        connection: Connection,
        task_id: str,
        retries: Retries,
        progress: DownloadProgress | None,
    ) -> None:
        self._connection = connection
        self._task_id = task_id
        self._retries = retries
        self._progress = progress
        self._received = 0
        self._size = 0
        self._tag = ""

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """The bytes in blocks of at most 1 MiB.

        Raises `TaskNotEndedError` where there is no result (yet), and `PlaysError`.
        """
        while True:
            try:
                async with self._connection.answer(
                    "GET", "result", self._task_id, headers=self._headers()
                ) as answer:
                    self._begin(answer)
                    async for block in answer.content.iter_chunked(_BLOCK_SIZE):
                        self._count(block)
                        yield block
                    return
            except TemporaryError as error:
                if self._received and not self._tag:
                    raise PlaysError(f"{error}; the result has no tag to go on with") from error
                await self._retries.pause(error)

    def _headers(self) -> dict[str, str]:
        if not self._received:
            return {}
        return {"Range": f"bytes={self._received}-", "If-Range": self._tag}

    def _begin(self, answer: aiohttp.ClientResponse) -> None:
        if answer.content_type != "text/csv":
            raise TaskNotEndedError("the task has no result")
        if self._received:
            found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if answer.status != 206 or found is None or int(found[1]) != self._received:
                raise PlaysError("the result changed while it was being downloaded; get it again")
        else:
            self._size = answer.content_length or 0
            tag = answer.headers.get("ETag", "")
            self._tag = "" if tag.startswith("W/") else tag  # a weak one is not enough for ranges

    def _count(self, block: bytes) -> None:
        self._retries.succeeded()
        self._received += len(block)
        if self._progress is not None:
            self._progress(self._received, max(self._size, self._received))


async def save(blocks: AsyncGenerator[bytes, None], path: Path) -> None:
    """Write a file that appears whole or not at all. Raises `OSError`."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with await asyncio.to_thread(partial.open, "xb") as file:
            async with aclosing(blocks):
                async for block in blocks:
                    await asyncio.to_thread(file.write, block)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
