"""What the service promises, shown on the real process."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import re
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import aiohttp
import httpx
import pytest

from tests.acceptance.conftest import (
    Server,
    StartServer,
    command,
    is_running,
    result,
    run,
    task_of,
    until_started,
    upload,
)
from tests.acceptance.long_file import LONG_FILE, SMALL_SEGMENTS, has_the_long_result
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER, HOT100
from tests.waiting import LONG, eventually

HEADER: Final = b"Song,Date,Number of Plays\n"
RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
PENDING: Final = b'{"state": "PENDING", "message": "None"}'
#: Of the upload that must not fit into the server's memory.
LARGE_UPLOAD: Final = 1 << 30
LARGEST_MEMORY: Final = 150 << 20


# The README's example


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_example_with_curl(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server()
    (tmp_path / "example.csv").write_bytes(EXAMPLE)
    address = f"127.0.0.1:{server.port}"  # without http://, as in the README
    upload_words = ("curl", "--silent", "--location", f"{address}/process_csv")
    for how in (
        ("--form", "file=@example.csv"),
        ("--header", "Content-Type: text/csv", "--data-binary", "@example.csv"),
        ("--upload-file", "example.csv"),
    ):
        code, answer, _ = await run(*upload_words, *how, cwd=tmp_path)
        assert code == 0
        match = re.fullmatch(r'\{"task_id": "([0-9a-f-]{36})"\}', answer)
        assert match is not None, answer
        code, answer, _ = await run("curl", "--silent", f"{address}/result/{match[1]}?wait=30")
        assert (code, answer.encode()) == (0, EXAMPLE_RESULT)
    code, answer, _ = await run(*upload_words, "--request", "POST")
    assert (code, answer) == (0, '{"message": "No upload file sent"}')
    code, answer, _ = await run(*upload_words, "--data-binary", "@example.csv", cwd=tmp_path)
    assert "--form 'file=@" in json.loads(answer)["message"]


async def test_the_example_with_httpx(start_server: StartServer) -> None:
    server = await start_server()
    async with httpx.AsyncClient(base_url=server.url, timeout=LONG) as client:
        answer = await client.post("/process_csv", files={"file": ("example.csv", EXAMPLE)})
        assert answer.status_code == 200
        assert list(answer.json()) == ["task_id"]
        answer = await client.get(answer.headers["Location"], params={"wait": "30"})
        assert (answer.status_code, answer.content) == (200, EXAMPLE_RESULT)


async def test_the_example_with_aiohttp(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    task_id = await upload(http, server, io.BytesIO(EXAMPLE), "example.csv")
    assert await result(http, server, task_id) == EXAMPLE_RESULT


# Real input


@pytest.mark.skipif(not HOT100.exists(), reason="hot100.csv is not there")
@pytest.mark.parametrize("segment_size", ["64MiB", "256KiB"])
async def test_a_real_file_in_full(
    start_server: StartServer, http: aiohttp.ClientSession, segment_size: str
) -> None:
    server = await start_server(segment_size=segment_size)
    totals: dict[tuple[str, str], int] = {}
    with HOT100.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            key = row["Song"], row["Date"].strip()
            totals[key] = totals.get(key, 0) + int(row["Number of Plays"])
    task_id = await upload(http, server, HOT100.read_bytes(), "hot100.csv")
    answer = (await result(http, server, task_id)).decode()
    rows = list(csv.reader(io.StringIO(answer, newline="")))
    assert rows[0] == ["Song", "Date", "Total Number of Plays for Date"]
    is_same = rows[1:] == [[*key, str(total)] for key, total in totals.items()]
    assert is_same  # alone: the difference would fill the screen


async def test_a_huge_upload_takes_little_memory_and_disturbs_nobody(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    block = b"Umbrella,2020-01-01,1\n" * (1 << 15)
    half = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield HEADER
        for number in range(LARGE_UPLOAD // len(block) + 1):
            if number * len(block) > LARGE_UPLOAD // 2:
                half.set()
            yield block

    async def ask() -> None:
        async with http.get(f"{server.url}/health") as answer:
            assert answer.status == 200
        small = await upload(http, server, EXAMPLE)
        assert await result(http, server, small) == EXAMPLE_RESULT

    uploading = asyncio.create_task(upload(http, server, rows()))
    await half.wait()
    while not uploading.done():
        await ask()
    task_id = await uploading
    task = await task_of(http, server, task_id)
    assert task["bytes"] > LARGE_UPLOAD
    await ask()
    plays = (LARGE_UPLOAD // len(block) + 1) * block.count(b"\n")
    expected = b"Song,Date,Total Number of Plays for Date\nUmbrella,2020-01-01,%d\n" % plays
    assert await result(http, server, task_id) == expected
    assert server.memory_peak() < LARGEST_MEMORY


# Processes that die


async def test_killed_with_tasks_running_it_loses_nothing(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(segment_size=SMALL_SEGMENTS)
    done = await upload(http, server, EXAMPLE)
    assert await result(http, server, done) == EXAMPLE_RESULT
    long = [await upload(http, server, LONG_FILE) for _ in range(2)]
    small = [await upload(http, server, EXAMPLE) for _ in range(20)]
    await until_started(http, server, long[0])
    children = server.descendants()
    assert children
    await server.kill()
    await eventually(lambda: not any(is_running(child) for child in children))  # no orphans

    server = await start_server(segment_size=SMALL_SEGMENTS)
    for task_id in (done, *small):
        assert await result(http, server, task_id) == EXAMPLE_RESULT
    for task_id in long:
        assert await has_the_long_result(http, server, task_id)
    assert len(list((server.data_dir / "tasks").iterdir())) == 1 + len(small) + len(long)


async def test_killed_again_and_again_it_still_gets_done(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(segment_size=SMALL_SEGMENTS)
    task_id = await upload(http, server, LONG_FILE)
    for _ in range(3):
        await until_started(http, server, task_id)
        await server.kill()
        server = await start_server(segment_size=SMALL_SEGMENTS)
    assert await has_the_long_result(http, server, task_id)


async def test_killed_while_uploading_leaves_no_half_of_a_task(
    start_server: StartServer,
) -> None:
    server = await start_server()
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"PUT /process_csv HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + FILLER
    )
    await eventually(lambda: list((server.data_dir / "tasks").iterdir()))
    await server.kill()
    writer.close()
    server = await start_server()
    for name in ("tasks", "trash"):
        assert list((server.data_dir / name).iterdir()) == []


async def test_a_killed_worker_costs_nobody_a_task(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(segment_size=SMALL_SEGMENTS)
    task_id = await upload(http, server, LONG_FILE)
    await until_started(http, server, task_id)
    for worker in server.workers():
        os.kill(worker, signal.SIGKILL)
    small = await upload(http, server, EXAMPLE)
    assert await result(http, server, small) == EXAMPLE_RESULT
    assert await has_the_long_result(http, server, task_id)


# Starting and stopping


async def test_sigterm_ends_it_and_the_rest_goes_on_at_the_next_start(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(segment_size=SMALL_SEGMENTS)
    task_id = await upload(http, server, LONG_FILE)
    await until_started(http, server, task_id)

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /result/%b?wait=60 HTTP/1.1\r\nHost: x\r\n\r\n" % task_id.encode())
    async with aiohttp.ClientSession() as other, other.get(f"{server.url}/health") as answer:
        assert answer.status == 200  # by now the request before has arrived, too
    children = server.descendants()
    assert await server.terminate() == 0
    waited = await reader.read()
    writer.close()
    assert waited.startswith(b"HTTP/1.1 200 OK\r\n")
    assert waited.endswith(b"\r\n\r\n" + PENDING)
    await eventually(lambda: not any(is_running(child) for child in children))
    assert "Traceback" not in "".join(server.log)
    server = await start_server(segment_size=SMALL_SEGMENTS)
    assert await has_the_long_result(http, server, task_id)


async def test_sigterm_to_the_whole_group_loses_nothing(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(segment_size=SMALL_SEGMENTS)
    task_id = await upload(http, server, LONG_FILE)
    await until_started(http, server, task_id)
    for pid in (*server.descendants(), server.process.pid):
        os.kill(pid, signal.SIGTERM)
    assert await server.ended() == 0
    server = await start_server(segment_size=SMALL_SEGMENTS)
    assert await has_the_long_result(http, server, task_id)


async def test_restarts_under_load_lose_no_accepted_task(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    """Clients that meet a restart come again; those that wait for a result, too."""
    server = await start_server(segment_size=SMALL_SEGMENTS, workers=1)
    accepted: list[str] = []
    long_tasks: list[str] = []

    async def be_a_client() -> None:
        while len(accepted) < 60:
            try:
                task_id = await upload(http, server, EXAMPLE)
            except (aiohttp.ClientConnectionError, AssertionError):
                await asyncio.sleep(0.05)
                continue
            accepted.append(task_id)
            with suppress(aiohttp.ClientConnectionError):
                assert await result(http, server, task_id) == EXAMPLE_RESULT

    clients = [asyncio.create_task(be_a_client()) for _ in range(8)]
    for goal in (10, 30):
        await eventually(partial(has, accepted, goal))
        long_tasks.append(await upload(http, server, LONG_FILE))
        waiting = asyncio.create_task(answer_of(http, server, long_tasks[-1]))
        await until_started(http, server, long_tasks[-1])
        assert await server.terminate() == 0
        assert await waiting in (PENDING, None)
        server = await start_server(segment_size=SMALL_SEGMENTS, workers=1)
    await asyncio.gather(*clients)
    for task_id in accepted:
        assert await result(http, server, task_id) == EXAMPLE_RESULT
    for task_id in long_tasks:
        assert await has_the_long_result(http, server, task_id)


def has(accepted: list[str], goal: int) -> bool:
    return len(accepted) >= goal


async def answer_of(http: aiohttp.ClientSession, server: Server, task_id: str) -> bytes | None:
    """What a client that waits is told; None where it was not there early enough."""
    try:
        async with http.get(f"{server.url}/result/{task_id}?wait=30") as answer:
            return await answer.read()
    except aiohttp.ClientConnectionError:
        return None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_idle_server_ends_with_0(start_server: StartServer, number: int) -> None:
    server = await start_server()
    server.process.send_signal(number)
    assert await server.ended() == 0
    assert "Traceback" not in "".join(server.log)


async def test_uploads_in_progress_finish_before_it_stops(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    stopping = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield FILLER + EXAMPLE[:50]
        await stopping.wait()
        yield EXAMPLE[50:]

    uploading = asyncio.create_task(upload(http, server, rows()))
    await eventually(lambda: list((server.data_dir / "tasks").iterdir()))
    server.process.send_signal(signal.SIGTERM)
    await eventually(lambda: any("stopping" in line for line in server.log))
    stopping.set()
    task_id = await uploading
    assert await server.ended() == 0
    server = await start_server()
    assert await result(http, server, task_id) == EXAMPLE_RESULT


async def test_two_servers_do_not_share_a_data_folder(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server()
    code, _, text = await run(*command("serve", port=0, data_dir=server.data_dir))
    assert code == 1
    assert "another service uses the data folder" in text
    assert str(server.data_dir) in text
    assert "Traceback" not in text
    task_id = await upload(http, server, EXAMPLE)
    assert await result(http, server, task_id) == EXAMPLE_RESULT


async def test_a_port_that_is_taken_is_named(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server()
    code, _, text = await run(*command("serve", port=server.port, data_dir=tmp_path / "other"))
    assert code == 1
    assert f"cannot serve on 127.0.0.1:{server.port}" in text
    assert "Traceback" not in text


async def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    code, _, text = await run(*command("serve", port=0, data_dir=tmp_path / "file" / "data"))
    assert code == 1
    assert str(tmp_path / "file" / "data") in text
    assert "Traceback" not in text


async def test_a_start_that_the_data_folder_prevents_is_not_laid_on_the_port(
    tmp_path: Path,
) -> None:
    (tmp_path / "tasks" / "junk").mkdir(parents=True)
    (tmp_path / "set_aside").write_bytes(b"")
    code, _, text = await run(*command("serve", port=0, data_dir=tmp_path))
    assert code == 1
    assert f"cannot use the data folder {tmp_path}: " in text
    assert "PLAYS_PORT" not in text
    assert "Traceback" not in text


async def test_settings_come_from_the_environment_too(tmp_path: Path) -> None:
    code, _, text = await run(*command("serve"), PLAYS_DATA_DIR=str(tmp_path), PLAYS_PORT="many")
    assert code == 2
    assert "PLAYS_PORT: 'many' is not a port" in text
