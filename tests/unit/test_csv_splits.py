"""However the work is split, the result is the same, and so is the error."""

from __future__ import annotations

import os

import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT, Aggregate

HEADER = b"Song,Date,Number of Plays\n"
RESULT_HEADER = b"Song,Date,Total Number of Plays for Date\n"
MEBIBYTE = 1 << 20
BOM = b"\xef\xbb\xbf"

GOOD = {
    "the example": EXAMPLE,
    "line ends and delimiters in quotes": HEADER
    + b'"a,\n,""\n""",2020-01-01,1\n"\n","2020-01-01",2\nb,2020-01-01,"3"\n'
    + b'"a,\n,""\n""",2020-01-01,4\n\n"\n","2020-01-01",5\n',
    "CRLF": HEADER.replace(b"\n", b"\r\n")
    + b'"a\r\n\r\n",2020-01-01,1\r\n\r\nb,2020-01-01,"2"\r\n"\r",2020-01-01,3\r\nb,2020-01-01,4',
    "mixed line ends": HEADER
    + b'a,2020-01-01,1\r\nb,2020-01-01,2\n\r\n\n"a",2020-01-01,3\r\n"\n\r\n",2020-01-01,4\n',
    "CR": b'Song,Date,Number of Plays\r"a\r,b",2020-01-01,1\r\r\rc\nd,2020-01-01,2\r'
    b'"a\r,b","2020-01-01","3"\re,2020-01-01,4',
    "BOM, empty lines": BOM + b"\n\r\n" + HEADER + b"\n\na,2020-01-01,1\n\n\nb,2020-01-01,2\n\n\n",
    "quotes that are data": HEADER
    + b'Rock 12" mix,2020-01-01,1\na"",2020-01-01,2\n'
    + b' "b,2020-01-01,3\n"""",2020-01-01,4\nRock 12" mix,2020-01-01,5\n',
    "quotes in a column that is ignored": b"x;Song;Date;Number of Plays\n"
    b'";\n;";a;2020-01-01;1\n;b;2020-01-01;2\n"""\n";a;2020-01-01;3\n\n"";"b";2020-01-01;4',
    "totals beyond 64 bits": HEADER
    + b"a,2020-01-01,9223372036854775807\n" * 3
    + b"b,2020-01-01,-9223372036854775808\n" * 2,
}
BAD = {
    "an unclosed quote": HEADER
    + b'a,2020-01-01,1\n"b\n",2020-01-01,2\n"c,2020-01-01,3\nd,2020-01-01,4\ne,2020-01-01,5\n',
    "an unclosed quote on a later line": HEADER
    + b'a,2020-01-01,1\n"b\n\n","2020-01-01,2\nc,2020-01-01,3\n\nd,2020-01-01,4',
    "quotes open at the end of each line": HEADER + b"a,2020-01-01,1\n" + b'b","\n' * 6,
    "text after a closing quote": HEADER
    + b'"a\n"b,2020-01-01,1\nc,2020-01-01,2\n"d\n" ,2020-01-01,3\n"e" "\nf",2020-01-01,4\n',
    "bad values": HEADER
    + b'"a\nb",2020-01-01,1.5\n,2020-01-01,1\n"\n",2020-01-01,2\nc,2020-02-30,3\nc\nd,2020-01-01,',
    "bytes that do not decode": HEADER
    + b'a,2020-01-01,1\n"\xff\n",2020-01-01,2\nb\xe9,2020-01-01,3\n\xc3\na,2020-01-01,4\n',
    "CR": b'Song,Date,Number of Plays\r"a\r",2020-01-01,1\rb,2020-01-01,2\n\r"c\r"d,2020-01-01,3\r'
    b'"e,2020-01-01,4\rf,2020-01-01,5\r',
    "CRLF": (HEADER + b'a,2020-01-01,1\n"b\n"c,2020-01-01,2\n,,\nd,2020-01-01,3').replace(
        b"\n", b"\r\n"
    ),
}


