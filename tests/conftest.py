"""Fixtures for every level of test."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import settings

from plays_service.aggregation import EngineError, Summary, Transcoder, use_engine
from plays_service.pipeline import Growth, Pipeline, Work
from tests.cluster.fixtures import broker, shared_worker

__all__ = ["broker", "shared_worker"]

# No test asserts on time. All else is as Hypothesis has it here.
settings.register_profile("without a clock", deadline=None)
settings.load_profile("without a clock")

# A shell that runs tests in its background has what they start ignore Ctrl-C, which some try.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HOT100 = Path(__file__).parents[2] / "shared" / "data" / "hot100.csv"

#: The example of the README, byte for byte.
EXAMPLE = b"""Song,Date,Number of Plays
Umbrella,2020-01-02,200
Umbrella,2020-01-01,100
In The End,2020-01-01,500
Umbrella,2020-01-01,50
In The End,2020-01-01,1000
Umbrella,2020-01-02,50
In The End,2020-01-02,500
"""
EXAMPLE_RESULT = b"""Song,Date,Total Number of Plays for Date
Umbrella,2020-01-02,250
Umbrella,2020-01-01,150
In The End,2020-01-01,1500
In The End,2020-01-02,500
"""
#: Empty lines, more than an upload keeps in memory: with them it is on the disk before it ends.
FILLER = b"\n" * (1 << 20)


class Aggregate(Protocol):
    """Runs the whole pipeline, in this process, on bytes as a client would send them."""

    def __call__(
        self,
        data: bytes,
        *,
        encoding: str | None = None,
        skip_errors: bool = False,
        segment_size: int = 64 << 20,
        memory: int = 512 << 20,
        seed: int = 1,
    ) -> tuple[bytes | None, Summary]: ...


@pytest.fixture(params=["native", "pure"])
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once on each implementation."""
    try:
        yield use_engine(request.param)
    except EngineError as error:
        pytest.skip(str(error))  # CI makes sure of the extension before it runs the tests
    finally:
        use_engine("auto")


@pytest.fixture
def aggregate(tmp_path: Path, engine: str) -> Aggregate:
    """Bytes in; the result's bytes (None where there is none) and the summary out."""
    runs = 0

    def run(
        data: bytes,
        *,
        encoding: str | None = None,
        skip_errors: bool = False,
        segment_size: int = 64 << 20,
        memory: int = 512 << 20,
        seed: int = 1,
    ) -> tuple[bytes | None, Summary]:
        nonlocal runs
        runs += 1
        folder = tmp_path / f"run{runs}"
        folder.mkdir()
        transcoder = Transcoder(encoding)
        (folder / "input.csv").write_bytes(transcoder.feed(data) + transcoder.finish())
        work = replace(
            work_in(folder),
            encoding=transcoder.encoding,
            skip_errors=skip_errors,
            seed=seed,
            segment_size=segment_size,
            memory=memory,
            workers=1,
        )
        summary = asyncio.run(_run(work))
        result = work.result.read_bytes() if work.result.exists() else None
        assert (result is None) == (summary.error is not None)
        return result, summary

    return run


def work_in(folder: Path) -> Work:
    """For ``input.csv`` in the folder, as the service has it by default; with two workers."""
    return Work(
        input=folder / "input.csv",
        result=folder / "result.csv",
        folder=folder / "work",
        encoding="UTF-8",
        skip_errors=False,
        seed=1,
        segment_size=64 << 20,
        memory=512 << 20,
        workers=2,
        fsync=False,
    )


async def _run(work: Work) -> Summary:
    growth = Growth()
    growth.finish(work.input.stat().st_size)
    return await Pipeline(_call_here, work, growth, lambda *_: None).run()


async def _call_here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
