"""What a service takes over the time, and whether that grows."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from statistics import median
from typing import Final

from tests.soak.load import Load
from tests.soak.service import Service

__all__ = ["MEASURES", "Sample", "Verdict", "sample", "verdicts", "write_csv"]

_PAGE: Final = os.sysconf("SC_PAGESIZE")
_MIB: Final = 1 << 20
#: What is measured, in which unit it is shown, and by how much more it may be at the end.
MEASURES: Final = {
    "server_memory": ("Memory of the server, MiB", _MIB, 16.0),
    "worker_memory": ("Memory of the workers, MiB", _MIB, 64.0),
    "descriptors": ("Open files of the server", 1, 16.0),
    "threads": ("Threads of the server", 1, 8.0),
    "disk": ("Disk, MiB", _MIB, 64.0),
    "tasks": ("Tasks on disk", 1, 40.0),
}
_MARGIN: Final = 1.25


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a service; sizes in bytes."""

    seconds: float
    server_memory: int
    worker_memory: int
    descriptors: int
    threads: int
    disk: int
    tasks: int
    acknowledged: int
    ended: int
    lost: int
    wrong: int
    kills: int
    worker_kills: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The medians of the first and of the last third of a measure, in the unit it is shown in."""

    title: str
    first: float
    last: float
    is_flat: bool


def sample(service: Service, load: Load, started: float) -> Sample:
    """Measure now; ``started`` is of `time.monotonic`. Raises `OSError` where a process ended."""
    server = service.server
    process = Path(f"/proc/{server.process.pid}")
    files = [path for path in service.data_dir.rglob("*") if path.is_file()]
    return Sample(
        seconds=round(time.monotonic() - started, 1),
        server_memory=_memory(server.process.pid),
        worker_memory=sum(map(_memory, server.descendants())),
        descriptors=len(list((process / "fd").iterdir())),
        threads=len(list((process / "task").iterdir())),
        disk=sum(map(_disk_of, files)),
        tasks=len(list((service.data_dir / "tasks").iterdir())),
        kills=service.kills,
        worker_kills=service.worker_kills,
        **{name: load.counts[name] for name in ("acknowledged", "ended", "lost", "wrong")},
    )


def _memory(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):  # it has just ended
        return 0


def _disk_of(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:  # deleted meanwhile
        return 0


def verdicts(samples: Sequence[Sample], warm_up: float) -> dict[str, Verdict]:
    """For each measure, whether it is flat once ``warm_up`` seconds are over."""
    warm = [one for one in samples if one.seconds >= warm_up] or samples
    third = max(1, len(warm) // 3)
    found = {}
    for name, (title, unit, slack) in MEASURES.items():
        values = [asdict(one)[name] / unit for one in warm]
        first, last = median(values[:third]), median(values[-third:])
        found[name] = Verdict(title, first, last, last <= first * _MARGIN + slack)
    return found


def write_csv(samples: Sequence[Sample], path: Path) -> None:
    """All samples, a row each."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([one.name for one in fields(Sample)])
        writer.writerows(map(astuple, samples))
