"""A TCP proxy that makes trouble, for each direction of a connection by itself."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["NO_TROUBLE", "Event", "Proxy", "Trouble"]

_READ_SIZE: Final = 64 << 10
#: `SO_LINGER` that makes closing a reset.
_RESET: Final = struct.pack("ii", 1, 0)


class Event(Enum):
    """What happens to a connection."""

    NOTHING = "nothing"
    CUT = "cut"  #: both sides are closed in order
    RESET = "reset"  #: both sides are reset
    STALL = "stall"  #: nothing passes in this direction any more
    HALF_CLOSE = "half-close"  #: the receiver sees the end, the sender can go on


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens in one direction once ``after`` bytes have passed, and how they pass.

    Or, where it has ``at``, when these bytes come. They must come in one piece, as in a protocol of
    small messages.
    """

    event: Event = Event.NOTHING
    after: int = 0
    at: bytes = b""
    piece: int = _READ_SIZE  #: bytes that pass at once
    pause: float = 0.0  #: seconds after each piece


NO_TROUBLE: Final = Trouble()


class Proxy:
    """Listens on a free port while the ``async with`` block runs.

    ``up`` is the direction to the server, ``down`` that to the client; both can be changed for the
    connections to come. ``next_up`` is for these, one after the other, before ``up``.
    """

    def __init__(self, port: int, up: Trouble = NO_TROUBLE, down: Trouble = NO_TROUBLE) -> None:
        self.up = up
        self.down = down
        self.next_up: deque[Trouble] = deque()
        self.port = 0
        self._target = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        await asyncio.sleep(0)  # what was accepted just now
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up = self.next_up.popleft() if self.next_up else self.up
        connection = asyncio.create_task(self._connect(reader, writer, up, self.down))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        connection.add_done_callback(lambda _: writer.close())  # even if it never began

    async def _connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, up: Trouble, down: Trouble
    ) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._target)
        writers = (writer, server_writer)
        try:
            for one in writers:
                sock = one.transport.get_extra_info("socket")
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await _pass_both(
                _pass(reader, server_writer, up), _pass(server_reader, writer, down), writers
            )
        finally:
            for one in writers:
                one.close()
            for one in writers:
                with suppress(OSError):
                    await one.wait_closed()


async def _pass_both(
    up: Coroutine[Any, Any, Event],
    down: Coroutine[Any, Any, Event],
    writers: tuple[asyncio.StreamWriter, ...],
) -> None:
    passing = [asyncio.create_task(up), asyncio.create_task(down)]
    try:
        await _ended(passing, writers)
    finally:
        for one in passing:
            one.cancel()
        await asyncio.gather(*passing, return_exceptions=True)


async def _ended(
    passing: list[asyncio.Task[Event]], writers: tuple[asyncio.StreamWriter, ...]
) -> None:
    """Return when the connection is over."""
    waiting = set(passing)
    while waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        events = [Event.CUT if one.exception() else one.result() for one in done]
        if Event.RESET in events:
            for writer in writers:
                sock = writer.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
        if Event.RESET in events or Event.CUT in events:
            return


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, trouble: Trouble
) -> Event:
    """Pass bytes on until the sender ends or the trouble begins: what happened."""
    passed = 0
    passes = trouble.event is Event.NOTHING or bool(trouble.at)
    while passes or passed < trouble.after:
        data = await reader.read(_READ_SIZE if passes else min(_READ_SIZE, trouble.after - passed))
        if not data:
            writer.write_eof()
            return Event.NOTHING
        if trouble.at and trouble.at in data:
            break
        for start in range(0, len(data), trouble.piece):
            writer.write(data[start : start + trouble.piece])
            await writer.drain()
            await asyncio.sleep(trouble.pause)
        passed += len(data)
    if trouble.event is Event.STALL:
        await asyncio.Event().wait()
    if trouble.event is Event.HALF_CLOSE:
        writer.write_eof()
        while await reader.read(_READ_SIZE):
            pass
    return trouble.event
