"""A RabbitMQ of one's own: on free ports of loopback or of another host, files in a folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from benchmarks.aggregate.processes import descendants
from benchmarks.ports import START_TIMEOUT, await_port, free_port

__all__ = ["RabbitMQ"]

_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_CONTROL: Final = _SERVER.with_name("rabbitmqctl")
#: Seconds.
_STOP_TIMEOUT: Final = 20.0


class RabbitMQ:
    """A broker that can be started, killed and started again on what it has on disk."""

    def __init__(
        self, folder: Path, *, address: str = "127.0.0.1", on_host: Sequence[str] = ()
    ) -> None:
        """``on_host`` are words before each command, for a host on which it has that address.

        Raises `FileNotFoundError` where RabbitMQ is not installed.
        """
        if not _SERVER.exists():
            raise FileNotFoundError("RabbitMQ is not installed: apt install rabbitmq-server")
        self.port, peers, names = free_port(), free_port(), free_port()
        self.url = f"amqp://guest:guest@{address}:{self.port}//"
        self._address = address
        self._on_host = on_host
        self._folder = folder
        self._names = names
        self._name_server: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._environment = {
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"plays{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(peers),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} -rabbit loopback_users []"
            ),
            "ERL_EPMD_PORT": str(names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        (folder / "plugins").write_text("[].\n")

    def start(self) -> None:
        """Start it; return when it listens. Raises `TimeoutError`."""
        if self._name_server is None:
            # which it would start by itself, and leave behind
            epmd = [shutil.which("epmd") or "epmd", "-port", str(self._names)]
            log = self._folder / "epmd.log"
            words = [*self._on_host, *epmd, "-address", "127.0.0.1"]
            self._name_server = _start(words, log, self._environment)
            self._await_port("127.0.0.1", self._names, log)
        log = self._folder / "rabbitmq.log"
        self._server = _start([*self._on_host, str(_SERVER)], log, self._environment)
        self._await_port(self._address, self.port, log)

    def _await_port(self, address: str, port: int, log: Path) -> None:
        if not self._on_host:
            await_port(port, log)
            return
        attempt = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
        words = [*self._on_host, sys.executable, "-c", attempt]
        deadline = time.monotonic() + START_TIMEOUT
        while subprocess.run(words, check=False, stderr=subprocess.DEVNULL).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError(f"nothing listens:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)

    @property
    def pids(self) -> list[int]:
        """Its processes, as long as it runs."""
        return descendants(self._server.pid) if self._server is not None else []

    def kill(self) -> None:
        """End it as a power cut does."""
        self.signal(signal.SIGKILL)
        if self._server is not None:
            self._server.wait()
            self._server = None

    def forget(self) -> None:
        """Lose all that it has on disk."""
        shutil.rmtree(self._folder / "mnesia")

    def signal(self, number: int) -> None:
        """Send a signal to all of it: SIGSTOP is what a network that swallows all looks like."""
        _signal(self.pids, number)

    def control(self, *words: str) -> None:
        """Run ``rabbitmqctl``."""
        subprocess.run(
            [*self._on_host, str(_CONTROL), *words],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
        )

    def stop(self) -> None:
        """End it, and all that belongs to it."""
        doomed = self.pids[1:]
        for process in (self._server, self._name_server):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(_STOP_TIMEOUT)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
        _signal(doomed, signal.SIGKILL)  # what its parent did not take along


def _signal(pids: Sequence[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _start(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            env={**os.environ, **environment},
            start_new_session=True,
        )
