"""Many lives of one service on one data folder, each ended by a kill.

``python -m tests.crash.campaign --kills 500 --seed 1`` (or ``make crash``) reports how many kills
there were at which step; it fails where a task that was acknowledged is lost, turns back, or has
another outcome than it must.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import tempfile
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Final

import aiohttp

from plays_service.aggregation.steps import Step
from tests.acceptance.conftest import Server, clean_environment, command
from tests.crash.client import GONE, Client
from tests.integration.conftest import leftovers

__all__ = ["Campaign"]

#: Lines of the services' logs that are shown with a failure.
_LOG_LINES: Final = 5000

#: Clients that work at the same time.
_CLIENTS: Final = 4
#: Seconds that a life takes at most before the service is killed from outside.
_LIFE: Final = 2.5
#: Seconds in which all must be done when nobody kills any more.
_LONG: Final = 120.0


class Campaign:
    """Kills one service until it was killed so many times."""

    def __init__(self, folder: Path, seed: int, http: aiohttp.ClientSession) -> None:
        self.kills: Counter[str] = Counter()
        self.lives = 0
        self.log: list[str] = []
        self.client = Client(http, Random(seed))
        self.data_dir = folder / "data"
        self._marks = folder / "marks"
        self._marks.mkdir()
        self._random = Random(seed + 1)
        self._orders = self._endless_orders()

    async def run(self, kills: int) -> None:
        """The campaign. Raises `AssertionError` where something is lost."""
        try:
            while self.kills.total() < kills:
                await self._live()
            await self.check()
        except AssertionError as error:
            error.add_note("".join(self.log[-_LOG_LINES:]))
            raise

    async def check(self) -> None:
        """Start it a last time: all that was promised is kept, and nothing else is there."""
        server = await self._start("")
        try:
            async with asyncio.timeout(_LONG):
                await self.client.check_all()
                while rest := leftovers(self.data_dir):
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise AssertionError(f"left behind: {rest}") from error
        finally:
            await self._kill_group(server)

    async def _live(self) -> None:
        """Start it, work with it, and let it be killed."""
        self.lives += 1
        orders = [next(self._orders) for _ in range(self._random.randint(1, 3))]
        marks = [self._marks / f"{self.lives}-{number}" for number in range(len(orders))]
        server = await self._start(
            ";".join(f"{order},{mark}" for order, mark in zip(orders, marks, strict=True))
        )
        try:
            await self._work(server)
        finally:
            if server.process.returncode is None:
                self.kills["from outside"] += 1
            await self._kill_group(server)
        self.kills.update(order for order, mark in zip(orders, marks, strict=True) if mark.exists())

    async def _work(self, server: Server) -> None:
        """Let clients work until the service dies or the time is over; a worker may die, too."""
        life = self._random.uniform(_LIFE / 3, _LIFE)
        clients = [asyncio.create_task(self._be_a_client()) for _ in range(_CLIENTS)]
        clients.append(asyncio.create_task(self._check_again()))
        dying = asyncio.create_task(server.process.wait())
        try:
            await asyncio.wait([dying], timeout=life / 2)
            if self._random.random() < 0.3 and (workers := server.workers()):
                with suppress(ProcessLookupError):
                    os.kill(self._random.choice(workers), signal.SIGKILL)
                    self.kills["worker, from outside"] += 1
            await asyncio.wait([dying, *clients], timeout=life / 2, return_when="FIRST_EXCEPTION")
        finally:
            dying.cancel()
            for one in clients:
                one.cancel()
            ends = await asyncio.gather(*clients, return_exceptions=True)
        for end in ends:
            if isinstance(end, Exception):
                raise end

    async def _be_a_client(self) -> None:
        with suppress(*GONE):
            while True:
                await self.client.work()

    async def _check_again(self) -> None:
        """What was promised in earlier lives; most of it is kept, and must stay so."""
        promises = self.client.promises[-30:]
        with suppress(*GONE):
            for promise in self._random.sample(promises, len(promises)):
                await self.client.look(promise)

    def _endless_orders(self) -> Iterator[str]:
        """Every step and whom, in ever new order."""
        while True:
            orders = [(step, whom) for step in Step for whom in ("self", "all")]
            self._random.shuffle(orders)
            for step, whom in orders:
                yield f"{step},{self._random.choice((1, 1, 2, 3))},{whom}"

    async def _start(self, kill_at: str) -> Server:
        """Start it, again where it is killed before it listens."""
        while True:
            settings = {
                "port": 0,
                "workers": 2,
                "segment_size": "64KiB",
                "worker_memory": "16MiB",
                "fsync": self._random.randint(0, 1),
                "stop_timeout": "5s",
                "disk_margin": 0,
            }
            process = await asyncio.create_subprocess_exec(
                *command("serve", data_dir=self.data_dir, **settings),
                stderr=PIPE,
                env=clean_environment(PLAYS_TEST_KILL_AT=kill_at),
                start_new_session=True,
            )
            server = Server(process, self.data_dir)
            if await server.listens():
                self.client.url = server.url
                return server
            assert process.returncode == -signal.SIGKILL, "".join(server.log)
            kill_at = ""

    async def _kill_group(self, server: Server) -> None:
        with suppress(ProcessLookupError):
            os.killpg(server.process.pid, signal.SIGKILL)
        await server.ended()
        self.log += server.log


async def _main(kills: int, seed: int) -> None:
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    with tempfile.TemporaryDirectory() as folder:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            campaign = Campaign(Path(folder), seed, http)
            await campaign.run(kills)
    for order, count in sorted(campaign.kills.items()):
        print(f"{count:5}  {order}")
    print(
        f"{campaign.kills.total()} kills in {campaign.lives} lives (seed {seed}), "
        f"{len(campaign.client.promises)} tasks acknowledged, none lost"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    asyncio.run(_main(options.kills, options.seed))
