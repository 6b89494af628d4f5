"""Celery workers as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import kombu

from benchmarks.aggregate.processes import descendants
from tests.acceptance.conftest import clean_environment, command
from tests.waiting import LONG

__all__ = ["Worker"]


class Worker:
    """A running ``plays-service worker``."""

    def __init__(
        self, data_dir: Path, broker_url: str, *, kill_at: str = "", **flags: object
    ) -> None:
        (data_dir / "tasks").mkdir(parents=True, exist_ok=True)
        self._broker_url = broker_url
        flags = {"workers": 2, "worker_memory": "64MiB", "log_level": "warning"} | flags
        self._process = subprocess.Popen(
            command("worker", data_dir=data_dir, broker_url=broker_url, **flags),
            env=clean_environment(PLAYS_TEST_KILL_AT=kill_at),
            start_new_session=True,
        )

    def await_ready(self) -> None:
        """Return when the broker has it as one that takes calls, and the only one."""
        deadline = time.monotonic() + LONG
        with kombu.Connection(self._broker_url) as connection:
            while not _consumers(connection):
                assert self._process.poll() is None, "the worker has ended"
                assert time.monotonic() < deadline, "the worker does not take calls"
                time.sleep(0.05)

    @property
    def processes(self) -> list[int]:
        """Those that aggregate."""
        return descendants(self._process.pid)[1:]

    def kill(self) -> None:
        """End it with all of its processes, as a power cut does."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def kill_process(self, number: int) -> None:
        """End one of its processes."""
        with suppress(ProcessLookupError, IndexError):
            os.kill(self.processes[number], signal.SIGKILL)

    def terminate(self) -> int:
        """Let it end as it should; its exit code."""
        self._process.terminate()
        return self._process.wait(LONG)


def _consumers(connection: kombu.Connection) -> int:
    try:
        with connection.channel() as channel:
            queue = channel.queue_declare("plays.calls", passive=True)
    except connection.channel_errors:  # there is no queue yet
        return 0
    return int(queue.consumer_count)
