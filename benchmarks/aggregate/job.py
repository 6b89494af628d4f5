"""One contender in a process of its own: ``python -m benchmarks.aggregate.job SPEC``.

Loads the library, does the README's 7 rows as a warm-up, then the job, and writes down the times.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, cast

from benchmarks.aggregate.processes import cpu_seconds, descendants

__all__ = ["Contender", "Job", "JobReport", "JobSpec"]

_REPEATS_MOST: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a contender is to do, and may know beforehand."""

    input: str
    output: str
    delimiter: str
    multiline: bool
    threads: int
    keep_order: bool


class Contender(Protocol):
    """A module of `benchmarks.aggregate.contenders`."""

    def run(self, job: Job) -> None:
        """Read ``job.input``, write ``job.output``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """Everything this process is told."""

    module: str
    job: Job
    warm_up: str  #: a small input
    seconds: float  #: repeat for about as long; 0: once
    report: str  #: where the `JobReport` goes

    def to_json(self) -> str:
        """As `from_json` takes it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> JobSpec:
        """What `to_json` gave."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "job": Job(**fields["job"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """Times of the system's monotonic clock, which all processes share."""

    started: float  #: of the job; before it: interpreter, imports, warm-up
    seconds: list[float]  #: of every repetition
    cpu_before: float  #: CPU seconds that the start took


def main() -> None:
    """Do it."""
    spec = JobSpec.from_json(sys.argv[1])
    contender = cast(
        "Contender", importlib.import_module(f"benchmarks.aggregate.contenders.{spec.module}")
    )
    warm_up = replace(spec.job, input=spec.warm_up, output=spec.job.output + ".warm", delimiter=",")
    contender.run(warm_up)
    Path(warm_up.output).unlink()
    before = cpu_seconds(descendants(os.getpid()))
    started = time.monotonic()
    seconds = [_timed(contender, spec.job)]
    while time.monotonic() - started < spec.seconds and len(seconds) < _REPEATS_MOST:
        Path(spec.job.output).unlink()
        seconds.append(_timed(contender, spec.job))
    report = JobReport(started=started, seconds=seconds, cpu_before=before)
    Path(spec.report).write_text(json.dumps(asdict(report)), encoding="utf-8")


def _timed(contender: Contender, job: Job) -> float:
    start = time.monotonic()
    contender.run(job)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
