"""The soak's verdict: it must be able to say no."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from tests.soak.chart import chart
from tests.soak.samples import MEASURES, Sample, verdicts

EVEN = [
    Sample(
        seconds=5.0 * number,
        server_memory=60 << 20,
        worker_memory=200 << 20,
        descriptors=30,
        threads=10,
        disk=100 << 20,
        tasks=50,
        acknowledged=number,
        ended=number,
        lost=0,
        wrong=0,
        kills=number // 20,
        worker_kills=0,
    )
    for number in range(100)
]


def test_what_stays_the_same_is_flat() -> None:
    assert all(one.is_flat for one in verdicts(EVEN, 30).values())


def test_what_grows_is_not_flat_whatever_it_is() -> None:
    for name in MEASURES:
        growing = [
            replace(one, **{name: round(getattr(one, name) * (1 + one.seconds / 100))})
            for one in EVEN
        ]
        found = {measure for measure, one in verdicts(growing, 30).items() if not one.is_flat}
        assert found == {name}


def test_growth_while_it_warms_up_is_forgiven() -> None:
    first = [replace(one, descriptors=3) for one in EVEN[:6]]
    assert all(one.is_flat for one in verdicts(first + EVEN[6:], 30).values())


def test_the_chart_shows_every_measure_and_every_kill() -> None:
    root = ET.fromstring(chart(EVEN, verdicts(EVEN, 30), "8 minutes & more"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}polyline")) == len(MEASURES)
    kills = [line for line in root.findall(f"{space}line") if line.get("class") == "kill"]
    assert len(kills) == 4 * len(MEASURES)
