"""This project's pipeline with a pool that is up already, as in the service."""

from __future__ import annotations

import asyncio
import atexit
import shutil
from collections.abc import Callable
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
        folder=output.with_name("work"),
        encoding="utf-8",
        skip_errors=False,
        seed=1,
        segment_size=settings.segment_size,
        memory=settings.worker_memory,
        workers=job.threads,
        fsync=False,
    )
    _runner.run(_aggregate(work, _pools[job.threads], job.threads))
    shutil.rmtree(work.folder, ignore_errors=True)  # partials that are there are not made again


async def _aggregate(work: Work, pool: WorkerPool, workers: int) -> None:
    queue = FairQueue(workers)

    async def call(function: Callable[..., Any], *args: Any) -> Any:
        return await queue.run("the only task", lambda: pool.call(function, *args))

    growth = Growth()
    growth.finish(work.input.stat().st_size)
    summary = await Pipeline(call, work, growth, lambda *_: None).run()
    if summary.error is not None:
        raise ValueError(str(summary.error))
