"""The Python client against the whole application."""

from __future__ import annotations

import asyncio
import io
import itertools
import threading
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Final

import pytest

from plays_service.client import (
    Client,
    Row,
    ServiceUnavailableError,
    TaskFailedError,
    TaskNotEndedError,
    TaskNotFoundError,
    TaskRevokedError,
    UploadRefusedError,
    WaitTimeoutError,
)
from plays_service.client.pipes import read_pipe
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import MIB, Gate, Service, StartService
from tests.waiting import eventually

HEADER: Final = b"Song,Date,Number of Plays\n"
BAD: Final = HEADER + b'a,2020-01-01,1\n"b\n",2020-01-01,12.5\n'


@pytest.fixture
async def client(service: Service) -> AsyncIterator[Client]:
    async with Client(f"http://127.0.0.1:{service.port}", retry_for=0) as one:
        yield one


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "example.csv"
    path.write_bytes(EXAMPLE)
    return path


async def pieces_of(content: bytes, size: int = 10) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


# The whole way


async def test_a_file_there_and_its_totals_back(
    client: Client, example: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int | None]] = []
    task_id = await client.submit(example, progress=lambda *one: told.append(one))
    assert told[-1] == (len(EXAMPLE), len(EXAMPLE))
    task = await client.wait(task_id, progress=lambda _: None)
    assert (task.id, task.state, task.filename) == (task_id, "SUCCESS", "example.csv")
    assert (task.bytes, task.rows, task.groups) == (len(EXAMPLE), 7, 4)
    assert task.finished is not None
    assert task.finished >= task.created
    await client.result(task_id, to=tmp_path / "totals.csv")
    assert (tmp_path / "totals.csv").read_bytes() == EXAMPLE_RESULT
    assert sorted(path.name for path in tmp_path.glob("*.csv")) == ["example.csv", "totals.csv"]
    await client.remove(task_id)
    with pytest.raises(TaskNotFoundError, match="no task"):
        await client.task(task_id)


async def test_aggregate_does_it_all(client: Client, example: Path, tmp_path: Path) -> None:
    task = await client.aggregate(str(example), to=str(tmp_path / "totals.csv"))
    assert task.state == "SUCCESS"
    assert (tmp_path / "totals.csv").read_bytes() == EXAMPLE_RESULT


async def test_bytes_and_iterators_are_uploaded(client: Client) -> None:
    for content in (EXAMPLE, pieces_of(EXAMPLE)):
        task_id = await client.submit(content, filename="ünïcode & more.csv")
        assert (await client.wait(task_id)).filename == "ünïcode & more.csv"
        assert b"".join([block async for block in client.download(task_id)]) == EXAMPLE_RESULT


async def test_options_of_an_upload(client: Client) -> None:
    content = HEADER + "é,2020-01-01,1\nx\n".encode("cp1252")
    task = await client.wait(await client.submit(content, encoding="cp1252", on_error="skip"))
    assert (task.rows, task.skipped) == (1, 1)
    assert [str(error) for error in task.errors] == ["line 3: 1 field where the header has 3"]
    assert [row async for row in client.rows(task.id)] == [Row("é", date(2020, 1, 1), 1)]


# Rows


async def test_rows_are_parsed_wherever_they_are_cut(client: Client) -> None:
    songs = ['a"', '"', "\n", '"\n"', "x,\n\ny" * 20_000, "plain", '","', '\r\n"']
    content = HEADER + b"".join(
        b'"%s",2020-01-%02d,%d\n' % (song.replace('"', '""').encode(), day + 1, 2**62)
        for (day, song), _ in itertools.product(enumerate(songs), range(3))
    )
    task_id = await client.submit(content)
    await client.wait(task_id)
    rows = [row async for row in client.rows(task_id)]
    assert rows == [Row(song, date(2020, 1, day + 1), 3 * 2**62) for day, song in enumerate(songs)]


async def test_whoever_stops_reading_rows_may(client: Client) -> None:
    content = HEADER + b"".join(b"Song %d,2020-01-01,1\n" % number for number in range(100_000))
    task_id = await client.submit(content)
    await client.wait(task_id)
    async for row in client.rows(task_id):
        assert row.song == "Song 0"
        break
    assert (await client.task(task_id)).groups == 100_000


# What goes wrong


async def test_a_bad_file_says_where(client: Client, tmp_path: Path) -> None:
    task_id = await client.submit(BAD)
    for call in (client.wait(task_id), client.result(task_id, to=tmp_path / "x")):
        with pytest.raises(TaskFailedError, match="not a whole number") as raised:
            await call
        error = raised.value
        assert (error.line, error.column, error.value) == (3, "Number of Plays", "12.5")
    assert not any(tmp_path.glob("*x*"))


async def test_what_is_not_ready_cancelled_unknown(
    client: Client, gate: Gate, tmp_path: Path
) -> None:
    task_id = await client.submit(EXAMPLE)
    with pytest.raises(TaskNotEndedError):
        await client.result(task_id, to=tmp_path / "x")
    with pytest.raises(WaitTimeoutError, match=r"0\.1 s"):
        await client.wait(task_id, timeout=0.1)
    assert (await client.cancel(task_id)).state == "REVOKED"
    with pytest.raises(TaskRevokedError):
        await client.wait(task_id)
    with pytest.raises(TaskRevokedError):
        await client.result(task_id, to=tmp_path / "x")
    assert (await client.cancel(task_id)).state == "REVOKED"
    for unknown in ("7d3c1b2e-0000-4000-8000-000000000000", "../health", ""):
        with pytest.raises(TaskNotFoundError):
            await client.wait(unknown)
        with pytest.raises(TaskNotFoundError):
            await client.remove(unknown)
    gate.open()