def sizes(data: bytes) -> list[int]:
    """Sizes of segments: small ones, each of which makes many files, and some others."""
    return [1, 3, 8, *range(11, len(data), 11)]


@pytest.mark.parametrize("name", GOOD)
def test_every_split_gives_the_same_bytes(aggregate: Aggregate, name: str) -> None:
    data = GOOD[name]
    whole, summary = aggregate(data)
    assert whole is not None
    for size in sizes(data):
        assert aggregate(data, segment_size=size) == (whole, summary)


def test_every_split_of_the_example_gives_what_is_documented(aggregate: Aggregate) -> None:
    for size in range(1, len(EXAMPLE) + 2, 8):
        assert aggregate(EXAMPLE, segment_size=size)[0] == EXAMPLE_RESULT


@pytest.mark.parametrize("skip_errors", [False, True])
@pytest.mark.parametrize("name", BAD)
def test_every_split_gives_the_same_error(
    aggregate: Aggregate, name: str, skip_errors: bool
) -> None:
    data = BAD[name]
    whole, summary = aggregate(data, skip_errors=skip_errors)
    assert (summary.error is None) == skip_errors
    assert bool(summary.skipped) == skip_errors
    for size in sizes(data):
        result, split = aggregate(data, skip_errors=skip_errors, segment_size=size)
        assert result == whole
        assert split.error == summary.error
        if skip_errors:
            assert split == summary


@pytest.mark.parametrize("name", BAD)
def test_the_last_line_end_may_be_missing_or_many(aggregate: Aggregate, name: str) -> None:
    """The kept groups do not depend on it (but for a CR, which is data where lines end in LF)."""
    line_end = b"\r" if name == "CR" else b"\r\n"
    data = BAD[name].rstrip(b"\r\n")
    results = {
        aggregate(data + line_end * count, skip_errors=True, segment_size=size)[0]
        for count in (0, 1, 2, 3)
        for size in (1, 40, MEBIBYTE)
    }
    assert len(results) == 1


LINE = b"x" * 300_000
OVERSIZED = {
    "a stray quote": HEADER
    + b'a,2020-01-01,1\n"b,2020-01-01,2\n'
    + (LINE + b",2020-01-01,3\n") * 4
    + b"c,2020-01-01,4\n",
    "a stray quote that closes after the limit": HEADER
    + b'a,2020-01-01,1\n"b,2020-01-01,2\n'
    + (LINE + b",2020-01-01,3\n") * 4
    + b'c,"2020-01-01",4\n"d\n",2020-01-01,5\n',
    "a line over the limit": HEADER
    + b'"a\n",2020-01-01,1\n'
    + LINE * 4
    + b",2020-01-01,2\n\nb,2020-01-01,3\n",
    "a quoted line over the limit": HEADER.replace(b"\n", b"\r\n")
    + b'a,2020-01-01,1\r\n"b\r\n'
    + LINE * 4
    + b'",2020-01-01,2\r\nc,2020-01-01,3\r\n',
    "a record of the limit in quotes": HEADER
    + b'a,2020-01-01,1\n"\n'.ljust(300, b"\n").ljust(MEBIBYTE, b"x")
    + b'",2020-01-01,2\nb,2020-01-01,3',
}


@pytest.mark.parametrize("skip_errors", [False, True])
@pytest.mark.parametrize("name", OVERSIZED)
def test_splits_of_records_over_the_limit(
    aggregate: Aggregate, name: str, skip_errors: bool
) -> None:
    data = OVERSIZED[name]
    whole, summary = aggregate(data, skip_errors=skip_errors)
    lengths = [len(line) + 1 for line in data.split(b"\n")]
    starts = {sum(lengths[:i]) - lengths[0] for i in range(1, len(lengths))}
    around = {start + more for start in starts for more in (-1, 0, 1) if start > 5_000}
    for size in {50_000, *around, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 2}:
        result, split = aggregate(data, skip_errors=skip_errors, segment_size=size)
        assert result == whole
        assert split.error == summary.error
        if skip_errors:
            assert split == summary


