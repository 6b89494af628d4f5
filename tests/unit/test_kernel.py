"""The C kernel and the pure implementation: same bytes, same words, same counts."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import plays_service
from plays_service.aggregation import (
    PARTITIONS,
    CsvError,
    Reading,
    Segment,
    Source,
    Summary,
    dialect,
    dialect_of,
    engine,
    pure,
    records,
)
from plays_service.aggregation.groupfile import DamagedFileError, GroupFile
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.unit.allocations import fail_each
from tests.unit.conftest import FOLDER

_kernel = pytest.importorskip("plays_service.aggregation._kernel")
native = pytest.importorskip("plays_service.aggregation.native")

#: A build whose limits are so small that short inputs meet them: the pure one follows suit.
TINY = _kernel.RECORD_LIMIT < 1 << 20
LIMIT = _kernel.RECORD_LIMIT


@pytest.fixture(autouse=True, scope="module")
def same_limits() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    if TINY:
        patch.setattr(records, "RECORD_LIMIT", LIMIT)
        patch.setattr(records, "_LONGEST", LIMIT + 2)
    yield
    patch.undo()


@pytest.fixture(params=["avx512", "avx2", "sse2", "neon", "plain"])
def indexer(request: pytest.FixtureRequest) -> Iterator[str]:
    if not _kernel.use_index(request.param):
        pytest.skip(f"no {request.param} here")
    yield request.param
    _kernel.use_index(None)


class Run:
    """One input, worked on by whichever implementation is asked for."""

    def __init__(self, folder: Path, data: bytes, skip_errors: bool = False) -> None:
        self.folder = folder
        self.path = folder / "input.csv"
        self.path.write_bytes(data)
        self.source = Source(self.path, dialect_of(self.path), skip_errors)

    def read(
        self, module: ModuleType, segment: Segment, seed: int, memory: int
    ) -> tuple[Path, Reading | None]:
        """The partial of a segment, and what was read."""
        name = module.__name__.rpartition(".")[2]
        path = self.folder / f"{name}-{segment.start}-{segment.rough}.partial"
        reading = module.aggregate_segment(self.source, segment, path, seed, memory)
        assert path.exists() == (reading is not None and reading.summary.error is None)
        return path, reading

    def read_by_both(self, segment: Segment, seed: int, memory: int) -> tuple[Path, Path, Reading]:
        """Two partials, and the reading on which both implementations must agree."""
        ours, found = self.read(native, segment, seed, memory)
        theirs, expected = self.read(pure, segment, seed, memory)
        assert found == expected
        assert found is not None
        return ours, theirs, found

    def merged(
        self, module: ModuleType, partials: list[Path], seed: int, memory: int, shares: int
    ) -> bytes:
        """The result of merging partials, in several shares and ranges."""
        bounds = [PARTITIONS * i // shares for i in range(shares + 1)]
        runs = [self.folder / f"{i}.run" for i in range(shares)]
        for i, run in enumerate(runs):
            module.merge_partitions(partials, range(bounds[i], bounds[i + 1]), run, seed, memory)
        result = self.folder / "merged.csv"
        for ranges, offset in module.plan_result(runs, result, 64):
            module.write_ranges(runs, ranges, result, offset)
        return result.read_bytes()

    def merged_at_once(
        self, module: ModuleType, partials: list[Path], seed: int, memory: int
    ) -> tuple[bytes, int] | None:
        """The result of merging partials in one call, and its groups; None if they do not fit."""
        result = self.folder / "at-once.csv"
        groups = module.merge_file(partials, result, seed, memory)
        assert result.exists() == (groups is not None)
        if groups is None:
            return None
        data = result.read_bytes()
        result.unlink()
        return data, groups

    def whole(self, module: ModuleType, memory: int) -> tuple[bytes | None, Summary]:
        """The result of the call for small files."""
        result = self.folder / "whole.csv"
        result.unlink(missing_ok=True)
        scratch = self.folder / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        summary = module.aggregate_file(self.source, result, scratch, 1, memory)
        return (result.read_bytes() if result.exists() else None), summary


@contextmanager
def run_on(data: bytes, skip_errors: bool = False) -> Iterator[Run]:
    with TemporaryDirectory(dir=FOLDER) as folder:
        yield Run(Path(folder), data, skip_errors)


def check(
    data: bytes,
    *,
    skip_errors: bool = False,
    segment_size: int = 1 << 20,
    memory: int = 1 << 20,
    seed: int = 1,
    sample: int = 1 << 16,
) -> tuple[bytes | None, Summary] | None:
    """Both implementations on `data`, in all combinations; what they agree on."""
    try:
        with run_on(data, skip_errors) as run, pytest.MonkeyPatch.context() as patch:
            patch.setattr(native, "SAMPLE_ROWS", sample)
            return _check(run, segment_size, memory, seed)
    except CsvError:
        return None  # of the header, which both read with the same code


def _check(run: Run, segment_size: int, memory: int, seed: int) -> tuple[bytes | None, Summary]:
    whole = run.whole(pure, memory)
    assert run.whole(native, memory) == whole
    ours: list[Path] = []
    theirs: list[Path] = []
    total = Summary()
    start, size = run.source.dialect.data_start, run.path.stat().st_size
    for rough in range(start, size, segment_size):
        segment = Segment(rough, min(rough + segment_size, size), rough > start)
        if segment.end <= start:
            continue
        our, their, reading = run.read_by_both(segment, seed, memory)
        if reading.start != start:
            our, their, reading = run.read_by_both(Segment(start, segment.end), seed, memory)
        assert (reading.start, reading.end >= segment.end) == (start, True)
        ours.append(our)
        theirs.append(their)
        total = total.then(reading.summary)
        if total.error is not None:
            break
        start = reading.end
    if total.error is None:
        assert start == size
        mixed = [pair[i % 2] for i, pair in enumerate(zip(ours, theirs, strict=True))]
        for module in (native, pure):
            for partials in (ours, theirs, mixed):
                assert run.merged(module, partials, seed, memory, 3) == whole[0]
                expected = whole[0], whole[1].groups
                assert run.merged_at_once(module, partials, seed, memory) in (None, expected)
                assert run.merged_at_once(module, partials, seed, 1 << 30) == expected
            combined = run.folder / "combined.partial"
            groups = module.combine_partials(mixed, combined, seed, memory)
            assert groups == whole[1].groups
            assert run.merged(module, [combined], seed, memory, 2) == whole[0]
    total = replace(total.moved(run.source.dialect.data_line), groups=whole[1].groups)
    assert total.error == whole[1].error
    if total.error is None:
        assert total == whole[1]
    return whole


# ---- Hypothesis: inputs that meet every rule ----

SONGS = [
    b"Umbrella", b"In The End", b"a", b"", b'"a"', b'"a,b"', b'"a;b"', b'"a""b"', b'"""x"""',
    b'"a\nb"', b'"a\r\nb"', b'"\r"', b'x"y', b'x "" y', b'"', b'""', b'"a"x', b'"a', b'a"',
    b"caf\xc3\xa9", b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x8e\xb5", b"\xc3", b" a ", b"\x00",
    b"sixteen letters.", b"seventeen letters", b"a song of exactly thirty-two b.",
    b"a song of exactly thirty-two by.", b"a song of exactly thirty-three b.", b"z" * 47,
    b"\r", b"a\rb", b"a\nb", b"\t", b"|", b",", b";", b'"","', b'"\xc3\xa9, \xff"', b"\xef\xbb\xbf",
]  # fmt: skip
DATES = [
    b"2020-01-01", b"2020-02-29", b"2021-02-29", b"1900-02-29", b"2000-02-29", b"0000-01-01",
    b"0001-01-01", b"9999-12-31", b"2020-13-01", b"2020-00-10", b"2020-01-00", b"2020-04-31",
    b" 2020-01-01", b"2020-01-01\t", b'"2020-01-01"', b'" 2020-01-01 "', b"2020-1-01",
    b"2020/01/01", b"2020-01-0:", b"", b"202\xff-01-01", b"2020-01-01 00:00",
    b'"2020-01""-01"', b"20 20-01-01",
]  # fmt: skip
PLAYS = [
    b"1", b"0", b"-1", b"+7", b"12345678", b"123456789", b" 5 ", b"\t5", b"5\r", b"", b" ", b"-",
    b"12.5", b"1e3", b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
    b"-9223372036854775809", b"00000000000000000000000000012", b"0x1", b'"5"', b'"-5"', b'" 6"',
    b'"', b"1" * 40, b"--1", b"1 2", b"\xd9\xa3", b'"1""2"',
]  # fmt: skip
GOOD_SONGS = [song for song in SONGS if b"\xff" not in song][:20]
LINE_ENDS = [b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"", b"\n\r"]
HEADERS = [
    b"Song,Date,Number of Plays", b"Song;Date;Number of Plays", b"Song\tDate\tNumber of Plays",
    b"Song|Date|Number of Plays", b"Number of Plays,Song,Date", b"Date,x,Number of Plays,Song,y",
    b'"Song","Date","Number of Plays"', b"\xef\xbb\xbfSong,Date,Number of Plays",
    b"\n\nsong , DATE,number of plays", b'"a\nb",Song,Date,Number of Plays',
]  # fmt: skip


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """A header and lines made of pieces that are good, bad or odd; more good than bad."""
    header = draw(st.sampled_from(HEADERS))
    delimiter = next(one for one in (b";", b"\t", b"|", b",") if one in header)
    usual_end = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    names = header.strip(b"\xef\xbb\xbf\n").replace(b"\n", b"").split(delimiter)
    oddness = draw(st.sampled_from([0, 1, 3]))
    lines = [header, usual_end]
    for _ in range(draw(st.integers(0, 14))):
        fields = []
        for name in names:
            kind = name.strip(b'" ').lower()
            odd = draw(st.integers(0, 9)) < oddness
            if kind == b"date":
                fields.append(draw(st.sampled_from(DATES if odd else DATES[:2])))
            elif kind == b"number of plays":
                fields.append(draw(st.sampled_from(PLAYS if odd else PLAYS[:6])))
            else:
                fields.append(draw(st.sampled_from(SONGS if odd else GOOD_SONGS[:8])))
        if draw(st.integers(0, 19)) < oddness:
            fields.append(b"x")
        if draw(st.integers(0, 19)) < oddness:
            fields.append(draw(st.binary(max_size=5)))
        record = delimiter.join(fields)
        if draw(st.integers(0, 19)) < oddness:
            at = draw(st.integers(0, len(record)))
            record = record[:at] + draw(st.sampled_from([b'"', b"\n", b",", b"\r"])) + record[at:]
        odd_end = draw(st.integers(0, 9)) < oddness
        lines += [record, draw(st.sampled_from(LINE_ENDS)) if odd_end else usual_end]
    if draw(st.booleans()):
        lines.pop()
    return b"".join(lines)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    data=files(),
    skip_errors=st.booleans(),
    segment_size=st.sampled_from([1, 20, 60, 200, 1 << 20]),
    memory=st.sampled_from([2, 600, 3000, 1 << 20]),
    sample=st.sampled_from([1, 3, 1 << 16]),
)
@example(EXAMPLE, False, 1, 2, 1)
@pytest.mark.usefixtures("indexer")
def test_both_say_the_same(
    data: bytes, skip_errors: bool, segment_size: int, memory: int, sample: int
) -> None:
    check(data, skip_errors=skip_errors, segment_size=segment_size, memory=memory, sample=sample)


@settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=files(), skip_errors=st.booleans(), draw=st.data())
def test_what_a_growing_file_shows_is_what_the_whole_one_does(
    data: bytes, skip_errors: bool, draw: st.DataObject
) -> None:
    """Wherever an input is cut off, a segment of it is read as in the whole, or not at all."""
    try:
        with run_on(data, skip_errors) as run:
            first = run.source.dialect.data_start
            there = draw.draw(st.integers(min(first + 1, len(data)), len(data)))
            end = draw.draw(st.integers(first, there))
            start = draw.draw(st.integers(first, end))
            segment = Segment(start, end, start > first)
            _, _, whole = run.read_by_both(segment, 1, 1 << 20)
            for partial in run.folder.glob("*.partial"):
                partial.unlink()
            run.path.write_bytes(data[:there])
            for module in (native, pure):
                _, reading = run.read(module, replace(segment, growing=True), 1, 1 << 20)
                assert reading in (None, whole)
    except CsvError:
        pass  # of the header


def test_a_growing_file_that_has_enough_is_read(tmp_path: Path) -> None:
    run = Run(tmp_path, EXAMPLE)
    first = run.source.dialect.data_start
    for module in (native, pure):
        _, reading = run.read(module, Segment(first, first + 30, growing=True), 1, 1 << 20)
        assert reading is not None
        assert (reading.start, reading.end, reading.summary.rows) == (first, first + 48, 2)


# ---- The parts one by one ----


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
def test_the_example() -> None:
    checked = check(EXAMPLE)
    assert checked is not None
    assert checked[0] == EXAMPLE_RESULT


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
@pytest.mark.parametrize("skip_errors", [False, True])
@pytest.mark.parametrize("over", [0, 1, 2])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("form", [b"%b,2020-01-01,1", b'"%b",2020-01-01,1', b'"%b\n",2020-01-01,1'])
def test_records_about_as_long_as_may_be(
    form: bytes, line_end: bytes, over: int, skip_errors: bool
) -> None:
    record = form % (b"s" * (LIMIT + over - len(form % b"")))
    good = b"a,2020-01-01,1"
    lines = [b"Song,Date,Number of Plays", good, record, good]
    for text in (line_end.join([*lines, b""]), line_end.join(lines[:-1])):
        check(text, skip_errors=skip_errors, segment_size=LIMIT // 3)


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
@pytest.mark.parametrize("size", [LIMIT - 100, LIMIT + 100, 2 * LIMIT])
def test_a_stray_quote_in_a_large_file(size: int) -> None:
    line = b"song,2020-01-01,1\n"
    data = b"Song,Date,Number of Plays\n" + line + b'"' + line * (size // len(line))
    for skip_errors in (False, True):
        check(data, skip_errors=skip_errors, segment_size=size // 3, memory=1 << 24)
        check(data + b'",2020-01-01,5\n', skip_errors=skip_errors, memory=1 << 24)


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
def test_many_stray_quotes_take_linear_time() -> None:
    # each line opens a quote, and one that is open when it begins is open when it ends
    data = b"Song,Date,Number of Plays\n" + b'a"x,"\n' * 300_000
    with run_on(data, skip_errors=True) as run:
        result, summary = run.whole(native, 1 << 24)
        assert result is not None
        assert summary.skipped == summary.lines == 300_000


def _many_rows(count: int, songs: int, quoted: bool, line_end: bytes = b"\n") -> bytes:
    chance = random.Random(count)
    form = '"%s %d","2020-%02d-%02d","%d"' if quoted else "%s %d,2020-%02d-%02d,%d"
    rows = [
        form
        % (
            "song" * chance.choice([1, 1, 1, 12]),
            chance.randrange(songs),
            chance.randrange(1, 13),
            chance.randrange(1, 29),
            chance.choice([chance.randrange(1000), chance.randrange(-(10**18), 10**18)]),
        )
        for _ in range(count)
    ]
    return line_end.join([b"Song,Date,Number of Plays", *map(str.encode, rows), b""])


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("songs", [20, 1 << 20])
@pytest.mark.parametrize("memory", [20_000, 1 << 26])
@pytest.mark.usefixtures("indexer")
def test_many_rows(quoted: bool, line_end: bytes, songs: int, memory: int) -> None:
    data = _many_rows(1_000, songs, quoted, line_end)
    whole = check(data, segment_size=12_500, memory=memory, sample=125)
    assert whole is not None
    assert whole[1].rows == 1_000


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
@pytest.mark.parametrize(
    "odd", [b'a "b,2020-01-01,1', b'"a\nb",2020-01-01,1', b'"a"b,2020-01-01,1']
)
@pytest.mark.usefixtures("indexer")
def test_odd_quotes_among_plain_ones(odd: bytes) -> None:
    """Records of every kind before and behind those whose quotes show no structure."""
    chance = random.Random(odd)
    plain = [
        b"a,2020-01-01,1", b'"a","2020-01-02","2"', b'"a,b",2020-01-01,3', b'"a""b",2020-01-01,4',
        b'"""a""","2020-01-01",5', b'"",2020-01-01,6', b'"' + b"z" * 900 + b'""",2020-01-01,7', b"",
    ]  # fmt: skip
    lines = [chance.choice(plain) for _ in range(1_500)]
    for at in chance.sample(range(len(lines)), 12):
        lines[at] = odd
    lines[700:740] = [odd] * 40
    ends = (chance.choice([b"\n", b"\r\n"]) for _ in lines)
    data = b"Song,Date,Number of Plays\n" + b"".join(map(bytes.__add__, lines, ends))
    checked = check(data, skip_errors=True, segment_size=len(data) // 2, memory=1 << 24)
    assert checked is not None
    assert checked[1].skipped > 100


def _sequences() -> Iterator[bytes]:
    """Every lead with the bounds of what may follow it."""
    for lead in range(0x80, 0x100):
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            yield bytes([lead, second])
            for third in (0x7F, 0x80, 0xBF, 0xC0) if lead in range(0xE0, 0xF6) else ():
                yield bytes([lead, second, third])
                yield from (bytes([lead, second, third, last]) for last in (0x7F, 0x80, 0xC0))


#: What a loop for usual rows must see, among rows of which it knows the keys.
UNUSUAL = (
    b"New,2021-02-30,1", b"New,0000-01-01,1", b"New,2021-13-01,1", b"New,2024-02-29,1",
    b"Song 1,2021-0:-01,1", b"Song 1,2021/01-01,1", b"Song 1,2021-01-015,1",
    b"Song 1, 2021-01-01 ,1",
    b"N\xffew,2021-01-01,1", b"New\xc3,2021-01-01,1", b"N\xc3\xa9w,2021-01-01,1",
    b"Song 1,2021-01-01,", b"Song 1,2021-01-01,1x", b"Song 1,2021-01-01, -7 ",
    b"Song 1,2021-01-01,123456789012", b"Song 1,2021-01-01,12345678901234567890",
    b'"Song 1","2021-01-01","5"', b'Song 1,"2021-01-01",5', b'Song 1,2021-01-01,"5"',
    b'"Song ""1""",2021-01-01,5', b'"Song\n1",2021-01-01,5', b'"Song 1,2021-01-01,5',
    b"Song 1,2021-01-01,5\r", b"Song 1,2021-01-01\r,5", b",2021-01-01,5", b'"",2021-01-01,5',
    b"", b"Song 1,2021-01-01", b"Song 1,2021-01-01,5,", b"Song,1,2021-01-01,5",
    b"Song 1\n2021-01-01,5", b"Song 1,2021-01-01\n5", b'"Song 1"\n"2021-01-01",5',
    b'"Song 1","2021-01-01"\n5', b'"Song 1"\n"2021-01-01","5"', b'"Song 1","2021-01-01"\n"5"',
)  # fmt: skip


@pytest.mark.skipif(TINY, reason="needs batches of many rows")
@pytest.mark.parametrize(
    "usual",
    [b"Song %d,2021-01-%02d,%d", b'"Song %d","2021-01-%02d",%d', b'"Song %d","2021-01-%02d","%d"'],
)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("sample", [1 << 16, 50])
def test_unusual_rows_among_known_ones(usual: bytes, line_end: bytes, sample: int) -> None:
    """In batches of 128 rows: at their ends, and so close to each other that none gets full."""
    known = [usual % (i % 7, i % 5 + 1, i) for i in range(450)]
    many = [usual % (i, 1, i) for i in range(150)]  # so many new ones that they are scattered

    def file_of(rows: list[bytes]) -> bytes:
        return line_end.join([b"Song,Date,Number of Plays", *rows]) + line_end

    for unusual in UNUSUAL:
        check(file_of([*known[:129], unusual, *known[129:200]]), sample=sample)
        check(file_of([*many, unusual, *known[:40]]), skip_errors=True, sample=sample)
    for start, distance in ((0, 1), (1, 2), (126, 1), (127, 3), (128, 11)):
        rows = list(known)
        for i, unusual in enumerate(UNUSUAL):
            rows.insert(start + i * (distance + 1), unusual)
        checked = check(file_of(rows), skip_errors=True, sample=sample)
        assert checked is not None
        assert checked[1].skipped > 10


def _groups_written(rows: list[bytes], sample: int) -> int:
    """Groups of the kernel's partial: one for each key, or more where rows were scattered."""
    data = b"Song,Date,Number of Plays\n" + b"".join(rows)
    check(data, sample=sample)
    with run_on(data) as run, pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "SAMPLE_ROWS", sample)
        path, _ = run.read(native, Segment(run.source.dialect.data_start, len(data)), 1, 64 << 20)
        blocks = GroupFile(path).blocks.values()
        return sum(block.groups for bucket in blocks for block in bucket)


