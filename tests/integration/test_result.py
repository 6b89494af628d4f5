"""``GET /result/<id>``: what is answered before, at and after the end of a task."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import PENDING_BODY, Gate, Service, StartService, message_of
from tests.waiting import eventually

BAD: bytes = b"Song,Date,Number of Plays\nUmbrella,2020-01-02,200\nUmbrella,2020-01-01,12.5\n"


@pytest.mark.parametrize("started", [True, False])
async def test_before_the_end_the_answer_is_exactly_pending(
    service: Service, gate: Gate, started: bool
) -> None:
    ids = [await service.upload(EXAMPLE) for _ in range(4)]
    await gate.arrived.wait()
    task_id = ids[0] if started else ids[-1]
    assert (await service.task(task_id))["state"] == ("STARTED" if started else "PENDING")
    async with service.client.get(f"/result/{task_id}") as answer:
        assert (answer.status, await answer.read()) == (200, PENDING_BODY)
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("seconds", ["0", "0.1", "0.05", "5e-2"])
async def test_a_wait_that_ends_before_the_task_is_answered_pending(
    service: Service, gate: Gate, seconds: str
) -> None:
    task_id = await service.upload(EXAMPLE)
    async with service.client.get(f"/result/{task_id}", params={"wait": seconds}) as answer:
        assert (answer.status, await answer.read()) == (200, PENDING_BODY)
        assert "Retry-After" in answer.headers


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ({"wait": "60"}, {}),
        ({"wait": "999999999"}, {}),
        ({"wait": "1e+300"}, {}),
        ({"wait": "9" * 400}, {}),
        ({}, {"Prefer": "wait=60"}),
        ({}, {"Prefer": 'respond-async, wait="60"'}),
        ({"wait": "60"}, {"Prefer": "wait=0"}),
    ],
)
async def test_a_wait_ends_with_the_task(
    service: Service, gate: Gate, query: dict[str, str], headers: dict[str, str]
) -> None:
    task_id = await service.upload(EXAMPLE)

    async def wait() -> bytes:
        async with service.client.get(f"/result/{task_id}", params=query, headers=headers) as one:
            return await one.read()

    waiting = asyncio.gather(*(wait() for _ in range(5)))
    await gate.arrived.wait()
    gate.open()
    assert await waiting == [EXAMPLE_RESULT] * 5


@pytest.mark.parametrize(
    "text", ["", "-1", "soon", "nan", "inf", "1e", "0x10", " 1", "1_0", "1.", "٣", "9" * 500]
)
async def test_a_wait_that_is_no_number_is_answered_400(service: Service, text: str) -> None:
    task_id = await service.upload(EXAMPLE)
    async with service.client.get(f"/result/{task_id}", params={"wait": text}) as answer:
        assert answer.status == 400
        assert "wait" in message_of(await answer.read())


async def test_a_preference_that_makes_no_sense_is_ignored(service: Service, gate: Gate) -> None:
    task_id = await service.upload(EXAMPLE)
    for text in ("wait", "wait=soon", "wait=-1", "await=60", ""):
        async with service.client.get(f"/result/{task_id}", headers={"Prefer": text}) as answer:
            assert (answer.status, await answer.read()) == (200, PENDING_BODY)


async def test_a_failure_is_told_with_line_column_and_value(service: Service) -> None:
    body = await service.result(await service.upload(BAD))
    message = r"line 3: Number of Plays: \"12.5\" is not a whole number"
    assert body == b'{"state": "FAILURE", "message": "' + message.encode() + b'"}'


async def test_a_cancelled_task_is_told_as_revoked(service: Service, gate: Gate) -> None:
    task_id = await service.upload(EXAMPLE)
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        assert answer.status == 200
    fields = json.loads(await service.result(task_id))
    assert list(fields) == ["state", "message"]
    assert fields["state"] == "REVOKED"
    assert fields["message"] not in ("", "None")


async def test_whoever_waits_for_a_cancelled_task_is_told_at_once(
    service: Service, gate: Gate
) -> None:
    task_id = await service.upload(EXAMPLE)
    waiting = asyncio.create_task(service.result(task_id))
    await gate.arrived.wait()
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        assert answer.status == 200
    assert json.loads(await waiting)["state"] == "REVOKED"


#: Fixed, so that the names of tests are.
UNKNOWN: str = "3e656b73-9daf-4a5f-9ff9-d96fe16f6e06"


@pytest.mark.parametrize("route", ["result", "tasks"])
@pytest.mark.parametrize(
    "task_id",
    [
        UNKNOWN,
        UNKNOWN.replace("-", ""),
        "{" + UNKNOWN + "}",
        f"urn:uuid:{UNKNOWN}",
        "1",
        "None",
        "%2e%2e%2flock",
        "%00",
        "x" * 4000,
    ],
)
async def test_an_unknown_id_is_answered_404(service: Service, route: str, task_id: str) -> None:
    async with service.client.get(f"/{route}/{task_id}") as answer:
        assert answer.status == 404
        message_of(await answer.read())


async def test_other_ways_to_write_an_id_are_unknown_but_case_does_not_matter(
    service: Service,
) -> None:
    task_id = await service.upload(EXAMPLE)
    assert await service.result(task_id.upper()) == EXAMPLE_RESULT
    for other in (task_id.replace("-", ""), "{" + task_id + "}", f"urn:uuid:{task_id}"):
        async with service.client.get(f"/result/{other}") as answer:
            assert answer.status == 404


async def test_an_etag_spares_the_second_download(service: Service) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    async with service.client.get(path, params={"wait": "60"}) as answer:
        etag = answer.headers["ETag"]
    async with service.client.get(path, headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == etag
    async with service.client.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert (answer.status, await answer.read()) == (200, EXAMPLE_RESULT)


@pytest.mark.parametrize(
    ("asked", "expected", "described"),
    [
        ("bytes=0-3", EXAMPLE_RESULT[:4], "bytes 0-3/{size}"),
        ("bytes=10-", EXAMPLE_RESULT[10:], "bytes 10-{last}/{size}"),
        ("bytes=-5", EXAMPLE_RESULT[-5:], "bytes {tail}-{last}/{size}"),
        ("bytes=5-99999", EXAMPLE_RESULT[5:], "bytes 5-{last}/{size}"),
    ],
)
async def test_a_download_can_go_on_where_it_stopped(
    service: Service, asked: str, expected: bytes, described: str
) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    size = len(EXAMPLE_RESULT)
    async with service.client.get(path, params={"wait": "60"}, headers={"Range": asked}) as answer:
        assert (answer.status, await answer.read()) == (206, expected)
        shown = described.format(size=size, last=size - 1, tail=size - 5)
        assert answer.headers["Content-Range"] == shown
        etag = answer.headers["ETag"]
    headers = {"range": asked, "if-range": etag}
    async with service.client.get(path, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (206, expected)
    async with service.client.get(path, headers={"if-none-match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    async with service.client.get(path) as answer:
        assert (answer.status, answer.headers["ETag"]) == (200, etag)


async def test_a_range_beyond_the_end_is_answered_416(service: Service) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    async with service.client.get(path, params={"wait": "60"}) as answer:
        etag, date = answer.headers["ETag"], answer.headers["Last-Modified"]
    headers: dict[str, str]
    for condition in ({}, {"If-Range": etag}, {"If-Range": date}):
        for asked in ("bytes=99999-", "bytes=-0", "bytes=5-2"):
            headers = {"Range": asked} | condition
            async with service.client.get(path, headers=headers) as answer:
                assert answer.status == 416
                assert answer.headers["Content-Range"] == f"bytes */{len(EXAMPLE_RESULT)}"
                message_of(await answer.read())
    for other in ('"other"', f"W/{etag}", "junk", "Sat, 01 Jan 2000 00:00:00 GMT"):
        headers = {"Range": "bytes=99999-", "If-Range": other}
        async with service.client.get(path, headers=headers) as answer:
            assert (answer.status, await answer.read()) == (200, EXAMPLE_RESULT)


@pytest.mark.parametrize("asked", ["lines=1-2", "bytes=0-1,5-6", "bytes=-", "bytes", "junk"])
async def test_a_range_of_another_kind_is_answered_with_the_whole_result(
    service: Service, asked: str
) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    headers = {"Range": asked}
    async with service.client.get(path, params={"wait": "60"}, headers=headers) as answer:
        assert (answer.status, await answer.read()) == (200, EXAMPLE_RESULT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("If-Match", '"other"'),
        ("If-Match", 'W/"{etag}"'),
        ("If-Match", "junk"),
        ("If-Unmodified-Since", "Sat, 01 Jan 2000 00:00:00 GMT"),
    ],
)
async def test_a_precondition_that_fails_is_answered_412(
    service: Service, name: str, value: str
) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    async with service.client.get(path, params={"wait": "60"}) as answer:
        etag = answer.headers["ETag"].strip('"')
    headers = {name: value.format(etag=etag)}
    async with service.client.get(path, headers=headers) as answer:
        assert answer.status == 412
        assert name in message_of(await answer.read())


@pytest.mark.parametrize("value", ['"{etag}"', '"other", "{etag}"', "*"])
async def test_a_precondition_that_holds_changes_nothing(service: Service, value: str) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    async with service.client.get(path, params={"wait": "60"}) as answer:
        etag, date = answer.headers["ETag"].strip('"'), answer.headers["Last-Modified"]
    headers = {"If-Match": value.format(etag=etag)}
    for condition in (headers, {"If-Unmodified-Since": date}):
        async with service.client.get(path, headers=condition) as answer:
            assert (answer.status, await answer.read()) == (200, EXAMPLE_RESULT)


async def test_head_tells_all_but_the_bytes(service: Service) -> None:
    path = f"/result/{await service.upload(EXAMPLE, filename='mine.csv')}"
    async with service.client.head(path, params={"wait": "60"}) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Content-Length"] == str(len(EXAMPLE_RESULT))
        assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert answer.headers["Content-Disposition"] == 'attachment; filename="mine-totals.csv"'
        assert "ETag" in answer.headers


async def test_a_client_that_takes_compressed_answers_gets_the_same_bytes(
    service: Service,
) -> None:
    path = f"/result/{await service.upload(EXAMPLE)}"
    headers = {"Accept-Encoding": "gzip, br, zstd"}
    async with service.client.get(path, params={"wait": "60"}, headers=headers) as answer:
        assert await answer.read() == EXAMPLE_RESULT


@pytest.mark.parametrize("content", [EXAMPLE, BAD])
async def test_an_ended_task_expires_and_leaves_nothing(
    start_service: StartService, content: bytes
) -> None:
    service = await start_service(result_ttl=0.5)
    task_id = await service.upload(content)
    await service.result(task_id)
    for path in (f"/tasks/{task_id}", f"/result/{task_id}"):
        while (answer := await service.client.get(path)).status == 200:
            await asyncio.sleep(0.05)
        assert answer.status == 404
        assert "expired" in message_of(await answer.read())
    await service.holds_no_tasks()


async def test_what_has_not_ended_does_not_expire(start_service: StartService, gate: Gate) -> None:
    service = await start_service(result_ttl=0.01)
    waiting = await service.upload(EXAMPLE)
    cancelled = await service.upload(EXAMPLE)
    async with service.client.delete(f"/tasks/{cancelled}") as answer:
        assert answer.status == 200
    gate.let(1)
    gate.open()
    await eventually(lambda: not service.folder(cancelled).exists())
    await eventually(lambda: not service.folder(waiting).exists())  # once it has ended


async def test_a_result_that_vanished_from_the_disk_is_answered_as_json(service: Service) -> None:
    task_id = await service.upload(EXAMPLE)
    await service.result(task_id)
    (service.folder(task_id) / "result.csv").unlink()
    async with service.client.get(f"/result/{task_id}") as answer:
        assert answer.status == 404
        assert "expired" in message_of(await answer.read())


@pytest.mark.parametrize(
    ("number", "status"), [(errno.ENOENT, 404), (errno.EACCES, 500), (errno.EMFILE, 503)]
)
async def test_a_result_that_cannot_be_opened_at_last_is_answered_as_json(
    service: Service, monkeypatch: pytest.MonkeyPatch, number: int, status: int
) -> None:
    """It was there a moment ago: the last look finds it is not, or the system refuses."""
    task_id = await service.upload(EXAMPLE)
    await service.result(task_id)
    opened = Path.open

    def refuse(path: Path, *args: Any, **options: Any) -> Any:
        if path.name == "result.csv":
            raise OSError(number, os.strerror(number))
        return opened(path, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    for headers in ({"Range": "bytes=0-4"}, {"Range": "bytes=0-4", "If-Range": '"other"'}):
        async with service.client.get(f"/result/{task_id}", headers=headers) as answer:
            assert answer.status == status
            assert "Content-Disposition" not in answer.headers
            message_of(await answer.read())
