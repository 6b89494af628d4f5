"""A whole small file in one call: what most tasks are."""

from __future__ import annotations

from pathlib import Path

from plays_service.aggregation.dialect import dialect_of
from plays_service.aggregation.engine import aggregate_file
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.publish import publish
from plays_service.aggregation.summary import Source, Summary

__all__ = ["aggregate_small"]


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
    temporary = result.with_name(result.name + ".tmp")
    summary = aggregate_file(source, temporary, folder, seed, memory)
    if summary.error is None:
        publish(temporary, result, fsync=fsync)
    return summary