def test_new_keys_are_scattered_unless_they_come_back() -> None:
    keys = [b"Song %d,2020-01-01,1\n" % i for i in range(12_000)]
    few, others = keys[:1000], keys[1000:]
    assert _groups_written(few * 12, sample=256) == 1000  # as looking ahead shows
    assert _groups_written(keys * 2, sample=256) > 20_000  # too many for a table to find again
    # only at first, where nobody looks: that is found out while they are scattered
    assert 12_500 < _groups_written(few * 4 + others, sample=256) < 14_500


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
def test_utf8_is_what_python_takes_for_it(tmp_path: Path) -> None:
    """Wherever it stands in what is looked at in one step."""
    header = b"Song,Date,Number of Plays\n"
    path = tmp_path / "input.csv"
    path.write_bytes(header)
    dialect, shape = dialect_of(path), native._shape(dialect_of(path))
    for number, sequence in enumerate(_sequences()):
        record = b"s" * (number % 70) + sequence + b",2020-01-01,1\n"
        path.write_bytes(header + record + b"%s,2020-01-02,2\n" % (b"b" * (number % 31 + 1)))
        stopped, *_ = _kernel.aggregate_file(
            str(path).encode(), dialect.data_start, shape, False, 1, 1 << 20,
            str(tmp_path / "result").encode(), header,
        )  # fmt: skip
        try:
            sequence.decode()
        except UnicodeDecodeError:
            assert stopped, sequence
        else:
            assert not stopped, sequence


