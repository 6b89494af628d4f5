"""``/tasks/<id>/events``: a task as it goes on."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest

from plays_service.api import STOPPING, events
from tests.conftest import EXAMPLE
from tests.integration.conftest import Gate, Service, StartService, request
from tests.waiting import LONG, eventually

LARGE = b"Song,Date,Number of Plays\n" + b"".join(
    b"Song %d,2020-01-01,%d\n" % (row % 97, row) for row in range(20_000)
)
HEARTBEAT = [b"event: heartbeat\n", b"data:\n"]


async def tasks_of(answer: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any]]:
    """What each event tells of the task."""
    event = []
    async with asyncio.timeout(LONG):
        async for line in answer.content:
            if line.strip():
                event.append(line)
                continue
            if event and event != HEARTBEAT:
                assert event[0] == b"event: task\n"
                yield json.loads(event[1].removeprefix(b"data: "))
            event = []


async def test_the_end_is_the_last_event(service: Service) -> None:
    task_id = await service.upload(EXAMPLE)
    async with service.client.get(f"/tasks/{task_id}/events") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        seen = [task async for task in tasks_of(answer)]
    assert (seen[-1]["state"], seen[-1]["progress"]) == ("SUCCESS", 1.0)
    assert seen[-1] == await service.task(task_id)


async def test_a_client_that_goes_away_costs_a_line_in_the_log(
    service: Service, gate: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    task_id = await service.upload(EXAMPLE)
    with caplog.at_level("INFO"):
        target = f"/tasks/{task_id}/events".encode()
        await service.raw(request(method=b"GET", target=target), hang_up=True)
        gate.open()
        await service.result(task_id)
        await eventually(lambda: "/tasks/{task_id}/events: the client went away" in caplog.text)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_progress_is_told_as_it_comes_and_never_goes_back(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    monkeypatch.setattr(events, "_PAUSE", 0.0)
    service = await start_service(segment_size=50_000)
    task_id = await service.upload(LARGE)
    async with service.client.get(f"/tasks/{task_id}/events") as answer:
        seen = []
        async for task in tasks_of(answer):
            seen.append(task)
            gate.let(1)
            gate.open()
    assert seen[0]["state"] in ("PENDING", "STARTED")
    assert seen[0]["progress"] < 1
    assert len(seen) > 3
    for one, following in pairwise(seen):
        assert one["progress"] <= following["progress"]
        assert one["segments"] <= following["segments"]
        assert one["rows"] <= following["rows"]
    assert (seen[-1]["state"], seen[-1]["rows"]) == ("SUCCESS", 20_000)
    assert seen[-1]["segments"] > 5


async def test_nothing_new_is_said_too(
    service: Service, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    monkeypatch.setattr(events, "_HEARTBEAT", 0.05)
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()
    async with service.client.get(f"/tasks/{task_id}/events") as answer:
        async with asyncio.timeout(LONG):
            while await answer.content.readline() != HEARTBEAT[0]:
                pass
            assert await answer.content.readline() == HEARTBEAT[1]
        await service.client.delete(f"/tasks/{task_id}")
        gate.open()
        last = [task async for task in tasks_of(answer)][-1]
    assert last["state"] == "REVOKED"


async def test_a_service_that_stops_ends_it(start_service: StartService, gate: Gate) -> None:
    service = await start_service()
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()
    async with service.client.get(f"/tasks/{task_id}/events") as answer:
        service.app[STOPPING].set()
        seen = [task async for task in tasks_of(answer)]
    assert {task["state"] for task in seen} <= {"PENDING", "STARTED"}


async def test_head_is_answered_at_once_and_without_events(service: Service, gate: Gate) -> None:
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()  # it does not end while anyone waits for that
    target = f"/tasks/{task_id}/events".encode()
    answer = await service.raw(request(method=b"HEAD", target=target))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"text/event-stream" in head
    assert body == b""


async def test_events_of_an_unknown_task_are_answered_404(service: Service) -> None:
    async with service.client.get("/tasks/1/events") as answer:
        assert answer.status == 404


async def test_a_stream_that_fails_is_cut_off_without_a_second_answer_in_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await service.upload(EXAMPLE)

    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(events, "described", fail)
    answer = await service.raw(request(method=b"GET", target=f"/tasks/{task_id}/events".encode()))
    assert answer.count(b"HTTP/1.1") == 1
    assert await service.is_healthy()
