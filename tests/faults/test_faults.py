"""A disk that fails at any one of its operations: no lie, nothing lost, nothing left behind."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
import pytest

from tests.acceptance.conftest import Server
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.faults.client import Client, Outcome
from tests.faults.conftest import StartFaulty
from tests.faults.faults import KINDS, Faults, Kind
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.integration.conftest import leftovers
from tests.waiting import LONG, eventually

_log = logging.getLogger(__name__)

#: Every operation of every scenario (make faults); else a few of them, chosen by the seed.
ALL: Final = os.environ.get("PLAYS_TEST_FAULTS") == "all"
SEED: Final = int(os.environ.get("PLAYS_TEST_SEED", "1"))
#: Kinds of faults in each scenario where not all are tried.
SOME: Final = 2
#: Seconds for which a disk stays bad after its first fault.
BAD_FOR: Final = 0.1


class Bench:
    """A server, its disk, and what all clients so far were told."""

    def __init__(self, server: Server, faults: Faults) -> None:
        self.server = server
        self.faults = faults
        self.known: dict[str, Outcome] = {}

    async def case(self, scenario: Scenario, kind: Kind, nth: int) -> int:
        """Run the scenario with the ``nth`` operation failing: how many did."""
        async with aiohttp.ClientSession(connector=_connector()) as http:
            client = Client(http, self.server)
            prepared = await scenario.prepare(client)
            self.faults.arm(kind, nth)
            await scenario.run(client, prepared)
            await self._settle_if_it_can(client, kind)
            hits = self.faults.hits
            self.faults.release()
            if hits == 0 or kind.is_harmless:
                assert not client.refused
            await self._settle(client)
            outcomes = await client.final_outcomes()
            self._check(client, outcomes, unharmed=kind.is_harmless or not hits)
            await self._works(http)
            return hits

    def _check(self, client: Client, outcomes: dict[str, Outcome], *, unharmed: bool) -> None:
        client.check(outcomes)
        if unharmed:
            failed = [one for one in outcomes.values() if isinstance(one, tuple)]
            assert not any("disk" in message for _, message in failed)
        self.known |= outcomes
        # an upload that became no task, and a task that was deleted, have left nothing
        folders = {path.name for path in (self.server.data_dir / "tasks").iterdir()}
        assert folders == {one for one, outcome in self.known.items() if outcome is not None}

    async def _settle(self, client: Client) -> None:
        """Return when all tasks have ended and nothing else is on disk."""
        await client.final_outcomes()
        data_dir = self.server.data_dir
        await eventually(lambda: not leftovers(data_dir), lambda: leftovers(data_dir))

    async def _settle_if_it_can(self, client: Client, kind: Kind) -> None:
        """`_settle`, or return a moment after the disk went bad for good."""
        settling = asyncio.ensure_future(self._settle(client))
        if kind.sticky and not kind.is_harmless:
            while not settling.done() and not self.faults.hits:
                await asyncio.sleep(0.01)
            await asyncio.wait([settling], timeout=BAD_FOR)
            settling.cancel()
        await asyncio.wait([settling])
        if not settling.cancelled():
            settling.result()

    async def _works(self, http: aiohttp.ClientSession) -> None:
        client = Client(http, self.server)
        task_id = await client.upload(EXAMPLE, EXAMPLE_RESULT)
        assert task_id is not None
        self.known[task_id] = await client.outcome(task_id, wait=60)
        assert self.known[task_id] == EXAMPLE_RESULT
        await self._settle(client)


def _connector() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(force_close=True)  # so that no connection is counted as a leak


def open_files(server: Server) -> list[str]:
    """What the processes of the service hold open below its data folder."""
    pids = [server.process.pid, *server.descendants()]
    links = [link for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir()]
    targets = [str(link.readlink()) for link in links if link.is_symlink()]
    return sorted(target for target in targets if target.startswith(str(server.data_dir)))


def chosen(total: int, name: str) -> Iterable[int]:
    """Which of about ``total`` operations fail, each in its turn."""
    if ALL:
        return count(1)
    return [random.Random(f"{SEED} {name}").randint(1, total)] if total else []


class Group(NamedTuple):
    """Cases that one server goes through."""

    scenario: Scenario
    fsync: int
    kinds: Sequence[Kind]

    def __str__(self) -> str:
        return ", ".join([self.scenario.name, f"fsync={self.fsync}", *map(str, self.kinds)])


def groups() -> Iterator[Group]:
    """All kinds, one by one, or some, so that all come in one scenario or another."""
    for number, scenario in enumerate(SCENARIOS):
        if ALL:
            yield from (Group(scenario, fsync, [kind]) for fsync in (0, 1) for kind in KINDS)
        else:
            first = (number + SEED) * SOME
            some = [KINDS[(first + step) % len(KINDS)] for step in range(SOME)]
            yield Group(scenario, (number + SEED) % 2, some)


@pytest.mark.parametrize("group", list(groups()), ids=str)
async def test_whatever_fails_nobody_is_lied_to(start_faulty: StartFaulty, group: Group) -> None:
    scenario, fsync, kinds = group
    server, faults = await start_faulty(fsync=fsync, workers=1, **scenario.flags)
    bench = Bench(server, faults)
    assert await bench.case(scenario, KINDS[0], 0) == 0  # and a worker has started
    before = open_files(server)
    cases = hits = 0
    for kind in kinds:
        assert await bench.case(scenario, kind, 0) == 0
        for nth in chosen(faults.seen, f"{scenario.name} {kind.name}"):
            try:
                async with asyncio.timeout(LONG):
                    hit = await bench.case(scenario, kind, nth)
            except BaseException as error:
                log = "".join(line for line in server.log if "aiohttp.access" not in line)[-3000:]
                error.add_note(f"{kind.name}: {nth} of {faults.seen}: {faults.first}\n{log}")
                raise
            cases, hits = cases + 1, hits + hit
            if not hit:
                break  # it takes fewer operations
        assert open_files(server) == before
    _log.info("%s: %d cases, %d operations failed", group, cases, hits)
    await server.kill()
    server, _ = await start_faulty(fsync=fsync, workers=1, **scenario.flags)
    async with aiohttp.ClientSession() as http:
        client = Client(http, server)
        assert {one: await client.outcome(one) for one in bench.known} == bench.known


@pytest.mark.parametrize("kind", [one for one in KINDS if one.error == errno.EIO], ids=str)
async def test_what_expires_goes_as_soon_as_the_disk_lets_it(
    start_faulty: StartFaulty, kind: Kind
) -> None:
    server, faults = await start_faulty(workers=1, fsync=1, result_ttl="1s")
    # a rename, a sync, two files and their folder
    most = 5 if ALL and "rename" in kind.operations else 1
    async with aiohttp.ClientSession(connector=_connector()) as http:
        for nth in range(1, most + 1):
            client = Client(http, server)
            task_id = await client.upload(EXAMPLE, EXAMPLE_RESULT)
            assert task_id is not None
            assert await client.outcome(task_id, wait=60) == EXAMPLE_RESULT
            faults.arm(kind, nth)
            if kind.sticky:
                await eventually(lambda: faults.hits)
                await asyncio.sleep(BAD_FOR)
                assert await client.outcome(task_id) in (EXAMPLE_RESULT, None)
                faults.release()
            await eventually(lambda: not list((server.data_dir / "tasks").iterdir()))
            await eventually(lambda: not leftovers(server.data_dir))
            faults.release()
            assert await client.outcome(task_id) is None


@pytest.mark.parametrize("nth", [5, 25, 60], ids=["taken", "read", "merged"])
async def test_killed_while_the_disk_is_full_it_loses_nothing(
    start_faulty: StartFaulty, nth: int
) -> None:
    scenario = next(one for one in SCENARIOS if one.name == "many groups")
    server, faults = await start_faulty(workers=1, **scenario.flags)
    async with aiohttp.ClientSession() as http:
        client = Client(http, server)
        faults.arm(KINDS[0], nth)
        await scenario.run(client, "")
        await eventually(lambda: faults.hits)
    await server.kill()
    server, _ = await start_faulty(workers=1, **scenario.flags)
    async with aiohttp.ClientSession() as http:
        client.http, client.server = http, server
        client.check(await client.final_outcomes())
    await eventually(lambda: not leftovers(server.data_dir), lambda: leftovers(server.data_dir))


async def test_what_could_not_be_closed_is_not_used(start_faulty: StartFaulty) -> None:
    """NFS may say no sooner that it did not take what was written."""
    scenario = next(one for one in SCENARIOS if one.name == "many groups")
    server, faults = await start_faulty(workers=1, **scenario.flags)
    async with aiohttp.ClientSession() as http:
        client = Client(http, server)
        faults.arm(Kind("unclosed", errno.EIO, ("close",)), 3)  # after the input and its state
        await scenario.run(client, "")
        (outcome,) = (await client.final_outcomes()).values()
    assert re.match(r"close .*\.partial\..*\.tmp$", faults.first), faults.first
    assert outcome == (
        "FAILURE", "The server's disk failed (Input/output error); upload the file again later"
    )  # fmt: skip
