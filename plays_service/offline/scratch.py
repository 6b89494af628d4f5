"""Folders for what is needed only meanwhile, gone even where their owner was killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from plays_service.aggregation.locks import claim, locked_if_free

__all__ = ["scratch_folder"]

_PREFIX: Final = ".plays-service-"
#: In each folder: locked as long as its owner lives, whatever ends it.
_LOCK: Final = "lock"


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, removed at the end; first go those whose owners have died."""
    if sys.platform != "win32":
        _sweep(parent)
    folder, lock = _make(parent)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def _make(parent: Path) -> tuple[Path, int]:
    """A folder and the descriptor of its lock."""
    while True:
        folder = _make_folder(parent)
        try:
            lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
        except OSError:  # without its lock nobody would ever take it for left behind
            folder.rmdir()
            raise
        if claim(lock):
            return folder, lock
        os.close(lock)


def _make_folder(parent: Path) -> Path:
    try:
        return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        error.filename = str(parent)  # the name of what is not there helps nobody
        raise


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.geteuid():
                _remove_if_left_behind(folder)


def _remove_if_left_behind(folder: Path) -> None:
    """Raises `OSError` where there are no locks, or it has none."""
    with locked_if_free(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW) as is_left_behind:
        if is_left_behind:
            shutil.rmtree(folder)
