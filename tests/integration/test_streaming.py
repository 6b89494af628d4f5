"""Uploads that are aggregated while they are still coming."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from plays_service.api import RUNNER
from plays_service.pipeline import SMALL
from plays_service.tasks import intake
from tests.integration.conftest import (
    MIB,
    Service,
    StartService,
    message_of,
    read_answer,
    split_answer,
)
from tests.waiting import eventually

HEADER = b"Song,Date,Number of Plays\n"
RESULT_HEADER = b"Song,Date,Total Number of Plays for Date\n"
#: Rows of 1 MiB together, so that counts are easy.
SONG = b"a song with a rather long name ".ljust(240, b".")
BLOCK = (SONG + b",2020-01-01,1\n").ljust(256, b"\n") * 4096
#: More than an input of which the work begins at once, and what must lie behind a segment.
BEGUN = SMALL // MIB + 6
SEGMENTS: dict[str, Any] = {"segment_size": MIB, "workers": 2}


class Sending:
    """An upload that the test sends piece by piece."""

    def __init__(
        self, service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.service = service
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        return split_answer(await read_answer(self._reader))

    async def task_id(self) -> str:
        status, headers, body = await self.answer()
        assert status == 200, body
        return headers["location"].removeprefix("/result/")

    @property
    def folder(self) -> Path:
        (folder,) = (self.service.data_dir / "tasks").iterdir()
        return folder

    def partials(self) -> list[str]:
        return [path.name for path in self.folder.glob("work/*.partial")]

    async def is_aggregated(self) -> None:
        await eventually(lambda: len(self.partials()) >= 3)


@asynccontextmanager
async def sending(service: Service, size: int, query: bytes = b"") -> AsyncIterator[Sending]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(
        b"PUT /process_csv%b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (query, size)
    )
    try:
        yield Sending(service, reader, writer)
    finally:
        writer.close()


async def test_segments_are_aggregated_before_the_rest_has_come(
    start_service: StartService,
) -> None:
    service = await start_service(**SEGMENTS)
    blocks = BEGUN + 4
    async with sending(service, len(HEADER) + blocks * MIB) as upload:
        await upload.send(HEADER + BLOCK * BEGUN)
        await upload.is_aggregated()
        assert not (upload.folder / "task.json").exists()
        await upload.send(BLOCK * 4)
        task_id = await upload.task_id()
    expected = RESULT_HEADER + b"%b,2020-01-01,%d\n" % (SONG, 4096 * blocks)
    assert await service.result(task_id) == expected
    task = await service.task(task_id)
    assert (task["state"], task["rows"], task["progress"]) == ("SUCCESS", 4096 * blocks, 1.0)
    await service.holds_only_ended_tasks()


async def test_a_slow_upload_holds_no_worker(start_service: StartService) -> None:
    service = await start_service(segment_size=MIB, workers=1)
    async with sending(service, len(HEADER) + 50 * MIB) as upload:
        await upload.send(HEADER + BLOCK * BEGUN)
        await upload.is_aggregated()
        assert await service.result(await service.upload(HEADER)) == RESULT_HEADER


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (
            HEADER + b"a,2020-01-01,1\nb,2020-01-01,1.5\n",
            'line 3: Number of Plays: "1.5" is not a whole number',
        ),
        (b"Song,Date\n", 'line 1: the header must name "Song", "Date", "Number of Plays" once'),
    ],
    ids=["a bad record", "a bad header"],
)
async def test_what_is_known_to_be_bad_is_not_written_any_further(
    start_service: StartService, start: bytes, message: str
) -> None:
    service = await start_service(**SEGMENTS)
    async with sending(service, len(start) + (BEGUN + 40) * MIB) as upload:
        await upload.send(start + BLOCK * BEGUN)
        early = service.app[RUNNER]._early
        await eventually(lambda: any(one.summary is not None for one in early.values()))
        written = (upload.folder / "input.csv").stat().st_size
        await upload.send(BLOCK * 40)
        task_id = await upload.task_id()
    assert written <= len(start) + BEGUN * MIB
    task = await service.task(task_id)  # the first look at it
    assert (task["state"], task["bytes"]) == ("FAILURE", len(start) + (BEGUN + 40) * MIB)
    assert task["message"].startswith(message)
    assert message.encode()[:20] in await service.result(task_id)
    await service.holds_only_ended_tasks()


async def test_an_upload_that_ends_early_leaves_nothing_of_its_work(
    start_service: StartService,
) -> None:
    service = await start_service(**SEGMENTS)
    async with sending(service, len(HEADER) + 50 * MIB) as upload:
        await upload.send(HEADER + BLOCK * BEGUN)
        await upload.is_aggregated()
    await service.holds_no_tasks()
    assert await service.is_healthy()


async def test_an_upload_over_the_limit_leaves_nothing_of_its_work(
    start_service: StartService,
) -> None:
    service = await start_service(**SEGMENTS, max_upload_size=(BEGUN + 1) * MIB)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(b"PUT /process_csv HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for block in (HEADER, *[BLOCK] * (BEGUN + 2)):
        writer.write(b"%x\r\n%b\r\n" % (len(block), block))
    status, _, body = split_answer(await read_answer(reader))
    writer.close()
    assert status == 413
    assert "larger than" in message_of(body)
    await service.holds_no_tasks()


async def test_guesses_inside_quotes_are_made_good(start_service: StartService) -> None:
    """Most line ends of this file are data, so most segments begin at the wrong place."""
    service = await start_service(**SEGMENTS)
    song = b'"' + b"x,2020-01-01,1\n" * 300 + b'"'
    data = HEADER + (song + b",2020-01-01,1\n") * (BEGUN * MIB // len(song))
    rows = BEGUN * MIB // len(song)
    async with sending(service, len(data)) as upload:
        await upload.send(data)
        task_id = await upload.task_id()
    assert await service.result(task_id) == RESULT_HEADER + song + b",2020-01-01,%d\n" % rows
    assert (await service.task(task_id))["rows"] == rows


async def test_a_line_without_end_does_not_fool_the_early_work(
    start_service: StartService,
) -> None:
    """What skips it must not take the end of what has come so far for the end of the line."""
    service = await start_service(**SEGMENTS)
    start = HEADER + b"a,2020-01-01,1\n"
    rest = b"x" * (2 * MIB) + b"\nb,2020-01-01,2\n"
    size = len(start) + BEGUN * MIB + len(rest)
    async with sending(service, size, b"?on_error=skip") as upload:
        await upload.send(start + b"x" * (BEGUN * MIB))
        await asyncio.sleep(0.3)
        await upload.send(rest)
        task_id = await upload.task_id()
    assert await service.result(task_id) == RESULT_HEADER + b"a,2020-01-01,1\nb,2020-01-01,2\n"
    task = await service.task(task_id)
    assert (task["rows"], task["skipped"]) == (2, 1)
    assert task["errors"][0]["line"] == 3


async def test_many_partials_of_few_groups_are_combined(start_service: StartService) -> None:
    service = await start_service(**SEGMENTS)
    rows = b"".join(b"Song %d,2020-01-01,1\n" % (row % 100) for row in range(50_000))
    async with sending(service, len(HEADER) + 40 * len(rows)) as upload:
        await upload.send(HEADER + rows * 35)
        await eventually(lambda: list(upload.folder.glob("work/*.combined")))
        await upload.send(rows * 5)
        task_id = await upload.task_id()
    totals = b"".join(b"Song %d,2020-01-01,%d\n" % (song, 500 * 40) for song in range(100))
    assert await service.result(task_id) == RESULT_HEADER + totals


async def test_disk_that_the_client_says_it_needs_is_reserved_at_once(service: Service) -> None:
    async with sending(service, 64 * MIB) as upload:
        await upload.send(HEADER + BLOCK)
        await eventually(lambda: list((service.data_dir / "tasks").iterdir()))
        path = upload.folder / "input.csv"
        await eventually(path.exists)
        if not _can_reserve(service.data_dir):
            pytest.skip("this file system cannot reserve")
        await eventually(lambda: path.stat().st_blocks * 512 >= 64 * MIB)
        assert path.stat().st_size <= len(HEADER) + MIB
    await service.holds_no_tasks()


async def test_more_than_the_disk_has_is_refused_before_it_is_sent(service: Service) -> None:
    free = os.statvfs(service.data_dir)
    size = free.f_blocks * free.f_frsize + (1 << 30)
    async with sending(service, size) as upload:
        await upload.send(HEADER + BLOCK)
        status, _, body = await upload.answer()
    assert status == 507
    assert "disk is full" in message_of(body)
    await service.holds_no_tasks()


def _can_reserve(folder: Path) -> bool:
    """Whether another program can do here what the service is asked to do."""
    program = shutil.which("fallocate")
    path = folder / "probe"
    path.touch()  # --keep-size does not make the file
    try:
        return program is not None and not subprocess.call(
            [program, "--keep-size", "--length", str(MIB), path], stderr=subprocess.DEVNULL
        )
    finally:
        path.unlink()


async def test_the_disk_makes_sure_of_an_upload_while_it_comes(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = asyncio.Event()
    loop = asyncio.get_running_loop()
    fsync = os.fsync

    def sync(file: int) -> None:
        fsync(file)
        loop.call_soon_threadsafe(synced.set)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(intake, "_SYNC_SIZE", MIB)
    service = await start_service(**SEGMENTS, fsync=True)
    async with sending(service, len(HEADER) + 5 * MIB) as upload:
        await upload.send(HEADER + BLOCK * 4)
        await asyncio.wait_for(synced.wait(), 30)
        await upload.send(BLOCK)
        task_id = await upload.task_id()
    assert await service.result(task_id) == RESULT_HEADER + b"%b,2020-01-01,%d\n" % (SONG, 5 * 4096)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_disk_that_cannot_make_sure_is_not_believed(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The system tells of an error once; the sync at the end of the upload may well succeed."""

    failures = iter([OSError(number, os.strerror(number))])

    def fail(_: int) -> None:
        for failure in failures:
            raise failure

    monkeypatch.setattr(intake, "_SYNC_SIZE", MIB)
    service = await start_service(**SEGMENTS, fsync=True)
    monkeypatch.setattr(os, "fsync", fail)
    async with sending(service, len(HEADER) + 5 * MIB) as upload:
        await upload.send(HEADER + BLOCK * 5)
        status, _, body = await upload.answer()
    assert status == 507, body
    await service.holds_no_tasks()
