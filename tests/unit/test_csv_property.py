"""Random inputs: records through Python's csv module, and bytes against a naive reader.

``PROPERTY_SCALE=100`` in the environment runs a hundred times as many examples.
"""

from __future__ import annotations

import csv
import io
import os
import random
from collections.abc import Iterator
from typing import Literal, NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.conftest import Aggregate

RESULT_HEADER = b"Song,Date,Total Number of Plays for Date\n"
COLUMNS = ("Song", "Date", "Number of Plays")

_SCALE = int(os.environ.get("PROPERTY_SCALE", "1"))
_SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def examples(count: int) -> settings:
    """Each example makes folders of its own, so that the fixture may serve all of them."""
    return settings(max_examples=count * _SCALE, suppress_health_check=_SUPPRESSED)


def result_of(totals: dict[tuple[bytes, bytes], int]) -> bytes:
    """The result as the contract has it, written without the project's code."""
    lines = []
    for (song, date), total in totals.items():
        quoted = b'"' + song.replace(b'"', b'""') + b'"' if set(song) & set(b',"\r\n') else song
        lines.append(b"%b,%b,%d\n" % (quoted, date, total))
    return RESULT_HEADER + b"".join(lines)


class Means(NamedTuple):
    """How the work is split: nothing of it may be seen in the result."""

    segment_size: int
    memory: int
    seed: int


# small segments are many files: most examples do without
means = st.builds(
    Means,
    segment_size=st.sampled_from([1 << 20, 1 << 20, 4000, 500, 100, 30, 1]),
    memory=st.sampled_from([512 << 20, 64 << 10, 16 << 10, 1 << 10]),
    seed=st.integers(0, 2**64 - 1),
)

# ---------------------------------------------------------------------------------------------
# Records written by Python's csv module, in every dialect, line end and encoding.

#: Characters that every encoding here has; then what each has besides.
ASCII = "ab Z\t,;|\"\"''\r\n\\0-+=#"
ENCODINGS: dict[str, tuple[str | None, str]] = {
    # Python's codec: (what the client says, characters)
    "utf-8": (None, "é愛🎵\u2028\ufeff\0"),
    "utf-8-sig": (None, "é愛🎵\u2028"),
    "utf-16": (None, "é愛🎵\u2028\u0a0a\u0d0d\u2c22"),
    "cp1252": ("cp1252", "é€“”"),
    "latin-1": ("iso-8859-1", "é\x85\xa0ÿ"),
    "utf-16-be": ("UTF-16BE", "é愛🎵\u0a0a\u2c22"),
    "utf-32": ("utf32", "é愛🎵\u0a0a"),
    "utf-7": ("utf-7", "é愛🎵~"),
    "shift_jis": ("sjis", "愛ソ表ｱ"),
    "gb18030": ("GB18030", "é爱🎵𠮷"),
    "big5": ("big5", "愛功許蓋"),
    "euc_kr": ("euc-kr", "사랑"),
    "iso2022_jp": ("iso-2022-jp", "愛表"),
    "cp037": ("cp037", "éÿ"),
}


QUOTINGS: list[Literal[0, 1, 2]] = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]


class File(NamedTuple):
    data: bytes
    encoding: str | None
    totals: dict[tuple[bytes, bytes], int]


dates = st.dates().map(lambda date: date.isoformat()) | st.sampled_from(
    ["2020-01-01", "2020-02-29"]
)
numbers = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-1000, 1000),
    st.sampled_from([2**63 - 1, -(2**63), 0, 2**53 + 1]),
)


@st.composite
def files(draw: st.DrawFn) -> File:
    codec = draw(st.sampled_from(sorted(ENCODINGS)))
    encoding, characters = ENCODINGS[codec]
    songs = st.text(ASCII + characters, min_size=1, max_size=12)
    records = draw(st.lists(st.tuples(songs, dates, numbers), max_size=25))
    again = draw(st.lists(st.sampled_from(records), max_size=15)) if records else []
    records = records + again
    surplus = draw(st.lists(st.sampled_from(["", "Artist", "Song 2", "a,b", 'x"y']), max_size=2))
    names = draw(st.permutations([*map(draw, map(_spelled, COLUMNS)), *surplus]))
    text = _write(draw, names, records)
    data = text.encode(codec)
    totals: dict[tuple[bytes, bytes], int] = {}
    for song, date, plays in records:
        key = song.encode(), date.encode()
        totals[key] = totals.get(key, 0) + plays
    return File(data, encoding, totals)


