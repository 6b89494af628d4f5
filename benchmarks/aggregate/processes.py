"""What Linux tells of a process and all that come from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["Memory", "cpu_seconds", "descendants", "memory", "private_memory"]

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGESIZE")


class Memory(NamedTuple):
    """Resident bytes. A page that n processes share counts as 1/n of a page in each."""

    total: int
    anonymous: int  #: without pages of files, which the system can drop at any time


def descendants(pid: int) -> list[int]:
    """The process and all below it that still run."""
    found = [pid]
    for one in found:  # grows meanwhile
        try:
            threads = list(Path(f"/proc/{one}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            found += map(int, _read(f"{thread}/children").split())
    return found


def memory(pids: list[int]) -> Memory:
    """Of all together. Slow: the kernel walks the page tables."""
    total = anonymous = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            name, _, rest = line.partition(":")
            if name == "Pss":
                total += int(rest.split()[0]) << 10
            elif name in ("Pss_Anon", "Pss_Shmem"):
                anonymous += int(rest.split()[0]) << 10
    return Memory(total, anonymous)


def private_memory(pids: list[int]) -> int:
    """Resident bytes that are no file's, about. Cheap."""
    total = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/statm").split()
        if fields:
            total += (int(fields[1]) - int(fields[2])) * _PAGE
    return total


def cpu_seconds(pids: list[int]) -> float:
    """User and system time so far, with that of children that have ended."""
    ticks = 0
    for pid in pids:
        fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return ticks * _TICK


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace")
    except OSError:  # it has ended
        return ""
