"""Files of groups on a disk with no room: an error, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plays_service.aggregation import pure
from plays_service.aggregation.engine import merge_file
from plays_service.aggregation.groupfile import GroupFileWriter

resource = pytest.importorskip("resource")

_SONGS = 50


@contextmanager
def _room_for(size: int) -> Iterator[None]:
    """No file of this process can grow beyond ``size`` bytes: the system says EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _partial(path: Path) -> Path:
    with GroupFileWriter(path) as file:
        file.write(0, [(n, 2020_01_01, 1, b"song %d" % n) for n in range(_SONGS)])
    return path


def test_a_partial_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too large"), _room_for(100):
        _partial(tmp_path / "partial")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("memory", [2000, 1 << 20], ids=["while it merges", "at its end"])
def test_a_run_that_finds_no_room_leaves_nothing(tmp_path: Path, memory: int) -> None:
    partial, run = _partial(tmp_path / "partial"), tmp_path / "run"
    with pytest.raises(OSError, match="too large"), _room_for(100):
        pure.merge_partitions([partial], range(1), run, 1, memory)
    assert list(tmp_path.iterdir()) == [partial]


@pytest.mark.usefixtures("engine")
def test_a_result_that_finds_no_room_is_an_error(tmp_path: Path) -> None:
    partial, result = _partial(tmp_path / "partial"), tmp_path / "result"
    with pytest.raises(OSError, match="too large"), _room_for(100):
        merge_file([partial], result, 1, 1 << 20)
