"""The benchmark's supervisor counts all of a contender, and stops one that goes too far."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.aggregate.cases import EXAMPLE, ROOT, Input
from benchmarks.aggregate.contenders import ENTRIES, Entry
from benchmarks.aggregate.measure import Limits, measure
from benchmarks.aggregate.supervise import Command, Usage
from tests.conftest import EXAMPLE_RESULT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures by Linux's means")

LIMITS = Limits(timeout=60, patience=60, memory=8 << 30, threads=1)
BURN = "import time\nwhile time.process_time() < 0.3: pass"
GROW = "import time\nkept = b'x' * (200 << 20)\ntime.sleep(1)"


def _usage(
    folder: Path, *args: str, timeout: float = 60, memory: int = 8 << 30, sample: bool = False
) -> Usage:
    command = Command(
        args=list(args), folder=str(folder), timeout=timeout, memory_limit=memory, sample=sample
    )
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.aggregate.supervise", json.dumps(asdict(command))],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    return Usage(**json.loads(done.stdout))


@pytest.mark.parametrize("name", ["csv", "ours", "ours-pool", "ours-call"])
def test_a_run(name: str, tmp_path: Path) -> None:
    run = measure(ENTRIES[name], Input("", EXAMPLE), tmp_path / "run", LIMITS, sample=True)
    assert run.failure == ""
    assert 0 < run.job < run.process
    assert 0 < run.start < run.process
    assert run.peak >= run.peak_anonymous
    assert (tmp_path / "run" / "result.csv").read_bytes() == EXAMPLE_RESULT


def test_a_job_repeated(tmp_path: Path) -> None:
    source = Input("", EXAMPLE, seconds=0.05)
    run = measure(ENTRIES["ours-call"], source, tmp_path / "run", LIMITS, sample=False)
    assert len(run.jobs) > 1
    assert min(run.jobs) <= run.job <= max(run.jobs)


def test_a_contender_that_fails_says_why(tmp_path: Path) -> None:
    entry = Entry("none", "None", "", "no_such_module", "", True)
    run = measure(entry, Input("", EXAMPLE), tmp_path / "run", LIMITS, sample=False)
    assert run.failure.startswith("failed (1): ModuleNotFoundError")


def test_too_long(tmp_path: Path) -> None:
    usage = _usage(tmp_path, "sleep", "60", timeout=0.2)
    assert usage.stopped == "timeout"
    assert usage.exit_code == -9


def test_too_large(tmp_path: Path) -> None:
    usage = _usage(tmp_path, sys.executable, "-c", GROW, memory=100 << 20)
    assert usage.stopped == "memory"


def test_the_cpu_of_processes_left_behind_counts(tmp_path: Path) -> None:
    usage = _usage(tmp_path, "sh", "-c", f"'{sys.executable}' -c '{BURN}' & exit 3")
    assert usage.exit_code == 3
    assert usage.cpu >= 0.3


def test_memory_is_that_of_all_processes_and_shared_pages_count_once(tmp_path: Path) -> None:
    two = f"import os\nkept = b'x' * (200 << 20)\nos.fork()\n{GROW.replace('kept', 'other')}"
    usage = _usage(tmp_path, sys.executable, "-c", two, sample=True)
    assert 600 << 20 <= usage.peak < 750 << 20  # 800 where they count twice
    assert 600 << 20 <= usage.peak_anonymous <= usage.peak
