"""Locks by which others see whether the owner of a file lives: they end with it, whatever ends it.

Not every file system has them (`flock`), nor has Windows. There nothing is ever taken for left
behind, so what a process that died has left stays; all else goes on as it does with them.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

__all__ = ["claim", "locked_if_free"]


def claim(file: int) -> bool:
    """Lock a file that was just made, a descriptor, for as long as that is open.

    False where others took it for left behind before: then it is theirs to delete. True where
    there are no locks.
    """
    try:
        return _try_lock(file) and os.fstat(file).st_nlink > 0
    except OSError:
        return True


@contextmanager
def locked_if_free(path: Path, flags: int = os.O_RDWR) -> Iterator[bool]:
    """Whether the file is nobody's any more: then it is locked until the ``with`` block ends.

    ``flags`` are those of `os.open`. Raises `OSError`, also where there are no locks.
    """
    file = os.open(path, flags, 0o600)
    try:
        yield _try_lock(file)
    finally:
        os.close(file)


def _try_lock(file: int) -> bool:
    """Raises `OSError` where there are no locks."""
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