def _spelled(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name, name.upper(), name.lower(), f" {name}\t"])


def _write(draw: st.DrawFn, names: list[str], records: list[tuple[str, str, int]]) -> str:
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    # csv quotes a line end only if it is its own: the file would not mean what was written
    line_ends = any(set(song) & set("\r\n") for song, *_ in records)
    quoting = csv.QUOTE_ALL if line_ends else draw(st.sampled_from(QUOTINGS))
    text = io.StringIO()
    delimiter = draw(st.sampled_from([",", ";", "\t", "|"]))
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(names)
    blanks = st.sampled_from(["", "", " ", "\t "])
    for song, date, plays in records:
        sign = draw(st.sampled_from(["", "+", "000", "+00"])) if plays >= 0 else ""
        values = {
            "song": song,
            "date": draw(blanks) + date + draw(blanks),
            "number of plays": draw(blanks) + sign + str(plays) + draw(blanks),
        }
        writer.writerow([values.get(name.strip().lower(), "-") for name in names])
        text.write(line_end * draw(st.sampled_from([0, 0, 0, 1, 2])))
    written = text.getvalue()
    return written.rstrip("\r\n") if draw(st.booleans()) else written


@examples(100)
@given(files(), means)
def test_what_csv_writes_is_what_a_dictionary_counts(
    aggregate: Aggregate, file: File, means: Means
) -> None:
    result, summary = aggregate(file.data, encoding=file.encoding, **means._asdict())
    assert summary.error is None
    assert result == result_of(file.totals)
    assert summary.groups == len(file.totals)


@examples(50)
@given(files(), means)
def test_the_result_can_be_read_by_csv(aggregate: Aggregate, file: File, means: Means) -> None:
    result, _ = aggregate(file.data, encoding=file.encoding, **means._asdict())
    assert result is not None
    header, *rows = csv.reader(io.StringIO(result.decode(), newline=""))
    assert header == ["Song", "Date", "Total Number of Plays for Date"]
    assert rows == [
        [song.decode(), date.decode(), str(total)] for (song, date), total in file.totals.items()
    ]


# ---------------------------------------------------------------------------------------------
# Random bytes against a reader that goes through them byte by byte.


class Outcome(NamedTuple):
    totals: dict[tuple[bytes, bytes], int]
    rows: int
    errors: list[int]  #: lines


class BadRecordError(Exception):
    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class NaiveReader:
    """The contract's rules, once more, as a state machine over the whole input.

    Deliberately slow and simple: no look-ahead but one byte, no searching, nothing shared with
    the project.
    """

    def __init__(self, data: bytes, start: int, line: int, delimiter: bytes, *, cr: bool) -> None:
        self.data = data
        self.at = start
        self.line = line
        self.delimiter = delimiter[0]
        self.cr = cr

    def line_end_at(self, at: int) -> int:
        """The length of the line end at an offset; 0 where there is none."""
        if self.cr:
            return int(self.data[at : at + 1] == b"\r")
        if self.data[at : at + 2] == b"\r\n":
            return 2
        return int(self.data[at : at + 1] == b"\n")

    def records(self) -> Iterator[tuple[int, list[bytes] | None]]:
        """Line and fields of each record; for a bad one the line of its error, and None."""
        while self.at < len(self.data):
            if length := self.line_end_at(self.at):
                self.at += length
                self.line += 1
                continue
            start, line = self.at, self.line
            try:
                fields = self.record()
            except BadRecordError as error:
                yield error.line, None
                self.at, self.line = start, line
                self.skip_line()
            else:
                yield line, fields

    def skip_line(self) -> None:
        """Go to the next line, whatever quotes there are."""
        while self.at < len(self.data) and not self.line_end_at(self.at):
            self.at += 1
        self.at += self.line_end_at(self.at)
        self.line += 1

    def record(self) -> list[bytes] | None:
        """The fields up to a line end outside quotes; None where text follows a closing quote."""
        fields: list[bytes] = []
        good = True
        while True:
            field = bytearray()
            if self.data[self.at : self.at + 1] == b'"':
                self.quoted(field)
                good = good and self.field_ends()
            while not self.field_ends():
                field.append(self.data[self.at])
                self.at += 1
            fields.append(bytes(field))
            if self.at == len(self.data):
                self.line += 1
                break
            if length := self.line_end_at(self.at):
                self.at += length
                self.line += 1
                break
            self.at += 1
        return fields if good else None

    def field_ends(self) -> bool:
        return (
            self.at == len(self.data)
            or self.data[self.at] == self.delimiter
            or self.line_end_at(self.at) > 0
        )

    def quoted(self, field: bytearray) -> None:
        opened = self.line
        self.at += 1
        while self.at < len(self.data):
            if self.data[self.at : self.at + 2] == b'""':
                field += b'"'
                self.at += 2
            elif self.data[self.at : self.at + 1] == b'"':
                self.at += 1
                return
            else:
                self.line += self.data[self.at : self.at + 1] == (b"\r" if self.cr else b"\n")
                field.append(self.data[self.at])
                self.at += 1
        raise BadRecordError(opened)


