"""The log of the real process: each request and task is in it, and nothing that clients sent."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

import aiohttp

from tests.acceptance.conftest import Server, StartServer, result, upload
from tests.conftest import EXAMPLE, FILLER
from tests.waiting import eventually

#: Is in everything that is sent, and must never be logged.
MARK: Final = "zanzibar"
HEADER: Final = "Song,Date,Number of Plays\n"


async def send_raw(server: Server, data: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    writer.write_eof()
    await reader.read()
    writer.close()


async def send_everything_marked(http: aiohttp.ClientSession, server: Server) -> None:
    """Requests that succeed and fail in every way that there is, with the mark in each part."""
    good = f"{HEADER}{MARK},2020-01-01,1\n".encode()
    name = f"{MARK}.csv"
    address = f"{server.url}/process_csv"
    for content in (
        good,
        f"{HEADER}{MARK},2020-01-01,{MARK}\n".encode(),
        f"{HEADER}{MARK},{MARK},1\n".encode(),
        f"{MARK},{MARK}\n".encode(),
        f'{HEADER}"{MARK}'.encode(),
        FILLER + f"{HEADER}{MARK},{MARK},1\n".encode() + FILLER * 10,
        good + MARK.encode() + b"\xff\n",
    ):
        await result(http, server, await upload(http, server, content, name))
    for query in (f"?encoding={MARK}", f"?on_error={MARK}", f"?{MARK}={MARK}", f"?wait={MARK}"):
        async with http.put(address + query, data=good) as answer:
            await answer.read()
    for path in (f"/{MARK}", f"/result/{MARK}", f"/process_csv/{name}", f"/process_csv/a/{name}"):
        for method in ("GET", "PUT", MARK.upper()):
            async with http.request(method, server.url + path, data=good) as answer:
                await answer.read()
    for headers in (
        {"Content-Type": f"text/{MARK}"},
        {"Content-Type": f"multipart/form-data; boundary={MARK}"},
        {"Content-Encoding": MARK},
        {"Expect": MARK},
        {"Authorization": f"Bearer {MARK}"},
        {"Cookie": f"plays_token={MARK}"},
        {"User-Agent": MARK, "Referer": MARK},
        {"X-Request-ID": f"{MARK} {MARK}"},
    ):
        async with http.put(address, data=good, headers=headers) as answer:
            await answer.read()
    for data in (
        f"{MARK}\r\n\r\n",
        f"GET /{MARK} HTTP/{MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{MARK}\r\n\r\n",
        f"GET / HTTP/1.1\r\nContent-Length: {MARK}\r\n\r\n",
        # More than the length says: the rest of the file is read as the next request.
        f"PUT /process_csv HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nSon{MARK}\r\n\r\n",
        f"PUT /process_csv HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{MARK}\r\n",
    ):
        await send_raw(server, data.encode())


async def test_nothing_that_clients_send_is_logged(
    start_server: StartServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    broken = tmp_path / "data" / "tasks" / "broken"
    broken.mkdir(parents=True)
    (broken / "task.json").write_bytes(b'{"filename": "' + MARK.encode() + b'\xff"}')
    for format_ in ("text", "json"):
        server = await start_server(log_format=format_, log_level="debug")
        await send_everything_marked(http, server)
        assert await server.terminate() == 0
        log = "".join(server.log)
        assert MARK not in log.lower()
        assert len(server.log) > 50
        assert "Traceback" not in log
        assert not re.search(' ERROR |"ERROR"', log)
        assert all(line.removesuffix("\n").isprintable() for line in server.log)


async def test_json_lines_tell_of_each_request_and_its_task(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    server = await start_server(log_format="json")
    headers = {"X-Request-ID": "upload-1"}
    async with http.put(f"{server.url}/process_csv", data=EXAMPLE, headers=headers) as answer:
        assert answer.headers["X-Request-ID"] == "upload-1"
        task_id = (await answer.json())["task_id"]
    await result(http, server, task_id)
    song = b"x" * 100_000
    large = await upload(http, server, HEADER.encode() + song + b",2020-01-01,1\n")
    await result(http, server, large)
    for method in ("GET", "HEAD"):
        headers = {"X-Request-ID": method, "Accept-Encoding": "identity"}
        async with http.request(method, f"{server.url}/result/{large}", headers=headers) as answer:
            assert (song in await answer.read()) == (method == "GET")
    async with http.get(f"{server.url}/health") as answer:
        assert answer.status == 200
    async with http.get(f"{server.url}/nothing?token=x") as answer:
        unknown = answer.headers["X-Request-ID"]
    await eventually(lambda: any(unknown in line for line in server.log))
    assert await server.terminate() == 0
    lines: list[dict[str, Any]] = [json.loads(line) for line in server.log]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)

    requests = {line["request_id"]: line for line in lines if "route" in line}
    uploaded = requests["upload-1"]
    assert uploaded["message"].startswith("PUT /process_csv 200, 199 bytes in, ")
    assert uploaded | {"ms": 0, "time": "", "message": "", "bytes_out": 0} == {
        "time": "", "level": "INFO", "logger": "plays_service.api.access_log", "message": "",
        "request_id": "upload-1", "task_id": task_id, "method": "PUT", "route": "/process_csv",
        "status": 200, "bytes_in": len(EXAMPLE), "bytes_out": 0, "ms": 0,
    }  # fmt: skip
    assert requests["HEAD"]["bytes_out"] < 1000 < len(song) < requests["GET"]["bytes_out"]
    assert requests["GET"]["task_id"] == large
    assert (requests[unknown]["route"], requests[unknown]["status"]) == ("-", 404)
    assert not any(line["route"] == "/health" for line in requests.values())  # at debug only

    ended = [line for line in lines if line["message"] == f"task {task_id}: SUCCESS"]
    assert [(line["request_id"], line["task_id"]) for line in ended] == [("upload-1", task_id)]
