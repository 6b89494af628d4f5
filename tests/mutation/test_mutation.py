"""Damaged uploads on the real process: refused or done, with nothing left behind.

A short run is in the suite; ``make mutate COUNT=10000 SEED=1`` is a long one.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.acceptance.conftest import Server, StartServer
from tests.integration.conftest import leftovers
from tests.mutation.cases import CsvCase, FormCase, undamaged
from tests.mutation.connection import Answer, Connection
from tests.waiting import LONG

COUNT: Final = int(os.environ.get("MUTATIONS", "300"))
SEED: Final = os.environ.get("MUTATION_SEED", "1")
#: Uploads at once.
CLIENTS: Final = 8
#: Cases after which all workers have started, and the server's files are open.
WARM_UP: Final = 50
#: Statuses with which damage may be refused.
REFUSALS: Final = frozenset({400, 404, 405, 408, 413, 415, 417})
#: Seconds: how long the server waits for a body, and a client for the answer to what may be no
#: whole request.
UPLOAD_TIMEOUT: Final = 0.5
PATIENCE: Final = 1.5

_log = logging.getLogger(__name__)


@pytest.fixture
async def server(start_server: StartServer) -> Server:
    return await start_server(upload_timeout=f"{UPLOAD_TIMEOUT}s", max_upload_size="64MiB")


async def test_what_is_damaged_was_taken_before(server: Server) -> None:
    async with Connection(server.port) as connection:
        for request in undamaged():
            answer = await connection.ask(request)
            assert answer is not None
            await ended_state(connection, accepted(answer))


async def test_damaged_csvs_end_as_the_pure_implementation_says(
    server: Server, tmp_path: Path
) -> None:
    async def check(number: int, connection: Connection, seen: Counter[str]) -> None:
        case = CsvCase.make(f"{SEED} csv {number}")
        answer = await connection.ask(case.request)
        expected = case.expected(tmp_path)
        assert answer is not None
        if isinstance(expected, int):
            message = refusal(answer)
            assert answer.status == expected, message
            seen[f"refused {expected}"] += 1
            return
        body, summary = expected
        task_id = accepted(answer)
        result = await get(connection, f"/result/{task_id}?wait=60")
        assert result.body == body
        task = (await get(connection, f"/tasks/{task_id}")).json
        assert task["state"] == ("FAILURE" if summary.error else "SUCCESS")
        assert (task["rows"], task["skipped"]) == (summary.rows, summary.skipped)
        assert task["errors"] == [error.to_json() for error in summary.errors]
        seen[task["state"]] += 1

    await run(server, check)


async def test_damaged_forms_and_requests_are_refused_or_done(server: Server) -> None:
    async def check(number: int, connection: Connection, seen: Counter[str]) -> None:
        case = FormCase.make(f"{SEED} form {number}")
        if case.is_whole:
            answer = await connection.ask(case.request)
            assert answer is not None
        else:
            async with Connection(server.port) as its_own:
                answer = await its_own.ask(case.request, patience=PATIENCE)
        if answer is None:
            seen["not answered"] += 1
        elif answer.status != 200:
            assert answer.status in REFUSALS
            assert case.request.startswith(b"HEAD") or refusal(answer)
            seen[f"refused {answer.status}"] += 1
        else:
            seen[await ended_state(connection, accepted(answer))] += 1

    await run(server, check)


def accepted(answer: Answer) -> str:
    """The id of the task."""
    assert answer.status == 200, answer
    fields = answer.json
    assert list(fields) == ["task_id"], answer
    task_id: str = fields["task_id"]
    assert answer.headers["location"] == f"/result/{task_id}"
    return task_id


def refusal(answer: Answer) -> str:
    """The message of an error."""
    fields = answer.json
    assert list(fields) == ["message"], answer
    message: str = fields["message"]
    assert message
    assert "Traceback" not in message
    return message


async def get(connection: Connection, path: str) -> Answer:
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    answer = await connection.ask(request) or await connection.ask(request)
    assert answer is not None
    assert answer.status == 200, answer
    return answer


async def ended_state(connection: Connection, task_id: str) -> str:
    answer = await get(connection, f"/result/{task_id}?wait=60")
    if answer.headers["content-type"].startswith("text/csv"):
        return "SUCCESS"
    assert answer.json["state"] == "FAILURE"
    return "FAILURE"


Check = Callable[[int, Connection, Counter[str]], Awaitable[None]]


async def run(server: Server, check: Check) -> None:
    """Check all the cases, some at once; afterwards nothing of them is left."""
    seen: Counter[str] = Counter()

    async def client(numbers: Iterator[int]) -> None:
        async with Connection(server.port) as connection:
            for number in numbers:
                try:
                    await check(number, connection, seen)
                except BaseException as error:
                    error.add_note(f"seed {SEED}, number {number}")
                    raise

    async def clients(numbers: Iterator[int]) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(client(numbers))

    await clients(iter(range(WARM_UP)))
    files = open_files(server)
    await clients(iter(range(WARM_UP, COUNT)))
    _log.info("seed %s: %s", SEED, dict(seen.most_common()))
    assert seen["SUCCESS"] > 0 < seen["FAILURE"]
    await nothing_is_left(server, files)


async def nothing_is_left(server: Server, files: int) -> None:
    assert server.process.returncode is None
    async with asyncio.timeout(LONG):
        while leftovers(server.data_dir) or open_files(server) > files:
            await asyncio.sleep(0.05)
    log = "".join(server.log)
    assert "Traceback" not in log
    assert " died" not in log
    async with Connection(server.port) as connection:
        assert (await get(connection, "/health")).json["status"] == "ok"


def open_files(server: Server) -> int:
    return sum(1 for _ in Path(f"/proc/{server.process.pid}/fd").iterdir())
