"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from plays_service.aggregation.steps import Step, reached

__all__ = ["appearing", "publish", "publish_once", "sync_folder", "temporary_for"]


def temporary_for(path: Path) -> Path:
    """A name beside ``path`` for what may become it.

    Each try has its own: one that was given up, but still lives, must not write into the next.
    """
    return path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file that becomes it when the ``with`` block ends well."""
    temporary = temporary_for(path)
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


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
