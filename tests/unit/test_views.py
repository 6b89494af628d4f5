"""Views and pages of a result, on both implementations, beside a model that fits on a page."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from plays_service.aggregation import (
    SORTS,
    DamagedResultError,
    RowQuery,
    engine,
    json_lines,
    make_view,
    read_page,
)
from plays_service.aggregation.publish import appearing
from plays_service.aggregation.result_rows import ResultRow, date_text, read_rows
from plays_service.aggregation.rows import RESULT_HEADER, format_row
from plays_service.aggregation.view_file import ViewFile
from tests.unit.conftest import FOLDER

#: Songs that are alike, that fold in odd ways, that need quotes, that end in zeros.
SONGS = [
    "a", "A", "ab", "abc", "abcdefgh", "abcdefghi", "abcdefgh\0", "abcdefgh\0\0", "a\0", "b",
    "Straße", "STRASSE", "\u212a", "k", "ﬃ", "ffi", "ΐ", "Ÿ", "ÿ", "İ", "i̇", "\u017f", "s",
    "Ω", "ω", "ΣΑΣ", "σας", "東京", "🎵", "𐐀", "𐐨",
    'a "quoted" b', "a,b", "a\nb", "a\r\nb", '"', '""', ",",
    "x" * 100, "x" * 100 + "y", "x" * 99 + "Z", "ä" * 40, "Ä" * 40,
]  # fmt: skip
NEEDLES = ["", "a", "AB", "ss", "ß", "K", "ffi", "ﬁ", "x" * 100, "Y", "\u03c3", "ς", "京", "𐐀", '"',
           ",", "\n", "\0", "i̇", "ΐ", "zz", "hi"]  # fmt: skip
DATES = [1_01_01, 2020_01_01, 2020_02_29, 9999_12_31]
PLAYS = [0, 1, -1, 99, 10**8, 12345678, -(10**8), 2**62 - 1, 2**62, -(2**62), 2**63 - 1, 2**63,
         -(2**63), -(2**63) - 1, 2**64, 10**30, -(10**30), 2**127 - 1, -(2**127)]  # fmt: skip

row_lists = st.lists(
    st.tuples(
        (st.sampled_from(SONGS) | st.text(min_size=1, max_size=12)).map(str.encode),
        st.sampled_from(DATES),
        st.sampled_from(PLAYS),
    ),
    max_size=60,
)
queries = st.builds(
    RowQuery,
    sort=st.sampled_from(SORTS),
    descending=st.booleans(),
    song=st.sampled_from(NEEDLES) | st.text(max_size=2),
    first_date=st.sampled_from([0, 2020_01_01, 2020_02_28]),
    last_date=st.sampled_from([1_01_01, 2020_01_01, 9999_12_31]),
)


def result_of(rows: list[ResultRow], folder: Path) -> Path:
    result = folder / "result.csv"
    result.write_bytes(RESULT_HEADER + b"".join(format_row(*row) for row in rows))
    return result


def expected(rows: list[ResultRow], query: RowQuery) -> list[ResultRow]:
    """What the query means, in a few words."""
    found = [
        row
        for row in rows
        if query.first_date <= row[1] <= query.last_date
        and query.song in row[0].decode().casefold()
    ]
    keys: dict[str, Callable[[ResultRow], Any]] = {
        "song": lambda row: row[0], "date": lambda row: row[1], "plays": lambda row: row[2]
    }  # fmt: skip
    if query.sort == "appearance":
        return found[::-1] if query.descending else found
    return sorted(found, key=keys[query.sort], reverse=query.descending)


def page_of(result: Path, query: RowQuery, offset: int, limit: int, memory: int) -> list[ResultRow]:
    view = result.with_name(query.view_name)
    if read_page(result, query, view, offset, limit) is None:
        engine.build_view(result, query, view, memory)
    page = read_page(result, query, view, offset, limit)
    assert page is not None
    return page.rows


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=row_lists,
    query=queries,
    memory=st.sampled_from([1, 2000, 1 << 20]),
    offset=st.integers(0, 30),
    limit=st.integers(1, 40),
)
@example([(b"abcdefgh\0", 2020_01_01, 1), (b"abcdefgh", 2020_01_01, 1)], RowQuery("song"), 1, 0, 9)
@pytest.mark.usefixtures("engine")
def test_a_page_is_what_the_model_says(
    rows: list[ResultRow], query: RowQuery, memory: int, offset: int, limit: int
) -> None:
    with tempfile.TemporaryDirectory(dir=FOLDER) as name:
        folder = Path(name)
        result = result_of(rows, folder)
        wanted = expected(rows, query)
        assert page_of(result, query, offset, limit, memory) == wanted[offset : offset + limit]
        opened = ViewFile.open(folder / query.view_name)
        assert opened is not None
        assert opened.rows == len(wanted)
        assert {path.suffix for path in folder.iterdir()} == {".csv", ".view"}


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("memory", [20_000, 1 << 22])
def test_many_rows_in_many_runs(
    tmp_path: Path, engine: str, sort: str, *, descending: bool, memory: int
) -> None:
    rows = [
        (b"Song number %07d" % (i * 7919 % 2003), 2020_01_01 + i % 28, (i * i) % 5003)
        for i in range(9000)
    ]
    result = result_of(rows, tmp_path)
    query = RowQuery(sort, descending)
    wanted = expected(rows, query)
    for offset in (0, 1000, 1024, 5555, 8995):
        assert page_of(result, query, offset, 10, memory) == wanted[offset : offset + 10], engine


@pytest.mark.parametrize("sort", ["song", "plays"])
def test_long_songs_that_differ_only_at_their_end(tmp_path: Path, engine: str, sort: str) -> None:
    rows = [(b"%b%03d" % (b"x" * 700, i * 37 % 101), 2020_01_01, 7) for i in range(600)]
    rows.append((b"y" * (1 << 20), 2020_01_01, 7))
    rows.append((b'"\n' * (1 << 19), 2020_01_01, 7))
    result = result_of(rows, tmp_path)
    query = RowQuery(sort)
    read: list[ResultRow] = []
    while page := page_of(result, query, len(read), 1000, 1 << 24):
        read += page
    assert read == expected(rows, query), engine


@pytest.mark.parametrize("sort", SORTS)
def test_each_engine_makes_the_same_file(tmp_path: Path, sort: str) -> None:
    rows = [(song.encode(), date, plays) for song in SONGS for date in DATES for plays in PLAYS]
    result = result_of(rows, tmp_path)
    views = []
    for name in ("native", "pure"):
        try:
            engine.use_engine(name)
        except engine.EngineError as error:
            pytest.skip(str(error))
        engine.build_view(result, RowQuery(sort, descending=True), tmp_path / name, 100_000)
        views.append((tmp_path / name).read_bytes())
    engine.use_engine("auto")
    assert views[0] == views[1]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "damage",
    [b"a", b"a\n", b"a,2020-01-01,x\n", b"a,2020-01-32,1\n", b"2020-01-01,1\n", b",2020-01-01,1\n",
     b'"a,2020-01-01,1\n', b'"a"",2020-01-01,1\n', b"a,2020-01-01,1", b"\n", b'"', b",\n", b",,\n",
     b'"\n', b'"",2020-01-01,1\n', b"a,2020-01-01,-\n", b"a,2020-01-01,\n",
     b"\xff,2020-01-01,1\n"],
)  # fmt: skip
def test_a_damaged_result_is_an_error(tmp_path: Path, damage: bytes) -> None:
    result = result_of([(b"a", 2020_01_01, 1)], tmp_path)
    with result.open("ab") as file:
        file.write(damage)
    view = tmp_path / "x.view"
    with pytest.raises(DamagedResultError):
        engine.build_view(result, RowQuery("song", song="a"), view, 1 << 20)
    with pytest.raises(DamagedResultError):
        json_lines(result, 0, 1 << 20)
    assert list(tmp_path.iterdir()) == [result]


@pytest.mark.usefixtures("engine")
def test_a_result_cut_anywhere_is_an_error_or_shorter(tmp_path: Path) -> None:
    rows = [(b'"a,\n"', 2020_01_01, 10**20), (b"b", 2020_01_02, 1)]
    whole = result_of(rows, tmp_path).read_bytes()
    result, view = tmp_path / "result.csv", tmp_path / "x.view"
    for size in range(len(whole)):
        result.write_bytes(whole[:size])
        try:
            count = engine.build_view(result, RowQuery("plays", song="A"), view, 1 << 20)
        except DamagedResultError:
            continue
        assert count <= 1


@pytest.mark.usefixtures("engine")
def test_what_is_gone(tmp_path: Path) -> None:
    gone = tmp_path / "gone" / "result.csv"
    with pytest.raises(FileNotFoundError):
        engine.build_view(gone, RowQuery(), tmp_path / "x.view", 1 << 20)
    result = result_of([(b"a", 2020_01_01, 1)], tmp_path)
    for sort in SORTS:
        with pytest.raises(FileNotFoundError):
            engine.build_view(result, RowQuery(sort), tmp_path / "gone" / "x.view", 1)
    with pytest.raises(FileNotFoundError):
        make_view(result, RowQuery(), tmp_path / "gone" / "derived" / "x.view", 1)
    assert list(tmp_path.iterdir()) == [result]


def test_views_of_a_result_take_no_more_room_than_it(tmp_path: Path) -> None:
    rows = [(b"a", 2020_01_01, 1) for _ in range(70_000)]
    result = result_of(rows, tmp_path)
    folder = tmp_path / "derived"
    for i in range(9):
        query = RowQuery("plays", song="a", first_date=2019_01_01 + i)
        make_view(result, query, folder / query.view_name, 1 << 24)
        sizes = [path.stat().st_size for path in folder.iterdir()]
        assert sum(sizes[:-1]) <= result.stat().st_size
        assert (folder / query.view_name).exists()
    assert 1 < len(sizes) < 8


def test_what_a_dead_worker_left_is_cleared(tmp_path: Path) -> None:
    result = result_of([(b"a", 2020_01_01, 1)], tmp_path)
    view = tmp_path / "derived" / RowQuery().view_name
    view.parent.mkdir()
    view.with_name(f"{view.name}.0123abcd.tmp").write_bytes(b"half")
    make_view(result, RowQuery(), view, 1 << 20)
    assert list(view.parent.iterdir()) == [view]


def test_what_another_is_making_at_this_moment_stays(tmp_path: Path) -> None:
    """Two services may have the same view made, by workers on two machines."""
    result = result_of([(b"a", 2020_01_01, 1)], tmp_path)
    view = tmp_path / "derived" / RowQuery().view_name
    view.parent.mkdir()
    with appearing(view) as temporary:
        make_view(result, RowQuery(), view, 1 << 20)
        made = view.read_bytes()
        temporary.write_bytes(made)
    assert list(view.parent.iterdir()) == [view]
    assert view.read_bytes() == made


def test_queries_that_mean_the_same_share_a_view() -> None:
    assert RowQuery(descending=True).view_name == RowQuery().view_name
    assert RowQuery(song="Straße").view_name == RowQuery(song="STRASSE").view_name
    assert RowQuery("song", descending=True).view_name != RowQuery("song").view_name
    assert RowQuery(song="a").view_name != RowQuery(song="b").view_name


@pytest.mark.usefixtures("engine")
def test_json_lines_in_pieces_are_those_in_one(tmp_path: Path) -> None:
    songs = [*SONGS, *map(chr, range(0xA0)), "\\", "x" * 3000, "\1" * 3000]
    rows = [(song.encode(), DATES[i % 4], PLAYS[i % len(PLAYS)]) for i, song in enumerate(songs)]
    result = result_of(rows, tmp_path)
    whole, end = json_lines(result, 0, 1 << 30)
    assert whole.decode().split("\n") == [
        *(
            json.dumps(
                {"song": song.decode(), "date": date_text(date), "plays": plays},
                ensure_ascii=False,
            )
            for song, date, plays in rows
        ),
        "",
    ]
    assert end == result.stat().st_size
    pieces, start = [b"?"], 0
    while pieces[-1]:
        piece, start = json_lines(result, start, 50)
        pieces.append(piece)
    assert b"".join(pieces[1:]) == whole


def test_rows_are_read_in_linear_time(tmp_path: Path) -> None:
    song = b"\n" * (1 << 20)  # every line end of it could be the row's
    row = format_row(song, 2020_01_01, 1)
    assert [one for _, _, one in read_rows(io.BytesIO(row), 0)] == [(song, 2020_01_01, 1)]
