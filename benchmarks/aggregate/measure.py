"""One run of one contender, measured."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.aggregate.cases import EXAMPLE, ROOT, Input
from benchmarks.aggregate.contenders import Entry
from benchmarks.aggregate.job import Job, JobReport, JobSpec
from benchmarks.aggregate.supervise import Command, Usage

__all__ = ["Limits", "Run", "measure", "warm_cache"]

_READ_BYTES: Final = 4 << 20
#: Characters of an error that are shown.
_REASON_MOST: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far a contender may go."""

    timeout: float  #: seconds of its whole process
    patience: float  #: seconds of its timed runs together, after which it gets no more
    memory: int  #: bytes
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took. Seconds and bytes."""

    sampled: bool  #: the memory was measured, so the times do not count
    failure: str = ""
    job: float = 0.0  #: the job itself; the median where it was repeated
    jobs: list[float] = field(default_factory=list)
    cpu: float = 0.0  #: of the job
    start: float = 0.0  #: interpreter, imports, warm-up
    process: float = 0.0  #: from start to end of the process
    peak: int = 0
    peak_anonymous: int = 0
    max_rss: int = 0


def measure(entry: Entry, source: Input, folder: Path, limits: Limits, *, sample: bool) -> Run:
    """Run the contender once; its result is ``folder / "result.csv"``."""
    report = folder / "report.json"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = JobSpec(
        module=entry.module,
        job=Job(
            input=str(source.path),
            output=str(folder / "result.csv"),
            delimiter=source.delimiter,
            multiline=source.multiline,
            threads=1 if entry.single else limits.threads,
            keep_order=entry.keeps_order,
        ),
        warm_up=str(EXAMPLE),
        seconds=source.seconds,
        report=str(report),
    )
    command = Command(
        args=[sys.executable, "-m", "benchmarks.aggregate.job", spec.to_json()],
        folder=str(folder),
        timeout=limits.timeout,
        memory_limit=limits.memory,
        sample=sample,
    )
    warm_cache(source.path)
    usage = _supervise(command, limits.threads)
    failure = _failure(usage, limits)
    if failure:
        return Run(
            sampled=sample,
            failure=failure,
            process=usage.seconds,
            peak=usage.peak,
            peak_anonymous=usage.peak_anonymous,
            max_rss=usage.max_rss,
        )
    return _run(usage, JobReport(**json.loads(report.read_text(encoding="utf-8"))), sample)


def warm_cache(path: Path) -> None:
    """Read the file once, so that no contender pays for the disk."""
    buffer = bytearray(_READ_BYTES)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def _supervise(command: Command, threads: int) -> Usage:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.aggregate.supervise", json.dumps(asdict(command))],
        env={**os.environ, "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    fields: dict[str, Any] = json.loads(done.stdout)
    return Usage(**fields)


def _failure(usage: Usage, limits: Limits) -> str:
    if usage.stopped == "timeout":
        return f"> {limits.timeout:g} s"
    if usage.stopped == "memory":
        return f"> {limits.memory / 2**30:.0f} GiB"
    if usage.exit_code:
        words = usage.stderr.strip().splitlines()
        return f"failed ({usage.exit_code}): {words[-1][:_REASON_MOST] if words else 'no message'}"
    return ""


def _run(usage: Usage, report: JobReport, sample: bool) -> Run:
    return Run(
        sampled=sample,
        job=median(report.seconds),
        jobs=report.seconds,
        cpu=max(0.0, usage.cpu - report.cpu_before) / len(report.seconds),
        start=report.started - usage.spawned,
        process=usage.seconds,
        peak=usage.peak,
        peak_anonymous=usage.peak_anonymous,
        max_rss=usage.max_rss,
    )