def test_totals_beyond_64_and_96_bits() -> None:
    least = b"a,2020-01-01,-9223372036854775808\n"
    greatest = b"a,2020-01-01,9223372036854775807\n"
    for lines, total in (
        (least * 5, b"-46116860184273879040"),
        (least * 5 + greatest * 11, b"55340232221128654837"),
    ):
        whole = check(b"Song,Date,Number of Plays\n" + lines, segment_size=60)
        assert whole is not None
        assert whole[0] is not None
        assert total in whole[0]


@pytest.mark.skipif(TINY, reason="needs the contract's limits")
def test_only_the_first_errors_are_told() -> None:
    data = EXAMPLE + b"bad\n" * 250
    whole = check(data, skip_errors=True, segment_size=300)
    assert whole is not None
    assert whole[1].skipped == 250
    assert len(whole[1].errors) == 100


def test_a_partial_that_is_there_is_kept(tmp_path: Path) -> None:
    run = Run(tmp_path, EXAMPLE)
    segment = Segment(run.source.dialect.data_start, len(EXAMPLE))
    partial = tmp_path / "one.partial"
    first = native.aggregate_segment(run.source, segment, partial, 1, 1 << 20)
    before = partial.stat()
    run.path.unlink()
    assert native.aggregate_segment(run.source, segment, partial, 1, 1 << 20) == first
    assert partial.stat() == before


