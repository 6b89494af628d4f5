"""This project's call for a small file, in this process: what a worker of the service runs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks.aggregate.job import Job
from plays_service.aggregation import aggregate_small

__all__ = ["run"]

_MEMORY_BYTES: Final = 512 << 20


def run(job: Job) -> None:
    output = Path(job.output)
    summary = aggregate_small(
        Path(job.input),
        output,
        output.with_name("scratch"),
        encoding="utf-8",
        skip_errors=False,
        seed=1,
        memory=_MEMORY_BYTES,
        fsync=False,
    )
    if summary.error is not None:
        raise ValueError(str(summary.error))
