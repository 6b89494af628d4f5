"""The command line, without a server."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import plays_service
from plays_service.aggregation import use_engine
from plays_service.settings import settings_table
from tests.acceptance.conftest import clean_environment, command
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import LONG

HEADER: Final = b"Song,Date,Number of Plays\n"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_bytes(EXAMPLE)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "out.csv"


def run(*words: str, cwd: Path | None = None, **variables: str) -> tuple[int, str, str]:
    """Run a program to its end: exit code, standard output, standard error."""
    environment = clean_environment(**variables)
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=cwd, env=environment, timeout=LONG, check=False
    )
    return done.returncode, done.stdout, done.stderr


def failed(*words: str, out: Path, **variables: str) -> str:
    """Run what must fail and leave nothing; what it tells."""
    code, stdout, stderr = run(*words, cwd=None, **variables)
    assert code != 0
    assert stdout == ""
    assert "Traceback" not in stderr
    assert not out.parent.exists() or list(out.parent.iterdir()) == []
    return stderr


def test_aggregate_gives_exactly_the_documented_bytes(example: Path, out: Path) -> None:
    code, stdout, stderr = run(*command("aggregate", example, "-o", out))
    assert (code, stdout, stderr) == (0, "", "7 records in 4 groups\n")
    assert out.read_bytes() == EXAMPLE_RESULT
    assert list(out.parent.iterdir()) == [out]
    assert example.read_bytes() == EXAMPLE


def test_paths_may_be_relative(example: Path) -> None:
    words = command("aggregate", "in.csv", "-o", "totals.csv")
    code, _, _ = run(*words, cwd=example.parent, PYTHONPATH=_root())
    assert code == 0
    assert (example.parent / "totals.csv").read_bytes() == EXAMPLE_RESULT
    assert sorted(path.name for path in example.parent.iterdir()) == ["in.csv", "totals.csv"]


def test_an_old_output_is_replaced(example: Path, out: Path) -> None:
    out.write_bytes(b"old")
    code, _, _ = run(*command("aggregate", example, "-o", out))
    assert (code, out.read_bytes()) == (0, EXAMPLE_RESULT)


def test_segments_give_the_same_bytes(example: Path, out: Path) -> None:
    example.write_bytes(EXAMPLE + b"\n" * 20_000)
    words = command("aggregate", example, "-o", out)
    code, _, _ = run(*words, PLAYS_SEGMENT_SIZE="4KiB", PLAYS_WORKERS="2")
    assert (code, out.read_bytes()) == (0, EXAMPLE_RESULT)
    assert list(out.parent.iterdir()) == [out]


def test_a_bad_record_is_told_and_there_is_no_output(example: Path, out: Path) -> None:
    example.write_bytes(EXAMPLE + b"Umbrella,2020-01-01,12.5\n")
    text = failed(*command("aggregate", example, "-o", out), out=out)
    problem = 'line 9: Number of Plays: "12.5" is not a whole number'
    assert text == f"Error: {example}: {problem}\n"


def test_a_bad_record_leaves_an_old_output_alone(example: Path, out: Path) -> None:
    example.write_bytes(b"no,csv\n")
    out.write_bytes(b"old")
    code, _, _ = run(*command("aggregate", example, "-o", out))
    assert (code, out.read_bytes()) == (1, b"old")
    assert list(out.parent.iterdir()) == [out]


def test_bad_records_can_be_skipped_and_are_told(example: Path, out: Path) -> None:
    example.write_bytes(EXAMPLE + b"Umbrella,2020-02-30,1\n,2020-01-01,1\n")
    code, _, text = run(*command("aggregate", example, "-o", out, "--on-error", "skip"))
    assert (code, out.read_bytes()) == (0, EXAMPLE_RESULT)
    assert text.splitlines() == [
        f'{example}: skipped: line 9: Date: "2020-02-30" is not a day of the calendar',
        f'{example}: skipped: line 10: Song: "" is empty; every record needs a song',
        "7 records in 4 groups, 2 bad records skipped",
    ]


def test_an_unknown_encoding_is_told(example: Path, out: Path) -> None:
    for name in ("klingon", "base64", "zlib", "rot13"):
        words = command("aggregate", example, "-o", out, "--encoding", name)
        assert f"unknown encoding '{name}'" in failed(*words, out=out)


def test_a_missing_input_is_told(tmp_path: Path, out: Path) -> None:
    text = failed(*command("aggregate", tmp_path / "none.csv", "-o", out), out=out)
    assert "none.csv" in text
    assert "does not exist" in text


def test_a_folder_as_input_is_told(tmp_path: Path, out: Path) -> None:
    text = failed(*command("aggregate", tmp_path, "-o", out), out=out)
    assert "is a directory" in text


def test_a_missing_folder_for_the_output_is_told(example: Path, tmp_path: Path) -> None:
    out = tmp_path / "none" / "out.csv"
    text = failed(*command("aggregate", example, "-o", out), out=out)
    assert str(out.parent) in text
    assert ".plays-" not in text  # the name of a temporary folder helps nobody
    assert not out.parent.exists()


def test_a_bad_setting_is_told_with_its_name(example: Path, out: Path) -> None:
    words = command("aggregate", example, "-o", out)
    text = failed(*words, out=out, PLAYS_WORKER_MEMORY="lots")
    assert text == "Error: PLAYS_WORKER_MEMORY: 'lots' is not a size such as 512MiB\n"
    text = failed(*command("serve", workers=0), out=out)
    assert text == "Error: --workers: '0' is not a whole number of at least 1\n"


def test_version_and_help(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "plays_service"]
    code, text, _ = run(*words, "--version")
    version = plays_service.__version__
    assert (code, text) == (0, f"plays-service {version} ({use_engine('auto')} engine)\n")
    code, text, _ = run(*words, "--help")
    assert code == 0
    for name in ("serve", "aggregate"):
        assert re.search(rf"^  {name}\b", text, re.MULTILINE)
    code, text, _ = run(*words, "serve", "--help")
    assert code == 0
    for setting in settings_table():
        assert setting.flag in text
        assert setting.variable in text
    code, text, _ = run(*words, "aggregate", "--help")
    assert (code, text[:6]) == (0, "Usage:")


#: What installing the package put beside the interpreter.
INSTALLED = Path(sys.executable).with_name("plays-service")


@pytest.mark.skipif(not INSTALLED.exists(), reason="the package is not installed here")
def test_the_installed_command_is_the_same(example: Path, out: Path) -> None:
    code, _, _ = run(str(INSTALLED), "aggregate", str(example), "-o", str(out))
    assert (code, out.read_bytes()) == (0, EXAMPLE_RESULT)


def _root() -> str:
    return str(Path(plays_service.__file__).parents[1])
