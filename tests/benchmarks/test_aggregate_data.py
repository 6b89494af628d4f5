"""The benchmark's data, and the digests that tell right results from wrong ones."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from benchmarks.aggregate.check import Agreement, compare, digest_of
from benchmarks.aggregate.contenders import ours_call, use_csv
from benchmarks.aggregate.generate import Plan, concatenate, generate
from benchmarks.aggregate.job import Job
from benchmarks.aggregate.native import load_native

#: Large enough that every group comes up.
PLAN = Plan(size=4_000_000, groups=2000)
HEADER = "Song,Date,Total Number of Plays for Date\n"

Compare = Callable[[str, str], Agreement]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("native")
    try:
        load_native(folder)
    except RuntimeError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture
def agreement(tmp_path: Path, cache: Path) -> Compare:
    def agreement(result: str, reference: str) -> Agreement:
        digests = []
        for text in (result, reference):
            path = tmp_path / "result.csv"
            path.write_bytes(text.encode())
            digests.append(digest_of(path, cache))
        return compare(*digests)

    return agreement


def _rows(path: Path, delimiter: str = ",") -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=delimiter, strict=True))


def test_the_same_plan_gives_the_same_bytes(tmp_path: Path, cache: Path) -> None:
    files = [tmp_path / name for name in ("first", "second", "other")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        generate(replace(PLAN, seed=seed), path, cache)
    first, second, other = (path.read_bytes() for path in files)
    assert first == second
    assert first != other


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        replace(PLAN, quoted=True),
        replace(PLAN, quoted=True, multiline=True),
        replace(PLAN, crlf=True),
        replace(PLAN, delimiter=";"),
        replace(PLAN, quoted=True, delimiter=";", crlf=True),
    ],
    ids=lambda plan: plan.name,
)
def test_the_data_is_what_the_plan_says(plan: Plan, tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "data.csv"
    count = generate(plan, path, cache)
    data = path.read_bytes()
    header, *rows = _rows(path, plan.delimiter)
    assert plan.size - 600 < len(data) <= plan.size
    assert header == ["Song", "Date", "Number of Plays"]
    assert len(rows) == count
    assert len({(song, day) for song, day, _ in rows}) == plan.songs * plan.days == plan.groups
    assert len({song for song, _, _ in rows}) == plan.songs
    assert all(song and str(date.fromisoformat(day)) == day for song, day, _ in rows)
    assert all(0 < int(plays) <= 100_000 for _, _, plays in rows)
    assert data.count(b"\r\n") == (count + 1 if plan.crlf else 0)
    assert any(plan.delimiter in song for song, _, _ in rows) == plan.quoted
    assert any('"' in song for song, _, _ in rows) == plan.quoted
    assert any("\n" in song for song, _, _ in rows) == plan.multiline


def test_many_groups_are_nearly_one_for_each_row(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "data.csv"
    rows = generate(Plan(size=1 << 20, groups=None), path, cache)
    assert len({(song, day) for song, day, _ in _rows(path)}) > 0.8 * rows


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(FileNotFoundError):
        generate(PLAN, tmp_path / "no" / "folder", cache)


def test_a_file_repeated(tmp_path: Path) -> None:
    source, path = tmp_path / "source.csv", tmp_path / "long.csv"
    source.write_bytes(b"Song,Date,Number of Plays\nA,2020-01-01,1\nB,2020-01-01,2")
    concatenate(source, 100, path)
    assert path.read_bytes() == b"Song,Date,Number of Plays\n" + 2 * (
        b"A,2020-01-01,1\nB,2020-01-01,2\n"
    )


def test_results_that_are_the_same(agreement: Compare) -> None:
    plain = HEADER + "Umbrella,2020-01-01,3\nIn The End,2020-01-01,4\n"
    assert agreement(plain, plain) is Agreement.BYTES
    quoted = '"song","d","n"\r\n"Umbrella","2020-01-01",3\r\n"In The End","2020-01-01",4\r\n'
    assert agreement(quoted, plain) is Agreement.ORDER
    assert agreement(plain.rstrip("\n"), plain) is Agreement.ORDER


def test_quotes_delimiters_and_line_ends_inside(agreement: Compare) -> None:
    one = HEADER + '"a ""b"", c\nd",2020-01-01,3\n'
    other = HEADER + '"a ""b"", c\nd","2020-01-01","3"\n'
    assert agreement(one, other) is Agreement.ORDER
    assert agreement(one, other.replace('""b""', "b")) is Agreement.WRONG


def test_another_order_is_told_apart(agreement: Compare) -> None:
    rows = [f"Song {i % 7},2020-01-{i % 28 + 1:02},{i}\n" for i in range(100)]
    shuffled = rows[:]
    random.Random(1).shuffle(shuffled)
    assert agreement(HEADER + "".join(shuffled), HEADER + "".join(rows)) is Agreement.ROWS


@pytest.mark.parametrize(
    "wrong",
    [
        "A,2020-01-01,1\nB,2020-01-01,3\n",
        "A,2020-01-01,1\n",
        "A,2020-01-01,1\nB,2020-01-01,2\nB,2020-01-01,2\n",
        "A,2020-01-01,1\nA,2020-01-01,1\n",
        "A,2020-01-01,1.0\nB,2020-01-01,2.0\n",
        "A,2020-01-01,2\nB,2020-01-01,1\n",
        "A,2020-01-01,1\nB,2020-01-01,2,\n",
        'A,2020-01-01,1\n"B"x,2020-01-01,2\n',
        "A2020-01-01,,1\nB,2020-01-01,2\n",
        "",
    ],
)
def test_wrong_results_are_found(wrong: str, agreement: Compare) -> None:
    right = HEADER + "A,2020-01-01,1\nB,2020-01-01,2\n"
    assert agreement(HEADER + wrong, right) is Agreement.WRONG


def test_nothing_at_all_is_wrong(agreement: Compare) -> None:
    assert agreement("", HEADER + "A,2020-01-01,1\n") is Agreement.WRONG


@pytest.mark.parametrize("plan", [PLAN, replace(PLAN, quoted=True, multiline=True, crlf=True)])
def test_we_agree_with_the_standard_library(plan: Plan, tmp_path: Path, cache: Path) -> None:
    generate(plan, tmp_path / "data.csv", cache)
    job = Job(
        input=str(tmp_path / "data.csv"),
        output=str(tmp_path / "ours.csv"),
        delimiter=plan.delimiter,
        multiline=plan.multiline,
        threads=1,
        keep_order=True,
    )
    ours_call.run(job)
    other = replace(job, output=str(tmp_path / "other.csv"))
    use_csv.run(other)
    digests = [digest_of(Path(path), cache) for path in (job.output, other.output)]
    assert digests[0].rows == plan.groups
    assert compare(*digests) is Agreement.BYTES
