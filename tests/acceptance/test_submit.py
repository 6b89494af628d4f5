"""The commands that talk to a service: `submit`, `result`, `status`, `cancel`."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from plays_service.client import Client
from tests.acceptance.conftest import Server, StartServer, clean_environment, command
from tests.acceptance.conftest import run as run_async
from tests.acceptance.terminal import in_terminal
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import LONG, eventually

HEADER: Final = b"Song,Date,Number of Plays\n"
BAD: Final = HEADER + b"\na,2020-01-01,x\n"
SUMMARY: Final = "7 records in 4 groups\n"
UNKNOWN: Final = "7d3c1b2e-0000-4000-8000-000000000000"
#: Of the shared server.
LARGEST_UPLOAD: Final = 4 << 20
LARGE_UPLOAD: Final = 256 << 20
#: Bytes that the client may have resident at its peak, whatever it uploads; 44 MiB were measured.
LARGEST_MEMORY: Final = 100 << 20
UPLOAD_AND_TELL_MEMORY: Final = r"""
import asyncio, pathlib, re, sys
from plays_service.client import Client

async def main(url, path):
    async with Client(url) as client:
        await client.submit(path)

asyncio.run(main(*sys.argv[1:]))
status = pathlib.Path("/proc/self/status").read_text()
print(int(re.search(r"VmHWM:\s+([0-9]+) kB", status)[1]) << 10)
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that these tests share."""
    data_dir = tmp_path_factory.mktemp("data")
    flags = {"port": 0, "workers": 1, "data_dir": data_dir, "max_upload_size": LARGEST_UPLOAD}
    with (data_dir / "log").open("wb") as log:
        process = subprocess.Popen(command("serve", **flags), stderr=log, env=clean_environment())
    try:
        while not (match := re.search(r"http://[0-9.:]+", (data_dir / "log").read_text())):
            assert process.poll() is None
            time.sleep(0.02)
        yield match[0]
    finally:
        process.terminate()
        process.wait(LONG)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the example in it."""
    (tmp_path / "in.csv").write_bytes(EXAMPLE)
    return tmp_path


