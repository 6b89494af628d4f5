"""Hosts that die, hang, or are cut off from each other, while clients work through a balancer.

``make cluster-network`` runs all of it; otherwise only the first.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import Final

import aiohttp
import pytest

from tests.acceptance.long_file import LONG_FILE, LONG_RESULT
from tests.cluster.hosts import why_not
from tests.cluster.site import Site
from tests.conftest import EXAMPLE
from tests.crash.client import GONE, Client, Promise
from tests.crash.plays import Upload
from tests.integration.conftest import leftovers
from tests.waiting import LONG, eventually

pytestmark = [pytest.mark.timeout(600), pytest.mark.xdist_group("hosts")]

_CLIENTS: Final = 3
#: Seconds.
_AGAIN: Final = 0.2
_BRIEF: Final = 3.0  #: nobody notices
_NOTICED: Final = 25.0  #: heartbeats are missed, connections are given up

long_one = pytest.mark.skipif(
    os.environ.get("PLAYS_TEST_NETWORK") != "all", reason="`make cluster-network` runs it"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site for all tests here: each leaves it whole."""
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed: apt install nginx-light")
    try:
        site = Site(tmp_path_factory.mktemp("site"))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    try:
        site.start()
        yield site
    finally:
        site.remove()


@pytest.fixture
async def http(running: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """The client's session."""
    async with running.client() as session:
        yield session


@pytest.fixture
async def site(running: Site, http: aiohttp.ClientSession) -> Site:
    """The site, with all that belongs to it."""
    await running.until_whole(http)
    return running


@asynccontextmanager
async def clients(site: Site, http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    """Clients that work meanwhile. At the end all that they were promised is kept, everywhere."""
    client = Client(http, Random(1))
    client.url = site.url
    loops = [asyncio.create_task(_work(client)) for _ in range(_CLIENTS)]
    try:
        yield client
    finally:
        for loop in loops:
            loop.cancel()
        ends = await asyncio.gather(*loops, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
    await site.until_whole(http)
    for url in (*site.urls, site.url):
        client.url = url
        async with asyncio.timeout(2 * LONG):
            await client.check_all()
    await eventually(lambda: not leftovers(site.data_dir))
    assert len(client.promises) > _CLIENTS


async def _work(client: Client) -> None:
    while True:
        with suppress(*GONE):
            await client.work()
        await asyncio.sleep(_AGAIN)


async def begin(http: aiohttp.ClientSession, client: Client, url: str) -> Promise:
    """Upload a long file to that replica; return when some of it is aggregated."""
    promise = await taken_by(http, client, url)
    async with asyncio.timeout(LONG):
        while not await progress(http, url, promise):
            await asyncio.sleep(0.02)
    return promise


async def taken_by(http: aiohttp.ClientSession, client: Client, url: str) -> Promise:
    """Upload a long file to that replica: another promise to the client."""
    uploader = Client(http, Random(0))
    uploader.url = url
    promise = await uploader.upload(Upload(LONG_FILE, LONG_RESULT))
    assert promise is not None
    client.promises.append(promise)
    return promise


async def progress(http: aiohttp.ClientSession, url: str, promise: Promise) -> float:
    async with http.get(f"{url}/tasks/{promise.task_id}") as answer:
        done: float = (await answer.json())["progress"]
        return done


async def kept(client: Client, promise: Promise) -> None:
    """Return when a promise is kept, whatever is between the client and the service meanwhile."""
    async with asyncio.timeout(2 * LONG):
        while not promise.is_kept:
            with suppress(*GONE):
                await client.wait(promise)


async def test_a_replica_dies_and_links_fail(site: Site, http: aiohttp.ClientSession) -> None:
    async with clients(site, http) as client:
        promise = await begin(http, client, site.urls[0])
        with site.replicas[0].dead():
            with site.workers[0].cut_off(), site.replicas[1].cut_off():
                await asyncio.sleep(_BRIEF)
            await kept(client, promise)
    assert "is taken over from a replica that is gone" in site.replicas[1].log


@long_one
async def test_others_do_the_calls_of_a_worker_that_is_cut_off(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with clients(site, http) as client:
        for worker in site.workers:
            promise = await begin(http, client, site.urls[0])
            with worker.cut_off():
                await site.until_alive(http, site.urls[0], 1)
                await kept(client, promise)
            await site.until_whole(http)


@long_one
async def test_a_replica_that_is_cut_off_from_the_broker_keeps_what_it_takes(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with clients(site, http) as client:
        promise = await begin(http, client, site.urls[0])
        with site.replicas[0].cut_off():
            await site.until(http, site.urls[0], lambda ready: "broker" in ready.get("waiting", ""))
            taken = await taken_by(http, client, site.urls[0])
            await asyncio.sleep(_NOTICED)
            assert not taken.is_kept
        await kept(client, promise)
        await kept(client, taken)


@long_one
async def test_a_broker_that_is_cut_off_costs_only_time(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with clients(site, http) as client:
        promise = await begin(http, client, site.urls[0])
        with site.broker_cut_off():
            await site.until(http, site.urls[0], lambda ready: "broker" in ready.get("waiting", ""))
            await asyncio.sleep(_NOTICED)
        await kept(client, promise)


@long_one
async def test_a_replica_that_hangs_goes_on_with_its_tasks(
    site: Site, http: aiohttp.ClientSession
) -> None:
    async with clients(site, http) as client:
        promise = await begin(http, client, site.urls[0])
        with site.replicas[0].hanging():
            await asyncio.sleep(_NOTICED)
            await _is_served(http, site.url)
            assert await progress(http, site.urls[1], promise) < 1  # it lives: nobody takes over
        await kept(client, promise)


async def _is_served(http: aiohttp.ClientSession, url: str) -> None:
    """Return when an upload is taken; one that hangs is given up, and sent anew."""
    brief = aiohttp.ClientTimeout(total=_BRIEF)
    async with asyncio.timeout(LONG):
        while True:
            with suppress(*GONE):
                async with http.put(f"{url}/process_csv", data=EXAMPLE, timeout=brief) as answer:
                    assert answer.status == 200
                    return


@long_one
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_fails_nothing_is_lost(
    site: Site, http: aiohttp.ClientSession, seed: int
) -> None:
    random = Random(seed)
    async with clients(site, http) as client:
        for _ in range(5):
            promise = await begin(http, client, random.choice(site.urls))
            node = random.choice([*site.replicas, *site.workers])
            with random.choice([node.dead, node.cut_off, node.hanging])():
                await asyncio.sleep(random.uniform(0, _NOTICED))
            await site.until_whole(http)
            await kept(client, promise)
