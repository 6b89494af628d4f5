"""How the time grows with the size, at the same number of groups: ours alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from benchmarks.aggregate.chart import Bar, Panel
from benchmarks.aggregate.contenders import OURS
from benchmarks.aggregate.report import markdown_table
from benchmarks.aggregate.run import Outcome, Results
from benchmarks.aggregate.units import count_text, seconds_text, size_text

__all__ = ["GROWING", "growth_panels", "growth_table"]

#: Which of ours: with the start of its workers, and without it, as in the service.
GROWING: Final = (OURS, "ours-pool")


def _per_gib(seconds: float, results: Results) -> float:
    return seconds / results.bytes * 2**30


def _title(outcome: Outcome) -> str:
    return outcome.entry.variant or "aggregate"


def _cells(results: Results, ours: Outcome) -> list[str]:
    if not ours.correct or results.reference is None:
        return ["", _title(ours), "", "", "", ours.verdict]
    return [
        count_text(results.reference.rows),
        _title(ours),
        seconds_text(ours.seconds),
        seconds_text(_per_gib(ours.seconds, results)),
        seconds_text(_per_gib(ours.cpu, results)),
        size_text(ours.peak),
    ]


def growth_table(sizes: Sequence[Results]) -> str:
    """Rows for each size. Raises nothing for a run that failed: it is shown."""
    rows = [
        [size_text(results.bytes), *_cells(results, ours)]
        for results in sizes
        for ours in results.outcomes
    ]
    titles = ["size", "groups", "", "time", "time per GiB", "CPU per GiB", "memory"]
    return markdown_table(titles, rows)


def growth_panels(sizes: Sequence[Results]) -> list[Panel]:
    """Bars of the time for each GiB: equal ones are growth in proportion."""
    return [
        Panel(
            f"Time per GiB as the file grows: {_title(sizes[0].outcomes[i])}",
            sizes[0].title,
            [_bar(results, results.outcomes[i]) for results in sizes],
        )
        for i in range(len(GROWING) if sizes else 0)
    ]


def _bar(results: Results, ours: Outcome) -> Bar:
    label = size_text(results.bytes)
    if not ours.correct:
        return Bar(label, "ours", None, ours.verdict)
    seconds = _per_gib(ours.seconds, results)
    return Bar(label, "ours", seconds, f"{seconds_text(seconds)} per GiB · {size_text(ours.peak)}")
