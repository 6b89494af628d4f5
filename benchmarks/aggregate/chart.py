"""Bars as SVG: a panel for each input, a bar for each contender. Readable on light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import Final

from benchmarks.aggregate.run import Outcome, Results
from benchmarks.aggregate.units import seconds_text, size_text

__all__ = ["Bar", "Panel", "chart", "panel_of"]

_WIDTH: Final = 900
_LABELS: Final = 250  #: where the bars begin
_NUMBERS: Final = 250  #: room for numbers behind the longest bar
_BAR: Final = 16
_STEP: Final = 24
_TITLE: Final = 52
#: A bar of more than this many medians is cut off, or the others would be too short to compare.
_LONGEST: Final = 4.0

_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; font-size: 15px; }
.note { fill: #6e7781; font-size: 12px; }
.ours { fill: #0969da; }
.kept { fill: #8c959f; }
.free { fill: #c9d1d9; }
.background { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #9198a1; }
  .ours { fill: #4493f8; }
  .kept { fill: #848d97; }
  .free { fill: #4b535d; }
  .background { fill: #0d1117; }
}
"""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; without a value only its text is shown."""

    label: str
    kind: str  #: ``ours``, ``kept`` (the order) or ``free``
    value: float | None
    text: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars that are to be compared."""

    title: str
    note: str
    bars: Sequence[Bar]


def panel_of(results: Results) -> Panel:
    """The fastest first; whoever failed comes last."""
    good = sorted((one for one in results.outcomes if one.correct), key=lambda one: one.seconds)
    bad = [one for one in results.outcomes if not one.correct]
    groups = f", {results.reference.rows:,} groups" if results.reference else ""
    return Panel(
        results.title[:1].upper() + results.title[1:],
        f"{size_text(results.bytes)}{groups}; seconds, CPU seconds, memory",
        [_bar(one) for one in good + bad],
    )


def _bar(one: Outcome) -> Bar:
    kind = "ours" if one.entry.ours else "kept" if one.entry.keeps_order else "free"
    if not one.correct:
        return Bar(one.entry.title, kind, None, one.verdict)
    text = f"{seconds_text(one.seconds)} · {seconds_text(one.cpu)} CPU · {size_text(one.peak)}"
    return Bar(one.entry.title, kind, one.seconds, text)


def chart(panels: Sequence[Panel], legend: Sequence[tuple[str, str]]) -> str:
    """The whole picture; ``legend`` has a kind of bar and what it means."""
    parts: list[str] = []
    y = 12
    for panel in panels:
        parts += _panel(panel, y)
        y += _TITLE + _STEP * len(panel.bars) + 20
    parts += _legend(legend, y)
    height = y + (34 if legend else 0)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="background" width="{_WIDTH}" height="{height}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _panel(panel: Panel, y: int) -> list[str]:
    parts = [
        f'<text class="title" x="16" y="{y + 16}">{escape(panel.title)}</text>',
        f'<text class="note" x="16" y="{y + 35}">{escape(panel.note)}</text>',
    ]
    values = [bar.value for bar in panel.bars if bar.value is not None]
    longest = min(max(values), _LONGEST * median(values)) if values else 0.0
    scale = (_WIDTH - _LABELS - _NUMBERS) / longest if longest else 0.0
    for number, bar in enumerate(panel.bars):
        top = y + _TITLE + number * _STEP
        baseline = top + _BAR - 3
        length = min(bar.value or 0.0, longest) * scale
        parts.append(
            f'<text x="{_LABELS - 10}" y="{baseline}" text-anchor="end">{escape(bar.label)}</text>'
        )
        if bar.value is not None:
            parts.append(
                f'<rect class="{bar.kind}" x="{_LABELS}" y="{top}" width="{max(length, 1):.1f}" '
                f'height="{_BAR}" rx="2"/>'
            )
            if bar.value > longest:
                parts.append(_break(_LABELS + length - 24, top))
        parts.append(
            f'<text class="note" x="{_LABELS + length + 8:.1f}" y="{baseline}">'
            f"{escape(bar.text)}</text>"
        )
    return parts


def _break(x: float, y: int) -> str:
    """A gap that says: this bar is longer than there is room for."""
    return (
        f'<path class="background" d="M{x:.1f} {y + _BAR + 1} l6 -{_BAR + 2} h5 l-6 {_BAR + 2} z"/>'
    )


def _legend(legend: Sequence[tuple[str, str]], y: int) -> list[str]:
    parts = []
    x = _LABELS
    for kind, meaning in legend:
        parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="12" height="12" rx="2"/>')
        parts.append(f'<text class="note" x="{x + 18}" y="{y + 11}">{escape(meaning)}</text>')
        x += 40 + 7 * len(meaning)
    return parts
