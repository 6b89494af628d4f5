"""What the tasks may take of the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final
from uuid import UUID

__all__ = ["DiskBudget", "QuotaError"]

#: Bytes that a task takes besides: its folder, its state.
_TASK_COST: Final = 16 << 10
#: Times its input that an unfinished task is counted: input, partials and runs, and the result took
#: 2.8 times the input at most (docs/benchmarks.md).
_WORK_FACTOR: Final = 3


class QuotaError(OSError):
    """The tasks would take more than their quota."""

    def __init__(self) -> None:
        super().__init__(errno.EDQUOT, "the disk quota is used up")


class DiskBudget:
    """Counts what each task takes, or may come to take, and refuses what is too much.

    Counted, not measured: so what is allowed now will still fit when it is merged.
    """

    def __init__(self, folder: Path, *, quota: int | None, margin: int) -> None:
        """``quota`` and ``margin``, which stays free on the disk, are in bytes."""
        self._folder = folder
        self.quota = quota
        self._margin = margin
        self._claims: dict[UUID, int] = {}
        self.used = 0  #: bytes that are claimed

    def claim_input(self, task_id: UUID, size: int, *, new: int) -> None:
        """Let a task have an input of ``size`` bytes, of which ``new`` are not on disk yet.

        Raises `QuotaError`, and `OSError` (ENOSPC) where the disk would be too full.
        """
        self.check_input(task_id, size, new=new)
        self.keep_input(task_id, size)

    def check_input(self, task_id: UUID, size: int, *, new: int) -> None:
        """Raise what `claim_input` would, and claim nothing."""
        more = _cost_of_input(size) - self._claims.get(task_id, 0)
        if self.quota is not None and more > 0 and self.used + more > self.quota:
            raise QuotaError
        self.check_margin(new)

    def check_margin(self, new: int = 0) -> None:
        """Raise `OSError` (ENOSPC) where ``new`` more bytes would leave the disk too full."""
        if self._margin or new:
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < self._margin + new:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def check(self) -> None:
        """Raise `OSError` where nothing at all can be taken now."""
        if self.quota is not None and self.used >= self.quota:
            raise QuotaError
        self.check_margin()

    def keep(self, task_id: UUID, size: int) -> None:
        """What is left of an ended task takes ``size`` bytes."""
        self._set(task_id, _TASK_COST + size)

    def keep_input(self, task_id: UUID, size: int) -> None:
        """An accepted task has an input of ``size`` bytes: that is never refused any more."""
        self._set(task_id, _cost_of_input(size))

    def release(self, task_id: UUID) -> None:
        """A task takes nothing any more."""
        self.used -= self._claims.pop(task_id, 0)

    def _set(self, task_id: UUID, claim: int) -> None:
        self.used += claim - self._claims.get(task_id, 0)
        self._claims[task_id] = claim


def _cost_of_input(size: int) -> int:
    return _TASK_COST + _WORK_FACTOR * size
