"""What is measured: servers that are started, and stopped by their process ids."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.aggregate.processes import cpu_seconds, descendants, memory

__all__ = ["STACKS", "Stack"]

_RABBITMQ: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_START_TIMEOUT: Final = 60.0


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
def _process(
    command: Sequence[str], log: Path, environment: dict[str, str] | None = None
) -> Iterator[int]:
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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_port(port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}:\n{log.read_text(errors='replace')[-2000:]}")


@contextmanager
def _ours(folder: Path) -> Iterator[Stack]:
    port = _free_port()
    command = [sys.executable, "-m", "plays_service", "serve", "--port", str(port)]
    environment = {"PLAYS_DATA_DIR": str(folder / "data"), "PLAYS_LOG_LEVEL": "warning"}
    log = folder / "ours.log"
    with _process(command, log, environment) as pid:
        _await_port(port, log)
        yield Stack("plays_service", port, [pid], waits=True)


@contextmanager
def _rabbitmq(folder: Path) -> Iterator[tuple[int, str]]:
    """Its process, and its URL. On loopback only, with all of its files in the folder."""
    if not _RABBITMQ.exists():
        raise FileNotFoundError("RabbitMQ is not installed: apt install rabbitmq-server")
    port, peers, names = _free_port(), _free_port(), _free_port()
    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": "benchmark@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(peers),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "ERL_EPMD_PORT": str(names),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
    }
    (folder / "plugins").write_text("[].\n")
    log = folder / "rabbitmq.log"
    with ExitStack() as stack:
        # its name server, which it would start by itself, and leave behind
        epmd = [shutil.which("epmd") or "epmd", "-port", str(names), "-address", "127.0.0.1"]
        stack.enter_context(_process(epmd, folder / "epmd.log", environment))
        _await_port(names, folder / "epmd.log")
        pid = stack.enter_context(_process([str(_RABBITMQ)], log, environment))
        _await_port(port, log)
        yield pid, f"amqp://guest:guest@127.0.0.1:{port}//"


@contextmanager
def _prototype(folder: Path) -> Iterator[Stack]:
    port, rival = _free_port(), "benchmarks.rivals.prototype"
    python = [sys.executable, "-m"]
    with ExitStack() as stack:
        broker, url = stack.enter_context(_rabbitmq(folder))
        environment = {"BROKER_URL": url, "FOLDER": str(folder), "TMPDIR": str(folder)}
        worker = [*python, "celery", "-A", f"{rival}.worker", "worker", "--concurrency=2"]
        api = [*python, "uvicorn", f"{rival}.api:app", "--port", str(port), "--log-level=warning"]
        pids = [
            broker,
            stack.enter_context(_process(worker, folder / "worker.log", environment)),
            stack.enter_context(_process(api, folder / "api.log", environment)),
        ]
        _await_port(port, folder / "api.log")
        yield Stack("prototype (uvicorn, Celery, RabbitMQ, Dask)", port, pids, waits=False)


#: Each starts a stack with its files in a folder.
STACKS: Final = {"ours": _ours, "prototype": _prototype}
