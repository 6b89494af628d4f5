"""The numbers that a runner keeps, and the size of a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plays_service.tasks import BOUNDS, DataUsage, Durations, State, Stats, Task, TaskRegistry
from plays_service.tasks import data_usage as data_usage_module


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (14400.0, -2), (14401.0, -1)]
)
def test_a_duration_is_counted_up_to_its_bound(seconds: float, bucket: int) -> None:
    durations = Durations()
    durations.add(seconds)
    expected = [0] * (len(BOUNDS) + 1)
    expected[bucket] = 1
    assert durations.counts == expected
    assert durations.total == seconds


def test_a_clock_that_is_set_back_takes_no_time() -> None:
    stats = Stats()
    task = Task(filename="x", bytes=1, created=100.0, state=State.REVOKED, finished=90.0)
    stats.count_accepted(task, 90.0)
    stats.count_ended(task)
    assert stats.uploads.total == stats.tasks.total == 0.0


def test_a_task_that_a_worker_has_begun_counts_as_started() -> None:
    registry = TaskRegistry()
    for task in (
        Task(filename="x", bytes=1),
        Task(filename="x", bytes=1, started=1.0),
        Task(filename="x", bytes=1, started=1.0, state=State.STARTED),
        Task(filename="x", bytes=1, started=1.0, state=State.FAILURE),
    ):
        registry.add(task)
    assert registry.count_by_state() == {State.PENDING: 1, State.STARTED: 2, State.FAILURE: 1}


async def test_a_folder_is_measured_with_all_below_and_not_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    usage = DataUsage(tmp_path)
    size = await usage.measure()
    assert size is not None
    assert 100_000 <= size < 120_000
    (tmp_path / "more").write_bytes(os.urandom(100_000))
    assert await usage.measure() == size
    monkeypatch.setattr(data_usage_module, "_GOOD_FOR", 0.0)
    monkeypatch.setattr(data_usage_module, "_REST", 0)
    usage = DataUsage(tmp_path)
    (tmp_path / "a" / "b" / "file").unlink()
    size = await usage.measure()
    (tmp_path / "more").unlink()
    smaller = await usage.measure()
    assert size is not None
    assert smaller is not None
    assert smaller < size


async def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert await DataUsage(tmp_path / "nothing").measure() == 0
