"""What is measured: servers that are started, and stopped by their process ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.aggregate.processes import cpu_seconds, descendants, memory
from benchmarks.ports import await_port, free_port
from benchmarks.service.rabbitmq import RabbitMQ

__all__ = ["STACKS", "Stack", "running"]


@dataclass(frozen=True, slots=True)
class Stack:
    """A service that runs: where, and as which processes."""

    name: str
    port: int
    roots: Sequence[int]
    waits: bool  #: the server answers when the task has ended; else the client asks again

    def pids(self) -> list[int]:
        """All its processes."""
        return [pid for root in self.roots for pid in descendants(root)]

    def cpu(self) -> float:
        """Seconds that they have used."""
        return cpu_seconds(self.pids())

    def memory(self) -> int:
        """Bytes that they use now, together."""
        return memory(self.pids()).total


@contextmanager
def running(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[int]:
    """A process, by its id; it is ended on leaving, with all that comes from it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env=os.environ | (environment or {}),
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        doomed = descendants(process.pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
        for pid in doomed[1:]:  # what its parent did not take along
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)


@contextmanager
def _ours(folder: Path) -> Iterator[Stack]:
    port = free_port()
    command = [sys.executable, "-m", "plays_service", "serve", "--port", str(port)]
    environment = {"PLAYS_DATA_DIR": str(folder / "data"), "PLAYS_LOG_LEVEL": "warning"}
    log = folder / "ours.log"
    with running(command, log, environment) as pid:
        await_port(port, log)
        yield Stack("plays_service", port, [pid], waits=True)


@contextmanager
def _prototype(folder: Path) -> Iterator[Stack]:
    port, rival = free_port(), "benchmarks.rivals.prototype"
    python = [sys.executable, "-m"]
    with ExitStack() as stack:
        broker = RabbitMQ(folder)
        stack.callback(broker.stop)
        broker.start()
        environment = {"BROKER_URL": broker.url, "FOLDER": str(folder), "TMPDIR": str(folder)}
        worker = [*python, "celery", "-A", f"{rival}.worker", "worker", "--concurrency=2"]
        api = [*python, "uvicorn", f"{rival}.api:app", "--port", str(port), "--log-level=warning"]
        pids = [
            broker.pids[0],
            stack.enter_context(running(worker, folder / "worker.log", environment)),
            stack.enter_context(running(api, folder / "api.log", environment)),
        ]
        await_port(port, folder / "api.log")
        yield Stack("prototype (uvicorn, Celery, RabbitMQ, Dask)", port, pids, waits=False)


#: Each starts a stack with its files in a folder.
STACKS: Final = {"ours": _ours, "prototype": _prototype}
