"""Several services on one data folder, each as an object of its own in this process."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from plays_service.tasks import Task, TaskStore
from plays_service.tasks.replicas import Replicas
from plays_service.tasks.sharing import Sharing


@pytest.fixture
def live(tmp_path: Path) -> Iterator[list[Replicas]]:
    """Some replicas that live."""
    replicas = [Replicas(tmp_path) for _ in range(4)]
    for one in replicas:
        one.open()
    yield replicas
    for one in replicas:
        one.close()


def dead(data_dir: Path, *tasks: UUID) -> Path:
    """A replica that has died with these tasks; its folder."""
    replica = Replicas(data_dir)
    replica.open()
    for task_id in tasks:
        replica.claim(task_id)
    assert replica._lock is not None
    os.close(replica._lock)
    return data_dir / "replicas" / replica.id


def test_each_task_of_the_dead_is_taken_by_one(tmp_path: Path, live: list[Replicas]) -> None:
    tasks = [uuid4() for _ in range(300)]
    for number in range(0, len(tasks), 3):
        dead(tmp_path, *tasks[number : number + 3])

    def take_over(replica: Replicas) -> None:
        while len(list((tmp_path / "replicas").glob("*.lock"))) > len(live):
            assert replica.claimed() <= set(map(str, tasks))
            replica.take_over()

    with ThreadPoolExecutor(len(live)) as threads:
        list(threads.map(take_over, live))
    taken = [task_id for replica in live for task_id in replica.taken]
    assert sorted(taken) == sorted(tasks)
    assert live[0].claimed() == set(map(str, tasks))
    assert len(list((tmp_path / "replicas").iterdir())) == 2 * len(live) + 1


def test_what_the_file_system_leaves_is_no_task(tmp_path: Path, live: list[Replicas]) -> None:
    """NFS keeps a file that is open under such a name when it is deleted."""
    tasks = [uuid4() for _ in range(5)]
    folder = dead(tmp_path, *tasks)
    (folder / ".nfs0000000000000001").touch()
    (folder / ".nfs0000000000000002.cancel").touch()
    live[0].take_over()
    assert sorted(live[0].taken) == sorted(tasks)
    live[1].take_over()
    assert not live[1].taken


def test_a_cancellation_is_taken_over_with_its_task(tmp_path: Path, live: list[Replicas]) -> None:
    task_id = uuid4()
    dead(tmp_path, task_id)
    live[0].ask_to_cancel(task_id)
    live[1].take_over()
    assert list(live[1].taken) == live[1].cancellations() == [task_id]


def test_a_lock_without_a_replica_goes(tmp_path: Path, live: list[Replicas]) -> None:
    folder = dead(tmp_path)
    folder.rmdir()
    another = Replicas(tmp_path)
    another.open()
    another.close()
    assert len(list((tmp_path / "replicas").glob("*.lock"))) == len(live)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TaskStore]:
    store = TaskStore(tmp_path, fsync=False, shared=True)
    store.open()
    yield store
    store.close()


def test_a_disk_that_fails_meanwhile_costs_no_task(tmp_path: Path, store: TaskStore) -> None:
    tasks = [Task(filename="plays.csv", bytes=0) for _ in range(3)]
    for task in tasks:
        store.begin(task).touch()
        store.accept(task)
        assert store.replicas is not None
        store.replicas.release(task.id)
    dead(tmp_path, *(task.id for task in tasks))
    state = tmp_path / "tasks" / str(tasks[1].id) / "task.json"
    state.rename(state.with_name("aside"))
    state.symlink_to(
        state
    )  # whoever opens it gets an error of the system, and no FileNotFoundError
    taken = []
    for _ in range(4):
        try:
            taken.append(store.take_over())
        except OSError:
            state.with_name("aside").rename(state)
    assert None not in taken
    assert {task.id for task in taken if task is not None} == {task.id for task in tasks}
    assert store.take_over() is None


def test_a_state_that_is_none_is_no_task(tmp_path: Path, store: TaskStore) -> None:
    task = Task(filename="plays.csv", bytes=0)
    store.begin(task)
    (tmp_path / "tasks" / str(task.id) / "task.json").write_text('{"id": 1}')
    assert store.read(task.id) is None


async def test_all_who_ask_at_once_for_anothers_task_wait_for_the_same(store: TaskStore) -> None:
    """The others would not be told when it ends: only what was found last is looked at again."""
    task = Task(filename="plays.csv", bytes=0)
    store.begin(task).touch()
    store.accept(task)
    assert store.replicas is not None
    runner: Any = SimpleNamespace(store=store)
    sharing = Sharing(runner, store.replicas)
    found = await asyncio.gather(*(sharing.find(task.id) for _ in range(8)))
    assert len({id(one) for one in found}) == 1
    store.remove(task)
    assert await sharing.find(task.id) is None
