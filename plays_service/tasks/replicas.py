"""Services that share a data folder: which of them lives, and which has which task.

::

    <data_dir>/replicas/<replica>.lock              locked by its replica as long as that lives
                        <replica>/<task>            a task that it has; how far it is, as JSON
                        <replica>/<task>.cancel     somebody asks it to cancel that task
                        lock                        of whoever gives tasks a new replica

A replica has a task from before the task's folder is there until the task has ended. One that can
lock another's file knows that the other is dead, and takes its tasks over, each by one rename.

What the file system must give: locks that end with their owner and are seen on all machines
(`flock`; NFSv4 has it), and an atomic ``rename``.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from plays_service.aggregation.locks import locked_if_free

if sys.platform != "win32":
    import fcntl

__all__ = ["Replicas"]

_CANCEL: Final = ".cancel"
#: How a lock is opened: a power cut may have taken it.
_OPEN: Final = os.O_RDWR | os.O_CREAT


class Replicas:
    """This process as a replica, and the others. Every method may block on the disk."""

    def __init__(self, data_dir: Path) -> None:
        self.id = uuid4().hex
        self.taken: deque[UUID] = deque()  #: tasks that dead replicas had, to be run by this one
        self._folder = data_dir / "replicas"
        self._mine = self._folder / self.id
        self._lock: int | None = None

    def open(self) -> None:
        """Become a replica that others see alive. Raises `OSError`."""
        self._folder.mkdir(exist_ok=True)
        with self.alone():  # nobody looks at a lock that is not locked yet
            self._clear_locks()
            self._lock = _open(self._lock_of(self._mine))
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._mine.mkdir()

    def close(self) -> None:
        """Be one no more; what tasks this one still has, others take over."""
        if self._lock is None:
            return
        with suppress(OSError):
            self._mine.rmdir()  # as long as it holds a task, it stays
            self._lock_of(self._mine).unlink(missing_ok=True)
        os.close(self._lock)
        self._lock = None

    def claim(self, task_id: UUID) -> None:
        """Have a task from now on."""
        (self._mine / str(task_id)).touch()

    def release(self, task_id: UUID) -> None:
        """Have the task no more, if this replica has it."""
        (self._mine / str(task_id)).unlink(missing_ok=True)

    def claimed(self) -> set[str]:
        """The ids of all tasks that any replica has, dead or alive."""
        return {path.name for folder in self._folders() for path in _files_in(folder)}

    def note(self, task_id: UUID, fields: Mapping[str, Any]) -> None:
        """Let others know how far a task of this replica is."""
        with suppress(FileNotFoundError), (self._mine / str(task_id)).open("r+b") as file:
            file.write(json.dumps(fields).encode())
            file.truncate()

    def note_of(self, task_id: UUID) -> dict[str, Any] | None:
        """How far a task was when its replica last told; None where nobody has told."""
        for folder in self._folders():
            with suppress(FileNotFoundError, ValueError):  # a note that is being written
                fields: dict[str, Any] = json.loads((folder / str(task_id)).read_bytes())
                return fields
        return None

    def ask_to_cancel(self, task_id: UUID) -> None:
        """Ask the replica that has the task."""
        for folder in self._folders():
            if (folder / str(task_id)).exists():
                with suppress(FileNotFoundError):  # it dies at this moment
                    (folder / f"{task_id}{_CANCEL}").touch()

    def cancellations(self) -> list[UUID]:
        """The tasks that this replica was asked to cancel since the last time."""
        asked = [path for path in self._mine.iterdir() if path.suffix == _CANCEL]
        for path in asked:
            path.unlink()
        return [task_id for path in asked if (task_id := _task_of(path)) is not None]

    def take_over(self) -> None:
        """Have the tasks of all replicas that are dead, and add them to `taken`.

        Raises `OSError`: what has been taken by then is among `taken`.
        """
        for folder in self._folders():
            if folder != self._mine:
                with locked_if_free(self._lock_of(folder), _OPEN) as is_dead:
                    if is_dead:
                        with self.alone():
                            self._take(folder)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else gives tasks a new replica meanwhile."""
        lock = _open(self._folder / "lock")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _take(self, folder: Path) -> None:
        for path in _files_in(folder):
            task_id = _task_of(path)
            if task_id is not None:
                path.rename(self._mine / path.name)
                if path.suffix != _CANCEL:
                    self.taken.append(task_id)
        with suppress(OSError):  # there is something else in it, which the file system has left
            folder.rmdir()
        if not folder.exists():
            self._lock_of(folder).unlink(missing_ok=True)

    def _clear_locks(self) -> None:
        """Delete the locks of replicas that died between deleting their folder and their lock."""
        for path in self._folder.glob("*.lock"):
            if not path.with_suffix("").exists():
                with locked_if_free(path, _OPEN) as is_dead:
                    if is_dead:
                        path.unlink(missing_ok=True)

    def _folders(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.is_dir()]

    @staticmethod
    def _lock_of(folder: Path) -> Path:
        return folder.with_suffix(".lock")


def _files_in(folder: Path) -> list[Path]:
    """None where another replica has just removed the folder."""
    with suppress(FileNotFoundError):
        return list(folder.iterdir())
    return []


def _task_of(path: Path) -> UUID | None:
    """The task that a file is about; None where it is none of ours: NFS has names of its own."""
    try:
        return UUID(path.name.removesuffix(_CANCEL))
    except ValueError:
        return None


def _open(path: Path) -> int:
    return os.open(path, _OPEN, 0o600)