def run(*words: object, stdin: bytes = b"", url: str, **variables: str) -> tuple[int, bytes, str]:
    """Exit code, standard output, standard error."""
    name, *arguments = words
    done = subprocess.run(
        command(str(name), *arguments),
        input=stdin,
        capture_output=True,
        env=clean_environment(PLAYS_SERVER=url, **variables),
        timeout=LONG,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr.decode()


def fields_of(text: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    return fields


# There and back


def test_a_pipe_gets_the_totals_and_nothing_else(files: Path, url: str) -> None:
    assert run("submit", files / "in.csv", url=url) == (0, EXAMPLE_RESULT, SUMMARY)
    assert run("submit", "-", "-q", stdin=gzip.compress(EXAMPLE), url=url) == (
        0, EXAMPLE_RESULT, "",
    )  # fmt: skip


def test_a_file_gets_the_totals_and_json_the_task(files: Path, url: str) -> None:
    out = files / "out.csv"
    code, report, text = run("submit", files / "in.csv", "-o", out, "--json", url=url)
    assert (code, text) == (0, "")
    assert out.read_bytes() == EXAMPLE_RESULT
    task = fields_of(report)
    assert (task["state"], task["filename"], task["rows"]) == ("SUCCESS", "in.csv", 7)
    code, shown, _ = run("status", task["task_id"], url=url)
    assert code == 0
    assert f"task      {task['task_id']}\nstate     SUCCESS\n".encode() in shown
    code, shown, _ = run("status", task["task_id"], "--json", url=url)
    assert (code, fields_of(shown)) == (0, task)
    code, shown, _ = run("cancel", task["task_id"], url=url)
    assert (code, shown) == (0, b"had ended already: SUCCESS\n")
    assert sorted(path.name for path in files.iterdir()) == ["in.csv", "out.csv"]


def test_without_waiting_there_is_an_id_and_later_a_result(files: Path, url: str) -> None:
    code, output, text = run("submit", files / "in.csv", "--no-wait", url=url)
    assert (code, text) == (0, "")
    task_id = output.decode().strip()
    assert re.fullmatch(r"[0-9a-f-]{36}", task_id)
    assert run("result", task_id, url=url) == (0, EXAMPLE_RESULT, SUMMARY)
    code, output, _ = run("submit", files / "in.csv", "--no-wait", "--json", url=url)
    assert list(fields_of(output)) == ["task_id"]
    code, _, text = run("submit", files / "in.csv", "--no-wait", "-o", files / "out", url=url)
    assert code == 2
    assert "no totals" in text


def test_options_reach_the_service(files: Path, url: str) -> None:
    (files / "in.csv").write_bytes(HEADER + "é,2020-01-01,1\nx\n".encode("cp1252"))
    options = ("--encoding", "cp1252", "--on-error", "skip")
    code, output, text = run("submit", files / "in.csv", *options, url=url)
    assert (code, output.decode().splitlines()[1:]) == (0, ["é,2020-01-01,1"])
    assert text.splitlines() == [
        "in.csv: skipped: line 3: 1 field where the header has 3",
        "1 record in 1 group, 1 bad record skipped",
    ]


def test_a_terminal_sees_bars(files: Path, url: str) -> None:
    with in_terminal(command("submit", files / "in.csv"), PLAYS_SERVER=url) as terminal:
        assert terminal.ended() == (0, EXAMPLE_RESULT)
        for label in ("Uploading", "Aggregating", "Downloading"):
            assert re.search(rf"{label}  \[#+\]  100%", terminal.shown)
        assert terminal.shown.endswith(SUMMARY.replace("\n", "\r\n"))
    with in_terminal(command("submit", files / "in.csv", "-q"), PLAYS_SERVER=url) as terminal:
        assert terminal.ended() == (0, EXAMPLE_RESULT)
        assert terminal.shown == ""


def test_of_a_pipe_a_terminal_sees_how_much_is_sent(files: Path, url: str) -> None:
    fifo = files / "fifo"
    os.mkfifo(fifo)
    content = EXAMPLE + b"\n" * (3 << 20)
    writer = threading.Thread(target=lambda: fifo.write_bytes(content))
    writer.start()
    with in_terminal(command("submit", fifo), PLAYS_SERVER=url) as terminal:
        assert terminal.ended() == (0, EXAMPLE_RESULT)
        assert re.search(r"Uploading  [1-3] MB", terminal.shown)
    writer.join(LONG)


# What goes wrong


def test_a_bad_file(files: Path, url: str) -> None:
    (files / "bad.csv").write_bytes(BAD)
    out = files / "out.csv"
    problem = 'line 3: Number of Plays: "x" is not a whole number'
    code, output, text = run("submit", files / "bad.csv", "-o", out, url=url)
    assert (code, output, text) == (1, b"", f"Error: bad.csv: {problem}\n")
    code, output, text = run("submit", files / "bad.csv", "-o", out, "--json", url=url)
    task = fields_of(output)
    assert (code, task["state"], task["error"]["line"]) == (1, "FAILURE", 3)
    for name in ("status", "result"):
        code, output, text = run(name, task["task_id"], url=url)
        assert code == 1
        assert problem in output.decode() + text
    assert not out.exists()


def test_unknown_tasks(url: str) -> None:
    for name, task_id in (("status", UNKNOWN), ("cancel", UNKNOWN), ("result", "../health")):
        code, output, text = run(name, task_id, url=url)
        assert (code, output) == (4, b"")
        assert text.startswith("Error: ")
        assert len(text.splitlines()) == 1


def test_a_service_that_refuses_or_is_not_there(files: Path, url: str) -> None:
    large = HEADER + b"\n" * 30 * LARGEST_UPLOAD  # refused while it is being sent
    code, output, text = run("submit", "-", stdin=large, url=url)
    assert (code, output) == (3, b"")
    assert f"larger than {LARGEST_UPLOAD} bytes" in text
    words = ("submit", files / "in.csv", "--retry-for", "0")
    code, output, text = run(*words, url="http://127.0.0.1:1")
    assert (code, output) == (3, b"")
    assert text == "Error: cannot reach http://127.0.0.1:1: Connection refused\n"
    code, _, text = run(*words, url="ftp://nowhere")
    assert code == 2
    assert "is not the address of a service" in text
    code, _, text = run("submit", files / "in.csv", "--retry-for", "soon", url=url)
    assert code == 2
    assert "is not a time" in text


def test_outputs_that_cannot_be(files: Path, url: str) -> None:
    code, _, text = run("submit", files / "in.csv", "-o", files / "none" / "out", url=url)
    assert (code, text) == (1, f"Error: there is no folder {files / 'none'}\n")
    code, _, text = run("submit", files / "in.csv", "-o", "/dev/full", url=url)
    assert (code, text) == (1, "Error: [Errno 28] No space left on device: '/dev/full'\n")
    code, _, text = run("submit", files / "in.csv", "--json", url=url)
    assert code == 2
    assert "-o OUT" in text


@contextmanager
def guarded() -> Iterator[tuple[str, list[str | None]]]:
    """A service for which no token is right; and the tokens that it is sent."""
    sent: list[str | None] = []

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent.append(self.headers["Authorization"])
            body = b'{"message": "A token is needed"}'
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Guard) as server:
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", sent
        finally:
            server.shutdown()


def test_the_token_comes_from_the_environment_or_a_file(files: Path) -> None:
    (files / "token").write_text("from-file\n")
    with guarded() as (url, sent):
        expected = (3, b"", "Error: A token is needed (here: PLAYS_TOKEN or --token-file)\n")
        assert run("status", UNKNOWN, url=url) == expected
        assert run("status", UNKNOWN, url=url, PLAYS_TOKEN="from-variable") == expected
        words = ("status", UNKNOWN, "--token-file", files / "token")
        assert run(*words, url=url, PLAYS_TOKEN="from-variable") == expected
        assert sent == [None, "Bearer from-variable", "Bearer from-file"]
        code, _, _ = run("status", UNKNOWN, url=url, PLAYS_TOKEN="two\nlines")
        assert code == 2


# Interrupted


def test_ctrl_c_during_the_upload_leaves_nothing(files: Path, url: str) -> None:
    reading, writing = os.pipe()
    words = command("submit", "-", "-o", files / "out")
    with in_terminal(words, stdin=reading, PLAYS_SERVER=url) as terminal:
        os.close(reading)
        os.write(writing, EXAMPLE)
        terminal.until(lambda shown: "Uploading" in shown)
        terminal.press_ctrl_c()
        assert terminal.ended() == (130, b"")
        assert "keeps" not in terminal.shown
        assert "Traceback" not in terminal.shown
    os.close(writing)
    assert [path.name for path in files.iterdir()] == ["in.csv"]


@pytest.fixture
async def stopped_server(start_server: StartServer) -> AsyncIterator[Server]:
    """A server whose worker stands still until it gets SIGCONT."""
    server = await start_server(workers=1)
    await eventually(server.workers)
    (worker,) = server.workers()
    os.kill(worker, signal.SIGSTOP)
    yield server
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)  # it cannot see, either, that the server is gone


