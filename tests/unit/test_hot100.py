"""Real data, in full: the Hot 100 charts, against totals that the csv module and a dict give."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from tests.conftest import HOT100, Aggregate

pytestmark = pytest.mark.skipif(
    not HOT100.is_file(), reason="the real data is not here: see tests.conftest.HOT100"
)


@pytest.fixture(scope="module")
def data() -> bytes:
    return HOT100.read_bytes()


@pytest.fixture(scope="module")
def totals(data: bytes) -> Counter[tuple[str, str]]:
    """Totals in order of first appearance."""
    found: Counter[tuple[str, str]] = Counter()
    for row in csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")):
        found[row["Song"], row["Date"]] += int(row["Number of Plays"])
    return found


@pytest.fixture(scope="module")
def expected(totals: Counter[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["Song", "Date", "Total Number of Plays for Date"])
    writer.writerows([song, date, total] for (song, date), total in totals.items())
    return text.getvalue().encode()


def test_the_data_is_worth_the_name(totals: Counter[tuple[str, str]], data: bytes) -> None:
    assert len(totals) > 10_000
    assert data.count(b"\n") > len(totals)  # some come more than once
    assert b'"' in data
    assert not data.isascii()


def test_in_one_piece(aggregate: Aggregate, data: bytes, expected: bytes) -> None:
    result, summary = aggregate(data)
    assert result == expected
    assert summary.error is None
    assert summary.groups == expected.count(b"\n") - 1


def test_in_segments_and_little_memory(aggregate: Aggregate, data: bytes, expected: bytes) -> None:
    assert aggregate(data, segment_size=1 << 20, memory=8 << 20)[0] == expected


def test_outgrowing_the_memory_in_one_piece(
    aggregate: Aggregate, data: bytes, expected: bytes
) -> None:
    assert aggregate(data, memory=4 << 20)[0] == expected


def test_in_another_encoding_and_dialect(
    aggregate: Aggregate, data: bytes, expected: bytes
) -> None:
    rows = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    text = io.StringIO()
    csv.writer(text, delimiter=";", lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows(rows)
    assert aggregate(text.getvalue().encode("utf-16"))[0] == expected
