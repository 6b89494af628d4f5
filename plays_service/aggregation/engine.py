"""The calls that a worker runs, whichever implementation does the work.

There are two: the C kernel (`native`) and pure Python (`pure`, the truth). Both give the same
results, byte for byte, and read each other's files.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

from plays_service.aggregation import pure
from plays_service.aggregation.result_summary import ResultSummary
from plays_service.aggregation.row_query import RowQuery
from plays_service.aggregation.steps import Step, reached
from plays_service.aggregation.summary import Reading, Segment, Source, Summary

__all__ = [
    "ENGINES",
    "EngineError",
    "aggregate_file",
    "aggregate_segment",
    "build_view",
    "combine_partials",
    "engine_name",
    "json_lines",
    "merge_file",
    "merge_partitions",
    "plan_result",
    "summarize",
    "use_engine",
    "write_ranges",
]

#: What can be asked for; ``auto`` is the kernel where it is built, else pure Python.
ENGINES: Final = ("auto", "native", "pure")


class EngineError(RuntimeError):
    """The engine that was asked for is not here."""


def use_engine(wanted: str) -> str:
    """Let this process use one of `ENGINES`; the name of what that is, ``native`` or ``pure``.

    Raises `EngineError` where ``wanted`` is ``native`` and the extension is not built.
    """
    global _engine  # noqa: PLW0603 -- workers call module functions, by name
    _engine = _pick(wanted)
    return engine_name()


def engine_name() -> str:
    """The implementation in use: ``native`` or ``pure``."""
    return _engine.__name__.rpartition(".")[2]


def aggregate_segment(
    source: Source, segment: Segment, partial: Path, seed: int, memory: int
) -> Reading | None:
    """Aggregate one segment into ``partial``, in about ``memory`` bytes.

    Where the partial is there already (from before a restart) it is kept. A summary with an
    error comes without a partial. Lines count from the segment's start. None, and no partial,
    where it takes bytes that a growing file does not have yet.
    """
    reading: Reading | None = _engine.aggregate_segment(source, segment, partial, seed, memory)
    reached(Step.SEGMENT_READ)
    return reading


def aggregate_file(source: Source, result: Path, scratch: Path, seed: int, memory: int) -> Summary:
    """Aggregate a whole file into ``result`` in this one call, in about ``memory`` bytes.

    For files of up to about a segment: larger ones are faster in segments. ``scratch`` is a
    folder for partials, needed only where the groups outgrow the memory. A summary with an error
    comes without a result; lines are those of the file.
    """
    summary: Summary = _engine.aggregate_file(source, result, scratch, seed, memory)
    reached(Step.RESULT_WRITTEN)
    return summary


def merge_partitions(
    partials: Sequence[Path], partitions: range, run: Path, seed: int, memory: int
) -> int:
    """Merge some partitions (a range without steps) of all partials into a run: how many groups.

    ``partials`` must be in the order of their segments. A partition that may take more than
    ``memory`` (bytes) is merged in several passes, each of a share of its keys. Raises
    `DamagedFileError` for a partial that is not whole.
    """
    groups: int = _engine.merge_partitions(partials, partitions, run, seed, memory)
    reached(Step.PARTITIONS_MERGED)
    return groups


def combine_partials(partials: Sequence[Path], partial: Path, seed: int, memory: int) -> int:
    """Merge some partials that follow on each other into one: how many groups it has.

    Where groups are few, that leaves less to merge when all are there. Raises `DamagedFileError`.
    """
    groups: int = _engine.combine_partials(partials, partial, seed, memory)
    reached(Step.PARTIALS_COMBINED)
    return groups


def merge_file(partials: Sequence[Path], result: Path, seed: int, memory: int) -> int | None:
    """Merge all of the partials into ``result`` in this one call: how many groups it has.

    ``partials`` must be in the order of their segments. None, and no result, where the groups may
    take more than ``memory`` (bytes). Raises `DamagedFileError`.
    """
    groups: int | None = _engine.merge_file(partials, result, seed, memory)
    if groups is not None:
        reached(Step.RESULT_WRITTEN)
    return groups


def plan_result(runs: Sequence[Path], result: Path, size: int) -> list[tuple[range, int]]:
    """Start the file ``result`` and say which ranges of the runs go where in it.

    Each item is a range of buckets and the offset of its text; the texts take about ``size``
    bytes each. Raises `OSError` where the disk has no room for the whole result.
    """
    plan: list[tuple[range, int]] = _engine.plan_result(runs, result, size)
    reached(Step.RESULT_PLANNED)
    return plan


def write_ranges(runs: Sequence[Path], ranges: range, result: Path, offset: int) -> None:
    """Write the rows of some ranges into ``result`` at ``offset``, by order of first row."""
    _engine.write_ranges(runs, ranges, result, offset)
    reached(Step.RANGES_WRITTEN)


def build_view(result: Path, query: RowQuery, view: Path, memory: int) -> int:
    """Make the view of a result that answers the query, in about ``memory`` bytes: how many rows.

    It appears at ``view`` whole or not at all. What outgrows the memory goes, for a while, to the
    view's folder. Raises `FileNotFoundError` where result or folder is gone, and
    `DamagedResultError`.
    """
    rows: int = _engine.build_view(result, query, view, memory)
    return rows


def json_lines(result: Path, start: int, size: int) -> tuple[bytes, int]:
    """The rows that begin in about ``size`` bytes from offset ``start`` on, and where they end.

    Start at 0, and go on from where the last ones end; at the result's end there are none. Raises
    `FileNotFoundError` where the result is gone, and `DamagedResultError`.
    """
    lines: tuple[bytes, int] = _engine.json_lines(result, start, size)
    return lines


def summarize(result: Path, memory: int, seed: int) -> ResultSummary:
    """A result in numbers, in about ``memory`` bytes. Songs are shared out by a hash of ``seed``.

    Raises `FileNotFoundError` where the result is gone, and `DamagedResultError`.
    """
    summary: ResultSummary = _engine.summarize(result, memory, seed)
    return summary


def _pick(wanted: str) -> ModuleType:
    if wanted == "pure":
        return pure
    try:
        return import_module("plays_service.aggregation.native")
    except ImportError as error:
        if wanted == "auto":
            return pure
        raise EngineError(
            "the native engine is not here: install the package where there is a C compiler, "
            "without PLAYS_NO_EXTENSIONS, or let PLAYS_ENGINE be auto"
        ) from error


_engine = _pick("auto")