async def test_ctrl_c_while_waiting_leaves_the_task(stopped_server: Server, files: Path) -> None:
    url = stopped_server.url
    words = command("submit", files / "in.csv", "-o", files / "out")
    with in_terminal(words, PLAYS_SERVER=url) as terminal:
        terminal.until(lambda shown: "Aggregating" in shown)
        terminal.press_ctrl_c()
        assert terminal.ended() == (130, b"")
        match = re.search(r"keeps the task: plays-service result (\S+) -o OUT", terminal.shown)
        assert match is not None
    assert [path.name for path in files.iterdir() if path.is_file()] == ["in.csv"]
    code, shown, _ = run("status", match[1], url=url)
    assert code == 0
    assert re.search(rb"state +(PENDING|STARTED)\n", shown)
    os.kill(stopped_server.workers()[0], signal.SIGCONT)
    assert run("result", match[1], "-q", url=url) == (0, EXAMPLE_RESULT, "")


async def test_a_task_can_be_cancelled(stopped_server: Server, files: Path) -> None:
    url = stopped_server.url
    _, output, _ = run("submit", files / "in.csv", "--no-wait", url=url)
    task_id = output.decode().strip()
    assert run("cancel", task_id, url=url) == (0, b"cancelled\n", "")
    os.kill(stopped_server.workers()[0], signal.SIGCONT)
    code, shown, _ = run("status", task_id, url=url)
    assert code == 4
    assert b"state     REVOKED\n" in shown
    code, output, text = run("result", task_id, url=url)
    assert (code, output) == (4, b"")
    assert "was cancelled" in text


# The service comes and goes


async def test_waiting_outlasts_a_restart(
    stopped_server: Server, start_server: StartServer, files: Path
) -> None:
    words = command("submit", files / "in.csv")
    with in_terminal(words, PLAYS_SERVER=stopped_server.url) as terminal:
        terminal.until(lambda shown: "Aggregating" in shown)
        (worker,) = stopped_server.workers()
        stopped_server.process.kill()
        os.kill(worker, signal.SIGKILL)
        await stopped_server.ended()
        terminal.until(lambda shown: "trying again" in shown)
        await start_server(port=stopped_server.port)
        assert terminal.ended() == (0, EXAMPLE_RESULT)


async def test_a_download_outlasts_a_kill(start_server: StartServer) -> None:
    server = await start_server(workers=1)
    song = "x" * 400
    rows = [b"%s %d,2020-01-01,1\n" % (song.encode(), number) for number in range(80_000)]
    async with Client(server.url) as client:
        task_id = await client.submit(HEADER + b"".join(rows))
        await client.wait(task_id)
        received = bytearray()
        killed = False
        async for block in client.download(task_id):
            received += block
            if not killed:
                killed = True
                await server.kill()
                server = await start_server(port=server.port, workers=1)
    is_same = received == EXAMPLE_RESULT.splitlines(keepends=True)[0] + b"".join(rows)
    assert is_same


async def test_a_large_upload_takes_little_memory(start_server: StartServer, files: Path) -> None:
    server = await start_server(workers=1)
    with (files / "in.csv").open("ab") as file:
        file.truncate(LARGE_UPLOAD)  # the rest is one bad record
    code, output, text = await run_async(
        sys.executable, "-c", UPLOAD_AND_TELL_MEMORY, server.url, str(files / "in.csv")
    )
    assert (code, text) == (0, "")
    assert int(output) < LARGEST_MEMORY
