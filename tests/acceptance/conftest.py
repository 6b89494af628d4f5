"""The real server: a process of its own, as users start it."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
import pytest

from tests.waiting import LONG

NO_VARIABLES: Final[Mapping[str, str]] = {}


class Server:
    """A running ``plays_service serve``."""

    def __init__(self, process: Process, data_dir: Path) -> None:
        self.process = process
        self.data_dir = data_dir
        self.port = 0
        self.log: list[str] = []
        self._reading: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listening(self) -> None:
        """Return when the log tells the port; fail where the process ends before."""
        if not await self.listens():
            pytest.fail("the server did not start:\n" + "".join(self.log))

    async def listens(self) -> bool:
        """Return when the log tells the port; False where the process ends before."""
        assert self.process.stderr is not None
        async with asyncio.timeout(LONG):
            while line := (await self.process.stderr.readline()).decode():
                self.log.append(line)
                if match := re.search(r" on https?://127\.0\.0\.1:([0-9]+)", line):
                    self.port = int(match[1])
                    self._reading = asyncio.create_task(self._read_log())
                    return True
            await self.process.wait()
        return False

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        while line := await self.process.stderr.readline():
            self.log.append(line.decode())

    async def ended(self) -> int:
        """Its exit code, once it has one, with its whole log read."""
        async with asyncio.timeout(LONG):
            code = await self.process.wait()
            if self._reading is not None:
                await self._reading
        return code

    async def kill(self) -> None:
        self.process.kill()
        await self.ended()

    async def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    def memory_peak(self) -> int:
        """The most bytes that the server process, without its workers, has had resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        match = re.search(r"VmHWM:\s+([0-9]+) kB", status)
        assert match is not None
        return int(match[1]) << 10

    def descendants(self) -> list[int]:
        """The processes below the server's: the fork server and the workers."""
        return _descendants(self.process.pid)

    def workers(self) -> list[int]:
        """The processes that aggregate: the children of the fork server."""
        return [
            grandchild for child in _children(self.process.pid) for grandchild in _children(child)
        ]


class StartServer(Protocol):
    """Starts servers with flags by their names; all on one data folder, if none is named."""

    def __call__(
        self, environment: Mapping[str, str] = ..., /, **flags: object
    ) -> Awaitable[Server]: ...


@pytest.fixture
async def start_server(tmp_path: Path) -> AsyncIterator[StartServer]:
    """Starts servers; what still runs at the end is killed, with its workers."""
    servers: list[Server] = []

    async def start(environment: Mapping[str, str] = NO_VARIABLES, /, **flags: object) -> Server:
        data_dir = flags.setdefault("data_dir", tmp_path / "data")
        flags.setdefault("port", 0)
        flags.setdefault("workers", 2)
        process = await asyncio.create_subprocess_exec(
            *command("serve", **flags), stderr=PIPE, env=clean_environment(**environment)
        )
        server = Server(process, Path(str(data_dir)))
        servers.append(server)
        await server.listening()
        return server

    yield start
    for server in servers:
        if server.process.returncode is None:
            await server.kill()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=LONG)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


def command(
    name: str, *arguments: object, program: object = "plays_service", **flags: object
) -> list[str]:
    """The words of a command line of this program, or of a module that makes something of it."""
    words = [f"--{flag.replace('_', '-')}={value}" for flag, value in flags.items()]
    return [sys.executable, "-m", str(program), name, *words, *map(str, arguments)]


def clean_environment(**variables: str) -> dict[str, str]:
    """The environment without the settings that this run of the tests may have."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("PLAYS_")}
    return inherited | variables


async def run(
    *words: str, cwd: Path | None = None, seconds: float = LONG, **variables: str
) -> tuple[int, str, str]:
    """Run a program to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=PIPE, stderr=PIPE, cwd=cwd, env=clean_environment(**variables)
    )
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, stdout.decode(), stderr.decode()


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def upload(
    http: aiohttp.ClientSession, server: Server, content: Any, filename: str = "plays.csv"
) -> str:
    """Upload as a form; the id of the task."""
    if isinstance(content, bytes):
        content = io.BytesIO(content)
    form = aiohttp.FormData()
    form.add_field("file", content, filename=filename, content_type="text/csv")
    async with http.post(f"{server.url}/process_csv", data=form) as answer:
        assert answer.status == 200, await answer.text()
        task_id: str = (await answer.json())["task_id"]
        return task_id


async def result(http: aiohttp.ClientSession, server: Server, task_id: str) -> bytes:
    """The body of the result once the task has ended."""
    while True:
        async with http.get(f"{server.url}/result/{task_id}?wait=30") as answer:
            assert answer.status == 200, await answer.text()
            body = await answer.read()
            if answer.content_type == "text/csv" or b"PENDING" not in body:
                return body


async def task_of(http: aiohttp.ClientSession, server: Server, task_id: str) -> dict[str, Any]:
    """The task as the API shows it."""
    async with http.get(f"{server.url}/tasks/{task_id}") as answer:
        assert answer.status == 200, await answer.text()
        fields: dict[str, Any] = await answer.json()
        return fields


async def until_started(http: aiohttp.ClientSession, server: Server, task_id: str) -> None:
    """Return when the task has done some of its work, and not yet all."""
    async with asyncio.timeout(LONG):
        while not (await task_of(http, server, task_id))["progress"]:
            await asyncio.sleep(0.02)
    assert (await task_of(http, server, task_id))["state"] == "STARTED"


def _children(pid: int) -> list[int]:
    children = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):  # any of them may have started a process
        with suppress(FileNotFoundError, ProcessLookupError):
            children += [int(child) for child in (thread / "children").read_text().split()]
    return children


def _descendants(pid: int) -> list[int]:
    found = _children(pid)
    return found + [one for child in found for one in _descendants(child)]
