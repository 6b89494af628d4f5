"""Tasks on disk: what makes them survive the process.

::

    <data_dir>/tasks/<id>/task.json                 the state; before that there is no task yet
                         started                    empty; its time is when a worker began
                         input.csv                  from the first byte on, until the task has ended
                         work/                      partials, runs; until the task has ended
                         result.csv                 from SUCCESS on
                         derived/                   made of the result on demand; can be made again
    <data_dir>/boot                                 of the system, which has written all the work
    <data_dir>/trash/                               removed, not yet deleted
    <data_dir>/set_aside/                           what start-up could not make sense of
    <data_dir>/replicas/                            see `Replicas`, where several services share it

An upload becomes a task, and a state changes, by one rename of ``task.json``. So whatever happens,
each is either there or not.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from plays_service.aggregation import CsvError
from plays_service.aggregation.publish import publish, sync_folder
from plays_service.aggregation.steps import Step, reached
from plays_service.tasks.boot import BootMark
from plays_service.tasks.replicas import Replicas
from plays_service.tasks.task import State, Task
from plays_service.tasks.trash import Trash

if sys.platform != "win32":
    import fcntl

__all__ = ["DataFolderError", "TaskStore"]

#: Bytes of an input that is deleted faster than another thread is asked to.
_CLEANED_AT_ONCE: Final = 1 << 20

#: What the folder of a task that is to be may hold.
_BEGUN: Final = frozenset({"input.csv", "work", "task.json.tmp"})

#: How often, and after how many seconds, a folder is tried again that others may share.
_SHARE_TRIES: Final = 100
_SHARE_AGAIN: Final = 0.1

#: What a folder without a state, and a file among the folders, are met with; any other `OSError` is
#: the disk's, and keeps the service from starting: the task may be there.
_NO_TASK: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
#: What a file is met with that is no state.
_NO_STATE: Final = (ValueError, KeyError, TypeError, AttributeError)

_log = logging.getLogger(__name__)


class DataFolderError(RuntimeError):
    """The data folder cannot be used; the text says why."""


class TaskStore:
    """The folders of tasks below one data folder. Every method may block on the disk."""

    def __init__(self, data_dir: Path, *, fsync: bool, shared: bool = False) -> None:
        """Several processes may have a ``shared`` folder; they tell each other of their tasks."""
        self._root = data_dir.absolute()
        self._tasks = self._root / "tasks"
        self.trash = Trash(self._root / "trash")
        self._set_aside = self._root / "set_aside"
        self.fsync = fsync  #: what is written must survive a power cut
        self.replicas = Replicas(self._root) if shared else None
        self._lock: int | None = None
        self._boot = BootMark(self._root / "boot")

    def open(self) -> None:
        """Make the folders, lock them, clear what an earlier process left half-done.

        Raises `DataFolderError` where the folder cannot be written or another service has it.
        """
        try:
            self._tasks.mkdir(parents=True, exist_ok=True)
            self.trash.open()
            self._lock = os.open(self._root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            is_alone = self._lock_folder(self._lock)
            if self.replicas is not None:
                self.replicas.open()
            if is_alone:
                self._clear()
            if self.replicas is not None:
                fcntl.flock(self._lock, fcntl.LOCK_SH)  # lets the others in
        except BlockingIOError:
            self.close()
            raise DataFolderError(
                f"another service uses the data folder {self._root}; "
                "stop it, or give this one its own PLAYS_DATA_DIR"
            ) from None
        except OSError as error:
            self.close()
            raise DataFolderError(f"cannot use the data folder {self._root}: {error}") from error

    def _lock_folder(self, lock: int) -> bool:
        """Whether nobody else has the folder. Raises `BlockingIOError` where this one may not."""
        tries = 1 if self.replicas is None else _SHARE_TRIES
        for _ in range(tries - 1):
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
            time.sleep(_SHARE_AGAIN)  # another is just clearing it up
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True

    def _clear(self) -> None:
        self.trash.clear()
        for derived in self._tasks.glob("*/derived"):
            self.trash.delete(derived)  # it was not synced, and is made again
        if not self._boot.is_of_this_boot():
            self._distrust_work()
        if self.fsync:
            self._sync_frame()

    def close(self) -> None:
        """Give up the lock, as the system does when the process dies."""
        if self.replicas is not None:
            self.replicas.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin(self, task: Task) -> Path:
        """Make the folder of a task that is to be; its input belongs where this says."""
        if self.replicas is not None:
            self.replicas.claim(task.id)
        self.folder(task).mkdir()
        reached(Step.UPLOAD_BEGUN)
        return self.input_of(task)

    def accept(self, task: Task) -> None:
        """Make what was begun a task. When this returns, the task survives the process."""
        if self.fsync:
            with self.input_of(task).open("rb") as file:
                os.fsync(file.fileno())
            sync_folder(self._tasks)
        reached(Step.UPLOAD_SYNCED)
        self.save(task)

    def accept_bytes(self, data: bytes, task: Task) -> None:
        """Make ``data`` the input of a task. When this returns, the task survives the process."""
        try:
            self.begin(task).write_bytes(data)
            reached(Step.UPLOAD_WHOLE)
            self.accept(task)
        except BaseException:
            self.discard(task)
            raise

    def mark_started(self, task: Task, started: float) -> None:
        """Make the state STARTED survive, and its time (seconds since the epoch)."""
        mark = self.folder(task) / "started"  # far cheaper than the whole state
        mark.touch()
        os.utime(mark, (started, started))
        if self.fsync:
            sync_folder(mark.parent)
        reached(Step.STARTED_MARKED)

    def save(self, task: Task) -> None:
        """Write the task's state, atomically."""
        path = self.folder(task) / "task.json"
        temporary = path.with_suffix(".json.tmp")
        temporary.write_text(json.dumps(task.to_json()), encoding="utf-8")
        reached(Step.STATE_WRITTEN)
        publish(temporary, path, fsync=self.fsync)
        reached(Step.STATE_SAVED)

    def end(self, task: Task) -> None:
        """Write the task's last state, and clean where that takes no time."""
        self.save(task)
        if self.size_of(task) < _CLEANED_AT_ONCE:
            self.clean(task)

    def clean(self, task: Task) -> None:
        """Delete all of an ended task but its state and, after SUCCESS, its result."""
        reached(Step.CLEAN_BEGUN)
        kept = {"task.json"}
        if task.state is State.SUCCESS:
            kept |= {"result.csv", "derived"}
        self._delete_all_but(kept, task)
        if self.replicas is not None:
            self.replicas.release(task.id)

    def drop_work(self, task: Task) -> None:
        """Delete all that a task has made so far; its input and its state stay.

        So does the state that is being written at this moment: someone may cancel the task.
        """
        self._delete_all_but({"task.json", "task.json.tmp", "input.csv", "started"}, task)

    def remove(self, task: Task) -> None:
        """Delete a task and all that belongs to it. Raises `OSError`: then it is still there."""
        self._remove(self.folder(task))

    def discard(self, task: Task) -> None:
        """Delete what was begun of a task, at once or as soon as the disk lets it."""
        self._discard(self.folder(task))

    def load(self) -> Iterator[Task]:
        """Every task on disk; ended ones are cleaned, and uploads deleted that became none.

        What is neither is set aside, with a line in the log. In a shared folder: the tasks that
        this replica is to run, because nobody does. Raises `DataFolderError`.
        """
        try:
            yield from self._found()
        except OSError as error:
            raise DataFolderError(f"cannot use the data folder {self._root}: {error}") from error

    def _found(self) -> Iterator[Task]:
        if self.replicas is not None:
            with self.replicas.alone():
                yield from self._adopt()
            while (task := self.take_over()) is not None:
                yield task
            return
        for folder in self._tasks.iterdir():
            if (task := self._load(folder)) is not None:
                yield task

    def take_over(self) -> Task | None:
        """A task that a dead replica had: this one's from now on, and to be run by it.

        Raises `OSError`; the next call goes on where this one failed.
        """
        assert self.replicas is not None
        taken = self.replicas.taken
        if not taken:
            self.replicas.take_over()
        while taken:
            taken.rotate(-1)  # where this one cannot be read now, another is tried before it
            folder = self._tasks / str(taken[-1])
            task = self._load(folder) if folder.exists() else None
            task_id = taken.pop()
            if task is None:
                self.replicas.release(task_id)
            elif not task.has_ended:
                return task
        return None

    def read(self, task_id: UUID) -> Task | None:
        """The task as it is on disk; None where there is none, or what is there is none."""
        try:
            return self._read(self._tasks / str(task_id))
        except (*_NO_TASK, *_NO_STATE):
            return None

    def survey(self) -> Iterator[tuple[UUID, float, int]]:
        """Every ended task: its id, when it was last written (seconds), and its result's bytes."""
        claimed = self.replicas.claimed() if self.replicas is not None else set()
        for folder in self._tasks.iterdir():
            with suppress(*_NO_TASK, ValueError):  # removed meanwhile, or no task
                if folder.name not in claimed:
                    written = (folder / "task.json").stat().st_mtime
                    yield UUID(folder.name), written, _size_of_result(folder)

    def _adopt(self) -> Iterator[Task]:
        """Claim what has not ended and belongs to nobody: a power cut may have taken the claim."""
        assert self.replicas is not None
        folders = tuple(self._tasks.iterdir())  # first: what is claimed later is not among them
        claimed = self.replicas.claimed()
        for folder in folders:
            if folder.name in claimed or not folder.exists():
                continue
            task = self._load(folder)
            if task is not None and not task.has_ended:
                self.replicas.claim(task.id)
                yield task

    def _load(self, folder: Path) -> Task | None:
        """The task in a folder, cleaned if it has ended; None where it holds none, by then."""
        if _is_begun(folder):
            self.trash.delete(folder)
            return None
        try:
            task = self._read(folder)
            if folder != self.folder(task):
                raise ValueError("the folder has another name than the task")
        except (*_NO_TASK, *_NO_STATE) as error:
            self._set_aside.mkdir(exist_ok=True)
            target = self._set_aside / f"{folder.name}.{uuid4().hex[:8]}"
            folder.rename(target)
            # No text of the error: it may quote what is in the file.
            _log.warning(
                "%s is not a task (%s); set aside as %s", folder, type(error).__name__, target
            )
            return None
        if task.has_ended:
            self.clean(task)
        return task

    @staticmethod
    def _read(folder: Path) -> Task:
        """Raises what reading, parsing and a wrong content raise."""
        task = Task.from_json(json.loads((folder / "task.json").read_bytes()))
        if not task.has_ended:
            with suppress(FileNotFoundError):
                task.started = (folder / "started").stat().st_mtime
                task.state = State.STARTED
        return task

    def folder(self, task: Task) -> Path:
        """The task's folder."""
        return self._tasks / str(task.id)

    def input_of(self, task: Task) -> Path:
        """Where the task's input lies until it has ended."""
        return self.folder(task) / "input.csv"

    def size_of(self, task: Task) -> int:
        """Bytes of the task's input; 0 where it is missing."""
        return _size(self.input_of(task))

    def size_of_result(self, task: Task) -> int:
        """Bytes of the task's result and of what was made of it; 0 where that cannot be told."""
        try:
            return _size_of_result(self.folder(task))
        except OSError:  # the task has ended all the same
            return 0

    def errors_of(self, task: Task) -> tuple[CsvError, ...]:
        """The bad records that an ended task tells, from disk; none where it is gone."""
        try:
            return Task.from_json(json.loads((self.folder(task) / "task.json").read_bytes())).errors
        except FileNotFoundError:
            return ()

    def work_of(self, task: Task) -> Path:
        """The task's folder for partials and runs."""
        return self.folder(task) / "work"

    def result_of(self, task: Task) -> Path:
        """Where the task's result lies once it has succeeded."""
        return self.folder(task) / "result.csv"

    def derived_of(self, task: Task) -> Path:
        """The folder, made on demand, for what is made of the task's result."""
        return self.folder(task) / "derived"

    def _delete_all_but(self, kept: set[str], task: Task) -> None:
        try:
            doomed = [path for path in self.folder(task).iterdir() if path.name not in kept]
        except FileNotFoundError:
            return  # another replica has removed it
        except OSError as error:  # the next start looks again
            _log.warning("cannot clear %s: %s", self.folder(task), error)
            return
        for path in doomed:
            self.trash.delete(path)
            reached(Step.CLEAN_DELETED)

    def _remove(self, folder: Path) -> None:
        self.trash.take(folder, self._sync_removal)
        if self.replicas is not None:
            self.replicas.release(UUID(folder.name))  # also where the folder could not be made

    def _discard(self, folder: Path) -> None:
        try:
            self._remove(folder)
        except OSError as error:
            self.trash.try_again(folder, self._discard, error)

    def _sync_removal(self) -> None:
        if self.fsync:
            try:
                sync_folder(self._tasks)
            except OSError as error:  # the task is gone all the same
                _log.warning("a power cut may bring back a task that was removed: %s", error)

    def _sync_frame(self) -> None:
        """Make the folders of tasks survive a power cut, of which the first start has made them."""
        try:
            for folder in (self._root, self._root.parent):
                sync_folder(folder)
        except OSError as error:  # a bad disk: uploads will be told
            _log.warning("cannot make sure of the data folder: %s", error)

    def _distrust_work(self) -> None:
        """Delete what a power cut may have left half written under its right name.

        Partials and runs are not synced, because they can be made again.
        """
        for work in self._tasks.glob("*/work"):
            self.trash.delete(work)
        self._boot.set()


def _is_begun(folder: Path) -> bool:
    """Whether this is what `TaskStore.begin` makes, and no more."""
    try:
        named_by_id = str(UUID(folder.name)) == folder.name
        return named_by_id and {path.name for path in folder.iterdir()} <= _BEGUN
    except (OSError, ValueError):
        return False


def _size_of_result(folder: Path) -> int:
    return _size(folder / "result.csv") + sum(map(_size, (folder / "derived").glob("*")))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
