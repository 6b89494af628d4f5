"""What is too much: each limit has its setting, and an answer that says so."""

from __future__ import annotations

import asyncio
import errno
import gc
import io
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from plays_service.executors import WorkerPool
from plays_service.tasks import intake
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER
from tests.integration.conftest import (
    MIB,
    Gate,
    Service,
    StartService,
    chunked,
    message_of,
    read_answer,
    request,
    split_answer,
)
from tests.waiting import LONG, eventually

CSV = b"Content-Type: text/csv"


async def post(service: Service, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Upload as a raw body: status, headers, body."""
    async with service.client.post(
        "/process_csv", data=io.BytesIO(data), headers={"Content-Type": "text/csv"}
    ) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, headers, await answer.read()


async def refused(service: Service, status: int, words: str, data: bytes = EXAMPLE) -> None:
    """Assert that an upload is refused, and that the client is told when to come again."""
    code, headers, body = await post(service, data)
    assert (code, words in message_of(body)) == (status, True), body
    assert int(headers["retry-after"]) > 0


async def ready(service: Service) -> int:
    async with service.client.get("/ready") as answer:
        if answer.status != 200:
            message_of(await answer.read())
        return answer.status


async def test_uploads_at_once(start_service: StartService) -> None:
    service = await start_service(max_uploads=1)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    whole = request(EXAMPLE, CSV)
    writer.write(whole[:-10])
    await eventually(lambda: len(service.uploads) == 1)
    await refused(service, 503, "Too many uploads")
    assert await ready(service) == 503
    writer.write(whole[-10:])
    status, _, _ = split_answer(await reader.read())
    assert status == 200
    writer.close()
    assert await ready(service) == 200
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT


async def test_the_disk_quota_counts_what_is_kept_and_what_may_come(
    start_service: StartService, gate: Gate
) -> None:
    service = await start_service(disk_quota=5 * MIB)
    first = await service.upload(EXAMPLE + FILLER)
    await refused(service, 507, "quota", EXAMPLE + FILLER)
    small = await service.upload(EXAMPLE)
    gate.open()
    assert await service.result(first) == await service.result(small) == EXAMPLE_RESULT
    again = await service.upload(EXAMPLE + FILLER)  # only a small result is left of the first
    assert await service.result(again) == EXAMPLE_RESULT
    await service.holds_only_ended_tasks()


async def test_an_upload_of_unknown_length_that_outgrows_the_quota_leaves_nothing(
    start_service: StartService,
) -> None:
    service = await start_service(disk_quota=5 * MIB)

    async def chunks() -> Any:
        yield EXAMPLE
        for _ in range(8):
            yield FILLER

    async with service.client.post(
        "/process_csv", data=chunks(), headers={"Content-Type": "text/csv"}
    ) as answer:
        assert answer.status == 507
        assert "quota" in message_of(await answer.read())
    await service.holds_no_tasks()
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT


async def test_a_quota_that_results_have_used_up_comes_back_when_they_go(
    start_service: StartService,
) -> None:
    service = await start_service()
    ids = [await service.upload(EXAMPLE) for _ in range(3)]
    for task_id in ids:
        assert await service.result(task_id) == EXAMPLE_RESULT
    await service.stop()
    service = await start_service(disk_quota=3 * (len(EXAMPLE_RESULT) + (16 << 10)))
    await refused(service, 507, "quota")
    assert await ready(service) == 507
    for task_id in ids:
        async with service.client.delete(f"/tasks/{task_id}") as answer:
            assert answer.status == 204
    assert await ready(service) == 200


class DiskUsage(NamedTuple):
    f_bavail: int
    f_frsize: int


async def test_what_a_client_only_announces_takes_nothing_from_the_others(
    start_service: StartService,
) -> None:
    service = await start_service(disk_quota=1 << 30)
    writers = []
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(request(b"", CSV, length=300 * MIB) + EXAMPLE)
        writers.append(writer)
    await eventually(lambda: len(service.uploads) == 3)
    assert await service.result(await service.upload(EXAMPLE + FILLER)) == EXAMPLE_RESULT
    for writer in writers:
        writer.close()


async def test_a_flood_of_files_that_fail_meets_the_quota(start_service: StartService) -> None:
    """Nothing but their states is left, and that is counted, too."""
    service = await start_service(disk_quota=100 << 10)
    for _ in range(6):
        await service.result(await service.upload(b"no header\n"))
    await refused(service, 507, "quota")


async def test_tasks_that_are_known(start_service: StartService) -> None:
    service = await start_service(max_tasks=2)
    ids = [await service.upload(EXAMPLE) for _ in range(2)]
    await refused(service, 503, "results are kept")
    assert await service.result(ids[0]) == EXAMPLE_RESULT
    async with service.client.delete(f"/tasks/{ids[0]}") as answer:
        assert answer.status == 204
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT


async def test_what_lies_outside_the_file_in_a_form_counts(start_service: StartService) -> None:
    service = await start_service(max_upload_size=1000)
    other = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"x" * 100_000
    headers = (b"Content-Type: multipart/form-data; boundary=b", b"Transfer-Encoding: chunked")
    answer = await service.raw(request(chunked(other, b"\r\n--b--\r\n"), *headers))
    status, _, body = split_answer(answer)
    assert (status, "larger than 1000" in message_of(body)) == (413, True)


async def test_some_of_the_disk_stays_free(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await start_service(disk_margin=100 * MIB)
    free = 101 * MIB
    monkeypatch.setattr(os, "statvfs", lambda _: DiskUsage(free, 1))
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT
    await refused(service, 507, "disk is full", EXAMPLE + 2 * FILLER)
    free = 99 * MIB
    await refused(service, 507, "disk is full")
    assert await ready(service) == 507
    free = 101 * MIB
    assert await ready(service) == 200
    await service.holds_only_ended_tasks()


async def test_an_upload_that_hardly_comes_is_given_up(start_service: StartService) -> None:
    service = await start_service(upload_timeout=0.3, min_upload_rate=1 << 20)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(b"", CSV, length=1 << 20) + EXAMPLE)

    async def trickle() -> None:
        while True:
            writer.write(b"\n")
            await asyncio.sleep(0.05)

    trickling = asyncio.create_task(trickle())
    try:
        async with asyncio.timeout(20):
            status, _, body = split_answer(await read_answer(reader))
    finally:
        trickling.cancel()
        writer.close()
    assert status == 408
    assert "bytes came in a second" in message_of(body)
    await service.holds_no_tasks()


async def test_a_connection_without_a_request_is_closed(start_service: StartService) -> None:
    service = await start_service(idle_timeout=0.3)
    whole = request(method=b"GET", target=b"/health")
    for begun in (b"", whole[:10], whole[:-2]):
        assert await service.raw(begun) == b""


async def test_a_client_that_takes_nothing_of_its_answer_is_dropped(
    start_service: StartService,
) -> None:
    service = await start_service(idle_timeout=1.0)
    rows = b"".join(b"%060d,2020-01-01,1\n" % row for row in range(200_000))
    task_id = await service.upload(b"Song,Date,Number of Plays\n" + rows)
    await service.result(task_id)
    before = open_files()
    _, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1024)
    writer.write(request(method=b"GET", target=b"/result/" + task_id.encode()))
    path = service.folder(task_id) / "result.csv"
    await eventually(lambda: path in open_files())
    await eventually(lambda: path not in open_files(), lambda: set(open_files()) - set(before))
    writer.close()


def open_files() -> list[Path]:
    found = []
    for one in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(one.readlink())
    return found


async def test_long_headers_are_refused(start_service: StartService) -> None:
    service = await start_service(max_header_size=1024)
    status, _, body = split_answer(
        await service.raw(request(EXAMPLE, CSV, b"X-Long: " + b"x" * 2000))
    )
    assert status == 400
    message_of(body)
    long_part = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nX-Long: '
        + b"x" * 1024
        + b"\r\n\r\n"
        + EXAMPLE
        + b"\r\n--b--\r\n"
    )
    status, _, body = split_answer(
        await service.raw(request(long_part, b"Content-Type: multipart/form-data; boundary=b"))
    )
    assert (status, "1024" in message_of(body)) == (400, True)


async def test_parts_of_a_form_are_counted(start_service: StartService) -> None:
    service = await start_service(max_form_parts=2)
    part = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    status, _, body = split_answer(
        await service.raw(
            request(3 * part + b"--b--\r\n", b"Content-Type: multipart/form-data; boundary=b")
        )
    )
    assert (status, "2" in message_of(body)) == (400, True)


async def test_bad_records_are_told_up_to_a_number(start_service: StartService) -> None:
    service = await start_service(max_errors=2)
    task_id = await service.upload(EXAMPLE + b"bad\n" * 5, params={"on_error": "skip"})
    task = await service.ended_task(task_id)
    assert task["skipped"] == 5
    assert [error["line"] for error in task["errors"]] == [9, 10]


async def test_a_task_whose_worker_hangs_fails_and_says_so(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = await start_service(workers=2, segment_timeout=1.0, max_tries=2)
    task_id = await service.upload(EXAMPLE)
    assert await service.result(task_id) == EXAMPLE_RESULT
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)  # whoever reads it waits for ever
    monkeypatch.setattr(type(service.runner.store), "input_of", lambda *_: fifo)
    monkeypatch.setattr(type(service.runner.store), "accept_bytes", save_only)
    hanging = await service.upload(EXAMPLE)
    monkeypatch.undo()
    other = await service.upload(EXAMPLE)
    assert await service.result(other) == EXAMPLE_RESULT
    task = await service.ended_task(hanging)
    assert task["state"] == "FAILURE"
    assert "took longer than 1 s, 2 times" in task["message"]
    assert await ready(service) == 200


def save_only(store: Any, _data: bytes, task: Any) -> None:
    store.folder(task).mkdir()
    store.save(task)


async def test_it_is_not_ready_while_no_worker_runs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await ready(service) == 200
    with monkeypatch.context() as patched:
        patched.setattr(WorkerPool, "alive", property(lambda _: 0))
        assert await ready(service) == 503
    assert await ready(service) == 200


async def test_a_damaged_partial_is_made_again(
    start_service: StartService, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a power cut that the system did not notice, or by whoever else writes there."""
    service = await start_service(segment_size=64 << 10)
    rows = b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(30_000))
    gate.let(5)
    task_id = await service.upload(b"Song,Date,Number of Plays\n" + rows)
    await gate.arrived.wait()
    partials = list((service.folder(task_id) / "work").glob("*.partial"))
    assert partials
    intact = partials[0].read_bytes()
    partials[0].write_bytes(intact[: len(intact) // 2])
    gate.open()
    body = await service.result(task_id)
    assert body.count(b"\n") == 30_001
    assert "it begins anew" in caplog.text
    await service.holds_only_ended_tasks()


async def test_work_from_before_the_system_was_started_anew_is_not_trusted(
    start_service: StartService, gate: Gate
) -> None:
    service = await start_service(segment_size=64 << 10)
    rows = b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(30_000))
    gate.let(5)
    task_id = await service.upload(b"Song,Date,Number of Plays\n" + rows)
    await gate.arrived.wait()
    await service.stop()
    work = service.folder(task_id) / "work"
    assert list(work.glob("*.partial"))
    (service.data_dir / "boot").write_text("another", encoding="utf-8")
    gate.close()
    service = await start_service(segment_size=64 << 10)
    await gate.arrived.wait()
    assert not list(work.glob("*.partial"))
    gate.open()
    assert (await service.result(task_id)).count(b"\n") == 30_001


async def test_a_write_that_fails_behind_an_upload_that_broke_off_is_no_error_in_the_log(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun, broken_off = threading.Event(), threading.Event()

    def fail_late(*_: object) -> None:
        begun.set()
        broken_off.wait(LONG)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(intake, "_write", fail_late)
    data = EXAMPLE + FILLER[: 300 << 10]  # one write
    await service.raw(request(data, CSV, length=MIB), hang_up=True)
    await eventually(begun.is_set)
    broken_off.set()
    await eventually(lambda: not service.uploads)
    gc.collect()
    await service.holds_no_tasks()
    assert "never retrieved" not in caplog.text


#: What it holds is left of earlier calls, in a worker.
_left: list[bytes] = []


def _leave_no_memory() -> None:
    try:
        while True:
            _left.append(bytes(64 << 10))
    except MemoryError:
        del _left[-8:]  # to have some for this call's own end


@pytest.mark.parametrize("uploads", [1, 5])
async def test_memory_that_earlier_calls_have_left_costs_no_small_file_its_result(
    start_service: StartService, uploads: int
) -> None:
    service = await start_service(worker_memory=16 << 20)
    rows = b"".join(b"Song %d,2020-01-01,1\n" % row for row in range(20_000))
    await service.runner.calls.run("test", _leave_no_memory)
    ids = await asyncio.gather(*(service.upload(EXAMPLE + rows) for _ in range(uploads)))
    for task_id in ids:
        assert (await service.ended_task(task_id))["state"] == "SUCCESS"
