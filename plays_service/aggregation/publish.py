"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from plays_service.aggregation.locks import claim, locked_if_free
from plays_service.aggregation.steps import Step, reached

__all__ = [
    "appearing",
    "clear_half_made",
    "publish",
    "publish_once",
    "sync_folder",
    "temporary_for",
]


def temporary_for(path: Path) -> Path:
    """A name beside ``path`` for what may become it.

    Each try has its own: one that was given up, but still lives, must not write into the next.
    """
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file that becomes it when the ``with`` block ends well.

    The file is there, empty, and is to be written, not replaced: it is locked as long as its
    writer lives, where the file system has locks.
    """
    temporary, lock = _make_claimed(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        os.close(lock)
        temporary.unlink(missing_ok=True)


def clear_half_made(path: Path) -> None:
    """Delete what processes that died have left of a file that was `appearing`.

    Others may be making the same file at this moment, on any machine: without locks nothing is
    deleted. What cannot be deleted stays.
    """
    for half_made in path.parent.glob(f"{path.name}.*.tmp"):
        with suppress(OSError), locked_if_free(half_made) as is_left_behind:
            if is_left_behind:
                half_made.unlink()


def _make_claimed(path: Path) -> tuple[Path, int]:
    """The file, and the descriptor that keeps it locked."""
    while True:
        temporary = temporary_for(path)
        file = os.open(temporary, os.O_RDWR | os.O_CREAT, 0o666)
        if claim(file):
            return temporary, file
        os.close(file)


def publish(temporary: Path, path: Path, *, fsync: bool) -> None:
    """Rename ``temporary`` to ``path``, both on one file system (POSIX ``rename`` is atomic).

    With ``fsync`` the file survives a power cut from here on: its bytes are on the disk before its
    name is, and the name when this returns.
    """
    if fsync:
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
    reached(Step.PUBLISH_SYNCED)
    temporary.replace(path)
    reached(Step.PUBLISH_RENAMED)
    if fsync:
        sync_folder(path.parent)


def publish_once(temporary: Path, path: Path, *, fsync: bool) -> None:
    """`publish`, by a worker that may have died after it had done so, and does it again."""
    if temporary.exists() or not path.exists():
        publish(temporary, path, fsync=fsync)
    elif fsync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, where the system has a way to."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