def naive_date(field: bytes) -> bytes | None:
    text = field.decode().strip(" \t")
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    if any(character not in "0123456789" for character in text[:4] + text[5:7] + text[8:]):
        return None
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    good = year > 0 and 1 <= month <= 12 and 1 <= day <= days[month - 1]
    return text.encode() if good else None


def naive_number(field: bytes) -> int | None:
    text = field.decode().strip(" \t")
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not digits or any(character not in "0123456789" for character in digits):
        return None
    number = 0
    for character in digits:
        number = number * 10 + "0123456789".index(character)
    number = -number if text[0] == "-" else number
    return number if -(2**63) <= number < 2**63 else None


def naive_values(fields: list[bytes] | None, order: list[str]) -> tuple[bytes, bytes, int] | None:
    if fields is None or len(fields) != len(order):
        return None
    try:
        b"".join(fields).decode()
        song = fields[order.index("Song")]
        date = naive_date(fields[order.index("Date")])
        plays = naive_number(fields[order.index("Number of Plays")])
    except UnicodeDecodeError:
        return None
    if not song or date is None or plays is None:
        return None
    return song, date, plays


class Plays(NamedTuple):
    """A header that is good, and after it anything."""

    delimiter: bytes
    order: list[str]
    line_end: bytes
    body: bytes

    @property
    def data(self) -> bytes:
        return self.delimiter.join(name.encode() for name in self.order) + self.line_end + self.body

    def outcome(self) -> Outcome:
        totals: dict[tuple[bytes, bytes], int] = {}
        rows, errors = 0, []
        start = len(self.data) - len(self.body)
        cr = self.line_end == b"\r"
        for line, fields in NaiveReader(self.data, start, 2, self.delimiter, cr=cr).records():
            values = naive_values(fields, self.order)
            if values is None:
                errors.append(line)
            else:
                song, date, plays = values
                totals[song, date] = totals.get((song, date), 0) + plays
                rows += 1
        return Outcome(totals, rows, errors)


@st.composite
def plays(draw: st.DrawFn) -> Plays:
    delimiter = draw(st.sampled_from([b",", b",", b";", b"\t", b"|"]))
    line_end = draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"]))
    order = draw(st.permutations(COLUMNS + draw(st.sampled_from([(), (), ("x",), ("x", "y")]))))
    good = {"Song": b"a", "Date": b"2020-01-01", "Number of Plays": b"7"}
    record = delimiter.join(good.get(name, b"") for name in order)
    quoted = delimiter.join(b'"%b"' % good.get(name, b"\n") for name in order)
    pieces = st.sampled_from(
        [
            b'"', b'"', b'"', b'""', delimiter, delimiter, delimiter + b'"', b'"' + delimiter,
            line_end, line_end, b"\n", b"\r", b"\r\n", b"a", b"b", b" ", b"\t", b",", b"7", b"-1",
            b"2020-01-01", b"2021-02-29", b"\xff", b"\xc3\xa9", b"\xc3", b"9223372036854775808",
            record, record, quoted, line_end + record + line_end, line_end + quoted + line_end,
            delimiter.join([b"2020-01-01", b"7"]), delimiter.join([b"a", b"2020-01-01"]),
        ]
    )  # fmt: skip
    body = b"".join(draw(st.lists(pieces, max_size=60)))
    if line_end == b"\r":
        body = b"-" + body if body.startswith(b"\n") else body  # or the header ends in CRLF
    return Plays(delimiter, order, line_end, body)


