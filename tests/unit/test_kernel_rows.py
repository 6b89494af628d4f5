"""The kernel on results: no memory, damage of any kind."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from plays_service.aggregation import DamagedResultError, RowQuery, pure
from plays_service.aggregation.result_rows import ResultRow
from tests.unit.allocations import fail_each
from tests.unit.test_views import DATES, PLAYS, SONGS, result_of

_kernel = pytest.importorskip("plays_service.aggregation._kernel")
native = pytest.importorskip("plays_service.aggregation.native")

ROWS: list[ResultRow] = [
    (song.encode(), DATES[i % 4], PLAYS[i * j % len(PLAYS)])
    for i, song in enumerate(SONGS)
    for j in range(20)
]


def _calls(result: Path, memory: int) -> list[Callable[[], object]]:
    """All that the kernel does with results."""
    view = result.with_name("x.view")
    queries = [
        RowQuery(), RowQuery("song", song="A"), RowQuery("plays", descending=True), RowQuery("date")
    ]  # fmt: skip
    return [
        *(lambda query=one: native.build_view(result, query, view, memory) for one in queries),
        lambda: native.summarize(result, memory, 1),
        lambda: native.json_lines(result, 0, 1 << 20),
    ]


@pytest.mark.parametrize(("memory", "rows"), [(3000, ROWS[::7]), (1 << 20, ROWS)])
def test_every_allocation_may_fail(tmp_path: Path, memory: int, rows: list[ResultRow]) -> None:
    for call in _calls(result_of(rows, tmp_path), memory):
        expected = call()
        found, count = fail_each(call)
        assert (found, count > 0) == (expected, True)
        assert not list(tmp_path.glob("*.tmp"))


def test_any_damage_is_an_error_or_another_result(tmp_path: Path) -> None:
    chance = random.Random(1)
    result = result_of(ROWS[:200], tmp_path)
    whole = result.read_bytes()
    held = _kernel.allocated()
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(41, len(damaged))
            if chance.random() < 0.5:
                damaged[at] = chance.choice(b'",\n-0\x00\xff9')
            else:
                del damaged[at : at + chance.randrange(1, 40)]
        result.write_bytes(damaged)
        for call in _calls(result, 3000):
            try:
                call()
            except DamagedResultError:
                assert not list(tmp_path.glob("*.tmp"))
        assert _kernel.allocated() == held


def test_many_runs_of_huge_songs(tmp_path: Path) -> None:
    """Texts that are longer than windows, in more runs than are merged at once."""
    rows = [(b"%03d" % (i * 7 % 50) + b"x" * 300_000, 2020_01_01, i) for i in range(50)]
    result = result_of(rows, tmp_path)
    view = tmp_path / "x.view"
    assert native.build_view(result, RowQuery("song"), view, 1 << 16) == 50
    from_pure = tmp_path / "pure.view"
    pure.build_view(result, RowQuery("song"), from_pure, 1 << 16)
    assert view.read_bytes() == from_pure.read_bytes()
