"""The service's pipeline without the service: one file here, one result there."""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from plays_service.aggregation import Summary, Transcoder, use_engine
from plays_service.settings import Settings
from plays_service.tasks import FairQueue, Growth, Pipeline, Work, WorkerPool
from plays_service.tasks.work import SMALL, Call

__all__ = ["aggregate_offline"]

_BLOCK_SIZE: Final = 1 << 20


def aggregate_offline(
    path: Path, output: Path, settings: Settings, *, encoding: str | None, skip_errors: bool
) -> Summary:
    """Aggregate ``path`` into ``output``, which appears whole or not at all.

    A summary with an error comes without an output. Partials go to a temporary folder beside the
    output. Raises `EncodingError`, `EngineError` and `OSError`.
    """
    if not output.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent}")
    transcoder = Transcoder(encoding)
    with tempfile.TemporaryDirectory(prefix=".plays-", dir=output.parent) as folder:
        work = Work(
            input=_as_utf8(path, transcoder, Path(folder)),
            result=output.absolute(),
            folder=Path(folder) / "work",
            encoding=transcoder.encoding,
            skip_errors=skip_errors,
            seed=secrets.randbits(64),
            segment_size=settings.segment_size,
            memory=settings.worker_memory,
            workers=settings.workers,
            fsync=settings.fsync,
        )
        return _aggregate(work, settings)


def _as_utf8(path: Path, transcoder: Transcoder, folder: Path) -> Path:
    """The file itself, or a transcoded copy."""
    with path.open("rb") as source:
        head = transcoder.feed(source.read(_BLOCK_SIZE))
        if not transcoder.decodes:
            return path.absolute()
        copy = folder / "input.csv"
        with copy.open("wb") as target:
            target.write(head)
            _transcode(source, target, transcoder)
    return copy


def _transcode(source: BinaryIO, target: BinaryIO, transcoder: Transcoder) -> None:
    while block := source.read(_BLOCK_SIZE):
        target.write(transcoder.feed(block))
    target.write(transcoder.finish())


def _aggregate(work: Work, settings: Settings) -> Summary:
    engine = use_engine(settings.engine)
    if work.input.stat().st_size <= SMALL:
        return asyncio.run(_run(work, _call_here))  # before a worker has started, it is done
    make = WorkerPool.forked if sys.platform == "linux" else WorkerPool
    return asyncio.run(_run_in(make(settings.workers, engine), work))


async def _run_in(pool: WorkerPool, work: Work) -> Summary:
    try:
        if not pool.alive:
            await pool.start()
        return await _run(work, _caller(pool, work.workers))
    finally:
        await pool.close()


async def _run(work: Work, call: Call) -> Summary:
    growth = Growth()
    growth.finish(work.input.stat().st_size)
    return await Pipeline(call, work, growth, lambda *_: None).run()


async def _call_here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _caller(pool: WorkerPool, workers: int) -> Call:
    queue = FairQueue(workers)

    async def call(function: Callable[..., Any], *args: Any) -> Any:
        return await queue.run("the only task", lambda: pool.call(function, *args))

    return call
