"""The fold: records into groups, within a memory budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import BinaryIO, Final

from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.fields import read_values
from plays_service.aggregation.groupfile import Group, GroupFileWriter
from plays_service.aggregation.keys import key_hash, partition_of
from plays_service.aggregation.records import RecordReader
from plays_service.aggregation.rows import format_row
from plays_service.aggregation.segments import first_record
from plays_service.aggregation.summary import ERRORS_KEPT, Reading, Segment, Source, Summary

__all__ = ["GROUP_COST", "Groups", "fold_segment"]

#: Bytes that a group takes here besides its song: two dictionary slots, key, song, numbers.
#: Measured on CPython 3.11 at the worst moment, when a dictionary has just grown.
GROUP_COST: Final = 480


class Groups:
    """Groups in order of first appearance, and their totals."""

    def __init__(self) -> None:
        self.totals: dict[tuple[bytes, int], int] = {}
        self.firsts: dict[tuple[bytes, int], int] = {}
        self.size = 0  #: estimated bytes of memory

    def add(self, song: bytes, date: int, total: int, first: int) -> None:
        """Fold in a row or a partial group. Calls must come in order of ``first`` for each key."""
        key = (song, date)
        if key in self.totals:
            self.totals[key] += total
        else:
            self.totals[key] = total
            self.firsts[key] = first
            self.size += GROUP_COST + len(song)

    def clear(self) -> None:
        """Forget all groups."""
        self.totals.clear()
        self.firsts.clear()
        self.size = 0

    def write_partitions(self, file: GroupFileWriter, seed: int) -> None:
        """Append the groups to a partial, bucketed by partition."""
        partitions: defaultdict[int, list[Group]] = defaultdict(list)
        for (key, total), first in zip(self.totals.items(), self.firsts.values(), strict=True):
            song, date = key
            partition = partition_of(key_hash(song, date, seed))
            partitions[partition].append((first, date, total, song))
        for partition in sorted(partitions):
            file.write(partition, partitions[partition])

    def write_rows(self, file: BinaryIO) -> None:
        """Append the rows of the result, in order of first appearance."""
        file.writelines(
            format_row(song, date, total) for (song, date), total in self.totals.items()
        )


def fold_segment(
    source: Source, segment: Segment, groups: Groups, budget: int, spill: Callable[[], None]
) -> Reading | None:
    """Add the records of a segment to ``groups``; call ``spill`` when they outgrow ``budget``.

    ``spill`` must empty the groups. Stops at the first bad record, unless the source skips them.
    None where that takes bytes that a growing file does not have yet.
    """
    rows = skipped = 0
    errors: list[CsvError] = []
    dialect = source.dialect
    with source.path.open("rb", buffering=0) as file:
        start = first_record(file, segment, dialect)
        reader = RecordReader(file, start, segment.end, dialect)
        for offset, line, record, error in reader:
            try:
                if error is not None:
                    raise error
                song, date, plays = read_values(record, line, dialect)
            except CsvError as bad:
                if not source.skip_errors:
                    summary = Summary(rows=rows, lines=reader.lines, error=bad)
                    break
                skipped += 1
                if len(errors) < ERRORS_KEPT:
                    errors.append(bad)
                continue
            groups.add(song, date, plays, source.base + offset)
            rows += 1
            if groups.size > budget:
                spill()
        else:
            summary = Summary(rows=rows, lines=reader.lines, skipped=skipped, errors=tuple(errors))
        if segment.growing and reader.at_end:
            return None
        end = reader.stopped if summary.error is None else segment.end
        return Reading(start, end, summary)
