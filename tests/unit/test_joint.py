"""Several inputs give what one would that has all their records."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from plays_service.aggregation import Segment, Source, Summary, aggregate_segment, dialect_of
from plays_service.aggregation.groupfile import GroupFile
from plays_service.pipeline import Growth, Input, JointPipeline
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, Aggregate, work_in

HEADER: Final = b"Song,Date,Number of Plays\n"
RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
OTHER_DIALECT: Final = (
    b'number of plays;x;DATE;"SONG"\r\n7;;2020-01-03;Umbrella\r\n1;;2020-01-01;"a;\r\n"\r\n'
)


async def run(
    folder: Path, contents: Sequence[bytes], segment_size: int = 64 << 20
) -> tuple[bytes | None, list[Summary], int]:
    """The result (None where there is none), the summaries, the number of groups."""

    async def inputs() -> AsyncIterator[Input]:
        for number, content in enumerate(contents):
            path = folder / f"{number}.csv"
            path.write_bytes(content)
            growth = Growth()
            growth.finish(len(content))
            yield Input(path, "UTF-8", growth, 1 / len(contents))

    folder.mkdir(exist_ok=True)
    work = replace(work_in(folder), segment_size=segment_size)
    work.result.unlink(missing_ok=True)
    fractions: list[float] = []
    summaries, groups = await JointPipeline(call_here, work, inputs(), fractions.append).run()
    assert fractions == sorted(fractions)
    return work.result.read_bytes() if work.result.exists() else None, summaries, groups


async def call_here(function: Any, *args: Any) -> Any:
    return function(*args)


async def test_one_input_gives_the_documented_bytes(engine: str, tmp_path: Path) -> None:
    result, summaries, groups = await run(tmp_path, [EXAMPLE])
    assert (result, groups) == (EXAMPLE_RESULT, 4)
    assert [one.rows for one in summaries] == [7]


def test_each_input_has_its_dialect_and_its_place(aggregate: Aggregate, tmp_path: Path) -> None:
    all_records = EXAMPLE + b'Umbrella,2020-01-03,7\n"a;\r\n",2020-01-01,1\nb,2020-01-01,1\n'
    expected, summary = aggregate(all_records)
    contents = [EXAMPLE, OTHER_DIALECT, HEADER, HEADER + b"b,2020-01-01,1\n"]
    for size in (1, 7, 64 << 20):
        found = asyncio.run(run(tmp_path / str(size), contents, size))
        assert found[0] == expected
        assert (sum(one.rows for one in found[1]), found[2]) == (summary.rows, summary.groups)


def test_the_order_of_inputs_is_that_of_the_rows(engine: str, tmp_path: Path) -> None:
    parts = [HEADER + b"%d,2020-01-01,1\n0,2020-01-01,1\n" % number for number in range(150, 0, -1)]
    result, _, groups = asyncio.run(run(tmp_path, parts))  # so many that some are combined
    assert groups == 151
    rows = [b"150,2020-01-01,1\n", b"0,2020-01-01,150\n"]
    rows += [b"%d,2020-01-01,1\n" % number for number in range(149, 0, -1)]
    assert result == RESULT_HEADER + b"".join(rows)


@pytest.mark.parametrize("skip_errors", [False, True])
def test_first_rows_are_behind_the_base(engine: str, tmp_path: Path, skip_errors: bool) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(EXAMPLE)
    firsts = []
    for base in (0, 1 << 40):
        source = Source(path, dialect_of(path), skip_errors, base)
        partial = tmp_path / f"{base}.partial"
        aggregate_segment(source, Segment(len(HEADER), len(EXAMPLE)), partial, 1, 1 << 20)
        file = GroupFile(partial)
        blocks = [block for bucket in file.blocks.values() for block in bucket]
        firsts.append(sorted(first for block in blocks for first, *_ in file.read(block)))
    assert firsts[0][0] == len(HEADER)
    assert firsts[1] == [first + (1 << 40) for first in firsts[0]]


async def test_the_first_bad_record_of_the_first_bad_input_is_told(
    engine: str, tmp_path: Path
) -> None:
    bad = HEADER + b"a,2020-01-01,x\n"
    for size in (1, 64 << 20):
        contents = [EXAMPLE, bad, b"", EXAMPLE]
        result, summaries, _ = await run(tmp_path, contents, size)
        assert result is None
        assert [str(one.error) for one in summaries] == [
            "None",
            'line 2: Number of Plays: "x" is not a whole number',
        ]
    _, summaries, _ = await run(tmp_path, [EXAMPLE, b"", bad])
    assert str(summaries[-1].error).startswith("line 1: the file is empty")


async def test_an_error_ends_the_work_while_an_input_grows(tmp_path: Path) -> None:
    path, growth = tmp_path / "in.csv", Growth()
    data = HEADER + b"a,2020-01-01,x\n" * (1 << 20)
    path.write_bytes(data[:9])
    growth.grow(9)

    async def inputs() -> AsyncIterator[Input]:
        yield Input(path, "UTF-8", growth, 1.0)  # and it never becomes whole

    pipeline = JointPipeline(call_here, work_in(tmp_path), inputs(), lambda _: None)
    running = asyncio.create_task(pipeline.run())
    await asyncio.sleep(0.05)  # it has begun, with hardly anything there
    path.write_bytes(data)
    growth.grow(len(data))
    summaries, _ = await asyncio.wait_for(running, 60)
    assert str(summaries[0].error).startswith("line 2: Number of Plays")
