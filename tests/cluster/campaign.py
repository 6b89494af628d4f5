"""Replicas, workers and the broker killed again and again, while clients work; nothing is lost.

``make cluster-crash KILLS=500 SEED=1`` is the long one.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from asyncio.subprocess import PIPE
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from benchmarks.service.rabbitmq import RabbitMQ
from tests.acceptance.conftest import Server, clean_environment, command
from tests.cluster.workers import Worker
from tests.crash.client import GONE, Client
from tests.integration.conftest import leftovers

__all__ = ["Campaign"]

_CLIENTS: Final = 4
_REPLICAS: Final = 2
_WORKERS: Final = 2
#: Seconds.
_BETWEEN_KILLS: Final = (0.1, 1.0)
_AGAIN: Final = 0.1
_LONG: Final = 180.0


class Campaign:
    """Kills one thing after the other, and starts it anew."""

    def __init__(
        self, folder: Path, broker: RabbitMQ, seed: int, http: aiohttp.ClientSession
    ) -> None:
        self.kills: Counter[str] = Counter()
        self.client = Client(http, Random(seed))
        self._data_dir = folder / "data"
        self._broker = broker
        self._random = Random(seed + 1)
        self._replicas: list[Server] = []
        self._workers: list[Worker] = []
        self._log: list[str] = []

    async def run(self, kills: int, *, broker_kills: int) -> None:
        """The campaign. Raises `AssertionError` where something is lost."""
        try:
            self._replicas = [await self._start_replica() for _ in range(_REPLICAS)]
            self._workers = [self._start_worker() for _ in range(_WORKERS)]
            await self._kill_while_clients_work(kills, broker_kills)
            await self._check()
        except (AssertionError, TimeoutError) as error:
            error.add_note(f"left in the data folder: {self._left()}")
            error.add_note("".join(line for one in self._replicas for line in one.log[-2000:]))
            error.add_note("".join(self._log[-2000:]))
            raise
        finally:
            for worker in self._workers:
                worker.kill()
            for replica in self._replicas:
                await replica.kill()

    async def _kill_while_clients_work(self, kills: int, broker_kills: int) -> None:
        clients = [asyncio.create_task(self._be_a_client()) for _ in range(_CLIENTS)]
        killing = asyncio.create_task(self._kill_all(kills, broker_kills))
        try:
            await asyncio.wait([killing, *clients], return_when="FIRST_COMPLETED")
        finally:
            for one in (killing, *clients):
                one.cancel()
            ends = await asyncio.gather(killing, *clients, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _kill_all(self, kills: int, broker_kills: int) -> None:
        whom = ["process"] * (kills // 3) + ["worker"] * (kills // 3)
        whom += ["replica"] * (kills - len(whom) - broker_kills) + ["broker"] * broker_kills
        self._random.shuffle(whom)
        for one in whom:
            await asyncio.sleep(self._random.uniform(*_BETWEEN_KILLS))
            await self._kill(one)
            self.kills[one] += 1

    async def _kill(self, whom: str) -> None:
        place = self._random.randrange(2)
        if whom == "process":
            self._workers[place].kill_process(self._random.randrange(2))
        elif whom == "worker":
            self._workers[place].kill()
            self._workers[place] = self._start_worker()
        elif whom == "replica":
            await self._replicas[place].kill()
            self._log += self._replicas[place].log
            self._replicas[place] = await self._start_replica()
        else:
            self._broker.kill()
            await asyncio.to_thread(self._broker.start)

    async def _be_a_client(self) -> None:
        while True:
            self.client.url = self._random.choice(self._replicas).url
            with suppress(*GONE):
                await self.client.work()
            await asyncio.sleep(_AGAIN)

    async def _check(self) -> None:
        """All that was promised is kept, at whichever replica, and nothing else is there."""
        self._workers.append(self._start_worker())  # others may have been killed as they started
        async with asyncio.timeout(_LONG):
            for replica in self._replicas:
                self.client.url = replica.url
                await self.client.check_all()
            while rest := self._left():
                await asyncio.sleep(_AGAIN)
        assert not rest

    def _left(self) -> list[str]:
        claims = map(str, (self._data_dir / "replicas").glob("*/*"))
        return [*leftovers(self._data_dir), *claims]

    def _start_worker(self) -> Worker:
        return Worker(self._data_dir, self._broker.url, worker_memory="16MiB")

    async def _start_replica(self) -> Server:
        settings = {
            "executor": "celery",
            "broker_url": self._broker.url,
            "data_dir": self._data_dir,
            "port": 0,
            "segment_size": "64KiB",
            "worker_memory": "16MiB",
            "disk_margin": 0,
            "max_tries": 100,  # what is killed here is nobody's fault
        }
        process = await asyncio.create_subprocess_exec(
            *command("serve", **settings), stderr=PIPE, env=clean_environment()
        )
        server = Server(process, self._data_dir)
        await server.listening()
        return server


async def _main(kills: int, seed: int) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    with tempfile.TemporaryDirectory() as folder:
        broker = RabbitMQ(Path(folder))
        broker.start()
        try:
            async with aiohttp.ClientSession(timeout=timeout) as http:
                campaign = Campaign(Path(folder), broker, seed, http)
                await campaign.run(kills, broker_kills=kills // 10)
        finally:
            broker.stop()
    print(f"{dict(campaign.kills)} (seed {seed})")
    print(f"{len(campaign.client.promises)} tasks acknowledged, none lost")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(_main(options.kills, options.seed))