def many_groups(groups: int, rounds: int) -> tuple[bytes, bytes]:
    """An input in which every group comes back in each round in another order, and its result."""
    records = []
    totals: dict[bytes, int] = {}
    for i in range(rounds):
        for j in range(groups):
            number = (j * (2 * i + 1) * 7 + i) % groups if i else j
            song = b'"s\n%d"' % number if number % 3 == 0 else b"song %d" % number
            song += b",2020-01-%02d" % (number % 28 + 1)
            plays = (-1) ** j * (1 << j % 63)
            records.append(b"%b,%d\n" % (song, plays))
            totals[song] = totals.get(song, 0) + plays
    return HEADER + b"".join(records), RESULT_HEADER + b"".join(
        b"%b,%d\n" % one for one in totals.items()
    )


@pytest.mark.parametrize("memory", [1 << 10, 4 << 10, 16 << 10, 64 << 10])
@pytest.mark.parametrize("segment_size", [300, 5_000, 1 << 20])
def test_memory_for_few_groups_gives_the_same_bytes(
    aggregate: Aggregate, memory: int, segment_size: int
) -> None:
    """Groups are spilled, merged in several passes, and ordered in many ranges."""
    data, expected = many_groups(211, 5)
    result, summary = aggregate(data, memory=memory, segment_size=segment_size)
    assert result == expected
    assert (summary.rows, summary.groups) == (211 * 5, expected.count(b",2020-"))


@pytest.mark.parametrize("memory", [2 << 10, 16 << 10])
def test_long_songs_in_little_memory(aggregate: Aggregate, memory: int) -> None:
    songs = [b"%05d" % i + b'"' * 3000 for i in range(40)]
    data = HEADER + b"".join(b"%b,2020-01-01,1\n" % song for song in songs * 3)
    expected = RESULT_HEADER + b"".join(
        b'"%b",2020-01-01,3\n' % song.replace(b'"', b'""') for song in songs
    )
    for segment_size in (10_000, MEBIBYTE):
        assert aggregate(data, memory=memory, segment_size=segment_size)[0] == expected


@pytest.mark.parametrize("memory", [1 << 10, 512 << 20])
def test_every_seed_gives_the_same_bytes(aggregate: Aggregate, memory: int) -> None:
    """The seed decides which groups meet in a partition, and nothing that is seen."""
    data, expected = many_groups(97, 2)
    for seed in (0, 1, 2, 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03, 2**63, 2**64 - 1):
        assert aggregate(data, memory=memory, segment_size=1500, seed=seed)[0] == expected


@pytest.mark.parametrize("memory", [1 << 10, 512 << 20])
def test_bad_records_in_little_memory(aggregate: Aggregate, memory: int) -> None:
    data, expected = many_groups(50, 3)
    lines = data.splitlines(keepends=True)
    bad = b"".join(line + b"bad,\n" * (line[:1] == b"s") for line in lines)
    first = next(i for i, line in enumerate(lines) if line.startswith(b"song"))
    for segment_size in (200, MEBIBYTE):
        result, summary = aggregate(bad, memory=memory, segment_size=segment_size)
        assert result is None
        assert str(summary.error) == f"line {first + 2}: 2 fields where the header has 3"
        result, summary = aggregate(bad, memory=memory, segment_size=segment_size, skip_errors=True)
        assert result == expected
        assert summary.skipped == bad.count(b"bad")


def test_a_system_that_cannot_reserve_gives_the_same_bytes(
    aggregate: Aggregate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "posix_fallocate")
    data, expected = many_groups(97, 2)
    assert aggregate(data, memory=1 << 10, segment_size=300)[0] == expected
