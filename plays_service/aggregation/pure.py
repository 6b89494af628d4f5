"""The calls that a worker runs, in pure Python: the truth that faster ones are measured by."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from plays_service.aggregation.groupfile import DamagedFileError, GroupFile, GroupFileWriter
from plays_service.aggregation.groups import Groups, fold_segment
from plays_service.aggregation.json_lines import json_lines
from plays_service.aggregation.keys import PARTITIONS
from plays_service.aggregation.merge import (
    combine_partials,
    merge_file,
    merge_partitions,
    plan_result,
    write_ranges,
)
from plays_service.aggregation.result_summary import summarize
from plays_service.aggregation.rows import RESULT_HEADER
from plays_service.aggregation.summary import Reading, Segment, Source, Summary
from plays_service.aggregation.views import build_view

__all__ = [
    "aggregate_file",
    "aggregate_segment",
    "build_view",
    "combine_partials",
    "json_lines",
    "known_reading",
    "merge_file",
    "merge_partitions",
    "plan_result",
    "summarize",
    "write_ranges",
]


def aggregate_segment(
    source: Source, segment: Segment, partial: Path, seed: int, memory: int
) -> Reading | None:
    """See `engine.aggregate_segment`."""
    if (known := known_reading(partial)) is not None:
        return known
    groups = Groups()
    with GroupFileWriter(partial) as file:

        def spill() -> None:
            groups.write_partitions(file, seed)
            groups.clear()

        # the other half is for the buckets of a spill and for Python itself
        reading = fold_segment(source, segment, groups, memory // 2, spill)
        if reading is None or reading.summary.error is not None:
            file.discard()
        else:
            spill()
            file.note = reading.to_json()
    return reading


def aggregate_file(source: Source, result: Path, scratch: Path, seed: int, memory: int) -> Summary:
    """See `engine.aggregate_file`."""
    segment = Segment(source.dialect.data_start, source.path.stat().st_size)
    groups = Groups()
    try:
        reading = fold_segment(source, segment, groups, memory // 2, _outgrown)
    except _OutgrownError:
        summary = _aggregate_large(source, segment, result, scratch, seed, memory)
    else:
        assert reading is not None
        summary = reading.summary
        if summary.error is None:
            with result.open("wb") as file:
                file.write(RESULT_HEADER)
                groups.write_rows(file)
            summary = replace(summary, groups=len(groups.totals))
    return summary.moved(source.dialect.data_line)


def _aggregate_large(
    source: Source, segment: Segment, result: Path, scratch: Path, seed: int, memory: int
) -> Summary:
    scratch.mkdir(exist_ok=True)
    partial, run = scratch / "whole.partial", scratch / "whole.run"
    reading = aggregate_segment(source, segment, partial, seed, memory)
    assert reading is not None
    if reading.summary.error is not None:
        return reading.summary
    groups = merge_partitions([partial], range(PARTITIONS), run, seed, memory)
    for ranges, offset in plan_result([run], result, memory):
        write_ranges([run], ranges, result, offset)
    return replace(reading.summary, groups=groups)


class _OutgrownError(Exception):
    """The groups of a file do not fit the memory."""


def _outgrown() -> None:
    raise _OutgrownError


def known_reading(partial: Path) -> Reading | None:
    """The reading of a partial that is there already, whole; else None."""
    try:
        return Reading.from_json(GroupFile(partial, range(0)).note)
    except (FileNotFoundError, DamagedFileError):
        return None
