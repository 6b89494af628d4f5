"""A whole cluster on hosts of its own: broker, replicas, workers, a load balancer, a client.

::

    client ── front ── balancer
                   ├── replica1 ──┐
                   └── replica2 ──┴── back ── broker, worker1, worker2

All of them have the same data folder, as if it were mounted everywhere.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import aiohttp

from benchmarks.service.rabbitmq import RabbitMQ
from tests.acceptance.conftest import clean_environment, command
from tests.acceptance.test_proxies import documented, nginx
from tests.cluster.hosts import Host, Network, end
from tests.waiting import LONG

__all__ = ["Node", "Site"]

_PORT: Final = 8000
#: Answers that nobody was there to give, at the balancer or behind it.
_NOBODY: Final = frozenset({502, 503, 504})
#: Seconds in which the balancer gives up a replica that does not answer; 90 in the documentation.
_PATIENCE: Final = 30


class Node:
    """A process on a host, that can be ended and started again."""

    def __init__(self, host: Host, words: list[str], folder: Path) -> None:
        self.host = host
        self._words = words
        self._log = folder / f"{host.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self._process = self.host.start(self._words, self._log, clean_environment())

    def kill(self) -> None:
        """End it with all of its processes, as a power cut does."""
        if self._process is not None:
            end(self._process)
            self._process = None

    @contextmanager
    def dead(self) -> Iterator[None]:
        """It is killed, and started again at the end."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """It stands still, as a machine does whose memory is being swapped out."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)

    def cut_off(self) -> AbstractContextManager[None]:
        """It has no way to the broker, nor the broker to it."""
        return self.host.cut_off("back")

    @property
    def log(self) -> str:
        """All that it has written."""
        return self._log.read_text(errors="replace")


class Site:
    """All of it, running. Use it as `site`."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        (self.data_dir / "tasks").mkdir(parents=True)
        self._network = Network("front", "back")
        host = self._network.host
        broker, balancer = host("broker", "back"), host("balancer", "front")
        self._client = host("client", "front")
        replicas = [host(f"replica{n}", "front", "back") for n in (1, 2)]
        workers = [host(f"worker{n}", "back") for n in (1, 2)]
        self._broker_host = broker
        self.broker = RabbitMQ(folder, address=broker.addresses["back"], on_host=broker.prefix)
        shared = {
            "data_dir": self.data_dir, "broker_url": self.broker.url, "workers": 1,
            "worker_memory": "64MiB",
        }  # fmt: skip
        serve = shared | {
            "executor": "celery", "host": "0.0.0.0", "port": _PORT, "segment_size": "64KiB",
            "disk_margin": 0, "max_tries": 100,  # what is done to workers is no call's fault
        }  # fmt: skip
        self.replicas = [Node(one, command("serve", **serve), folder) for one in replicas]
        self.workers = [Node(one, command("worker", **shared), folder) for one in workers]
        fronts = [one.addresses["front"] for one in replicas]
        self.balancer = Node(balancer, nginx(_balance(fronts), folder), folder)
        self.url = f"http://{balancer.addresses['front']}"
        self.urls = [f"http://{address}:{_PORT}" for address in fronts]  #: of each replica

    def start(self) -> None:
        """Start everything; the broker listens when this returns."""
        self.broker.start()
        for node in (*self.replicas, *self.workers, self.balancer):
            node.start()

    def remove(self) -> None:
        """End everything, and unmake the hosts."""
        for node in (self.balancer, *self.workers, *self.replicas):
            node.kill()
        self.broker.stop()
        self._network.remove()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A session of the client's host."""
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=self._client.socket),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=_PATIENCE + 5),
            raise_for_status=_raise_for_nobody,
        )
        async with session:
            yield session

    async def ready(self, http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
        """What a replica tells of itself; nothing where it does not answer."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with http.get(f"{url}/ready", timeout=aiohttp.ClientTimeout(total=5)) as answer:
                fields: dict[str, Any] = await answer.json()
                return fields
        return {}

    async def until(
        self, http: aiohttp.ClientSession, url: str, holds: Callable[[dict[str, Any]], bool]
    ) -> None:
        """Return when that holds for what a replica tells of itself."""
        async with asyncio.timeout(2 * LONG):
            while not holds(await self.ready(http, url)):
                await asyncio.sleep(0.1)

    async def until_whole(self, http: aiohttp.ClientSession) -> None:
        """Return when all replicas are ready, and know both workers."""
        for url in self.urls:
            await self.until(http, url, lambda ready: ready == {"status": "ready"})
            await self.until_alive(http, url, len(self.workers))

    async def until_alive(self, http: aiohttp.ClientSession, url: str, workers: int) -> None:
        """Return when a replica knows so many processes of workers."""
        async with asyncio.timeout(2 * LONG):
            while True:
                async with http.get(f"{url}/metrics") as answer:
                    if f"plays_workers {workers}.0" in await answer.text():
                        return
                await asyncio.sleep(0.2)

    def broker_cut_off(self) -> AbstractContextManager[None]:
        """Nobody has a way to the broker."""
        return self._broker_host.cut_off("back")


def _balance(addresses: list[str]) -> str:
    """The documented configuration of nginx, for several replicas."""
    servers = "\n".join(f"server {address}:{_PORT};" for address in addresses)
    config = documented("nginx").replace("server 127.0.0.1:8000;", servers)
    config = re.sub(r"proxy_read_timeout \w+;", f"proxy_read_timeout {_PATIENCE}s;", config)
    return config.replace("proxy_pass", "proxy_connect_timeout 2s;\nproxy_pass", 1)


async def _raise_for_nobody(answer: aiohttp.ClientResponse) -> None:
    if answer.status in _NOBODY:
        raise aiohttp.ClientConnectionError(f"the balancer answers {answer.status}")