FIXED = [
    Plays(b",", list(COLUMNS), b"\n", b'a,2020-01-01,1\n"b","\n\n' + b'c","\n' * 3),
    Plays(b",", list(COLUMNS), b"\n", b'"a"b",2020-01-01,"1\n2"\r\n"\r\n",2020-01-01,1\r'),
    Plays(b"|", list(COLUMNS), b"\r", b'"\n"|2020-01-01|1\r"\r"|2020-01-01|1\r\n\r'),
]


@examples(200)
@given(plays(), means, st.booleans())
@example(FIXED[0], Means(1, 1 << 10, 0), True)
@example(FIXED[1], Means(1, 1 << 10, 0), True)
@example(FIXED[2], Means(1, 1 << 10, 0), True)
def test_any_bytes_mean_what_they_mean_to_a_naive_reader(
    aggregate: Aggregate, plays: Plays, means: Means, skip_errors: bool
) -> None:
    expected = plays.outcome()
    result, summary = aggregate(plays.data, skip_errors=skip_errors, **means._asdict())
    if expected.errors and not skip_errors:
        assert summary.error is not None
        assert summary.error.line == expected.errors[0]
        assert result is None
    else:
        assert summary.error is None
        assert result == result_of(expected.totals)
        assert summary.rows == expected.rows
        assert summary.groups == len(expected.totals)
        assert summary.skipped == len(expected.errors)
        assert [error.line for error in summary.errors] == expected.errors[:100]


@examples(50)
@given(st.binary(max_size=200) | st.text(ASCII + "SongDateNumber of Plays").map(str.encode), means)
def test_junk_is_an_error_on_a_line(aggregate: Aggregate, data: bytes, means: Means) -> None:
    for skip_errors in (False, True):
        result, summary = aggregate(data, skip_errors=skip_errors, **means._asdict())
        assert result is None
        assert summary.error is not None
        assert str(summary.error).startswith(f"line {summary.error.line}: ")
        assert 1 <= summary.error.line <= 1 + data.count(b"\n") + data.count(b"\r")


def test_larger_inputs_mean_what_they_mean_to_a_naive_reader(aggregate: Aggregate) -> None:
    """Beyond the sizes that Hypothesis draws: many records, spills and segments at once."""
    for seed in range(2 * _SCALE):
        chance = random.Random(seed)
        records = [
            b'"a\n%d",2020-01-%02d,%d\n',
            b"a%d,2020-01-%02d,%d\r\n",
            b'"%d","2020-01-%02d",%d\n',
        ]
        bad = [
            b'"a\n%d"b,2020-01-%02d,%d\n',
            b"%d,2020-02-30%d,%d\n",
            b'"%d,2020-01-%02d,%d\n',
            b"\n",
        ]
        body = b""
        for _ in range(2000):
            pattern = chance.choice(records if chance.random() < 0.98 else bad)
            numbers = chance.randrange(300), chance.randint(1, 28), chance.randint(-(2**62), 2**62)
            body += pattern % numbers if pattern != b"\n" else pattern
        plays = Plays(b",", list(COLUMNS), b"\n", body)
        expected = plays.outcome()
        means = Means(chance.choice([2000, 20_000]), chance.choice([8 << 10, 64 << 10]), seed)
        result, summary = aggregate(plays.data, skip_errors=True, **means._asdict())
        assert result == result_of(expected.totals)
        assert summary.skipped == len(expected.errors) > 0
        assert [error.line for error in summary.errors] == expected.errors[:100]
