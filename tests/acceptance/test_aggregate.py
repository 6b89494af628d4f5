"""`aggregate`: files and streams in, files and streams out, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import ctypes
import gzip
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

import plays_service
from tests.acceptance.conftest import clean_environment, command
from tests.acceptance.terminal import in_terminal
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.waiting import LONG, eventually

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ROOT: Final = Path(plays_service.__file__).parents[1]
HEADER: Final = b"Song,Date,Number of Plays\n"
TWICE: Final = EXAMPLE_RESULT.replace(b"250", b"500").replace(b"150", b"300").replace(
    b"1500", b"3000").replace(b",500\n", b",1000\n").replace(b"2,1000", b"2,500", 1)  # fmt: skip
SUMMARY: Final = "7 records in 4 groups\n"


def aggregate(*arguments: object, stdin: bytes = b"", **variables: str) -> tuple[int, bytes, str]:
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        command("aggregate", *arguments),
        input=stdin,
        capture_output=True,
        env=clean_environment(**variables),
        timeout=LONG,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.decode()


@contextmanager
def waiting_for_input(*arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """A run that has some of its standard input, and waits for more of it."""
    process = subprocess.Popen(
        command("aggregate", "-", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    assert process.stdin is not None
    try:
        process.stdin.write(EXAMPLE)
        process.stdin.flush()
        yield process
    finally:
        process.kill()
        process.communicate()


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def until(condition: Callable[[], object]) -> None:
    """`eventually`, where nothing else goes on in this process."""
    asyncio.run(eventually(condition))


def until_runs_work_in(folder: Path, runs: int = 1) -> None:
    until(lambda: len(list(folder.glob(".*/input-0.csv"))) == runs)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with the example in it."""
    (tmp_path / "in.csv").write_bytes(EXAMPLE)
    return tmp_path


# Inputs


def test_several_inputs_are_one(files: Path) -> None:
    (files / "tsv").write_bytes(b"number of plays\tdate\tsong\r\n9\t2020-01-09\tNew\r\n")
    (files / "gz").write_bytes(gzip.compress(EXAMPLE[:60]) + gzip.compress(EXAMPLE[60:]))
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})  # --long
    (files / "zst").write_bytes(
        b"\x50\x2a\x4d\x18\x02\0\0\0--" + packer.compress(EXAMPLE) + packer.flush()
    )
    (files / "utf16").write_bytes(EXAMPLE.decode().encode("utf-16"))
    names = [files / name for name in ("tsv", "in.csv", "gz", "zst", "utf16")]
    code, totals, text = aggregate(*names, "-", stdin=EXAMPLE)
    assert (code, text) == (0, "36 records in 5 groups\n")
    assert totals.splitlines()[:3] == [
        *EXAMPLE_RESULT.splitlines()[:1], b"New,2020-01-09,9", b"Umbrella,2020-01-02,1250",
    ]  # fmt: skip
    packed = aggregate(files / "gz")
    assert packed == (0, EXAMPLE_RESULT, SUMMARY)


def test_the_parts_of_a_file_give_what_the_file_gives(files: Path) -> None:
    rows = [b"Song %d,2020-01-%02d,%d\n" % (i % 999, i % 28 + 1, i) for i in range(40_000)]
    (files / "whole").write_bytes(HEADER + b"".join(rows))
    (files / "first.gz").write_bytes(gzip.compress(HEADER + b"".join(rows[:9_999])))
    (files / "second").write_bytes(HEADER + b"".join(rows[9_999:]))
    code, expected, _ = aggregate(files / "whole")
    assert code == 0
    names = (files / "first.gz", files / "second")
    code, totals, _ = aggregate(*names, PLAYS_SEGMENT_SIZE="100KiB", PLAYS_WORKERS="2")
    assert code == 0
    is_same = totals == expected
    assert is_same


def test_an_encoding_holds_for_all_inputs(files: Path) -> None:
    text = HEADER + "Déjà Vu,2020-01-01,1\n".encode("cp1252")
    (files / "a").write_bytes(text)
    (files / "b").write_bytes(gzip.compress(text))
    code, totals, _ = aggregate(files / "a", files / "b", "--encoding", "cp1252")
    assert code == 0
    assert totals.decode().splitlines()[1:] == ["Déjà Vu,2020-01-01,2"]
    code, totals, text_shown = aggregate(files / "in.csv", files / "b")
    assert (code, totals) == (1, b"")
    assert f"{files / 'b'}: line 2: bytes that are not valid UTF-8" in text_shown
    assert "--encoding cp1252" in text_shown


