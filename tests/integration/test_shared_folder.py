"""A service that shares its data folder, where what others left there, or the disk, is no help."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest

from plays_service.tasks import State, Task, TaskStore
from tests.conftest import EXAMPLE
from tests.integration.conftest import Service, StartService
from tests.waiting import LONG, eventually

#: Nobody listens there: what is tried here needs no worker.
NO_BROKER = "amqp://127.0.0.1:1"


@pytest.fixture
def ended(tmp_path: Path) -> Task:
    """A task of an earlier service, on disk."""
    store = TaskStore(tmp_path / "data", fsync=False)
    store.open()
    task = Task(filename="plays.csv", bytes=5, state=State.REVOKED, finished=1.0)
    store.accept_bytes(b"Song,", task)
    store.close()
    return task


async def start_shared(start_service: StartService, **settings: Any) -> Service:
    return await start_service(executor="celery", broker_url=NO_BROKER, **settings)


async def test_tasks_expire_after_the_disk_has_failed_for_a_moment(
    start_service: StartService, ended: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    survey, failures = TaskStore.survey, iter([True])

    def fail_once(store: TaskStore) -> Iterator[Any]:
        if next(failures, False):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return survey(store)

    monkeypatch.setattr(TaskStore, "survey", fail_once)
    service = await start_shared(start_service, result_ttl=0.1)
    await eventually(lambda: not service.folder(str(ended.id)).exists())


async def test_tasks_expire_beside_what_is_none(start_service: StartService, ended: Task) -> None:
    service = await start_shared(start_service, result_ttl=1.0)
    damaged = service.folder(str(uuid4()))
    damaged.mkdir()
    (damaged / "task.json").write_text("{")
    (damaged.parent / "stray").touch()
    await eventually(lambda: not service.folder(str(ended.id)).exists())
    async with service.client.get(f"/tasks/{damaged.name}") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("moment", ["save", "clean"])
async def test_a_task_that_another_has_removed_does_not_come_back(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    hangs, goes_on = Event(), Event()
    step = getattr(TaskStore, moment)

    def hang(store: TaskStore, task: Task) -> None:
        if moment == "save":
            step(store, task)
        if task.has_ended:
            hangs.set()
            goes_on.wait(LONG)
        if moment == "clean":
            step(store, task)

    slow, other = await start_shared(start_service), await start_shared(start_service)
    path = f"/tasks/{await slow.upload(EXAMPLE)}"
    monkeypatch.setattr(TaskStore, moment, hang)
    cancelled = asyncio.create_task(status(slow, "DELETE", path))
    try:
        assert await asyncio.to_thread(hangs.wait, LONG)
        assert await status(other, "DELETE", path) == 204
        found = asyncio.create_task(status(slow, "GET", path))
        await asyncio.wait([found], timeout=0.1)
    finally:
        goes_on.set()
    assert await cancelled == 200
    assert await found == 404
    assert await status(slow, "GET", path) == 404


async def status(service: Service, method: str, path: str) -> int:
    async with service.client.request(method, path) as answer:
        return answer.status
