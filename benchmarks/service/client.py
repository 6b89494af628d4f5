"""The client of every stack: forms over plain sockets, so that it costs as little as may be."""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.service.stacks import Stack

__all__ = ["Large", "Load", "small_tasks", "upload_large"]

_BOUNDARY: Final = b"8f3c1e5b7a"
_PART: Final = (
    b"--" + _BOUNDARY + b'\r\nContent-Disposition: form-data; name="file"; filename="plays.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\n"
)
_END: Final = b"\r\n--" + _BOUNDARY + b"--\r\n"
_BLOCK: Final = 1 << 20
#: Seconds between two questions to a server that does not let clients wait.
_ASK_AGAIN: Final = 0.002
_LENGTH: Final = re.compile(rb"(?i)\r\ncontent-length: (\d+)")
_TASK_ID: Final = re.compile(rb'"task_id": ?"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Large:
    """Seconds of one large upload, from its first byte on."""

    sent: float  #: the last byte is sent
    ready: float  #: the last byte of the result has come
    result: bytes


def upload_large(stack: Stack, path: Path, rate: float = 0.0) -> Large:
    """Upload a file, at most ``rate`` bytes a second, and fetch the result."""
    size = path.stat().st_size
    with socket.create_connection(("127.0.0.1", stack.port)) as connection, path.open("rb") as file:
        begin = time.perf_counter()
        connection.sendall(_head(size))
        for done in range(0, size, _BLOCK):
            _send(connection, file.fileno(), done, min(done + _BLOCK, size))
            ahead = (done + _BLOCK) / rate - (time.perf_counter() - begin) if rate else 0.0
            if ahead > 0:
                time.sleep(ahead)
        connection.sendall(_END)
        sent = time.perf_counter() - begin
        match = _TASK_ID.search(_answer(connection)[1])
        assert match is not None
        result = _result(connection, stack, match[1])
        return Large(sent, time.perf_counter() - begin, result)


def _head(size: int) -> bytes:
    length = len(_PART) + size + len(_END)
    return (
        b"POST /process_csv HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: multipart/form-data; boundary=%b\r\nContent-Length: %d\r\n\r\n%b"
        % (_BOUNDARY, length, _PART)
    )


def _send(connection: socket.socket, file: int, start: int, end: int) -> None:
    while start < end:
        start += os.sendfile(connection.fileno(), file, start, end - start)


def _question(stack: Stack, task_id: bytes) -> bytes:
    wait = b"?wait=60" if stack.waits else b""
    return b"GET /result/%b%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % (task_id, wait)


def _result(connection: socket.socket, stack: Stack, task_id: bytes) -> bytes:
    while True:
        connection.sendall(_question(stack, task_id))
        head, body = _answer(connection)
        if b"text/csv" in head:
            return body
        if b"FAILURE" in body:
            raise RuntimeError(body.decode())
        time.sleep(_ASK_AGAIN)


def _answer(connection: socket.socket) -> tuple[bytes, bytes]:
    received = b""
    while (answer := _split(received)) is None:
        data = connection.recv(_BLOCK)
        if not data:
            raise ConnectionError(f"the server hung up: {received[:500]!r}")
        received += data
    return answer


def _split(received: bytes) -> tuple[bytes, bytes] | None:
    """Head and body of an answer; None where it is not complete."""
    head, blank, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if not blank or length is None or len(body) < int(length[1]):
        return None
    return head, body


@dataclass(frozen=True, slots=True)
class Load:
    """What many small tasks took."""

    seconds: float
    latencies: list[float]  #: seconds from the upload to the result, sorted

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds within which so large a share of the tasks was done."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


class _Client:
    """Uploads the same small file again and again, and fetches each result."""

    def __init__(self, stack: Stack, upload: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", stack.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ask_at = 0.0
        self._stack = stack
        self._upload = upload
        self._received = b""
        self._question = b""
        self._began = 0.0

    def begin(self) -> None:
        self._began = time.perf_counter()
        self._question = b""
        self.socket.sendall(self._upload)

    def ask(self) -> None:
        self.ask_at = 0.0
        self.socket.sendall(self._question)

    def receive(self) -> float | None:
        """Take what has come; the seconds that the task took, when that was its result."""
        self._received += self.socket.recv(1 << 16)
        answer = _split(self._received)
        if answer is None:
            return None
        self._received = b""
        head, body = answer
        if not self._question:
            match = _TASK_ID.search(body)
            assert match is not None, body
            self._question = _question(self._stack, match[1])
            self.ask()
        elif b"text/csv" in head:
            return time.perf_counter() - self._began
        else:
            self.ask_at = time.perf_counter() + _ASK_AGAIN
        return None


def small_tasks(stack: Stack, content: bytes, clients: int, seconds: float) -> Load:
    """So many clients at once, each with one task after the other, for about so long."""
    upload = _head(len(content)) + content + _END
    everyone = {
        one.socket.fileno(): one for one in (_Client(stack, upload) for _ in range(clients))
    }
    poll = select.epoll()
    for number, one in everyone.items():
        poll.register(number, select.EPOLLIN)
        one.begin()
    begin = time.perf_counter()
    latencies: list[float] = []
    running = clients
    while running:
        waiting = [one for one in everyone.values() if one.ask_at]
        for one in _received(poll, everyone, _ASK_AGAIN if waiting else 10.0):
            latency = one.receive()
            if latency is not None:
                latencies.append(latency)
                if time.perf_counter() - begin < seconds:
                    one.begin()
                else:
                    running -= 1
        for one in waiting:
            if one.ask_at and time.perf_counter() >= one.ask_at:
                one.ask()
    for one in everyone.values():
        one.socket.close()
    return Load(time.perf_counter() - begin, sorted(latencies))


def _received(
    poll: select.epoll, everyone: dict[int, _Client], timeout: float
) -> Iterator[_Client]:
    for number, _ in poll.poll(timeout):
        yield everyone[number]
