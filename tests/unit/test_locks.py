"""Who may delete what another has left: with locks, and on file systems that have none."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from plays_service.aggregation.locks import locked_if_free
from plays_service.aggregation.publish import appearing, clear_half_made
from plays_service.offline.scratch import scratch_folder


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP])
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""

    def flock(_file: int, _how: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", flock)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def test_a_file_is_locked_by_one_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    before = open_files()
    with locked_if_free(path) as is_mine, locked_if_free(path) as is_anothers_too:
        assert (is_mine, is_anothers_too) == (True, False)
    with locked_if_free(path) as is_free:
        assert is_free
    assert open_files() == before


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_file_appears_and_nobody_elses_is_deleted(tmp_path: Path) -> None:
    path, others = tmp_path / "view", tmp_path / "view.0123abcd.tmp"
    others.write_bytes(b"half")
    before = open_files()
    clear_half_made(path)
    with appearing(path) as temporary:
        temporary.write_bytes(b"whole")
    assert path.read_bytes() == b"whole"
    assert sorted(tmp_path.iterdir()) == [path, others]
    assert open_files() == before


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_folder_is_there_and_nobody_elses_is_deleted(tmp_path: Path) -> None:
    others = tmp_path / ".plays-service-others"
    others.mkdir()
    (others / "lock").touch()
    before = open_files()
    with scratch_folder(tmp_path) as folder:
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == [others]
    assert open_files() == before


def test_a_folder_whose_lock_cannot_be_made_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        with pytest.raises(OSError, match="No space left"), scratch_folder(tmp_path):
            pass
    assert list(tmp_path.iterdir()) == []


def test_what_was_taken_for_left_behind_before_it_was_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock = fcntl.flock

    def delete_first(file: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        clear_half_made(tmp_path / "view")
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", delete_first)
    before = open_files()
    with appearing(tmp_path / "view") as temporary:
        temporary.write_bytes(b"whole")
    assert (tmp_path / "view").read_bytes() == b"whole"
    assert open_files() == before
