"""``/tasks/<id>``: the whole task, its end by the client, and its life beyond the process."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from plays_service.api import RUNNER
from plays_service.executors import Executor
from plays_service.tasks import CURRENT_TASK, State, Task, TaskStore
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import Gate, Service, StartService, message_of
from tests.waiting import LONG, eventually

HEADER: bytes = b"Song,Date,Number of Plays\n"
FIELDS: list[str] = [
    "task_id", "state", "message", "filename", "bytes", "encoding", "on_error", "created",
    "started", "finished", "progress", "segments", "seconds_left", "rows", "groups", "skipped",
    "errors", "error", "links",
]  # fmt: skip
#: Of about 200 segments of 4 KiB.
LARGE: bytes = HEADER + b"".join(
    b"Song %d,2020-01-%02d,%d\n" % (row % 997, row % 28 + 1, row) for row in range(30_000)
)
SMALL_SEGMENTS: dict[str, Any] = {"segment_size": 4096}


async def has_the_large_result(service: Service, task_id: str) -> bool:
    totals: Counter[tuple[int, int]] = Counter()
    for row in range(30_000):
        totals[row % 997, row % 28 + 1] += row
    rows = (b"Song %d,2020-01-%02d,%d\n" % (*key, total) for key, total in totals.items())
    expected = b"Song,Date,Total Number of Plays for Date\n" + b"".join(rows)
    return await service.result(task_id) == expected


async def half_done(start_service: StartService, gate: Gate, *, calls: int) -> tuple[Service, str]:
    """A service with a task of many segments, of which so many calls are done, and its id."""
    service = await start_service(**SMALL_SEGMENTS)
    gate.let(calls)
    task_id = await service.upload(LARGE)
    await gate.arrived.wait()
    return service, task_id


async def test_a_task_that_succeeded_tells_everything(service: Service) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    task_id = await service.upload(EXAMPLE, filename="mine.csv")
    task = await service.ended_task(task_id)
    assert sorted(task) == sorted(FIELDS)
    created, started, finished = (
        datetime.fromisoformat(task[name]) for name in ("created", "started", "finished")
    )
    assert before <= created <= started <= finished <= datetime.now(UTC)
    expected = {
        "task_id": task_id, "state": "SUCCESS", "message": "None", "filename": "mine.csv",
        "bytes": len(EXAMPLE), "encoding": "UTF-8", "on_error": "fail", "progress": 1.0,
        "segments": 1, "seconds_left": 0.0,
        "rows": 7, "groups": 4, "skipped": 0, "errors": [], "error": None,
        "links": {
            "self": f"/tasks/{task_id}",
            "events": f"/tasks/{task_id}/events",
            "result": f"/result/{task_id}",
            "rows": f"/tasks/{task_id}/rows",
            "summary": f"/tasks/{task_id}/summary",
        },
    }  # fmt: skip
    assert task == expected | {name: task[name] for name in ("created", "started", "finished")}


async def test_a_task_that_failed_tells_line_column_and_value(service: Service) -> None:
    task = await service.ended_task(await service.upload(EXAMPLE + b"Umbrella,2020-01-01,12.5\n"))
    message = 'line 9: Number of Plays: "12.5" is not a whole number'
    assert (task["state"], task["message"]) == ("FAILURE", message)
    assert task["error"] == {
        "message": message,
        "line": 9,
        "column": "Number of Plays",
        "value": "12.5",
        "problem": "is not a whole number",
    }
    assert task["progress"] < 1
    await service.holds_only_ended_tasks()


@pytest.mark.parametrize("segments", [1 << 20, 512])
async def test_skipped_records_are_counted_and_the_first_hundred_told(
    start_service: StartService, segments: int
) -> None:
    service = await start_service(segment_size=segments)
    bad = b"".join(b"Umbrella,2020-01-01,x%d\n" % number for number in range(250))
    task_id = await service.upload(EXAMPLE + bad, params={"on_error": "skip"})
    assert await service.result(task_id) == EXAMPLE_RESULT
    task = await service.task(task_id)
    assert (task["state"], task["on_error"]) == ("SUCCESS", "skip")
    assert (task["rows"], task["groups"], task["skipped"]) == (7, 4, 250)
    assert [error["line"] for error in task["errors"]] == list(range(9, 109))
    assert [error["value"] for error in task["errors"]] == [f"x{n}" for n in range(100)]
    assert task["error"] is None


async def test_progress_moves_forward_from_pending_to_the_end(
    start_service: StartService, gate: Gate
) -> None:
    service, task_id = await half_done(start_service, gate, calls=60)
    task = await service.task(task_id)
    assert task["state"] == "STARTED"
    assert 0 < task["progress"] < 1
    assert 0 < task["rows"] < 30_000
    assert task["finished"] is None
    gate.open()
    done = await service.ended_task(task_id)
    assert (done["state"], done["progress"], done["rows"]) == ("SUCCESS", 1.0, 30_000)
    assert done["started"] == task["started"]
    assert await has_the_large_result(service, task_id)


async def test_what_a_cancelled_task_tells_is_what_is_on_disk(
    start_service: StartService, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, task_id = await half_done(start_service, gate, calls=10)
    rows = (await service.task(task_id))["rows"]
    saving, save = threading.Event(), TaskStore.save

    def save_slowly(store: TaskStore, task: Task) -> None:
        saving.wait(LONG)
        save(store, task)

    monkeypatch.setattr(TaskStore, "save", save_slowly)
    deleting = asyncio.ensure_future(service.client.delete(f"/tasks/{task_id}"))
    (task,) = service.runner.registry
    await eventually(task.ending.locked)
    gate.open()
    await eventually(lambda: task.rows > rows)
    saving.set()
    assert (await deleting).status == 200
    told = await service.task(task_id)
    await service.stop()
    service = await start_service(**SMALL_SEGMENTS)
    assert await service.task(task_id) == told


async def test_a_running_task_can_be_cancelled_and_its_files_go(
    start_service: StartService, gate: Gate
) -> None:
    service, task_id = await half_done(start_service, gate, calls=10)
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        assert answer.status == 200
        cancelled = await answer.json()
    assert cancelled["state"] == "REVOKED"
    assert sorted(cancelled["links"]) == ["events", "self"]
    gate.open()
    await service.holds_only_ended_tasks()
    assert await service.task(task_id) == cancelled
    assert json.loads(await service.result(task_id))["state"] == "REVOKED"
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT


async def test_a_waiting_task_can_be_cancelled(service: Service, gate: Gate) -> None:
    ids = [await service.upload(EXAMPLE) for _ in range(5)]
    async with service.client.delete(f"/tasks/{ids[-1]}") as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "REVOKED")
    gate.open()
    assert [await service.result(one) for one in ids[:-1]] == [EXAMPLE_RESULT] * 4
    assert (await service.task(ids[-1]))["state"] == "REVOKED"
    await service.holds_only_ended_tasks()


async def test_a_cancelled_task_is_still_cancelled_after_a_restart(
    start_service: StartService, gate: Gate
) -> None:
    service = await start_service()
    task_id = await service.upload(EXAMPLE)
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        cancelled = await answer.json()
    await service.stop()
    service = await start_service()
    assert await service.task(task_id) == cancelled
    await service.holds_only_ended_tasks()


@pytest.mark.parametrize("content", [EXAMPLE, b"no,csv\n"])
async def test_an_ended_task_can_be_removed_with_its_result(
    service: Service, content: bytes
) -> None:
    task_id = await service.upload(content)
    await service.result(task_id)
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    for method, path in (("GET", "result"), ("GET", "tasks"), ("DELETE", "tasks")):
        async with service.client.request(method, f"/{path}/{task_id}") as answer:
            assert answer.status == 404
            message_of(await answer.read())
    await service.holds_no_tasks()


async def test_a_task_that_has_ended_meanwhile_keeps_its_result(
    service: Service, gate: Gate
) -> None:
    task_id = await service.upload(EXAMPLE)
    async with service.client.delete(f"/tasks/{task_id}?only=running") as answer:
        assert (answer.status, (await answer.json())["state"]) == (200, "REVOKED")
    gate.open()
    done = await service.upload(EXAMPLE)
    assert await service.result(done) == EXAMPLE_RESULT
    for ended in (task_id, done):
        async with service.client.delete(f"/tasks/{ended}?only=running") as answer:
            assert answer.status == 409
            message_of(await answer.read())
    assert await service.result(done) == EXAMPLE_RESULT
    async with service.client.delete(f"/tasks/{done}?only=") as answer:
        assert answer.status == 400


async def test_many_may_cancel_the_same_task(service: Service, gate: Gate) -> None:
    task_id = await service.upload(EXAMPLE)

    async def delete() -> int:
        async with service.client.delete(f"/tasks/{task_id}") as answer:
            return answer.status

    deleting = asyncio.gather(*(delete() for _ in range(10)))
    await gate.arrived.wait()
    await eventually(lambda: b"REVOKED" in (service.folder(task_id) / "task.json").read_bytes())
    gate.open()
    statuses = sorted(await deleting)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {204, 404}
    await service.holds_no_tasks()


async def test_a_task_that_is_cancelled_just_as_it_ends_leaves_no_files(
    service: Service, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, saving = TaskStore.save, asyncio.Event()
    loop = asyncio.get_running_loop()
    runner = service.app[RUNNER]

    def slow_save(self: TaskStore, task: Task) -> None:
        """Save REVOKED no sooner than the pipeline is through, which opening the gate allows."""
        if task.state is State.REVOKED:
            loop.call_soon_threadsafe(saving.set)
            known = runner.registry.get(task.id)
            assert known is not None
            waiters = asyncio.run_coroutine_threadsafe(_waits(known), loop)
            waiters.result(60)
        save(self, task)

    async def _waits(task: Task) -> None:
        await eventually(lambda: getattr(task.ending, "_waiters", None))

    monkeypatch.setattr(TaskStore, "save", slow_save)
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()
    deleting = asyncio.ensure_future(service.client.delete(f"/tasks/{task_id}"))
    await saving.wait()
    gate.open()
    answer = await deleting
    assert (answer.status, (await answer.json())["state"]) == (200, "REVOKED")
    await service.holds_only_ended_tasks()


async def test_a_task_that_ends_while_it_is_looked_at_is_shown_all_the_same(
    service: Service, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    mark, marking, go_on = TaskStore.mark_started, asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow_mark(self: TaskStore, task: Task, started: float) -> None:
        loop.call_soon_threadsafe(marking.set)
        assert go_on.wait(LONG)
        mark(self, task, started)

    monkeypatch.setattr(TaskStore, "mark_started", slow_mark)
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()
    looking = asyncio.create_task(service.task(task_id))
    await marking.wait()
    gate.open()
    await asyncio.sleep(0.2)  # by then it would have ended
    go_on.set()
    assert (await looking)["state"] == "STARTED"
    assert await service.result(task_id) == EXAMPLE_RESULT
    await service.holds_only_ended_tasks()


async def test_a_task_that_cannot_be_removed_stays(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await service.upload(EXAMPLE)
    await service.result(task_id)
    for number, problem in ((errno.EIO, "disk failed"), (errno.ENOSPC, "disk is full")):
        with monkeypatch.context() as patch:
            patch.setattr(TaskStore, "remove", _failing(number))
            async with service.client.delete(f"/tasks/{task_id}") as answer:
                assert answer.status == 507
                assert problem in message_of(await answer.read())
        assert await service.result(task_id) == EXAMPLE_RESULT
    async with service.client.delete(f"/tasks/{task_id}") as answer:
        assert answer.status == 204
    await service.holds_no_tasks()


async def test_a_disk_that_does_not_take_the_mark_of_a_start_hides_no_task(
    service: Service, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await service.upload(EXAMPLE)
    await gate.arrived.wait()
    with monkeypatch.context() as patch:
        patch.setattr(TaskStore, "mark_started", _failing(errno.ENOSPC))
        assert (await service.task(task_id))["state"] == "PENDING"
    assert (await service.task(task_id))["state"] == "STARTED"
    gate.open()
    assert (await service.ended_task(task_id))["state"] == "SUCCESS"


async def test_a_disk_that_fails_at_a_task_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, problem in ((errno.EIO, "disk failed"), (errno.EDQUOT, "disk is full")):
        fail = _failing(number)

        async def call(*_: object, fail: Callable[..., None] = fail, **__: object) -> None:
            fail()

        with monkeypatch.context() as patch:
            patch.setattr(type(service.runner.calls.executor), "call", call)
            task_id = await service.upload(EXAMPLE)
            task = await service.ended_task(task_id)
        assert task["state"] == "FAILURE"
        assert problem in task["message"]
    await service.holds_only_ended_tasks()


def _failing(number: int) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


async def test_results_are_found_again_after_a_restart(start_service: StartService) -> None:
    service = await start_service()
    good = await service.upload(EXAMPLE, filename="good.csv")
    bad = await service.upload(b"no,csv\n", filename="bad.csv")
    before = [await service.ended_task(one) for one in (good, bad)]
    async with service.client.get(f"/result/{good}") as answer:
        headers = answer.headers.copy()
    await service.stop()
    service = await start_service()
    assert [await service.task(one) for one in (good, bad)] == before
    async with service.client.get(f"/result/{good}") as answer:
        assert await answer.read() == EXAMPLE_RESULT
        for name in ("ETag", "Content-Disposition", "Content-Type"):
            assert answer.headers[name] == headers[name]


async def test_unfinished_tasks_go_on_after_a_restart_where_they_stopped(
    start_service: StartService, gate: Gate
) -> None:
    service = await start_service(**SMALL_SEGMENTS)
    gate.let(60)
    large, small = await service.upload(LARGE), await service.upload(EXAMPLE)
    await gate.arrived.wait()
    seen = await service.task(large)
    await service.stop()
    work = service.folder(large) / "work"
    partials = {path: path.stat().st_mtime_ns for path in work.glob("*.partial")}
    assert 30 < len(partials) < 100

    gate.close()
    gate.let(90)  # more than there are partials: it holds when new ones have been made
    service = await start_service(**SMALL_SEGMENTS)
    await gate.arrived.wait()
    assert (await service.task(large))["created"] == seen["created"]
    found = {path: path.stat().st_mtime_ns for path in work.glob("*.partial")}
    assert len(found) > len(partials)
    assert {path: found[path] for path in partials} == partials
    gate.open()
    assert await has_the_large_result(service, large)
    assert await service.result(small) == EXAMPLE_RESULT
    await service.holds_only_ended_tasks()


async def test_what_is_done_for_a_task_is_logged_with_its_id_after_a_restart_too(
    start_service: StartService, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, task_id = await half_done(start_service, gate, calls=0)
    await service.stop()
    seen = set()
    executor = type(service.runner.calls.executor)
    call = executor.call

    async def noted(
        self: Executor, function: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        seen.add(CURRENT_TASK.get())
        return await call(self, function, *args, **options)

    gate.close()
    service = await start_service(**SMALL_SEGMENTS)
    monkeypatch.setattr(executor, "call", noted)
    gate.open()
    await service.result(task_id)
    assert {str(one) for one in seen} == {task_id}


async def test_a_state_never_turns_back_at_a_restart(
    start_service: StartService, gate: Gate
) -> None:
    service, task_id = await half_done(start_service, gate, calls=60)
    before = await service.task(task_id)
    assert before["state"] == "STARTED"
    await service.stop()
    gate.close()
    service = await start_service(**SMALL_SEGMENTS)
    after = await service.task(task_id)
    assert (after["state"], after["started"]) == ("STARTED", before["started"])


async def test_a_restart_with_other_settings_gives_the_same_bytes(
    start_service: StartService, gate: Gate
) -> None:
    service, task_id = await half_done(start_service, gate, calls=60)
    await service.stop()
    service = await start_service(segment_size=9999, workers=2, worker_memory=16 << 20)
    assert await has_the_large_result(service, task_id)
    await service.holds_only_ended_tasks()


async def test_what_is_no_task_does_not_keep_the_service_from_starting(
    start_service: StartService,
) -> None:
    service = await start_service()
    task_id = await service.upload(EXAMPLE)
    await service.result(task_id)
    await service.stop()
    tasks = service.data_dir / "tasks"
    (tasks / "junk").mkdir()
    (tasks / "junk" / "task.json").write_bytes(b"\xff{")
    (tasks / "a file").write_bytes(b"")
    half = tasks / str(uuid4())
    half.mkdir()
    (half / "input.csv").write_bytes(b"Song")
    service = await start_service()
    assert await service.result(task_id) == EXAMPLE_RESULT
    assert [path.name for path in tasks.iterdir()] == [task_id]


async def test_hundreds_of_small_tasks_are_done_beside_a_large_one(
    start_service: StartService,
) -> None:
    service = await start_service(workers=2, **SMALL_SEGMENTS)
    large = await service.upload(LARGE)

    async def small(number: int) -> bool:
        content = HEADER + b"Song %d,2020-01-01,%d\n" % (number, number)
        task_id = await service.upload(content)
        expected = b"Song,Date,Total Number of Plays for Date\n" + content[len(HEADER) :]
        return await service.result(task_id) == expected

    assert all(await asyncio.gather(*(small(number) for number in range(300))))
    assert await has_the_large_result(service, large)
    await service.holds_only_ended_tasks()
