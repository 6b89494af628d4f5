"""Faults of the disk, on request: the other side of shim.c."""

from __future__ import annotations

import ctypes
import errno
import mmap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["KINDS", "Faults", "Kind"]

_OPERATIONS: Final = (
    "open", "write", "sync", "allocate", "truncate", "rename", "mkdir", "unlink", "utime", "close",
)  # fmt: skip
_OFF, _ONCE, _STICKY = range(3)
#: In place of an error number: half of the bytes are written.
_SHORT: Final = -1
#: Where a full disk shows (POSIX). To delete needs no room.
_NEED_ROOM: Final = ("open", "write", "sync", "allocate", "truncate", "rename", "mkdir")


@dataclass(frozen=True, slots=True)
class Kind:
    """What happens to which operations: to one of them, or (sticky) to all from that one on."""

    name: str
    error: int
    operations: tuple[str, ...] = _OPERATIONS
    sticky: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_harmless(self) -> bool:
        """Whether a user must not notice it at all."""
        return self.error == _SHORT


KINDS: Final = (
    Kind("full", errno.ENOSPC, _NEED_ROOM, sticky=True),
    Kind("over quota once", errno.EDQUOT, _NEED_ROOM),
    Kind("error once", errno.EIO),
    Kind("dead", errno.EIO, sticky=True),
    Kind("syncs fail", errno.EIO, ("sync",), sticky=True),
    Kind("short write", _SHORT, ("write",)),
    Kind("short writes", _SHORT, ("write",), sticky=True),
)


class _Control(ctypes.Structure):
    _fields_ = (
        ("mode", ctypes.c_uint32),
        ("operations", ctypes.c_uint32),
        ("error", ctypes.c_int32),
        ("unused", ctypes.c_uint32),
        ("nth", ctypes.c_uint64),
        ("seen", ctypes.c_uint64),
        ("hits", ctypes.c_uint64),
        ("first", ctypes.c_char * 216),
    )


class Faults:
    """The control file of the processes that share it."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(ctypes.sizeof(_Control)))
        with path.open("r+b") as file:
            self._control = _Control.from_buffer(mmap.mmap(file.fileno(), 0))

    def arm(self, kind: Kind, nth: int) -> None:
        """Let the ``nth`` operation from now on fail; 0: none, they are only counted."""
        control = self._control
        control.mode = _OFF
        control.operations = sum(1 << _OPERATIONS.index(name) for name in kind.operations)
        control.error, control.nth = kind.error, nth
        control.seen = control.hits = 0
        control.first = b""
        control.mode = _STICKY if kind.sticky and nth else _ONCE

    def release(self) -> None:
        """The disk is well again."""
        self._control.mode = _OFF

    @property
    def seen(self) -> int:
        """Operations since `arm` that counted."""
        return int(self._control.seen)

    @property
    def hits(self) -> int:
        """How many of them failed."""
        return int(self._control.hits)

    @property
    def first(self) -> str:
        """The first that failed: its name, and the path below the data folder."""
        return bytes(self._control.first).decode()
