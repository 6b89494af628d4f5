"""Curves as SVG: a panel for each measure. Readable on light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from itertools import pairwise
from typing import Final

from tests.soak.samples import MEASURES, Sample, Verdict

__all__ = ["chart"]

_WIDTH: Final = 900
_LEFT: Final = 16
_PLOT: Final = 72  #: height of a curve
_PANEL: Final = 124  #: height of a panel, with its texts
_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #24292f; }
.title { font-weight: 600; }
.note { fill: #6e7781; font-size: 12px; }
.curve { fill: none; stroke: #0969da; stroke-width: 1.5; }
.kill { stroke: #d1242f; stroke-width: 1; opacity: 0.35; }
.axis { stroke: #d0d7de; }
.background { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .note { fill: #9198a1; }
  .curve { stroke: #4493f8; }
  .kill { stroke: #f85149; }
  .axis { stroke: #3d444d; }
  .background { fill: #0d1117; }
}
"""


def chart(samples: Sequence[Sample], verdicts: dict[str, Verdict], title: str) -> str:
    """The whole picture; kills of the server are vertical lines."""
    height = 50 + _PANEL * len(MEASURES)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<rect class="background" width="{_WIDTH}" height="{height}"/>',
        f'<text class="title" x="{_LEFT}" y="28">{escape(title)}</text>',
    ]
    for number, (name, (_, unit, _)) in enumerate(MEASURES.items()):
        values = [asdict(one)[name] / unit for one in samples]
        parts += _panel(samples, values, verdicts[name], 50 + number * _PANEL)
    return "\n".join([*parts, "</svg>", ""])


def _panel(
    samples: Sequence[Sample], values: Sequence[float], verdict: Verdict, y: int
) -> list[str]:
    end, highest = samples[-1].seconds or 1.0, max(values) or 1.0
    right, bottom = _WIDTH - _LEFT, y + 22 + _PLOT

    def x_of(seconds: float) -> float:
        return _LEFT + (right - _LEFT) * seconds / end

    points = " ".join(
        f"{x_of(one.seconds):.1f},{bottom - _PLOT * value / highest:.1f}"
        for one, value in zip(samples, values, strict=True)
    )
    kills = [
        f'<line class="kill" x1="{x_of(after.seconds):.1f}" x2="{x_of(after.seconds):.1f}" '
        f'y1="{bottom - _PLOT}" y2="{bottom}"/>'
        for before, after in pairwise(samples)
        if after.kills > before.kills
    ]
    note = f"at most {highest:,.0f}; first third {verdict.first:,.0f}, last {verdict.last:,.0f}"
    return [
        f'<text x="{_LEFT}" y="{y + 12}">{escape(verdict.title)}</text>',
        f'<text class="note" x="{right}" y="{y + 12}" text-anchor="end">{escape(note)}</text>',
        f'<line class="axis" x1="{_LEFT}" x2="{right}" y1="{bottom}" y2="{bottom}"/>',
        *kills,
        f'<polyline class="curve" points="{points}"/>',
    ]
