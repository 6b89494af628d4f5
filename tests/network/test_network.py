"""A network that cuts, resets, stalls and dawdles: half an upload is nothing, others are served."""

from __future__ import annotations

import asyncio
import io
import os
import random
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.acceptance.conftest import Server, StartServer, result, run, task_of, upload
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import leftovers, request
from tests.network.proxy import Event, Proxy, Trouble
from tests.waiting import LONG, eventually

#: How many troubles of each kind; ``PLAYS_TEST_NETWORK_CASES=50`` for more.
CASES: Final = int(os.environ.get("PLAYS_TEST_NETWORK_CASES", "1"))
SEED: Final = int(os.environ.get("PLAYS_TEST_SEED", "1"))
HEADER: Final = b"Song,Date,Number of Plays\n"
RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
#: Larger than what is kept in memory, in many segments.
LARGE: Final = HEADER + b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(50_000))
LARGE_RESULT: Final = RESULT_HEADER + LARGE.removeprefix(HEADER)
#: Seconds; far less than anybody waits for a test, far more than a machine stalls.
UPLOAD_TIMEOUT: Final = 2
CLIENT_TIMEOUT: Final = 3
FLAGS: Final[dict[str, object]] = {"upload_timeout": f"{UPLOAD_TIMEOUT}s", "segment_size": "64KiB"}
#: Bytes that a server may have more after all is over.
MARGIN: Final = 48 << 20
ENDINGS: Final = (Event.CUT, Event.RESET, Event.STALL, Event.HALF_CLOSE)
CURL: Final = shutil.which("curl")


@dataclass
class Usage:
    """What a server holds."""

    descriptors: int
    memory: int  #: resident bytes


def usage(server: Server) -> Usage:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    memory = re.search(r"VmRSS:\s+([0-9]+) kB", status)
    assert memory is not None
    descriptors = len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
    return Usage(descriptors, int(memory[1]) << 10)


async def warmed_up(server: Server) -> Usage:
    """What a server holds that has done some work before."""
    async with aiohttp.ClientSession() as http:
        for data in (LARGE, EXAMPLE):
            task_id = await upload(http, server, data)
            await result(http, server, task_id)
            async with http.delete(f"{server.url}/tasks/{task_id}") as answer:
                assert answer.status == 204
        others = usage(server)
    return replace(others, descriptors=others.descriptors - 1)  # this connection


async def returns_to(server: Server, before: Usage) -> None:
    """Return when the server holds no more than before, about."""
    await eventually(lambda: usage(server).descriptors <= before.descriptors, lambda: usage(server))
    assert usage(server).memory < before.memory + MARGIN


@asynccontextmanager
async def bystander(server: Server) -> AsyncIterator[None]:
    """Somebody else, on a good network, is served all the time and leaves nothing."""
    served = 0
    over = asyncio.Event()

    async def use(http: aiohttp.ClientSession) -> None:
        nonlocal served
        while not over.is_set() or not served:
            task_id = await upload(http, server, EXAMPLE)
            assert await result(http, server, task_id) == EXAMPLE_RESULT
            async with http.delete(f"{server.url}/tasks/{task_id}") as answer:
                assert answer.status == 204
            served += 1
            await asyncio.sleep(0.05)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=LONG)) as http:
        using = asyncio.create_task(use(http))
        try:
            yield
        finally:
            over.set()
            await using


async def holds_nothing(server: Server) -> None:
    """Return when nothing is left of any upload."""

    def found() -> list[Path]:
        return list((server.data_dir / "tasks").iterdir())

    await eventually(lambda: not found() and not leftovers(server.data_dir), found)


def offsets(size: int, name: str) -> list[int]:
    """Where in so many bytes something happens: at the edges and anywhere, but before the end."""
    anywhere = random.Random(f"{SEED} {name}").sample(range(1, size - 1), CASES)
    return [1, *anywhere, size - 1]


# Clients: each sends a file and returns the body of the answer, None where there was none.

Client = Callable[[str, bytes, Path], Awaitable[bytes | None]]


async def send_raw(url: str, data: bytes, _folder: Path) -> bytes | None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        writer.write(request(data, b"Content-Type: text/csv"))
        async with asyncio.timeout(CLIENT_TIMEOUT):
            _, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return body or None
    except (OSError, TimeoutError):
        return None
    finally:
        writer.transport.abort()


