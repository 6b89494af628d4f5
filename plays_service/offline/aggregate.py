"""The pipeline, run once on files that are here."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from plays_service.aggregation import Summary, dialect_of, use_engine
from plays_service.executors import FairQueue, WorkerPool
from plays_service.offline.inputs import InputReader, is_plain, name_of
from plays_service.offline.outcome import Outcome
from plays_service.offline.signals import woken_by_signals
from plays_service.offline.target import Target
from plays_service.pipeline import SMALL, Call, Growth, JointPipeline, Pipeline, Work
from plays_service.settings import Settings

__all__ = ["aggregate_offline"]

#: Bytes up to which an input is one call in this process, by engine: before workers would have
#: started, and have merged what they found, it is done.
_HERE: Final = {"native": 64 << 20, "pure": SMALL}
#: Summaries of the inputs, up to the first with an error; groups in all.
_Found: TypeAlias = tuple[list[Summary], int]


def aggregate_offline(
    paths: Sequence[Path],
    output: Path,
    settings: Settings,
    *,
    encoding: str | None = None,
    skip_errors: bool = False,
    progress: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """Aggregate the inputs, as if they were one, into ``output``.

    A file appears whole or not at all; on standard output (`STREAM`), or where ``output`` is a
    device or a pipe, nothing appears before all of it is known. An outcome with an error comes
    without an output. What is needed meanwhile is in a folder beside the output, or for standard
    output in that for temporary files. ``progress`` is told the fraction that is done, 0..1.
    Raises `EncodingError`, `EngineError`, `InputError` and `OSError`.
    """
    engine = use_engine(settings.engine)
    target = Target(output)
    plain = [is_plain(path, encoding) for path in paths]
    with target.scratch() as folder:
        work = _work(paths[0], folder, settings, _HERE[engine], skip_errors=skip_errors)
        here = all(plain) and _is_done_here(paths, work)

        async def run(call: Call) -> _Found:
            if len(paths) == 1 and all(plain):
                return await _run_one(call, work, progress)
            return await _run_all(call, work, InputReader(paths, encoding, folder), progress)

        summaries, groups = _with_workers(run, settings.workers, engine, here=here)
        outcome = Outcome.of([name_of(path) for path in paths], summaries, groups)
        if outcome.error is None:
            progress(1.0)
            target.deliver(work.result, fsync=settings.fsync)
        return outcome


def _is_done_here(paths: Sequence[Path], work: Work) -> bool:
    size = sum(path.stat().st_size for path in paths)
    is_one_call = len(paths) == 1 and size <= min(work.small, work.segment_size)
    return is_one_call or size <= SMALL


def _work(path: Path, folder: Path, settings: Settings, small: int, *, skip_errors: bool) -> Work:
    return Work(
        input=path.absolute(),
        result=folder / "result.csv",
        folder=folder / "work",
        encoding="UTF-8",
        skip_errors=skip_errors,
        seed=secrets.randbits(64),
        segment_size=settings.segment_size,
        memory=settings.worker_memory,
        workers=settings.workers,
        fsync=False,  # what matters is the output
        alone=True,
        small=small,
    )


def _with_workers(
    run: Callable[[Call], Coroutine[Any, Any, _Found]], workers: int, engine: str, *, here: bool
) -> _Found:
    if here:
        return asyncio.run(_to_its_end(run(_call_here)))
    make = WorkerPool.forked if sys.platform == "linux" else WorkerPool
    return asyncio.run(_to_its_end(_run_in(make(workers, engine), run)))


async def _to_its_end(work: Coroutine[Any, Any, _Found]) -> _Found:
    with woken_by_signals(asyncio.get_running_loop()):
        return await work


async def _run_in(pool: WorkerPool, run: Callable[[Call], Awaitable[_Found]]) -> _Found:
    try:
        if not pool.alive:
            await pool.start()
        return await run(_caller(pool))
    finally:
        await pool.close()


async def _call_here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)


def _caller(pool: WorkerPool) -> Call:
    queue = FairQueue(pool.workers)

    async def call(function: Callable[..., Any], *args: Any) -> Any:
        if function is dialect_of:  # it takes less than a worker's start
            return await asyncio.to_thread(function, *args)
        return await queue.run("the only task", lambda: pool.call(function, *args))

    return call


async def _run_one(call: Call, work: Work, progress: Callable[[float], None]) -> _Found:
    growth = Growth()
    growth.finish(work.input.stat().st_size)
    summary = await Pipeline(call, work, growth, lambda done, *_: progress(done)).run()
    return [summary], summary.groups


async def _run_all(
    call: Call, work: Work, reader: InputReader, progress: Callable[[float], None]
) -> _Found:
    running = asyncio.ensure_future(JointPipeline(call, work, reader.inputs(), progress).run())
    try:
        either: list[asyncio.Future[Any]] = [running, reader.failed]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if reader.failed.done():
            reader.failed.result()
        return running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        reader.failed.cancel()
