"""This project, as its command line runs it: header, segments, a pool of workers, merge."""

from __future__ import annotations

from pathlib import Path

from benchmarks.aggregate.job import Job
from plays_service.offline import aggregate_offline
from plays_service.settings import Settings

__all__ = ["run"]


def run(job: Job) -> None:
    outcome = aggregate_offline([Path(job.input)], Path(job.output), Settings(workers=job.threads))
    if outcome.error is not None:
        raise ValueError(str(outcome.error))
