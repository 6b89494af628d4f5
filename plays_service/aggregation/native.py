"""The calls that a worker runs, on top of the C kernel: `pure` does the same, and is the truth.

The kernel finds out where a bad record is; what is wrong with it the pure implementation says, so
that the words are the same. The index, note and trailer of a group file are written here as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from plays_service.aggregation import _kernel
from plays_service.aggregation.dialect import Dialect
from plays_service.aggregation.errors import CsvError, never_closed, too_long
from plays_service.aggregation.fields import read_values
from plays_service.aggregation.groupfile import MAGIC, DamagedFileError, GroupFile, file_end
from plays_service.aggregation.keys import PARTITIONS
from plays_service.aggregation.merge import plan_result, range_size
from plays_service.aggregation.native_rows import build_view, json_lines, summarize
from plays_service.aggregation.publish import temporary_for
from plays_service.aggregation.pure import known_reading
from plays_service.aggregation.records import RecordReader
from plays_service.aggregation.rows import RESULT_HEADER
from plays_service.aggregation.summary import Reading, Segment, Source, Summary

__all__ = [
    "aggregate_file",
    "aggregate_segment",
    "build_view",
    "combine_partials",
    "json_lines",
    "merge_file",
    "merge_partitions",
    "plan_result",
    "summarize",
    "write_ranges",
]

#: Rows after each of which the kernel asks how many of them brought new keys. Enough to tell, few
#: enough that a table of that many new groups costs little.
SAMPLE_ROWS: Final = 1 << 16

#: In place of a range's size: the merge's output is a partial again, by partition.
_INTO_PARTITIONS: Final = 0

#: Kinds of bad records, as scan.h has them; of any other the values are bad.
_TOO_LONG: Final = 1
_NEVER_CLOSED: Final = 2


def aggregate_segment(
    source: Source, segment: Segment, partial: Path, seed: int, memory: int
) -> Reading | None:
    """See `engine.aggregate_segment`."""
    if (known := known_reading(partial)) is not None:
        return known
    with _temporary(partial) as temporary:
        outcome = _kernel.aggregate_segment(
            os.fsencode(source.path),
            segment.start,
            segment.end,
            segment.rough,
            source.base,
            _shape(source.dialect),
            source.skip_errors,
            seed,
            memory,
            SAMPLE_ROWS,
            os.fsencode(temporary),
        )
        start, end, at_end, stopped, rows, lines, skipped, bad, index, offset = outcome
        if segment.growing and at_end:
            return None
        summary = _summary(source, stopped, rows, lines, skipped, bad)
        reading = Reading(start, segment.end if stopped else end, summary)
        if reading.summary.error is None:
            _publish(temporary, partial, index, offset, reading.to_json())
    return reading


def aggregate_file(source: Source, result: Path, scratch: Path, seed: int, memory: int) -> Summary:
    """See `engine.aggregate_file`."""
    done = _kernel.aggregate_file(
        os.fsencode(source.path),
        source.dialect.data_start,
        _shape(source.dialect),
        source.skip_errors,
        seed,
        memory,
        os.fsencode(result),
        RESULT_HEADER,
    )
    if done is None:
        summary = _aggregate_large(source, result, scratch, seed, memory)
    else:
        *_, groups = done
        summary = _summary(source, *done[:-1])
        if summary.error is None:
            summary = replace(summary, groups=groups)
    return summary.moved(source.dialect.data_line)


def merge_partitions(
    partials: Sequence[Path], partitions: range, run: Path, seed: int, memory: int
) -> int:
    """See `engine.merge_partitions`."""
    return _merge(partials, partitions, run, seed, memory, range_size(memory))


def combine_partials(partials: Sequence[Path], partial: Path, seed: int, memory: int) -> int:
    """See `engine.combine_partials`."""
    return _merge(partials, range(PARTITIONS), partial, seed, memory, _INTO_PARTITIONS)


def merge_file(partials: Sequence[Path], result: Path, seed: int, memory: int) -> int | None:
    """See `engine.merge_file`."""
    with _damage_named(partials):
        return _kernel.merge_file(
            tuple(map(os.fsencode, partials)), os.fsencode(result), seed, memory, RESULT_HEADER
        )


def write_ranges(runs: Sequence[Path], ranges: range, result: Path, offset: int) -> None:
    """See `engine.write_ranges`."""
    with _damage_named(runs):
        _kernel.write_ranges(
            tuple(map(os.fsencode, runs)), ranges.start, ranges.stop, os.fsencode(result), offset
        )


def _merge(
    partials: Sequence[Path], partitions: range, output: Path, seed: int, memory: int, span: int
) -> int:
    """Merge into ranges of ``span`` bytes, or `_INTO_PARTITIONS`; how many groups."""
    with _temporary(output) as temporary, _damage_named(partials):
        groups, index, offset = _kernel.merge_partitions(
            tuple(map(os.fsencode, partials)),
            partitions.start,
            partitions.stop,
            os.fsencode(temporary),
            seed,
            memory,
            span,
        )
        _publish(temporary, output, index, offset, {"groups": groups})
    return groups


def _aggregate_large(
    source: Source, result: Path, scratch: Path, seed: int, memory: int
) -> Summary:
    scratch.mkdir(exist_ok=True)  # not its parents: the task may have been removed meanwhile
    partial, run = scratch / "whole.partial", scratch / "whole.run"
    segment = Segment(source.dialect.data_start, source.path.stat().st_size)
    reading = aggregate_segment(source, segment, partial, seed, memory)
    assert reading is not None
    if reading.summary.error is not None:
        return reading.summary
    groups = merge_partitions([partial], range(PARTITIONS), run, seed, memory)
    for ranges, offset in plan_result([run], result, memory):
        write_ranges([run], ranges, result, offset)
    return replace(reading.summary, groups=groups)


def _shape(dialect: Dialect) -> tuple[bytes, bytes, int, int, int, int]:
    return (
        dialect.delimiter,
        dialect.line_end,
        dialect.fields,
        dialect.song,
        dialect.date,
        dialect.plays,
    )


def _summary(
    source: Source,
    stopped: bool,
    rows: int,
    lines: int,
    skipped: int,
    bad: list[tuple[int, int, int, int]],
) -> Summary:
    errors: tuple[CsvError, ...] = ()
    if bad:
        with source.path.open("rb", buffering=0) as file:
            errors = tuple(_worded(file, source.dialect, *one) for one in bad)
    if stopped:
        return Summary(rows=rows, lines=lines, error=errors[0])
    return Summary(rows=rows, lines=lines, skipped=skipped, errors=errors)


def _worded(
    file: BinaryIO, dialect: Dialect, offset: int, line: int, kind: int, opened: int
) -> CsvError:
    """What the pure implementation says of the record at ``offset``."""
    if kind == _TOO_LONG:
        return too_long(line)
    if kind == _NEVER_CLOSED:
        return never_closed(opened)
    for _, _, record, error in RecordReader(file, offset, offset + 1, dialect):
        try:
            if error is not None:
                raise error
            read_values(record, 0, dialect)
        except CsvError as bad:
            return bad.moved(line)
    raise RuntimeError(f"the record at byte {offset} is bad for the kernel and good otherwise")


@contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    """A name beside ``path`` for a file that may become it; what is left of it goes."""
    temporary = temporary_for(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path, index: bytes, offset: int, note: Any) -> None:
    """Complete the group file whose blocks the kernel wrote, and let it appear at ``path``."""
    with temporary.open("r+b", buffering=0) as file:
        _write_all(file, MAGIC)
        file.seek(offset)
        _write_all(file, file_end(index, offset, note))
    temporary.replace(path)


def _write_all(file: FileIO, data: bytes) -> None:
    """Write all of it: a disk that fills up may take a part before it says so."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


@contextmanager
def _damage_named(paths: Sequence[Path]) -> Iterator[None]:
    try:
        yield
    except _kernel.DamagedError as error:
        path = paths[error.args[0]]
        GroupFile(path)  # says what is wrong, where it can see it
        raise DamagedFileError(f"{path.name} holds groups that cannot be") from None
