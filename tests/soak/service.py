"""A server that is killed now and then, and started again on the same data folder and port."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from benchmarks.ports import free_port
from tests.acceptance.conftest import Server, clean_environment, command

__all__ = ["Service", "running"]

#: Seconds between two kills of a worker.
_WORKER_KILLS: Final = (4.0, 12.0)


class Service:
    """The present server; `server` changes with every restart."""

    def __init__(self, data_dir: Path, ttl: float) -> None:
        self.data_dir = data_dir
        self.kills = 0  #: of the server
        self.worker_kills = 0
        self._ttl = ttl
        self._port = free_port()
        self.server: Server

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def start(self) -> None:
        """Start a server; return when it listens."""
        words = command(
            "serve", port=self._port, data_dir=self.data_dir, workers=2, segment_size="1MiB",
            result_ttl=f"{self._ttl}s", upload_timeout="5s",
        )  # fmt: skip
        process = await asyncio.create_subprocess_exec(*words, stderr=PIPE, env=clean_environment())
        self.server = Server(process, self.data_dir)
        assert await self.server.listens(), "".join(self.server.log)

    async def kill_now_and_then(self, choice: random.Random, every: float) -> None:
        """Kill a worker every few seconds, and the server after about ``every`` seconds."""
        loop = asyncio.get_running_loop()
        next_kill = loop.time() + every * choice.uniform(0.7, 1.3)
        while True:
            await asyncio.sleep(choice.uniform(*_WORKER_KILLS))
            if loop.time() > next_kill:
                await self.server.kill()
                self.kills += 1
                await self.start()
                next_kill = loop.time() + every * choice.uniform(0.7, 1.3)
            elif workers := self.server.workers():
                with suppress(ProcessLookupError):
                    os.kill(choice.choice(workers), signal.SIGKILL)
                self.worker_kills += 1


@asynccontextmanager
async def running(data_dir: Path, ttl: float) -> AsyncIterator[Service]:
    """A service while the block runs."""
    service = Service(data_dir, ttl)
    await service.start()
    try:
        yield service
    finally:
        if service.server.process.returncode is None:
            await service.server.kill()
