"""A service that the system gives few files and connections, or small ones."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.acceptance.conftest import Server, StartServer, result, upload
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import LONG, eventually


def limit_files(server: Server, most: int) -> None:
    """The soft limit only."""
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, hard))


def files_of(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


@asynccontextmanager
async def connections(server: Server, count: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many connections on which nothing is sent."""
    pairs = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(count)]
    yield [reader for reader, _ in pairs]
    for _, writer in pairs:
        writer.close()


async def test_the_service_takes_all_files_that_it_may_have(start_server: StartServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        server = await start_server()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    found, _ = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
    assert found == min(hard, 65536) > 256


async def test_connections_leave_files_for_who_is_there(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    assert await result(http, server, await upload(http, server, EXAMPLE)) == EXAMPLE_RESULT
    limit_files(server, 200)
    async with connections(server, 100) as readers:
        async with asyncio.timeout(LONG):
            closed = [await reader.read() for reader in readers[80:]]
        assert closed == [b""] * 20
        assert not [line for line in server.log if "ERROR" in line]
        assert await result(http, server, await upload(http, server, EXAMPLE)) == EXAMPLE_RESULT
    await eventually(lambda: files_of(server) < 80)
    async with aiohttp.ClientSession() as another:
        assert await upload(another, server, EXAMPLE)


async def test_no_files_left_is_told_and_over_when_there_are(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    task_id = await upload(http, server, EXAMPLE)
    assert await result(http, server, task_id) == EXAMPLE_RESULT
    limit_files(server, files_of(server))
    async with http.put(f"{server.url}/process_csv", data=EXAMPLE) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
        message = (await answer.json())["message"]
    assert message == "The server has too many files or connections open; try again later"
    limit_files(server, 4)  # its connection is closed, so there would be room for another
    async with connections(server, 20):
        await eventually(lambda: "no connection can be taken" in "".join(server.log))
    limit_files(server, 1024)
    assert await result(http, server, await upload(http, server, EXAMPLE)) == EXAMPLE_RESULT
    lines = [line for line in server.log if "no connection can be taken" in line]
    assert len(lines) == 1


async def test_a_file_that_is_too_large_for_the_disk_is_named(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1 << 19, -1))
    data = EXAMPLE + b"\n" * 900_000
    for chunked in (False, True):
        async with http.put(f"{server.url}/process_csv", data=data, chunked=chunked) as answer:
            assert answer.status == 413
            message = (await answer.json())["message"]
            assert message == "The server's disk takes no file of this size; split the file"
    assert list((server.data_dir / "tasks").iterdir()) == []
    assert await result(http, server, await upload(http, server, EXAMPLE)) == EXAMPLE_RESULT
