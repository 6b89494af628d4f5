"""A result in numbers, on both implementations, beside a simple model."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plays_service.aggregation import DamagedResultError, engine
from plays_service.aggregation.result_rows import ResultRow
from plays_service.aggregation.result_summary import ResultSummary
from tests.unit.conftest import FOLDER
from tests.unit.test_views import DATES, PLAYS, SONGS, result_of


def model(rows: list[ResultRow]) -> ResultSummary:
    songs: Counter[bytes] = Counter()
    days: Counter[int] = Counter()
    for song, date, plays in rows:
        songs[song] += plays
        days[date] += plays
    dates = sorted(days)
    return ResultSummary(
        rows=len(rows),
        songs=len(songs),
        dates=len(days),
        plays=days.total(),
        first_date=dates[0] if dates else 0,
        last_date=dates[-1] if dates else 0,
        periods=tuple(sorted(days.items())),
        divisor=1,
        top_songs=tuple(sorted(songs.items(), key=lambda one: (-one[1], one[0]))[:20]),
    )


@settings(
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=st.lists(
        st.tuples(
            (st.sampled_from(SONGS) | st.text(min_size=1, max_size=12)).map(str.encode),
            st.sampled_from(DATES),
            st.sampled_from(PLAYS[:-4]),  # rows of 64 bits, in files of 64 bits, sum up in 128
        ),
        max_size=60,
    ),
    memory=st.sampled_from([1, 3000, 1 << 20]),
    seed=st.integers(0, (1 << 64) - 1),
)
@pytest.mark.usefixtures("engine")
def test_a_summary_is_what_the_model_says(rows: list[ResultRow], memory: int, seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        assert engine.summarize(result_of(rows, Path(folder)), memory, seed) == model(rows)


@pytest.mark.parametrize("memory", [50_000, 1 << 24])
def test_many_songs_in_several_passes(tmp_path: Path, engine: str, memory: int) -> None:
    rows = [(b"a song with the number %d" % (i % 1777), 2020_01_01, i) for i in range(5000)]
    result = result_of(rows, tmp_path)
    assert _summary(result, memory) == model(rows), engine


@pytest.mark.usefixtures("engine")
def test_many_days_are_told_by_month_and_many_months_by_year(tmp_path: Path) -> None:
    rows = [
        (b"a", year * 10_000 + month * 100 + 28, 1)
        for year in range(1, 2001)
        for month in range(1, 13)
    ]
    for count, unit, first, last in (
        (1000, "day", "0001-01-28", "0084-04-28"),
        (None, "month", "0001-01", "0050-12"),
        (1001, "year", "0001", "0084"),
        (12_013, "year", "0001", "1002"),
    ):
        chosen = _twice(rows[:600]) if count is None else rows[:count]
        summary = _summary(result_of(chosen, tmp_path))
        fields = summary.to_json()
        assert fields["per_day_unit"] == unit
        days = fields["per_day"]
        assert (days[0]["date"], days[-1]["date"]) == (first, last)
        assert sum(one["plays"] for one in fields["per_day"]) == fields["plays"]
        assert fields["dates"] == fields["rows"]


def _twice(rows: list[ResultRow]) -> list[ResultRow]:
    """More than a thousand days in less than a thousand months."""
    return [
        row for song, date, plays in rows for row in ((song, date, plays), (song, date - 1, plays))
    ]


@pytest.mark.usefixtures("engine")
def test_a_damaged_result_is_an_error(tmp_path: Path) -> None:
    result = result_of([(b"a", 2020_01_01, 1)], tmp_path)
    result.write_bytes(result.read_bytes()[:-1])
    with pytest.raises(DamagedResultError):
        _summary(result)
    with pytest.raises(FileNotFoundError):
        _summary(tmp_path / "gone.csv")


def _summary(result: Path, memory: int = 1 << 20) -> ResultSummary:
    return engine.summarize(result, memory, 1)
