"""`aggregate`, as far as it is not seen from outside: whether it starts workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from plays_service.aggregation import use_engine
from plays_service.executors import WorkerPool
from plays_service.offline import aggregate_offline
from plays_service.pipeline import SMALL
from plays_service.settings import Settings

_ROW = b"Umbrella,2020-01-02,1\n"
_ROWS = SMALL // len(_ROW) + 1


class _StartedError(Exception):
    pass


def _start(*_: object) -> WorkerPool:
    raise _StartedError


@pytest.fixture
def large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of more than `SMALL` bytes; that a worker is started for it is told."""
    monkeypatch.setattr(WorkerPool, "__init__", _start)
    path = tmp_path / "large.csv"
    path.write_bytes(b"Song,Date,Number of Plays\n" + _ROWS * _ROW)
    yield path
    use_engine("auto")


def test_the_kernel_needs_no_workers_for_a_segment(large: Path) -> None:
    pytest.importorskip("plays_service.aggregation._kernel")
    output = large.with_name("result.csv")
    aggregate_offline([large], output, Settings(engine="native"))
    assert output.read_text().endswith(f"\nUmbrella,2020-01-02,{_ROWS}\n")


@pytest.mark.parametrize(
    ("settings", "files"),
    [(Settings(engine="pure"), 1), (Settings(segment_size=1 << 20), 1), (Settings(), 2)],
    ids=["in Python", "more than a segment", "several files"],
)
def test_what_takes_longer_is_for_workers(large: Path, settings: Settings, files: int) -> None:
    with pytest.raises(_StartedError):
        aggregate_offline([large] * files, large.with_name("result.csv"), settings)