async def test_a_running_task_can_be_removed(client: Client, gate: Gate, service: Service) -> None:
    task_id = await client.submit(EXAMPLE)
    removing = asyncio.create_task(client.remove(task_id))
    await gate.arrived.wait()
    gate.open()
    await removing
    with pytest.raises(TaskNotFoundError):
        await client.task(task_id)
    await service.holds_no_tasks()


async def test_cancel_leaves_what_has_ended(client: Client) -> None:
    task_id = await client.submit(EXAMPLE)
    await client.wait(task_id)
    assert (await client.cancel(task_id)).state == "SUCCESS"
    assert b"".join([block async for block in client.download(task_id)]) == EXAMPLE_RESULT


async def test_an_upload_that_is_refused_in_the_middle(
    start_service: StartService, tmp_path: Path
) -> None:
    service = await start_service(max_upload_size=MIB)
    large = HEADER + b"\n" * 50 * MIB
    path = tmp_path / "large.csv"
    path.write_bytes(large)
    async with Client(f"http://127.0.0.1:{service.port}") as client:
        for _ in range(3):
            for content in (pieces_of(large, 300_000), large, path):
                with pytest.raises(UploadRefusedError, match="larger than") as raised:
                    await client.submit(content)
                assert raised.value.status == 413
        with pytest.raises(UploadRefusedError, match="save it as CSV") as raised:
            await client.submit(pieces_of(b"PK\x03\x04" + large, 300_000))
        assert raised.value.status == 415
        with pytest.raises(UploadRefusedError, match="unknown encoding"):
            await client.submit(pieces_of(large, 300_000), encoding="klingon")
        with pytest.raises(UploadRefusedError, match="No upload file"):
            await client.submit(b"")
    await service.holds_no_tasks()


async def test_a_source_that_breaks_is_told_and_makes_no_task(
    client: Client, service: Service
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield EXAMPLE
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await client.submit(broken())
    await service.holds_no_tasks()


@pytest.mark.parametrize("change", [b"more\n" * MIB, None])
async def test_a_file_that_changes_meanwhile_is_told_and_makes_no_task(
    client: Client, service: Service, tmp_path: Path, change: bytes | None
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(HEADER + b"\n" * 8 * MIB)

    def change_it(sent: int, _: int | None) -> None:
        if sent <= MIB:
            with path.open("ab") as file:
                file.truncate(5 * MIB) if change is None else file.write(change)

    with pytest.raises(OSError, match=r"in\.csv changed"):
        await client.submit(path, progress=change_it)
    await service.holds_no_tasks()


@pytest.mark.parametrize("error", [ConnectionResetError, TimeoutError, ZeroDivisionError])
async def test_what_progress_raises_comes_out(
    client: Client, service: Service, tmp_path: Path, error: type[Exception]
) -> None:
    def object_to(*_: object) -> None:
        raise error("of progress")

    with pytest.raises(error, match="of progress"):
        await client.submit(EXAMPLE, progress=object_to)
    await service.holds_no_tasks()
    task_id = await client.submit(EXAMPLE)
    await client.wait(task_id)
    with pytest.raises(error, match="of progress"):
        await client.result(task_id, to=tmp_path / "x", progress=object_to)


async def test_what_progress_raises_while_waiting_comes_out(client: Client, gate: Gate) -> None:
    def object_to(_: object) -> None:
        raise TimeoutError("of progress")

    task_id = await client.submit(EXAMPLE)
    with pytest.raises(TimeoutError, match=r"^of progress"):
        await client.wait(task_id, progress=object_to)


async def test_a_missing_file_is_told(client: Client, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await client.submit(tmp_path / "none.csv")


async def test_nobody_listens(client: Client, service: Service) -> None:
    problem = f"cannot reach .*:{service.port}: Connection refused"
    await service.stop()
    with pytest.raises(ServiceUnavailableError, match=problem):
        await client.submit(EXAMPLE)
    with pytest.raises(ServiceUnavailableError, match=problem):
        await client.task("7d3c1b2e-0000-4000-8000-000000000000")


async def test_an_address_that_is_none() -> None:
    for url in ("ftp://host", "http://", "http://[", ""):
        with pytest.raises(ValueError, match=r".+"):
            async with Client(url):
                pass


async def test_a_task_that_ends_while_it_is_awaited(client: Client, gate: Gate) -> None:
    task_id = await client.submit(EXAMPLE)
    waiting = asyncio.create_task(client.wait(task_id))
    await gate.arrived.wait()
    gate.open()
    assert (await waiting).state == "SUCCESS"


async def test_a_pipe_that_is_given_up_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    blocks = read_pipe(lambda: io.FileIO("/dev/zero"))
    assert await anext(blocks)
    (thread,) = set(threading.enumerate()) - before
    await blocks.aclose()
    await eventually(lambda: not thread.is_alive())
