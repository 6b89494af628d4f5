"""What is small, in one call instead of several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from plays_service.aggregation.dialect import dialect_of
from plays_service.aggregation.engine import (
    aggregate_file,
    merge_file,
    merge_partitions,
    plan_result,
    write_ranges,
)
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.keys import PARTITIONS
from plays_service.aggregation.publish import publish, temporary_for
from plays_service.aggregation.summary import Source, Summary

__all__ = ["aggregate_small", "merge_small"]


def aggregate_small(
    path: Path,
    result: Path,
    folder: Path,
    *,
    encoding: str,
    skip_errors: bool,
    seed: int,
    memory: int,
    fsync: bool,
) -> Summary:
    """Read the header of ``path``, aggregate it and publish ``result``.

    ``folder`` is used, and made, only where the groups outgrow ``memory`` (bytes). A summary with
    an error comes without a result.
    """
    try:
        source = Source(path, dialect_of(path, encoding), skip_errors)
    except CsvError as error:
        return Summary(error=error)
    temporary = temporary_for(result)
    summary = aggregate_file(source, temporary, folder, seed, memory)
    if summary.error is None:
        publish(temporary, result, fsync=fsync)
    return summary


def merge_small(
    partials: Sequence[Path], result: Path, run: Path, *, seed: int, memory: int, fsync: bool
) -> int:
    """Merge all of the partials (in order) and publish ``result``: how many groups it has.

    ``run`` is for groups that outgrow ``memory`` (bytes), and is left behind. Raises
    `DamagedFileError`.
    """
    temporary = temporary_for(run)
    groups = merge_file(partials, temporary, seed, memory)
    if groups is None:
        groups = merge_partitions(partials, range(PARTITIONS), run, seed, memory)
        for ranges, offset in plan_result([run], temporary, memory):
            write_ranges([run], ranges, temporary, offset)
    publish(temporary, result, fsync=fsync)
    return groups