def test_an_error_names_its_input(files: Path) -> None:
    (files / "bad").write_bytes(HEADER + b"\na,2020-01-01,x\n")
    problem = 'line 3: Number of Plays: "x" is not a whole number'
    for order in (("in.csv", "bad"), ("bad", "in.csv")):
        names = [files / name for name in order]
        code, totals, text = aggregate(*names, "-o", files / "out")
        assert (code, totals, text) == (1, b"", f"Error: {files / 'bad'}: {problem}\n")
        assert not (files / "out").exists()
    code, totals, text = aggregate("-", stdin=(files / "bad").read_bytes())
    assert (code, totals, text) == (1, b"", f"Error: standard input: {problem}\n")
    code, totals, text = aggregate(files / "bad", files / "in.csv", "--on-error=skip")
    assert (code, totals) == (0, EXAMPLE_RESULT)
    assert text == f"{files / 'bad'}: skipped: {problem}\n{SUMMARY[:-1]}, 1 bad record skipped\n"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(gzip.compress(EXAMPLE)[:-9], "ends too early", id="cut"),
        pytest.param(gzip.compress(EXAMPLE) + b"more", "comes something else", id="more"),
        pytest.param(b"\x1f\x8bno gzip at all", "is no valid gzip", id="no-gzip"),
        pytest.param(b"PK\x03\x04and so on", "save it as CSV", id="zip"),
        pytest.param(b"", "line 1: the file is empty", id="empty"),
    ],
)
def test_what_is_no_csv_is_told(files: Path, content: bytes, problem: str) -> None:
    (files / "bad").write_bytes(content)
    for names in (["bad"], ["in.csv", "bad"]):
        paths = [files / name for name in names]
        code, totals, text = aggregate(*paths, "-o", files / "out")
        assert (code, totals) == (1, b"")
        assert text.startswith(f"Error: {files / 'bad'}: ")
        assert problem in text
        assert len(text.splitlines()) == 1
    assert not (files / "out").exists()
    assert leftovers(files) == []


def test_standard_input_is_read_once(files: Path) -> None:
    code, totals, text = aggregate("-", "-", stdin=EXAMPLE)
    assert (code, totals) == (2, b"")
    assert "only once" in text


# Outputs


def test_a_pipe_gets_the_totals_and_nothing_else(files: Path) -> None:
    assert aggregate(files / "in.csv") == (0, EXAMPLE_RESULT, SUMMARY)
    assert aggregate("-", "-o", "-", stdin=EXAMPLE) == (0, EXAMPLE_RESULT, SUMMARY)
    assert aggregate(files / "in.csv", "--quiet") == (0, EXAMPLE_RESULT, "")


def test_the_output_may_be_an_input(files: Path) -> None:
    path = files / "in.csv"
    assert aggregate(path, "-o", path, "-q") == (0, b"", "")
    assert path.read_bytes() == EXAMPLE_RESULT


def test_what_is_no_file_is_written_to_and_stays(files: Path) -> None:
    fifo, link = files / "fifo", files / "link"
    os.mkfifo(fifo)
    link.symlink_to("target")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_bytes()))
    reader.start()
    assert aggregate(files / "in.csv", "-o", fifo, "-q") == (0, b"", "")
    reader.join(LONG)
    assert read == [EXAMPLE_RESULT]
    assert fifo.is_fifo()
    assert aggregate(files / "in.csv", "-o", link, "-q") == (0, b"", "")
    assert link.is_symlink()
    assert (files / "target").read_bytes() == EXAMPLE_RESULT


def test_names_of_open_pipes_can_be_the_output(files: Path) -> None:
    assert aggregate(files / "in.csv", "-o", "/dev/stdout") == (0, EXAMPLE_RESULT, SUMMARY)
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        done = subprocess.run(
            command("aggregate", files / "in.csv", "-q", "-o", f"/dev/fd/{writing}"),
            pass_fds=[writing],
            env=clean_environment(),
            check=False,
        )
        os.close(writing)
        assert (done.returncode, pipe.read()) == (0, EXAMPLE_RESULT)


def test_json(files: Path) -> None:
    words = ("-o", files / "out", "--json")
    code, report, text = aggregate(files / "in.csv", *words)
    assert (code, text) == (0, "")
    expected = {"rows": 7, "groups": 4, "skipped": 0, "errors": [], "error": None}
    assert json.loads(report) == expected
    (files / "bad").write_bytes(HEADER + b"a,2020-01-01,x\n")
    code, report, text = aggregate(files / "in.csv", files / "bad", *words)
    assert (code, text[:7]) == (1, "Error: ")
    error = json.loads(report)["error"]
    assert (error["input"], error["line"]) == (str(files / "bad"), 2)
    assert (error["column"], error["value"]) == ("Number of Plays", "x")
    code, report, text = aggregate(files / "in.csv", "--json")
    assert (code, report) == (2, b"")
    assert "-o OUT" in text


