"""What a runner has done since it started, in numbers that only grow."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from plays_service.tasks.task import State, Task

__all__ = ["BOUNDS", "Durations", "Stats"]

#: Upper bounds in seconds of what is told apart: a few ms for a small file, hours for a huge one.
BOUNDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0,
)  # fmt: skip


class Durations:
    """How many took how long."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)  #: up to each bound and over the one before; the rest
        self.total = 0.0  #: seconds of all

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass(slots=True)
class Stats:
    """Numbers of tasks; sizes are in bytes."""

    accepted_bytes: int = 0  #: of uploads that became tasks, as they came
    uploads: Durations = field(default_factory=Durations)  #: from the request to the task
    ended: Counter[State] = field(default_factory=Counter)
    tasks: Durations = field(default_factory=Durations)  #: from the request to the end
    rows: int = 0
    skipped: int = 0
    groups: int = 0

    def count_accepted(self, task: Task, now: float) -> None:
        """An upload has become a task at that time (seconds since the epoch)."""
        self.accepted_bytes += task.bytes
        self.uploads.add(max(now - task.created, 0.0))  # the clock may have been set back

    def count_ended(self, task: Task) -> None:
        """A task has got its final state."""
        self.ended[task.state] += 1
        self.tasks.add(max((task.finished or task.created) - task.created, 0.0))
        self.rows += task.rows
        self.skipped += task.skipped
        self.groups += task.groups