def test_files_that_are_not_there(tmp_path: Path) -> None:
    run = Run(tmp_path, EXAMPLE)
    segment = Segment(0, 100)
    with pytest.raises(FileNotFoundError) as caught:
        native.merge_partitions([tmp_path / "no"], range(512), tmp_path / "run", 1, 1 << 20)
    assert caught.value.filename == str(tmp_path / "no")
    with pytest.raises(FileNotFoundError):
        native.aggregate_segment(run.source, segment, tmp_path / "no" / "p", 1, 1 << 20)
    source = replace(run.source, path=tmp_path / "gone")
    with pytest.raises(FileNotFoundError):
        native.aggregate_file(source, tmp_path / "r", tmp_path / "s", 1, 1 << 20)
    assert [path.name for path in tmp_path.iterdir()] == ["input.csv"]


def test_a_plan_keeps_what_is_written_and_nothing_behind_it(tmp_path: Path) -> None:
    """Two workers may plan the same result; an older and longer file may be there, too."""
    run = Run(tmp_path, EXAMPLE)
    segment = Segment(run.source.dialect.data_start, len(EXAMPLE))
    partial, out, result = (tmp_path / name for name in ("one.partial", "one.run", "result"))
    native.aggregate_segment(run.source, segment, partial, 1, 1 << 20)
    native.merge_partitions([partial], range(512), out, 1, 1 << 20)
    result.write_bytes(b"x" * 1000)
    for ranges, offset in native.plan_result([out], result, 1 << 20):
        native.write_ranges([out], ranges, result, offset)
    native.plan_result([out], result, 1 << 20)
    assert result.read_bytes() == EXAMPLE_RESULT


