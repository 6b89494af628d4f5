"""This project's pipeline with a pool that is up already, as in the service."""

from __future__ import annotations

import asyncio
import atexit
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.aggregate.job import Job
from plays_service.aggregation import use_engine
from plays_service.executors import FairQueue, WorkerPool
from plays_service.pipeline import Growth, Pipeline, Work
from plays_service.settings import Settings

__all__ = ["run"]

_runner = asyncio.Runner()
_pools: dict[int, WorkerPool] = {}
_numbers = count()


def run(job: Job) -> None:
    settings = Settings(workers=job.threads)
    if job.threads not in _pools:
        _pools[job.threads] = pool = WorkerPool(job.threads, use_engine(settings.engine))
        _runner.run(pool.start())
        atexit.register(lambda: _runner.run(pool.close()))
    output = Path(job.output)
    work = Work(
        input=Path(job.input),
        result=output,
        folder=_fresh_folder(output),
        encoding="utf-8",
        skip_errors=False,
        seed=1,
        segment_size=settings.segment_size,
        memory=settings.worker_memory,
        workers=job.threads,
        fsync=False,
    )
    _runner.run(_aggregate(work, _pools[job.threads], job.threads))


def _fresh_folder(output: Path) -> Path:
    """For the partials of one run: those that are there would not be made again.

    It is deleted at the end, for the service, too, deletes after the result is there.
    """
    folder = output.with_name(f"work-{next(_numbers)}")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


async def _aggregate(work: Work, pool: WorkerPool, workers: int) -> None:
    queue = FairQueue(workers)

    async def call(function: Callable[..., Any], *args: Any) -> Any:
        return await queue.run("the only task", lambda: pool.call(function, *args))

    growth = Growth()
    growth.finish(work.input.stat().st_size)
    summary = await Pipeline(call, work, growth, lambda *_: None).run()
    if summary.error is not None:
        raise ValueError(str(summary.error))
