"""Merging partials into the result, in bounded memory.

First partition by partition: equal keys of all partials meet, and the merged groups go, as rows
of the result, into the bucket of the range of input that they first appeared in (a run). Then
range by range: each is small enough to be sorted in memory, and since the run says how long its
text is, every range can be written at its place in the result, by any worker, in any order.

Where all groups fit the memory, none of that is needed: they meet in one place and are sorted.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from plays_service.aggregation.groupfile import Block, Group, GroupFile, GroupFileWriter
from plays_service.aggregation.groups import GROUP_COST, Groups
from plays_service.aggregation.keys import PARTITIONS, key_hash
from plays_service.aggregation.rows import RESULT_HEADER, format_row

__all__ = [
    "combine_partials",
    "merge_file",
    "merge_partitions",
    "plan_result",
    "write_ranges",
]

#: Bytes that a row of a run takes in memory besides its text.
_ROW_COST: Final = 250


def merge_partitions(
    partials: Sequence[Path], partitions: range, run: Path, seed: int, memory: int
) -> int:
    """Merge some partitions of all partials into a run; the number of groups in it.

    ``partials`` must be in the order of their segments. ``memory`` is in bytes; a partition that
    may take more is merged in several passes, each of a share of its keys.
    """
    groups = 0
    files = [GroupFile(path, partitions) for path in partials]
    with GroupFileWriter(run) as writer:
        rows = _WaitingRows(writer, memory)
        for partition in partitions:
            for merged in _merge_partition(files, partition, seed, memory // 2):
                groups += len(merged.totals)
                rows.add(merged)
        rows.flush()
        writer.note = {"groups": groups}
    return groups


def combine_partials(partials: Sequence[Path], partial: Path, seed: int, memory: int) -> int:
    """Merge some partials that follow on each other into one; the number of groups in it."""
    groups = 0
    files = [GroupFile(path) for path in partials]
    with GroupFileWriter(partial) as writer:
        for partition in range(PARTITIONS):
            for merged in _merge_partition(files, partition, seed, memory // 2):
                groups += len(merged.totals)
                merged.write_partitions(writer, seed)
        writer.note = {"groups": groups}
    return groups


def merge_file(partials: Sequence[Path], result: Path, seed: int, memory: int) -> int | None:
    """Merge all partials into ``result``; the number of its groups, or None if they may not fit.

    ``partials`` must be in the order of their segments; ``memory`` is in bytes.
    """
    del seed  # a key's hash, which says in which pass it is merged, is not needed
    files = [GroupFile(path) for path in partials]
    blocks = [(file, block) for file in files for one in file.blocks.values() for block in one]
    if _cost(blocks) > memory // 2:
        return None
    merged = Groups()
    for file, block in blocks:
        for first, date, total, song in file.read(block):
            merged.add(song, date, total, first)
    with result.open("wb") as output:
        output.write(RESULT_HEADER)
        for key in sorted(merged.firsts, key=merged.firsts.__getitem__):
            output.write(format_row(*key, merged.totals[key]))
    return len(merged.totals)


def _cost(blocks: Iterable[tuple[GroupFile, Block]]) -> int:
    """Estimated bytes of memory that the groups of some blocks take."""
    return sum(GROUP_COST * block.groups + block.text_size for _, block in blocks)


def _merge_partition(
    files: Sequence[GroupFile], partition: int, seed: int, budget: int
) -> Iterable[Groups]:
    blocks = [(file, block) for file in files for block in file.blocks[partition]]
    passes = _cost(blocks) // budget + 1
    for share in range(passes):
        merged = Groups()
        for file, block in blocks:
            for first, date, total, song in file.read(block):
                # the top bits of the hash chose the partition, so the share takes the low ones
                if passes == 1 or key_hash(song, date, seed) % passes == share:
                    merged.add(song, date, total, first)
        yield merged


class _WaitingRows:
    """Collects rows by range of first row and writes them when they outgrow their memory."""

    def __init__(self, run: GroupFileWriter, memory: int) -> None:
        self._run = run
        self._range_size = range_size(memory)
        self._budget = memory // 4
        self._ranges: defaultdict[int, list[Group]] = defaultdict(list)
        self._size = 0

    def add(self, merged: Groups) -> None:
        """Take the groups as rows of the result."""
        for (song, date), total in merged.totals.items():
            first = merged.firsts[song, date]
            row = format_row(song, date, total)
            self._ranges[first // self._range_size].append((first, 0, 0, row))
            self._size += _ROW_COST + len(row)
            if self._size > self._budget:
                self.flush()

    def flush(self) -> None:
        """Write what waits."""
        for bucket in sorted(self._ranges):
            self._run.write(bucket, self._ranges[bucket])
        self._ranges.clear()
        self._size = 0


def range_size(memory: int) -> int:
    """Bytes of input that one range of first rows spans, for workers of ``memory`` bytes.

    The rows that first appear in a range are held in memory at once. A record takes 15 bytes or
    more, so that they are at most a fifteenth of its bytes in number.
    """
    return max(1, memory // 2 // (_ROW_COST // 15 + 2))


def plan_result(runs: Sequence[Path], result: Path, size: int) -> list[tuple[range, int]]:
    """Start the file ``result`` and say which ranges of the runs go where in it.

    Each item is a range of buckets and the offset of its text; the texts take about ``size``
    bytes each. Raises `OSError` where the disk has no room for the whole result.
    """
    sizes: defaultdict[int, int] = defaultdict(int)
    for path in runs:
        for bucket, blocks in GroupFile(path).blocks.items():
            sizes[bucket] += sum(block.text_size for block in blocks)
    plan: list[tuple[range, int]] = []
    start = offset = begin = len(RESULT_HEADER)
    first = 0
    for bucket in range(max(sizes, default=-1) + 1):
        offset += sizes[bucket]
        if offset - begin >= size:
            plan.append((range(first, bucket + 1), begin))
            first, begin = bucket + 1, offset
    if offset > begin:
        plan.append((range(first, max(sizes) + 1), begin))
    result.touch()
    with result.open("r+b") as file:  # not made empty: another worker may have planned it, too
        file.write(RESULT_HEADER)
        file.truncate(offset)  # nor may what was there before stick out behind it
        if offset > start:
            _reserve(file.fileno(), start, offset - start)
    return plan


def _reserve(file: int, start: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, start, size)
    else:  # macOS: that there is no room will show when it is written
        os.ftruncate(file, start + size)


def write_ranges(runs: Sequence[Path], ranges: range, result: Path, offset: int) -> None:
    """Write the rows of some ranges into ``result`` at ``offset``, by order of first row."""
    files = [GroupFile(path, ranges) for path in runs]
    with result.open("r+b") as output:
        output.seek(offset)
        for bucket in ranges:
            rows = [
                row for file in files for block in file.blocks[bucket] for row in file.read(block)
            ]
            rows.sort()
            output.writelines(text for *_, text in rows)