@pytest.mark.parametrize("module", [native, pure])
def test_groups_that_may_not_fit_are_not_merged_at_once(tmp_path: Path, module: ModuleType) -> None:
    run = Run(tmp_path, _many_rows(600, 600, False) if not TINY else EXAMPLE)
    segment = Segment(run.source.dialect.data_start, run.path.stat().st_size)
    partial, reading = run.read(module, segment, 1, 1 << 20)
    assert reading is not None
    rows = reading.summary.rows
    assert run.merged_at_once(module, [partial], 1, 100 * rows) is None
    assert run.merged_at_once(module, [partial], 1, 2000 * rows) == run.merged_at_once(
        pure, [partial], 1, 1 << 30
    )


def test_any_damage_to_a_partial_is_an_error_or_harmless(tmp_path: Path) -> None:
    run = Run(tmp_path, EXAMPLE)
    segment = Segment(run.source.dialect.data_start, len(EXAMPLE))
    partial, out = tmp_path / "one.partial", tmp_path / "one.run"
    native.aggregate_segment(run.source, segment, partial, 1, 1 << 20)
    native.merge_partitions([partial], range(512), out, 1, 1 << 20)
    result = tmp_path / "result.csv"
    uses: list[tuple[Path, Callable[[], object]]] = [
        (partial, lambda: native.merge_partitions([partial], range(512), out, 1, 1 << 20)),
        (partial, lambda: native.merge_file([partial], result, 1, 1 << 20)),
        (out, lambda: native.write_ranges([out], range(99), tmp_path / "input.csv", 0)),
    ]
    for path, use in uses:
        whole = path.read_bytes()
        for damaged in _damages(whole):
            path.write_bytes(damaged)
            with suppress(DamagedFileError, MemoryError):
                use()
        path.write_bytes(whole)


