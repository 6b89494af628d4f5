"""The reverse proxies of docs/operations.md, for real, with the configuration that stands there."""

from __future__ import annotations

import asyncio
import re
import shutil
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from benchmarks.ports import free_port
from tests.acceptance.conftest import Server, StartServer
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import LONG

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
HEADER = b"Song,Date,Number of Plays\n"
MIB = 1 << 20


@dataclass
class Proxied:
    """A service, and the address of the proxy in front of it."""

    server: Server
    url: str
    port: int


def documented(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def nginx(config: str, folder: Path) -> list[str]:
    paths = "".join(
        f"{kind}_temp_path {folder / kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder / 'pid'};\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}{config}}}\n"
    )
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(config: str, folder: Path) -> list[str]:
    (folder / "Caddyfile").write_text("{\nadmin off\n}\n" + config)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


@pytest.fixture(params=[nginx, caddy])
async def proxied(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Proxied]:
    make: Callable[[str, Path], list[str]] = request.param
    if shutil.which(make.__name__) is None:
        pytest.skip(f"{make.__name__} is not installed here")
    for kind in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path))
    server, port = await start_server(), free_port()
    config = documented(make.__name__)
    assert "127.0.0.1:8000" in config
    config = config.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    config = re.sub(r"^(\s*listen |:)80\b", rf"\g<1>{port}", config, flags=re.MULTILINE)
    folder = tmp_path / make.__name__
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(*make(config, folder))
    try:
        await listening(port, process)
        yield Proxied(server, f"http://127.0.0.1:{port}", port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def listening(port: int, process: Process) -> None:
    async with asyncio.timeout(LONG):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                assert process.returncode is None, "the proxy has ended"
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


async def upload(http: aiohttp.ClientSession, proxied: Proxied, data: object) -> str:
    async with http.put(f"{proxied.url}/process_csv", data=data) as answer:
        assert answer.status == 200, await answer.text()
        task_id: str = (await answer.json())["task_id"]
        return task_id


async def result(http: aiohttp.ClientSession, proxied: Proxied, task_id: str) -> bytes:
    async with http.get(f"{proxied.url}/result/{task_id}", params={"wait": "60"}) as answer:
        assert answer.status == 200
        return await answer.read()


async def test_the_example(proxied: Proxied, http: aiohttp.ClientSession) -> None:
    task_id = await upload(http, proxied, EXAMPLE)
    assert await result(http, proxied, task_id) == EXAMPLE_RESULT


async def test_an_upload_is_taken_while_it_comes(
    proxied: Proxied, http: aiohttp.ClientSession
) -> None:
    """So the proxy stores nothing of it, however large it is."""
    begun = asyncio.Event()
    rows = b"a,2020-01-01,1\n" * 70_000

    async def content() -> AsyncIterator[bytes]:
        yield HEADER
        for _ in range(4):
            yield rows
        await asyncio.wait_for(begun.wait(), LONG)
        yield rows

    uploading = asyncio.create_task(upload(http, proxied, content()))
    tasks = proxied.server.data_dir / "tasks"
    async with asyncio.timeout(LONG):
        while not list(tasks.glob("*/input.csv")):
            await asyncio.sleep(0.05)
    begun.set()
    expected = b"Song,Date,Total Number of Plays for Date\na,2020-01-01,350000\n"
    assert await result(http, proxied, await uploading) == expected


async def test_a_refusal_in_the_middle_of_an_upload_arrives(
    proxied: Proxied, http: aiohttp.ClientSession
) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"PK\x03\x04" + bytes(MIB)

    async with http.put(f"{proxied.url}/process_csv", data=content()) as answer:
        assert answer.status == 415
        assert "zip archive" in (await answer.json())["message"]


async def test_events_arrive_as_they_happen(proxied: Proxied, http: aiohttp.ClientSession) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxied.port)
    task_id = await upload(http, proxied, EXAMPLE)
    writer.write(f"GET /tasks/{task_id}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    async with asyncio.timeout(LONG):
        assert b'"SUCCESS"' in await reader.readuntil(b'"SUCCESS"')
    writer.close()


async def test_parts_and_packed_results(proxied: Proxied, http: aiohttp.ClientSession) -> None:
    rows = b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(20_000))
    task_id = await upload(http, proxied, HEADER + rows)
    whole = await result(http, proxied, task_id)
    assert whole.partition(b"\n")[2] == rows
    url = f"{proxied.url}/result/{task_id}"
    async with http.get(url, headers={"Range": "bytes=100-199"}) as answer:
        assert (answer.status, await answer.read()) == (206, whole[100:200])
    async with http.get(url, headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert await answer.read() == whole
