"""What the fuzzer asks of each input: the kernel and the pure implementation agree on it.

The first byte chooses options, the rest is the file. The kernel is the fuzzer's own build (see
harness.c), with limits so small that short inputs meet them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Final

from plays_service.aggregation import (
    PARTITIONS,
    CsvError,
    Reading,
    Segment,
    Source,
    Summary,
    _kernel,
    dialect_of,
    native,
    pure,
    records,
)

SEED: Final = 0x9E3779B97F4A7C15
INDEXERS: Final = ("avx512", "avx2", "sse2", "plain")

vars(native)["SAMPLE_ROWS"] = 3  # so that short inputs are scattered, too
vars(records).update(RECORD_LIMIT=_kernel.RECORD_LIMIT, _LONGEST=_kernel.RECORD_LIMIT + 2)

_shm = Path("/dev/shm")
_folder = TemporaryDirectory(dir=_shm if _shm.is_dir() else None)
FOLDER: Final = Path(_folder.name)
INPUT: Final = FOLDER / "input.csv"


def check(data: bytes) -> None:
    """Raises where the two differ."""
    options, content = data[0] if data else 0, data[1:]
    INPUT.write_bytes(content)
    try:
        source = Source(INPUT, dialect_of(INPUT), skip_errors=bool(options & 1))
    except CsvError:
        return
    memory = 600 if options & 2 else 1 << 20
    _kernel.use_index(INDEXERS[(options >> 2) % 4])
    whole = _aggregated(pure, source, memory)
    _same(_aggregated(native, source, memory), whole)
    shares = (options >> 4) % 4 + 1
    _check_segments(source, memory, -(-len(content) // shares), whole)


def _aggregated(module: ModuleType, source: Source, memory: int) -> tuple[bytes | None, Summary]:
    result = FOLDER / "whole.csv"
    result.unlink(missing_ok=True)
    _forget_partials()
    summary = module.aggregate_file(source, result, FOLDER, SEED, memory)
    return result.read_bytes() if result.exists() else None, summary


def _check_segments(
    source: Source, memory: int, size: int, whole: tuple[bytes | None, Summary]
) -> None:
    _forget_partials()
    start, end = source.dialect.data_start, INPUT.stat().st_size
    partials, total = [], Summary()
    for rough in range(start, end, size):
        segment = Segment(rough, min(rough + size, end), rough > source.dialect.data_start)
        if segment.end <= start:
            continue
        partial, reading = _read(source, segment, memory)
        if reading.start != start:
            segment = replace(segment, start=start, rough=False)
            partial, reading = _read(source, segment, memory)
        partials.append(partial)
        total = total.then(reading.summary)
        if total.error is not None:
            break
        start = reading.end
    result, summary = whole
    total = replace(total.moved(source.dialect.data_line), groups=summary.groups)
    if result is None:
        _same(total.error, summary.error)
        return
    _same(total, summary)
    merged = FOLDER / "merged.csv"
    run = FOLDER / "whole.run"
    native.merge_partitions(partials, range(PARTITIONS), run, SEED, memory)
    for ranges, offset in native.plan_result([run], merged, 64):
        native.write_ranges([run], ranges, merged, offset)
    _same(merged.read_bytes(), result)
    groups = native.merge_file(partials, merged, SEED, 1 << 30)
    _same((merged.read_bytes(), groups), (result, summary.groups))


def _read(source: Source, segment: Segment, memory: int) -> tuple[Path, Reading]:
    ours, theirs = (FOLDER / f"{segment.start}.{segment.rough}.{i}.partial" for i in range(2))
    reading = native.aggregate_segment(source, segment, ours, SEED, memory)
    _same(reading, pure.aggregate_segment(source, segment, theirs, SEED, memory))
    assert reading is not None
    return ours, reading


def _same(ours: object, theirs: object) -> None:
    if ours != theirs:
        raise AssertionError(f"native: {ours!r}\npure: {theirs!r}")


def _forget_partials() -> None:
    for pattern in ("*.partial", "*.run"):
        for path in FOLDER.glob(pattern):
            path.unlink()
