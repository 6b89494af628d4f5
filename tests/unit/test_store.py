"""Tasks on disk."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from plays_service.aggregation import CsvError
from plays_service.tasks import DataFolderError, State, Task, TaskStore


@pytest.fixture(params=[False, True], ids=["no fsync", "fsync"])
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TaskStore]:
    store = TaskStore(tmp_path / "data", fsync=request.param)
    store.open()
    yield store
    store.close()


def _accepted(store: TaskStore) -> Task:
    task = Task(filename="plays.csv", bytes=26)
    store.begin(task).write_bytes(b"Song,Date,Number of Plays\n")
    store.accept(task)
    return task


def test_an_accepted_upload_is_a_task(store: TaskStore) -> None:
    task = _accepted(store)
    assert [known.id for known in store.load()] == [task.id]
    assert store.input_of(task).exists()


def test_every_field_survives(store: TaskStore) -> None:
    task = _accepted(store)
    task.state, task.message, task.finished = State.FAILURE, "line 2: bad", 2.0
    task.error = CsvError(2, "is bad", "Song", "x")
    task.errors, task.skipped, task.rows, task.groups = (CsvError(3, "worse"),), 1, 5, 4
    task.encoding, task.skip_errors, task.progress, task.started = "cp1252", True, 0.5, 1.0
    task.owner = "ann"
    store.save(task)
    (known,) = store.load()
    assert known.to_json() == task.to_json()
    assert known.ended.is_set()


def test_half_an_upload_is_gone_at_the_next_start(tmp_path: Path) -> None:
    first = TaskStore(tmp_path, fsync=False)
    first.open()
    task = Task(filename="plays.csv", bytes=26)
    first.begin(task).write_bytes(b"Song,")
    first.work_of(task).mkdir()
    first.close()
    second = TaskStore(tmp_path, fsync=False)
    second.open()
    assert list(second.load()) == []
    assert not first.folder(task).exists()
    second.close()


def test_a_task_that_has_lost_its_state_is_not_taken_for_half_an_upload(store: TaskStore) -> None:
    task = _accepted(store)
    store.result_of(task).touch()
    (store.folder(task) / "task.json").unlink()
    assert list(store.load()) == []
    (aside,) = (store.folder(task).parents[1] / "set_aside").iterdir()
    assert {path.name for path in aside.iterdir()} == {"input.csv", "result.csv"}


def test_cleaning_leaves_the_state_and_after_success_the_result(store: TaskStore) -> None:
    for state, left in (
        (State.SUCCESS, {"task.json", "result.csv"}),
        (State.FAILURE, {"task.json"}),
        (State.REVOKED, {"task.json"}),
    ):
        task = _accepted(store)
        task.state = state
        store.work_of(task).mkdir()
        (store.work_of(task) / "0-9.partial").touch()
        store.result_of(task).touch()
        (store.folder(task) / "result.csv.tmp").touch()
        store.clean(task)
        assert {path.name for path in store.folder(task).iterdir()} == left


def test_dropped_work_leaves_the_state_that_is_being_written(store: TaskStore) -> None:
    task = _accepted(store)
    for name in ("task.json.tmp", "result.csv.tmp", "result.csv"):
        (store.folder(task) / name).touch()
    store.drop_work(task)
    left = {path.name for path in store.folder(task).iterdir()}
    assert left == {"task.json", "task.json.tmp", "input.csv"}


def test_a_removed_task_leaves_nothing(store: TaskStore, tmp_path: Path) -> None:
    task = _accepted(store)
    store.remove(task)
    files = [path.name for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert sorted(files) == ["boot", "lock"]


def _broken(*_: object, **__: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_what_cannot_be_deleted_is_deleted_later(
    store: TaskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _accepted(store)
    trash = tmp_path / "data" / "trash"
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", _broken)
        store.remove(task)
        store.trash.delete_again()
    assert not store.folder(task).exists()
    assert (store.trash.resisting, len(list(trash.iterdir()))) == (1, 1)
    store.trash.delete_again()
    assert (store.trash.resisting, list(trash.iterdir())) == (0, [])


def test_a_task_that_cannot_be_removed_is_whole(
    store: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = _accepted(store)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _broken)
        with pytest.raises(OSError, match="error"):
            store.remove(task)
    store.trash.delete_again()
    assert [known.id for known in store.load()] == [task.id]


def test_what_was_begun_goes_as_soon_as_the_disk_lets_it(
    store: TaskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task(filename="plays.csv", bytes=26)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", _broken)
        patch.setattr(Path, "write_bytes", _broken)
        with pytest.raises(OSError, match="error"):
            store.accept_bytes(b"Song,", task)
        store.trash.delete_again()
    assert store.folder(task).exists()
    store.trash.delete_again()
    assert not store.folder(task).exists()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"{", b"[]", b"null", b"{}", b"\xff\xfe", b'{"task_id": "not one"}'],
    ids=["no file", "empty", "cut", "list", "null", "no fields", "no text", "no id"],
)
def test_what_is_no_task_is_set_aside(
    store: TaskStore, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    good = _accepted(store)
    bad = tmp_path / "data" / "tasks" / "something"
    bad.mkdir()
    if content is not None:
        (bad / "task.json").write_bytes(content)
    assert [task.id for task in store.load()] == [good.id]
    assert not bad.exists()
    assert len(list((tmp_path / "data" / "set_aside").iterdir())) == 1
    assert "set aside" in caplog.text


def test_a_state_that_does_not_exist_is_set_aside(store: TaskStore) -> None:
    task = _accepted(store)
    path = store.folder(task) / "task.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"state": "DONE"}))
    assert list(store.load()) == []


def test_a_second_service_on_the_folder_is_refused(tmp_path: Path) -> None:
    first, second = (TaskStore(tmp_path, fsync=False) for _ in range(2))
    first.open()
    with pytest.raises(DataFolderError, match="another service uses the data folder"):
        second.open()
    first.close()
    second.open()
    second.close()


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match="cannot use the data folder"):
        TaskStore(tmp_path / "file" / "data", fsync=False).open()


def test_a_start_that_the_folder_does_not_let_end_is_refused(store: TaskStore) -> None:
    (store.folder(_accepted(store)) / "task.json").write_bytes(b"")
    (store.folder(_accepted(store)).parents[1] / "set_aside").touch()
    with pytest.raises(DataFolderError, match="cannot use the data folder"):
        list(store.load())


def test_an_upload_that_cannot_begin_is_claimed_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = TaskStore(tmp_path, fsync=False, shared=True)
    store.open()
    whole, begun = (Task(filename="plays.csv", bytes=5) for _ in range(2))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", _broken)
        with pytest.raises(OSError, match="error"):
            store.accept_bytes(b"Song,", whole)
        with pytest.raises(OSError, match="error"):
            store.begin(begun)
    store.discard(begun)
    assert list((tmp_path / "replicas").glob("*/*")) == []
    store.close()
