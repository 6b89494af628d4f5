"""What the benchmark's table and chart say of given runs."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from benchmarks.aggregate.chart import chart, panel_of
from benchmarks.aggregate.check import Agreement, Digest
from benchmarks.aggregate.contenders import ENTRIES
from benchmarks.aggregate.growth import growth_panels, growth_table
from benchmarks.aggregate.measure import Run
from benchmarks.aggregate.report import markdown_table, summary, table, to_json
from benchmarks.aggregate.run import Outcome, Results
from benchmarks.aggregate.units import ratio_text, seconds_text, size_text


def _outcome(
    name: str, *seconds: float, agreement: Agreement = Agreement.BYTES, failure: str = ""
) -> Outcome:
    sampled = Run(sampled=True, job=99, peak=64 << 20)
    runs = [
        Run(sampled=False, job=one, cpu=2 * one, start=0.1, process=one + 0.1) for one in seconds
    ]
    return Outcome(ENTRIES[name], [sampled, *runs], agreement, failure)


def _results(*outcomes: Outcome) -> Results:
    reference = Digest(size=1000, rows=30_000, bad=0, bytes=1, ordered=2, unordered=(3, 4))
    return Results("few groups", "few", "ours", 1 << 30, reference, list(outcomes))


def _cells(results: Results) -> list[list[str]]:
    lines = table(results).splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_table_has_medians_and_ratios_the_fastest_first() -> None:
    rows = _cells(
        _results(
            _outcome("csv", 25, 20, 30),
            _outcome("ours", 0.5, 0.4, 3.0),
            _outcome("duckdb", 2, 2, 2, agreement=Agreement.ROWS),
        )
    )
    assert [row[0].split(" ")[0] for row in rows] == ["**plays_service**", "DuckDB", "csv"]
    assert rows[0][1:] == [
        "yes", "500 ms", "1.00 s", "64.0 MiB", "100 ms", "1.0×", "0.25×", "same bytes",
    ]  # fmt: skip
    assert rows[1][1:3] == ["no", "2.00 s"]
    assert rows[1][6:] == ["4.0×", "1.0×", "same rows"]
    assert rows[2][6] == "50×"


def test_who_fails_is_shown_last_with_the_reason() -> None:
    rows = _cells(
        _results(
            _outcome("pandas", failure="> 120 s"),
            _outcome("polars", 1, agreement=Agreement.WRONG),
            _outcome("pyarrow-ordered", 1, agreement=Agreement.ROWS),
            _outcome("ours", 2),
            _outcome("csv", 3),
        )
    )
    assert [row[-1] for row in rows[2:]] == ["> 120 s", "wrong", "wrong order"]
    assert rows[1][7] == "1.0×"  # the best rival is one with the right result


@pytest.mark.parametrize(
    ("outcomes", "confirmed"),
    [
        ([_outcome("ours", 1), _outcome("csv", 1)], True),
        ([_outcome("ours", 1), _outcome("csv", 1, failure="> 1 s")], True),
        ([_outcome("ours", 1, failure="> 1 s"), _outcome("csv", 1)], False),
        ([_outcome("ours", 1), _outcome("csv", 1, agreement=Agreement.WRONG)], False),
        ([_outcome("ours", 1), _outcome("ours-1", 1, agreement=Agreement.ROWS)], False),
    ],
)
def test_whether_others_confirm_us(outcomes: list[Outcome], confirmed: bool) -> None:
    assert _results(*outcomes).confirmed is confirmed


def test_the_summary_names_the_best_and_the_best_in_order() -> None:
    text = summary(
        _results(
            _outcome("ours", 1), _outcome("csv", 8), _outcome("dask", 4, agreement=Agreement.ROWS)
        )
    )
    assert "1.00 GiB, 30,000 groups." in text
    assert "Dask" in text.splitlines()[1]
    assert "4.0× as fast" in text.splitlines()[1]
    assert "csv + dict: 8.0× as fast, 0.12× the CPU time, 1.0× the memory" in text.splitlines()[2]


def test_a_contender_that_took_long_gets_no_more_runs() -> None:
    assert _outcome("csv", 20, 20).goes_on(patience=60)
    assert not _outcome("csv", 30, 30).goes_on(patience=60)
    assert not _outcome("csv", 1, failure="> 120 s").goes_on(patience=60)


def test_the_chart_has_a_bar_for_each_that_is_right() -> None:
    results = _results(
        _outcome("ours", 0.5),
        _outcome("duckdb", 2, agreement=Agreement.ROWS),
        _outcome("csv", 200),
        _outcome("pandas", failure="> 120 s"),
    )
    root = ET.fromstring(chart([panel_of(results)], [("ours", "ours & <others>")]))
    space = "{http://www.w3.org/2000/svg}"
    bars = [one for one in root.iter(f"{space}rect") if one.get("height") == "16"]
    texts = "".join(root.itertext())
    assert [one.get("class") for one in bars] == ["ours", "free", "kept"]
    widths = [float(one.get("width", 0)) for one in bars]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert widths[2] == max(widths) < 900  # cut off
    assert "> 120 s" in texts
    assert "ours & <others>" in texts


def test_growth_is_per_gib() -> None:
    results = replace(_results(_outcome("ours", 0.7), _outcome("ours-pool", 0.5)), bytes=1 << 29)
    lines = growth_table([results]).splitlines()[2:]
    assert [[cell.strip() for cell in line.strip("|").split("|")][:5] for line in lines] == [
        ["512 MiB", "30,000", "aggregate", "700 ms", "1.40 s"],
        ["512 MiB", "30,000", "pool already up", "500 ms", "1.00 s"],
    ]
    assert [panel.bars[0].value for panel in growth_panels([results])] == [1.4, 1.0]


def test_the_json_has_every_run() -> None:
    data = to_json(_results(_outcome("ours", 1, 2)))
    assert [run["job"] for run in data["contenders"][0]["runs"]] == [99, 1, 2]


def test_markdown_columns_line_up() -> None:
    lines = markdown_table(["", "time"], [["a", "1"], ["longer", "12.5 s"]]).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1] == "| ------ | -----: |"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (24.42, "24.4 s"),
        (1.954, "1.95 s"),
        (0.0362, "36.2 ms"),
        (0.000084, "84.0 µs"),
        (0, "0.00 µs"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(2.44, "2.4×"), (0.591, "0.59×"), (0.0021, "0.0021×"), (1110, "1,110×")]
)
def test_ratios(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text


@pytest.mark.parametrize(
    ("size", "text"), [(199, "199 B"), (64 << 20, "64.0 MiB"), (4 << 30, "4.00 GiB")]
)
def test_sizes(size: int, text: str) -> None:
    assert size_text(size) == text