def _damages(whole: bytes) -> Iterator[bytes]:
    """Cut short, bits turned, and index entries changed with the checksum put right."""
    for size in range(0, len(whole), 7):
        yield whole[:size]
    chance = random.Random(1)
    for _ in range(100):
        at, bit = chance.randrange(len(whole)), 1 << chance.randrange(8)
        yield whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
    start = int.from_bytes(whole[-28:-20], "little")
    for _ in range(200):
        index = bytearray(whole[start:-28])
        blocks = int.from_bytes(whole[-20:-16], "little")
        at = chance.randrange(blocks * 40)
        index[at] = chance.choice([0, 1, 2, 3, 4, 8, 16, 255, chance.randrange(256)])
        trailer = whole[-28:-12] + zlib.crc32(index).to_bytes(4, "little") + whole[-8:]
        yield whole[:start] + bytes(index) + trailer


@pytest.mark.parametrize(
    ("songs", "memory"),
    [(1, 1 << 20), (1, 20_000), (1_000_000, 1 << 20), (1_000_000, 20_000)],
    ids=["table", "table that spills", "scatter", "scatter that spills"],
)
def test_no_allocation_that_fails_does_harm(tmp_path: Path, songs: int, memory: int) -> None:
    data = _many_rows(600, songs, True) if not TINY else EXAMPLE
    run = Run(tmp_path, data + b'"a""b",2020-01-01,1\n')
    segment = Segment(run.source.dialect.data_start, len(data))
    partial, combined, out = tmp_path / "partial", tmp_path / "combined", tmp_path / "run"
    result, scratch = tmp_path / "result", tmp_path / "scratch"

    def work() -> None:
        partial.unlink(missing_ok=True)
        native.aggregate_file(run.source, result, scratch, 1, 1 << 24)
        native.aggregate_segment(run.source, segment, partial, 1, memory)
        native.combine_partials([partial], combined, 1, memory)
        native.merge_file([combined, partial], tmp_path / "at-once", 1, 1 << 24)
        native.merge_partitions([combined], range(512), out, 1, memory)
        for ranges, offset in native.plan_result([out], result, 1000):
            native.write_ranges([out], ranges, result, offset)

    work()
    expected = result.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "SAMPLE_ROWS", 100)
        _, count = fail_each(work)
    assert count > 10
    assert result.read_bytes() == expected
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".tmp")]


