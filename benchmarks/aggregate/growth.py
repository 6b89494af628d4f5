"""How the time grows with the size, at the same number of groups: ours alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.aggregate.chart import Bar, Panel
from benchmarks.aggregate.report import markdown_table
from benchmarks.aggregate.run import Results
from benchmarks.aggregate.units import count_text, seconds_text, size_text

__all__ = ["growth_panel", "growth_table"]


def _per_gib(results: Results) -> float:
    return results.outcomes[0].seconds / results.bytes * 2**30


def growth_table(sizes: Sequence[Results]) -> str:
    """A row for each size. Raises nothing for a run that failed: it is shown."""
    rows = []
    for results in sizes:
        ours = results.outcomes[0]
        if not ours.correct or results.reference is None:
            rows.append([size_text(results.bytes), *[""] * 4, ours.verdict])
            continue
        rows.append(
            [
                size_text(results.bytes),
                count_text(results.reference.rows),
                seconds_text(ours.seconds),
                seconds_text(_per_gib(results)),
                seconds_text(ours.cpu),
                size_text(ours.peak),
            ]
        )
    return markdown_table(["size", "groups", "time", "time per GiB", "CPU", "memory"], rows)


def growth_panel(sizes: Sequence[Results]) -> Panel:
    """Bars of the time for each GiB: equal ones are growth in proportion."""
    bars = []
    for results in sizes:
        label, ours = size_text(results.bytes), results.outcomes[0]
        if not ours.correct:
            bars.append(Bar(label, "ours", None, ours.verdict))
            continue
        text = f"{seconds_text(_per_gib(results))} per GiB · {size_text(ours.peak)}"
        bars.append(Bar(label, "ours", _per_gib(results), text))
    return Panel("Time per GiB as the file grows", sizes[0].title if sizes else "", bars)
