"""The whole application behind a client, in this process; only the workers are others."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from benchmarks.service.rabbitmq import RabbitMQ
from plays_service.api import RUNNER, SETTINGS, UPLOADS, ServiceRunner
from plays_service.app import create_app
from plays_service.executors import Executor, WorkerPool
from plays_service.executors.celery_executor import CeleryExecutor
from plays_service.settings import Settings
from plays_service.tasks import TaskRunner
from tests.cluster.fixtures import SharedWorker
from tests.waiting import LONG, eventually

ENDED: Final = frozenset({"SUCCESS", "FAILURE", "REVOKED"})
PENDING_BODY: Final = b'{"state": "PENDING", "message": "None"}'
MIB: Final = 1 << 20
#: What a data folder has besides its tasks.
_FRAME: Final = frozenset({"boot", "lock", "replicas", "tasks", "trash"})
#: Modules whose tests hold whatever the executor is: some each time, the others where
#: ``PLAYS_TEST_EXECUTORS=all`` asks for them.
_FOR_ALL_EXECUTORS: Final = {"test_result", "test_tasks"} | (
    {"test_packed", "test_process_csv", "test_result_forms", "test_rows"}
    if os.environ.get("PLAYS_TEST_EXECUTORS") == "all"
    else set()
)


class _Server(TestServer):
    """Started like `plays_service.app.serve` does."""

    async def _make_runner(self, **_: Any) -> web.AppRunner:
        return ServiceRunner(self.app, self.app[SETTINGS])


class Service:
    """A running application, its client and its data folder."""

    def __init__(self, client: TestClient[Any, Any], app: web.Application, data_dir: Path) -> None:
        self.client = client
        self.app = app
        self.data_dir = data_dir

    @property
    def port(self) -> int:
        port = self.client.port
        assert port is not None
        return port

    @property
    def uploads(self) -> set[asyncio.Task[Any]]:
        """The uploads under way."""
        return self.app[UPLOADS]

    @property
    def runner(self) -> TaskRunner:
        return self.app[RUNNER]

    async def upload(
        self, data: bytes, *, filename: str = "plays.csv", params: Mapping[str, str] | None = None
    ) -> str:
        """Upload as a form; the id of the task."""
        form = aiohttp.FormData()
        form.add_field("file", io.BytesIO(data), filename=filename, content_type="text/csv")
        async with self.client.post("/process_csv", data=form, params=params) as answer:
            assert answer.status == 200, await answer.text()
            task_id: str = (await answer.json())["task_id"]
            return task_id

    async def result(self, task_id: str) -> bytes:
        """The body of the result once the task has ended, whatever its end."""
        async with self.client.get(f"/result/{task_id}", params={"wait": "60"}) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.read()

    async def task(self, task_id: str) -> dict[str, Any]:
        """The task as the API shows it."""
        async with self.client.get(f"/tasks/{task_id}") as answer:
            assert answer.status == 200, await answer.text()
            fields: dict[str, Any] = await answer.json()
            return fields

    async def ended_task(self, task_id: str) -> dict[str, Any]:
        """The task as the API shows it once it has ended."""
        await self.result(task_id)
        return await self.task(task_id)

    def folder(self, task_id: str) -> Path:
        return self.data_dir / "tasks" / task_id

    async def raw(self, *pieces: bytes, hang_up: bool = False) -> bytes:
        """Send pieces over a socket; all that comes back until the server closes.

        With ``hang_up`` nothing is awaited: the client closes right after the last piece.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            if hang_up:
                return b""
            async with asyncio.timeout(LONG):
                return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def is_healthy(self) -> bool:
        async with self.client.get("/health") as answer:
            return answer.status == 200

    async def holds_only_ended_tasks(self) -> None:
        """Assert that nothing is on disk but tasks that ended, without their inputs.

        Ends are told before inputs are deleted, so this may have to wait a moment.
        """
        await eventually(lambda: not leftovers(self.data_dir), lambda: leftovers(self.data_dir))

    async def holds_no_tasks(self) -> None:
        """Assert that nothing at all is on disk; that a task is gone is told before it is."""
        tasks = self.data_dir / "tasks"
        await eventually(lambda: not list(tasks.iterdir()), lambda: list(tasks.iterdir()))
        await self.holds_only_ended_tasks()

    async def stop(self) -> None:
        """Stop as SIGTERM does."""
        await self.client.close()


class StartService(Protocol):
    """Starts an application with settings other than the default ones."""

    def __call__(self, **settings: Any) -> Awaitable[Service]: ...


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What the API promises, it promises with every executor.

    What a test with a gate shows happens before any executor.
    """
    module = metafunc.module.__name__.rpartition(".")[2]
    used = set(metafunc.fixturenames)
    if module in _FOR_ALL_EXECUTORS and "executor_settings" in used and "gate" not in used:
        metafunc.parametrize("executor_settings", ["process", "celery"], indirect=True)


@pytest.fixture
def executor_settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings that choose the executor; for Celery with a worker that runs."""
    if getattr(request, "param", "process") == "process":
        return {}
    broker: RabbitMQ = request.getfixturevalue("broker")
    worker: SharedWorker = request.getfixturevalue("shared_worker")
    worker.work_in(tmp_path / "data")
    return {"executor": "celery", "broker_url": broker.url}


