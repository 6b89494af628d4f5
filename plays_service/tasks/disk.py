"""What the system refuses, above all the disk, in words for a client."""

from __future__ import annotations

import errno
from typing import Final

__all__ = ["DISK_FULL", "TOO_MANY_OPEN", "disk_problem"]

#: Error numbers that mean: no room.
DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
#: Error numbers of a disk that is broken, was made read-only for it, or whose server is gone.
_DISK_FAILED: Final = frozenset({errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV})
#: Error numbers that mean: no more files or connections, of this process or of the system.
TOO_MANY_OPEN: Final = frozenset({errno.EMFILE, errno.ENFILE})


def disk_problem(error: BaseException) -> str | None:
    """What the server's disk or system refuses; None where the error is about something else."""
    if not isinstance(error, OSError):
        return None
    if error.errno in DISK_FULL:
        return "The server's disk is full"
    if error.errno in _DISK_FAILED:
        return f"The server's disk failed ({error.strerror})"
    if error.errno == errno.EFBIG:
        return "The server's disk takes no file of this size"
    if error.errno in TOO_MANY_OPEN:
        return "The server has too many files or connections open"
    return None