def test_partials_without_spilling_are_the_same_bytes(tmp_path: Path) -> None:
    run = Run(tmp_path, EXAMPLE)
    segment = Segment(run.source.dialect.data_start, len(EXAMPLE))
    paths = [tmp_path / "native", tmp_path / "pure"]
    native.aggregate_segment(run.source, segment, paths[0], 7, 1 << 20)
    pure.aggregate_segment(run.source, segment, paths[1], 7, 1 << 20)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert GroupFile(paths[0]).note["summary"]["rows"] == 7


# ---- Which implementation ----


def test_the_engine_is_chosen_by_name() -> None:
    try:
        assert [engine.use_engine(name) for name in ("pure", "native")] == ["pure", "native"]
    finally:
        assert engine.use_engine("auto") == "native"


@pytest.mark.parametrize(
    ("wanted", "code", "said"),
    [
        ("auto", 0, f"plays-service {plays_service.__version__} (pure engine)\n"),
        ("pure", 0, f"plays-service {plays_service.__version__} (pure engine)\n"),
        ("native", 1, "Error: the native engine is not here"),
    ],
)
def test_without_the_extension(wanted: str, code: int, said: str) -> None:
    script = (
        "import sys; sys.modules['plays_service.aggregation._kernel'] = None; "
        "from plays_service.cli import main; main(['--version'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=False,
        env={"PLAYS_ENGINE": wanted},
        cwd=Path(plays_service.__file__).parents[1],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, (done.stdout + done.stderr).startswith(said)) == (code, True)


def test_dialect_limits_are_the_same() -> None:
    assert TINY or dialect.RECORD_LIMIT == LIMIT


def test_keys_that_come_back_late_are_found_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in lists that are repeated: at first all keys are new, and a table seems to be in vain."""
    monkeypatch.setattr(native, "SAMPLE_ROWS", 200)
    rows = [b"song %d,2020-01-01,1\n" % number for number in range(1000)]
    sizes = []
    for times in (3, 30):
        path = tmp_path / f"{times}.csv"
        path.write_bytes(b"Song,Date,Number of Plays\n" + b"".join(rows) * times)
        source = Source(path, dialect_of(path))
        partial = tmp_path / f"{times}.partial"
        segment = Segment(source.dialect.data_start, path.stat().st_size)
        native.aggregate_segment(source, segment, partial, 1, 1 << 24)
        sizes.append(partial.stat().st_size)
    assert sizes[1] < sizes[0] * 1.1
