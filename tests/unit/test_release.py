"""The release in one step, on a repository of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

release = pytest.importorskip("tools.release")  # the tests may be apart from the repository

CHANGELOG = "# Changelog\n\n## Unreleased\n\n- Faster.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A Tester")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "tester@localhost")
    (tmp_path / "plays_service").mkdir()
    (tmp_path / "plays_service" / "__init__.py").write_text('x = 1\n__version__ = "0.1.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message", "First")
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=folder, text=True)


def test_a_release_is_a_commit_and_a_tag(repository: Path) -> None:
    release.make("0.2.0", repository)
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "describe").strip() == "v0.2.0"
    package = (repository / "plays_service" / "__init__.py").read_text()
    assert package == 'x = 1\n__version__ = "0.2.0"\n'
    changelog = (repository / "CHANGELOG.md").read_text()
    assert changelog.startswith("# Changelog\n\n## Unreleased\n\n## 0.2.0 (")
    assert release.notes("0.2.0", repository) == "- Faster."
    assert release.notes("0.1.0", repository) == "- First."


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0-rc1", "0.2.0; rm", ""])
def test_what_is_no_version(repository: Path, version: str) -> None:
    with pytest.raises(release.ReleaseError, match="no version"):
        release.make(version, repository)


def test_what_cannot_be_released_changes_nothing(repository: Path) -> None:
    release.make("0.2.0", repository)
    with pytest.raises(release.ReleaseError, match="there already"):
        release.make("0.2.0", repository)
    with pytest.raises(release.ReleaseError, match="has nothing under"):
        release.make("0.3.0", repository)
    with pytest.raises(release.ReleaseError, match="says nothing of"):
        release.notes("0.3.0", repository)
    (repository / "CHANGELOG.md").write_text(CHANGELOG)
    with pytest.raises(release.ReleaseError, match="not committed"):
        release.make("0.3.0", repository)
    assert git(repository, "describe").strip() == "v0.2.0"
