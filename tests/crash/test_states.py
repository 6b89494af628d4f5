"""Any order of what clients do and what befalls the service: each task has one outcome."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import PIPE
from contextlib import suppress
from pathlib import Path
from random import Random

import aiohttp
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, rule

from tests.acceptance.conftest import Server, clean_environment, command
from tests.crash.client import Client, Promise
from tests.crash.plays import KINDS
from tests.integration.conftest import leftovers
from tests.waiting import LONG


class Life(RuleBasedStateMachine):
    """One data folder, and one service after the other on it."""

    promises = Bundle("promises")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.random = Random(seed)
        self.http = self.runner.run(_session())
        self.client = Client(self.http, self.random)
        self.start()

    def start(self, ttl: str = "1h") -> None:
        self.server = self.runner.run(_server(self.folder / "data", ttl))
        self.client.url = self.server.url

    @rule(target=promises, kind=st.sampled_from(sorted(KINDS)))
    def upload(self, kind: str) -> Promise:
        promise = self.runner.run(self.client.upload(KINDS[kind](self.random)))
        assert promise is not None
        return promise

    @rule(promise=promises)
    def poll(self, promise: Promise) -> None:
        self.runner.run(self.client.look(promise))

    @rule(promise=promises)
    def wait(self, promise: Promise) -> None:
        self.runner.run(self.client.wait(promise))

    @rule(promise=promises)
    def cancel_or_delete(self, promise: Promise) -> None:
        if not promise.is_removed:
            self.runner.run(self.client.delete(promise))
        self.runner.run(self.client.look(promise))

    @rule()
    def kill(self) -> None:
        self.runner.run(self.server.kill())
        self.start()

    @rule()
    def kill_a_worker(self) -> None:
        for pid in self.server.workers()[:1]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    @rule()
    def restart(self) -> None:
        assert self.runner.run(self.server.terminate()) == 0
        self.start()

    @rule(promise=consumes(promises))
    def expire(self, promise: Promise) -> None:
        """Keep results for no time at all: those of all ended tasks go, and stay away."""
        self.runner.run(self.client.wait(promise))
        assert self.runner.run(self.server.terminate()) == 0
        for one in self.client.promises:
            one.delete_sent = True  # from here on it may be gone
        self.start(ttl="0s")
        promise.is_removed = True
        self.runner.run(self.client.until_gone(promise))
        assert self.runner.run(self.server.terminate()) == 0
        self.start()
        self.runner.run(self.client.look(promise))

    def teardown(self) -> None:
        try:
            self.runner.run(self.client.check_all())
            self.runner.run(_clean(self.folder / "data"))
        finally:
            self.runner.run(self.server.kill())
            self.runner.run(self.http.close())
            self.runner.close()
            shutil.rmtree(self.folder)


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_read=LONG))


async def _server(data_dir: Path, ttl: str) -> Server:
    process = await asyncio.create_subprocess_exec(
        *command(
            "serve",
            data_dir=data_dir,
            port=0,
            workers=2,
            segment_size="64KiB",
            worker_memory="16MiB",
            result_ttl=ttl,
            disk_margin=0,
        ),
        stderr=PIPE,
        env=clean_environment(),
    )
    server = Server(process, data_dir)
    await server.listening()
    return server


async def _clean(data_dir: Path) -> None:
    async with asyncio.timeout(LONG):
        while leftovers(data_dir):
            await asyncio.sleep(0.05)


TestLife = pytest.mark.timeout(600)(Life.TestCase)  # a dozen lives of a service
TestLife.settings = settings(
    max_examples=4,
    stateful_step_count=12,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
