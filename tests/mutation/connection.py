"""A client that sends any bytes, and reads answers as strictly as a picky one."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Answer", "Connection"]

#: Seconds: far more than any answer takes.
_LONG: Final = 30.0


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    headers: dict[str, str]  #: lower-case names
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json; charset=utf-8", self
        return json.loads(self.body)


class Connection:
    """A connection to the server, which is kept for as long as the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def ask(self, request: bytes, *, patience: float = _LONG) -> Answer | None:
        """What is answered to a request, or to what should be one.

        None: nothing within ``patience`` (seconds), or the server closed the connection.
        """
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        try:
            writer.write(request)
            async with asyncio.timeout(patience):
                answer = await _read_answer(reader, to_head=request.startswith(b"HEAD "))
        except (TimeoutError, ConnectionError, asyncio.IncompleteReadError):
            await self.close()
            return None
        if answer.headers.get("connection") == "close":
            await self.close()
        return answer

    async def close(self) -> None:
        if self._streams is None:
            return
        _, writer = self._streams
        self._streams = None
        writer.close()
        with suppress(ConnectionError):  # the server was faster
            await writer.wait_closed()


async def _read_answer(reader: asyncio.StreamReader, *, to_head: bool) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    status_line, *lines = head.decode("ascii").removesuffix("\r\n\r\n").split("\r\n")
    version, status, _ = status_line.split(" ", 2)
    assert re.fullmatch(r"HTTP/[0-9]\.[0-9]", version), head  # aiohttp repeats that of the request
    if status == "100":
        return await _read_answer(reader, to_head=to_head)
    headers = {}
    for line in lines:
        name, value = line.split(": ", 1)
        assert name.lower() not in headers, head
        headers[name.lower()] = value
    size = 0 if to_head else int(headers["content-length"])
    return Answer(int(status), headers, await reader.readexactly(size))
