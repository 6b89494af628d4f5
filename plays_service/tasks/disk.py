"""What is wrong with a disk, in words for a client."""

from __future__ import annotations

import errno
from typing import Final

__all__ = ["DISK_FULL", "disk_problem"]

#: Error numbers that mean: no room.
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Error numbers of a disk that is broken, was made read-only for it, or whose server is gone.
_DISK_FAILED: Final = frozenset({errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV})


def disk_problem(error: BaseException) -> str | None:
    """What happened to the server's disk; None where the error is about something else."""
    if not isinstance(error, OSError):
        return None
    if error.errno in DISK_FULL:
        return "The server's disk is full"
    if error.errno in _DISK_FAILED:
        return f"The server's disk failed ({error.strerror})"
    return None
