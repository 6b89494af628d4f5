"""Deleting, from disks that may refuse to."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

from plays_service.aggregation.steps import Step, reached

__all__ = ["Trash"]

_log = logging.getLogger(__name__)


class Trash:
    """The folder of what is removed, and all that resisted. Every method may block on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._resisting: dict[Path, Callable[[Path], None]] = {}  # and what is to be tried again
        self._seen: set[Path] = set()

    @property
    def resisting(self) -> int:
        """Files and folders that could not be deleted so far."""
        return len(self._resisting)

    def open(self) -> None:
        """Make the folder. Raises `OSError`."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Delete what an earlier process removed, but did not come to delete. Raises `OSError`."""
        for leftover in self._folder.iterdir():
            self.delete(leftover)

    def clear_abandoned(self) -> None:
        """Delete what was there when this was called before: who removed it is dead, or as slow.

        Then two delete it at once, which does no harm. Raises `OSError`.
        """
        there = set(self._folder.iterdir())
        for leftover in there & self._seen:
            self.delete(leftover)
        self._seen = there

    def delete(self, path: Path) -> None:
        """Delete a file or a folder; what resists is tried again, and at the next start."""
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            self.try_again(path, self.delete, error)
        else:
            self._resisting.pop(path, None)

    def take(self, folder: Path, removed: Callable[[], None]) -> None:
        """Remove a folder, if it is there, at once; then tell, and delete what was in it.

        Raises `OSError`: then the folder is whole.
        """
        doomed = self._folder / uuid4().hex
        try:
            folder.rename(doomed)  # so that a crash leaves no half of a task
        except FileNotFoundError:
            if folder.exists():  # it is the trash that is not there
                raise
        else:
            removed()
            reached(Step.REMOVE_RENAMED)
            self.delete(doomed)
            reached(Step.REMOVE_DELETED)
        self._resisting.pop(folder, None)

    def try_again(self, path: Path, delete: Callable[[Path], None], error: OSError) -> None:
        """Have `delete_again` call ``delete``, which failed with the error."""
        if path not in self._resisting:
            _log.warning("cannot delete %s yet: %s", path, error)
        self._resisting[path] = delete

    def delete_again(self) -> None:
        """Try again to delete what could not be deleted before."""
        for path, delete in tuple(self._resisting.items()):
            delete(path)