@pytest.mark.parametrize(
    ("redirections", "code", "message"),
    [
        ("in.csv >&-", 1, "Bad file descriptor"),
        ("in.csv --json -o out >/dev/full", 1, "standard output: No space left"),
        ("in.csv >/dev/full", 1, "No space left"),
        ("- <&-", 1, "Bad file descriptor"),
        ("in.csv -o out <&- >&- 2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(
    files: Path, redirections: str, code: int, message: str
) -> None:
    script = f"{shlex.join(command('aggregate'))} {redirections}"
    done = subprocess.run(
        ["sh", "-c", script],
        cwd=files,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        check=False,
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == bool(message)
    assert "-o" not in redirections or (files / "out").read_bytes() == EXAMPLE_RESULT
    assert leftovers(files) == []


def test_nobody_reads_to_the_end(files: Path) -> None:
    rows = b"".join(b"Song number %d,2020-01-01,1\n" % i for i in range(20_000))
    (files / "in.csv").write_bytes(HEADER + rows)
    process = subprocess.Popen(
        command("aggregate", files / "in.csv"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == EXAMPLE_RESULT.splitlines(keepends=True)[0]
    process.stdout.close()
    assert process.wait(LONG) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_terminal_sees_a_bar_and_a_pipe_does_not(files: Path) -> None:
    with in_terminal(command("aggregate", files / "in.csv")) as terminal:
        assert terminal.ended() == (0, EXAMPLE_RESULT)
        assert "Aggregating  [" in terminal.shown
        assert "100%" in terminal.shown
        assert terminal.shown.endswith(SUMMARY.replace("\n", "\r\n"))
    with in_terminal(command("aggregate", files / "in.csv", "--quiet")) as terminal:
        assert terminal.ended() == (0, EXAMPLE_RESULT)
        assert terminal.shown == ""
    code, totals, text = aggregate(files / "in.csv", "--progress")
    assert (code, totals) == (0, EXAMPLE_RESULT)
    assert "100%" in text


# Ends before the end


def test_a_bad_record_ends_an_input_that_has_no_end(files: Path) -> None:
    (files / "bad").write_bytes(HEADER + b"a,2020-01-01,x\n")
    with subprocess.Popen(["yes", "a,2020-01-01,1"], stdout=subprocess.PIPE) as endless:
        words = shlex.join(command("aggregate", "-", "-o", files / "out"))
        done = subprocess.run(
            ["sh", "-c", f"cat bad - | {words}"],
            cwd=files,
            stdin=endless.stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment(PYTHONPATH=str(ROOT)),
            timeout=LONG,
            check=False,
        )
        endless.kill()
    assert done.returncode == 1
    assert 'line 2: Number of Plays: "x"' in done.stderr
    assert sorted(path.name for path in files.iterdir()) == ["bad", "in.csv"]


def test_a_signal_that_comes_to_another_thread_ends_the_waiting(files: Path) -> None:
    """As one does that comes just before the main thread begins to wait."""
    with waiting_for_input("-o", files / "out") as process:
        until_runs_work_in(files)
        threads = (int(path.name) for path in Path(f"/proc/{process.pid}/task").iterdir())
        other = next(one for one in threads if one != process.pid)
        assert ctypes.CDLL(None).tgkill(process.pid, other, signal.SIGTERM) == 0
        assert process.wait(LONG) == 143


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_nothing(files: Path, number: int, code: int) -> None:
    with waiting_for_input("-o", files / "out") as process:
        until_runs_work_in(files)
        process.send_signal(number)
        assert process.wait(LONG) == code
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert sorted(path.name for path in files.iterdir()) == ["in.csv"]


def test_ctrl_c_in_a_terminal(files: Path) -> None:
    reading, writing = os.pipe()
    words = command("aggregate", "-", "-o", files / "out")
    with in_terminal(words, stdin=reading) as terminal:
        os.close(reading)
        until_runs_work_in(files)
        terminal.press_ctrl_c()
        assert terminal.ended() == (130, b"")
        assert "Traceback" not in terminal.shown
    os.close(writing)
    assert sorted(path.name for path in files.iterdir()) == ["in.csv"]


def test_what_a_killed_run_leaves_the_next_one_removes(files: Path) -> None:
    mine = files / ".plays-service-mine"
    mine.mkdir()
    with waiting_for_input("-o", files / "alive") as alive:
        until_runs_work_in(files)
        with waiting_for_input("-o", files / "killed") as killed:
            until_runs_work_in(files, runs=2)
            killed.send_signal(signal.SIGKILL)
            killed.wait(LONG)
        assert not (files / "killed").exists()
        until(lambda: _sweeps(files))  # its workers must have seen that it is gone
        assert (files / "out").read_bytes() == EXAMPLE_RESULT
        alive.communicate(timeout=LONG)
        assert alive.returncode == 0
    assert (files / "alive").read_bytes() == EXAMPLE_RESULT
    assert leftovers(files) == [mine]  # which has no lock, so that it is none of ours


def _sweeps(files: Path) -> bool:
    assert aggregate(files / "in.csv", "-o", files / "out", "-q") == (0, b"", "")
    return len(leftovers(files)) == 2