async def send_by_aiohttp(url: str, data: bytes, _folder: Path) -> bytes | None:
    timeout = aiohttp.ClientTimeout(total=CLIENT_TIMEOUT)
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(data), filename="plays.csv", content_type="text/csv")
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            async with http.post(f"{url}/process_csv", data=form) as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return None


async def send_by_curl(url: str, data: bytes, folder: Path) -> bytes | None:
    assert CURL is not None
    path = folder / f"{random.getrandbits(64):x}.csv"
    path.write_bytes(data)
    code, answer, _ = await run(
        CURL, "--silent", "--header", "Expect:", "--max-time", str(CLIENT_TIMEOUT),
        "--upload-file", str(path), f"{url}/process_csv",
    )  # fmt: skip
    return answer.encode() if code == 0 else None


CLIENTS: Final = (send_raw, send_by_aiohttp, *((send_by_curl,) if CURL else ()))


async def test_half_an_upload_is_no_task(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server(**FLAGS)
    before = await warmed_up(server)
    some_at_once = asyncio.Semaphore(24)

    async def suffer(client: Client, event: Event, data: bytes, after: int) -> None:
        async with some_at_once, Proxy(server.port, up=Trouble(event, after)) as proxy:
            answer = await client(proxy.url, data, tmp_path)
            assert answer is None or b"task_id" not in answer, (event, after)

    async with bystander(server):
        await asyncio.gather(
            *(
                suffer(client, event, data, after)
                for client in CLIENTS
                for data in (EXAMPLE, LARGE)
                for event in ENDINGS
                # of more than the data: it comes with a head
                for after in offsets(len(data), f"{client.__name__} {event}")
            )
        )
    await holds_nothing(server)
    await returns_to(server, before)


async def test_an_upload_whose_answer_is_lost_is_a_task_that_ends_and_expires(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = await start_server(**FLAGS, result_ttl="3s")
    before = await warmed_up(server)
    choice = random.Random(f"{SEED} answer")

    async def suffer(client: Client, event: Event, data: bytes, after: int) -> None:
        async with Proxy(server.port, down=Trouble(event, after)) as proxy:
            assert not await client(proxy.url, data, tmp_path), (event, after)

    troubles = [
        suffer(client, event, data, choice.randrange(1, 100))
        for client in CLIENTS
        for data in (EXAMPLE, LARGE)
        for event in (Event.CUT, Event.RESET, Event.STALL)
    ]
    seen: dict[Path, bytes] = {}

    def results() -> dict[Path, bytes]:
        for path in (server.data_dir / "tasks").glob("*/result.csv"):
            seen[path] = path.read_bytes()
        return seen

    suffering = asyncio.gather(*troubles)
    await eventually(lambda: len(results()) == len(troubles), lambda: len(seen))
    expected = [EXAMPLE_RESULT, LARGE_RESULT] * (len(troubles) // 2)
    assert sorted(seen.values()) == sorted(expected)
    await suffering
    await holds_nothing(server)
    await returns_to(server, before)


async def test_what_comes_in_single_bytes_and_late_is_taken_as_it_is(
    start_server: StartServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(**FLAGS)
    slow = Trouble(piece=1), Trouble(piece=16, pause=0.005), Trouble(pause=0.1)
    for up in slow:
        for client in (send_raw, send_by_aiohttp):
            async with Proxy(server.port, up, replace(up)) as proxy:
                answer = await client(proxy.url, EXAMPLE, tmp_path)
                match = re.search(rb'"task_id": "(.*)"', answer or b"")
                assert match is not None, answer
                url = f"{proxy.url}/result/{match[1].decode()}?wait=30"
                async with http.get(url) as got:
                    assert await got.read() == EXAMPLE_RESULT


async def test_a_byte_now_and_then_keeps_an_upload_alive_and_costs_nobody_anything(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(upload_timeout="500ms", min_upload_rate=0)
    whole = request(EXAMPLE, b"Content-Type: text/csv")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(whole[:-8])
    async with bystander(server):
        for byte in whole[-8:]:
            await asyncio.sleep(0.2)  # together more than the upload may stand still
            writer.write(bytes([byte]))
    match = re.search(rb'"task_id": "(.*)"', await reader.read())
    assert match is not None
    assert await result(http, server, match[1].decode()) == EXAMPLE_RESULT
    writer.close()
    await writer.wait_closed()


async def test_a_result_arrives_whole_through_a_connection_that_keeps_breaking(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(**FLAGS)
    before = await warmed_up(server)
    task_id = await upload(http, server, LARGE)
    assert await result(http, server, task_id) == LARGE_RESULT
    choice = random.Random(f"{SEED} download")
    async with bystander(server):
        for event in (Event.CUT, Event.RESET, Event.STALL, Event.HALF_CLOSE):
            got, tag, tries = b"", "", 0
            while len(got) < len(LARGE_RESULT):
                after = choice.randrange(1, len(LARGE_RESULT) // 2)
                async with Proxy(server.port, down=Trouble(event, after)) as proxy:
                    more, tag = await _resume(f"{proxy.url}/result/{task_id}", len(got), tag)
                got += more
                tries += 1
            assert tries > 1
            assert got == LARGE_RESULT
    await http.close()
    await returns_to(server, before)


async def _resume(url: str, have: int, tag: str) -> tuple[bytes, str]:
    """What comes of a result from byte ``have`` on, and its tag."""
    headers = {"Accept-Encoding": "identity"}
    if tag:
        headers |= {"Range": f"bytes={have}-", "If-Range": tag}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=0.3)
    got = b""
    async with aiohttp.ClientSession(timeout=timeout) as http:
        try:
            async with http.get(url, headers=headers) as answer:
                assert answer.status == (206 if tag else 200)
                tag = answer.headers["ETag"]
                async for piece in answer.content.iter_any():
                    got += piece
        except (aiohttp.ClientError, TimeoutError):
            pass
    return got, tag


async def test_waiting_through_trouble_ends_when_the_task_does(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(**FLAGS)
    before = await warmed_up(server)

    async def ask(task_id: str, what: str, event: Event, after: int) -> Any:
        timeout = aiohttp.ClientTimeout(total=1)
        async with (
            Proxy(server.port, down=Trouble(event, after)) as proxy,
            aiohttp.ClientSession(timeout=timeout) as own,
        ):
            try:
                async with own.get(f"{proxy.url}/{what.format(task_id)}") as answer:
                    return await answer.read()
            except (aiohttp.ClientError, TimeoutError):
                return None

    choice = random.Random(f"{SEED} wait")
    async with bystander(server):
        task_id = await upload(http, server, LARGE)
        asked = ("result/{}?wait=60", "tasks/{}/events", "tasks/{}")
        await asyncio.gather(
            *(
                ask(task_id, what, event, choice.randrange(0, 300))
                for what in asked
                for event in ENDINGS
                for _ in range(CASES)
            )
        )
        assert await result(http, server, task_id) == LARGE_RESULT
        assert (await task_of(http, server, task_id))["state"] == "SUCCESS"
    await http.close()
    await returns_to(server, before)


# Those who hold a connection for its own sake


async def _is_closed(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(LONG):
        while await reader.read(65536):
            pass


async def test_a_head_that_never_ends_is_hung_up_on(start_server: StartServer) -> None:
    server = await start_server(idle_timeout="1s")
    before = usage(server)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)

    async def drip() -> None:
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        for number in range(1000):
            writer.write(b"X-%d: y\r\n" % number)
            await asyncio.sleep(0.1)

    dripping = asyncio.create_task(drip())
    async with bystander(server):
        await _is_closed(reader)
    dripping.cancel()
    writer.transport.abort()
    await returns_to(server, before)


async def test_a_reader_that_never_reads_is_hung_up_on(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(idle_timeout="1s")
    data = HEADER + b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(500_000))
    task_id = await upload(http, server, data)
    await result(http, server, task_id)
    before = usage(server)
    writers = []
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 10)
        writer.write(f"GET /result/{task_id} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it reads, too
        writers.append(writer)
    async with bystander(server):
        await eventually(lambda: usage(server).descriptors > before.descriptors)
        await returns_to(server, before)
    for writer in writers:
        writer.transport.abort()