@pytest.fixture
async def start_service(
    tmp_path: Path, executor_settings: dict[str, Any]
) -> AsyncIterator[StartService]:
    """Starts applications, one after the other on the same data folder; stops what still runs."""
    services: list[Service] = []

    async def start(**settings: Any) -> Service:
        data_dir = tmp_path / "data"
        chosen: dict[str, Any] = {"data_dir": data_dir, "workers": 1} | executor_settings | settings
        app = create_app(Settings(**chosen))
        client = TestClient(_Server(app))
        await client.start_server()
        services.append(Service(client, app, data_dir))
        return services[-1]

    yield start
    for service in services:
        await service.stop()


@pytest.fixture
async def service(start_service: StartService) -> Service:
    """An application with one worker and otherwise default settings."""
    return await start_service()


class Gate:
    """Holds the calls to workers while it is closed, after letting a number of them pass."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._passes = 0
        self.arrived = asyncio.Event()  #: set when a call is held

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        """Hold all calls from now on."""
        self._open.clear()
        self.arrived.clear()
        self._passes = 0

    def let(self, passes: int) -> None:
        """Let this many calls pass before the gate holds one."""
        self._passes = passes

    async def passed(self) -> None:
        if self._passes:
            self._passes -= 1
            return
        self.arrived.set()
        await self._open.wait()


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gate]:
    """A closed gate before the workers. Stopping an application opens it, with all work cancelled.

    So tests decide how far tasks come, and need no input large enough to take a while.
    """
    gate = Gate()
    stop = TaskRunner.stop

    async def stop_and_open(self: TaskRunner, seconds: float | None = None) -> None:
        stopping = asyncio.ensure_future(stop(self, seconds))
        await asyncio.sleep(0)  # by then it has cancelled everything
        gate.open()
        await stopping

    for kind in (WorkerPool, CeleryExecutor):
        monkeypatch.setattr(kind, "call", _gated(gate, kind.call))
    monkeypatch.setattr(TaskRunner, "stop", stop_and_open)
    yield gate
    gate.open()


def _gated(gate: Gate, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def gated(
        self: Executor, function: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        await gate.passed()
        return await call(self, function, *args, **options)

    return gated


def leftovers(data_dir: Path) -> list[str]:
    """What a data folder has that is not an ended task, as relative paths."""
    found = [path for path in data_dir.iterdir() if path.name not in _FRAME]
    found += (data_dir / "trash").iterdir()
    for folder in (data_dir / "tasks").iterdir():
        with suppress(FileNotFoundError):  # it is just going
            found += _leftovers_of(folder)
    return sorted(str(path.relative_to(data_dir)) for path in found)


def _leftovers_of(folder: Path) -> list[Path]:
    names = {path.name for path in folder.iterdir()}
    if "task.json" not in names:
        return [folder]
    state = json.loads((folder / "task.json").read_bytes())["state"]
    expected = {"task.json"}
    if state == "SUCCESS":
        expected.add("result.csv")
        names.discard("derived")
    if state not in ENDED or names != expected:
        return [folder]
    return list(folder.glob("derived/*.tmp"))


def request(
    body: bytes = b"",
    *headers: bytes,
    method: bytes = b"POST",
    target: bytes = b"/process_csv",
    length: int | None = None,
) -> bytes:
    """An HTTP request in bytes, after which the server closes; ``length`` is what it claims."""
    lines = [
        method + b" " + target + b" HTTP/1.1",
        b"Host: localhost",
        b"Connection: close",
        *headers,
    ]
    if not any(header.lower().startswith(b"transfer-encoding") for header in headers):
        lines.append(b"Content-Length: %d" % (len(body) if length is None else length))
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    """A body in chunked transfer coding."""
    return b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in (*chunks, b""))


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """One answer, whether or not the connection closes after it."""
    async with asyncio.timeout(LONG):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: ([0-9]+)", head)
        return head + await reader.readexactly(int(length[1]) if length else 0)


def split_answer(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (lower-case names) and body of an HTTP answer in bytes."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    assert separator, f"no answer: {answer!r}"
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return (
        int(status_line.split(" ")[1]),
        {name.lower(): value for name, value in headers.items()},
        body,
    )


def message_of(body: bytes) -> str:
    """The message of an error; it must be the JSON that every error is."""
    fields = json.loads(body)
    assert list(fields) == ["message"], fields
    message = fields["message"]
    assert isinstance(message, str)
    assert message
    assert "Traceback" not in message
    return message


def with_query(path: str, **params: str) -> str:
    return f"{path}?{urlencode(params)}"
