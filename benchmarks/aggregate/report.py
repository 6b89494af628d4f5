"""Results as a table, and as JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.aggregate.run import Outcome, Results
from benchmarks.aggregate.units import count_text, ratio_text, seconds_text, size_text
from plays_service.aggregation import use_engine

__all__ = ["machine", "markdown_table", "summary", "table", "to_json"]


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of one width; the first to the left, all others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(3, *(len(line[i]) for line in lines)) for i in range(len(head))]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(
        "| " + " | ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) + " |"
        for line in lines
    )


def table(results: Results) -> str:
    """Everybody, the fastest first; whoever failed comes last, with the reason."""
    good = sorted((one for one in results.outcomes if one.correct), key=lambda one: one.seconds)
    bad = [one for one in results.outcomes if not one.correct]
    ours = next((one for one in good if one.entry.name == results.base), None)
    best = next((one for one in good if not one.entry.ours), None)
    head = ["", "order kept", "time", "CPU", "memory", "start", "÷ ours", "÷ best rival", "result"]
    rows = [
        [
            f"**{one.entry.full_title}**" if one.entry.ours else one.entry.full_title,
            "yes" if one.entry.keeps_order else "no",
            seconds_text(one.seconds),
            seconds_text(one.cpu),
            size_text(one.peak),
            seconds_text(one.start),
            _ratio(one, ours),
            _ratio(one, best),
            one.verdict,
        ]
        for one in good
    ]
    rows += [
        [one.entry.full_title, "yes" if one.entry.keeps_order else "no", *[""] * 6, one.verdict]
        for one in bad
    ]
    return markdown_table(head, rows)


def summary(results: Results) -> str:
    """What was read, and the ratios to the best of the others, in sentences."""
    reference = results.reference
    groups = count_text(reference.rows) if reference else "unknown"
    lines = [f"{size_text(results.bytes)}, {groups} groups."]
    good = [one for one in results.outcomes if one.correct]
    ours = next((one for one in good if one.entry.name == results.base), None)
    rivals = sorted((one for one in good if not one.entry.ours), key=lambda one: one.seconds)
    ordered = [one for one in rivals if one.entry.keeps_order]
    if ours is None or not rivals:
        return lines[0]
    lines.append(_comparison(ours, rivals[0], "the fastest of the others"))
    if ordered and ordered[0] is not rivals[0]:
        lines.append(_comparison(ours, ordered[0], "the fastest of those that keep the order"))
    return "\n".join(lines)


def _comparison(ours: Outcome, rival: Outcome, who: str) -> str:
    return (
        f"Against {who}, {rival.entry.full_title}: "
        f"{ratio_text(rival.seconds / ours.seconds)} as fast, "
        f"{ratio_text(ours.cpu / rival.cpu)} the CPU time, "
        f"{ratio_text(ours.peak / rival.peak)} the memory."
    )


def _ratio(one: Outcome, base: Outcome | None) -> str:
    return ratio_text(one.seconds / base.seconds) if base else ""


def machine() -> dict[str, Any]:
    """Where it ran."""
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    models = [line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": sys.version.split()[0],
        "engine": use_engine("auto"),
    }


def to_json(results: Results) -> dict[str, Any]:
    """Every run of everybody, as it was."""
    return {
        "case": results.name,
        "title": results.title,
        "bytes": results.bytes,
        "reference": results.reference and asdict(results.reference),
        "confirmed": results.confirmed,
        "contenders": [
            {
                **asdict(one.entry),
                "version": one.entry.version,
                "verdict": one.verdict,
                "correct": one.correct,
                "runs": [asdict(run) for run in one.runs],
            }
            for one in results.outcomes
        ],
    }
