"""The CSV contract, clause by clause: docs/csv-format.md says the same in the same order."""
# ruff: noqa: RUF001  (characters that look like others are the point of many tests)

from __future__ import annotations

import codecs
import gc
import json
import tracemalloc
from collections.abc import Iterator

import pytest

from plays_service.aggregation import ERRORS_KEPT, Summary
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, Aggregate

HEADER = b"Song,Date,Number of Plays\n"
RESULT_HEADER = b"Song,Date,Total Number of Plays for Date\n"
MEBIBYTE = 1 << 20
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1

NOT_UTF8 = (
    "bytes that are not valid UTF-8; if it is written in another encoding, "
    "say which: ?encoding=cp1252"
)
NEVER_CLOSED = "the quote opened here is never closed"
TOO_LONG = "the record is longer than 1 MiB; is a quote not closed?"
TEXT_AFTER_QUOTE = (
    "text after the closing quote of field {}; inside a quoted field write a quote as two"
)
NOT_WHOLE = "is not a whole number"
OUT_OF_RANGE = f"is out of range: it must lie between {INT64_MIN} and {INT64_MAX}"
NOT_A_DAY = "is not a day of the calendar"
NOT_A_DATE = "is not a date written YYYY-MM-DD"
NO_SONG = "is empty; every record needs a song"
COLUMNS = '"Song", "Date", "Number of Plays"'
EMPTY_FILE = f"the file is empty; its first line must name {COLUMNS}"
LONG_HEADER = "the header is longer than 1 MiB; is this a CSV file?"


def rows(
    aggregate: Aggregate, data: bytes, *, encoding: str | None = None, skip_errors: bool = False
) -> bytes:
    """The rows of the result, without its header."""
    result, summary = aggregate(data, encoding=encoding, skip_errors=skip_errors)
    assert summary.error is None, str(summary.error)
    assert result is not None
    assert result.startswith(RESULT_HEADER)
    found = result.removeprefix(RESULT_HEADER)
    assert summary.groups == _count_rows(found)
    return found


def _count_rows(found: bytes) -> int:
    """Line ends outside quotes."""
    return b"".join(found.split(b'"')[::2]).count(b"\n")


def error(aggregate: Aggregate, data: bytes, *, encoding: str | None = None) -> str:
    """What the user is told."""
    result, summary = aggregate(data, encoding=encoding)
    assert result is None
    assert summary.error is not None
    return str(summary.error)


def skipped(aggregate: Aggregate, data: bytes, *, encoding: str | None = None) -> list[str]:
    """What the user is told of the records that were dropped."""
    _, summary = aggregate(data, encoding=encoding, skip_errors=True)
    assert summary.error is None
    assert summary.skipped == len(summary.errors)
    return [str(one) for one in summary.errors]


def test_the_example_of_the_readme(aggregate: Aggregate) -> None:
    result, summary = aggregate(EXAMPLE)
    assert result == EXAMPLE_RESULT
    assert summary == Summary(rows=7, lines=7, groups=4)


class TestEncodings:
    """UTF-8, with or without BOM; UTF-16 with BOM; anything else by ``?encoding=cp1252``."""

    TEXT = 'Song,Date,Number of Plays\n"Beyoncé, ""Halo"" — 愛 🎵",2020-01-01,1\n'
    ROW = '"Beyoncé, ""Halo"" — 愛 🎵",2020-01-01,1\n'.encode()

    def test_utf_8(self, aggregate: Aggregate) -> None:
        assert rows(aggregate, self.TEXT.encode()) == self.ROW

    def test_utf_8_with_bom(self, aggregate: Aggregate) -> None:
        assert rows(aggregate, codecs.BOM_UTF8 + self.TEXT.encode()) == self.ROW

    @pytest.mark.parametrize("quote", [b"", b'"'])
    def test_bom_before_the_first_column_that_is_needed(
        self, aggregate: Aggregate, quote: bytes
    ) -> None:
        header = quote + b"Song" + quote + b",Date,Number of Plays\n"
        assert rows(aggregate, codecs.BOM_UTF8 + header + b"a,2020-01-01,1\n")

    @pytest.mark.parametrize(
        ("bom", "codec"), [(codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")]
    )
    def test_utf_16_with_bom(self, aggregate: Aggregate, bom: bytes, codec: str) -> None:
        data = bom + self.TEXT.encode(codec)
        assert rows(aggregate, data) == self.ROW
        assert rows(aggregate, data, encoding="utf-16") == self.ROW
        # the BOM is not part of the first column's name, though this codec lets it through
        assert rows(aggregate, data, encoding=codec) == self.ROW

    @pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
    def test_utf_16_without_bom_must_be_named(self, aggregate: Aggregate, codec: str) -> None:
        data = self.TEXT.encode(codec)
        assert rows(aggregate, data, encoding=codec) == self.ROW
        assert error(aggregate, data).startswith("line 1: ")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
    def test_a_bom_that_the_named_encoding_needs_and_the_file_lacks_is_no_crash(
        self, aggregate: Aggregate, encoding: str
    ) -> None:
        result, summary = aggregate(HEADER + b"a,2020-01-01,1\n", encoding=encoding)
        assert result is None
        assert summary.error is not None
        assert summary.error.line == 1

    @pytest.mark.parametrize(
        ("encoding", "song"),
        [
            ("cp1252", "Beyoncé – “Halo” €"),
            ("latin-1", "Déjà Vu"),
            ("iso-8859-15", "Cœur €"),
            ("cp437", "Für Elise █"),
            ("mac-roman", "Ça plane pour moi †"),
            ("koi8-r", "Подмосковные вечера"),
            ("cp1251", "Калинка"),
            ("cp037", "EBCDIC, too"),
            ("shift_jis", "上を向いて歩こう ソ表"),  # trail bytes that are a backslash, a bar
            ("cp932", "涙そうそう ①"),
            ("euc_jp", "さくら"),
            ("iso2022_jp", "津軽海峡・冬景色"),
            ("gbk", "月亮代表我的心"),
            ("gb18030", "甜蜜蜜 🎵 𠮷"),
            ("hz", "茉莉花"),
            ("big5", "功夫 許功蓋"),
            ("euc_kr", "강남스타일"),
            ("johab", "아리랑"),
            ("utf-7", "Ünïcödé + 1"),
            ("utf-8-sig", "Señorita"),
            ("utf-32", "四 🎵"),
            ("utf-32-be", "四 🎵"),
        ],
    )
    @pytest.mark.parametrize("line_end", ["\n", "\r\n"])
    def test_any_other_by_name(
        self, aggregate: Aggregate, encoding: str, song: str, line_end: str
    ) -> None:
        lines = [
            "Song|Date|Number of Plays|Söng" if encoding == "utf-8-sig" else HEADER.decode()[:-1],
            f"{song}|2020-01-01|1|" if encoding == "utf-8-sig" else f'"{song}",2020-01-01,1',
        ]
        data = line_end.join([*lines, ""]).encode(encoding)
        quoted = f'"{song}"' if "," in song else song
        assert rows(aggregate, data, encoding=encoding) == f"{quoted},2020-01-01,1\n".encode()

    @pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "u8", "utf_8"])
    def test_utf_8_by_name(self, aggregate: Aggregate, encoding: str) -> None:
        assert rows(aggregate, self.TEXT.encode(), encoding=encoding) == self.ROW
        message = error(aggregate, HEADER + b"\xff,2020-01-01,1\n", encoding=encoding)
        assert message == f"line 2: {NOT_UTF8}"

    @pytest.mark.parametrize(
        "junk",
        [
            b"\xff",
            b"\x80",
            b"caf\xe9",  # cp1252
            b"\xc3",  # cut short
            b"\xc0\xaf",  # overlong
            b"\xed\xa0\x80",  # a surrogate
            b"\xf4\x90\x80\x80",  # beyond Unicode
            b"\xe2\x82",
        ],
    )
    def test_bytes_that_do_not_decode_are_an_error_with_the_line(
        self, aggregate: Aggregate, junk: bytes
    ) -> None:
        data = HEADER + b'"a\nb",2020-01-01,1\n' + junk + b",2020-01-01,2\nc,2020-01-01,3\n"
        assert error(aggregate, data) == f"line 4: {NOT_UTF8}"
        assert skipped(aggregate, data) == [f"line 4: {NOT_UTF8}"]
        assert rows(aggregate, data, skip_errors=True) == b'"a\nb",2020-01-01,1\nc,2020-01-01,3\n'

    @pytest.mark.parametrize("column", [0, 1, 2, 3])
    def test_bytes_that_do_not_decode_in_any_column(
        self, aggregate: Aggregate, column: int
    ) -> None:
        fields = [b"a", b"2020-01-01", b"1", b"ignored"]
        fields[column] += b"\xff"
        data = b"Song,Date,Number of Plays,x\n" + b",".join(fields)
        assert error(aggregate, data) == f"line 2: {NOT_UTF8}"

    def test_bytes_that_do_not_decode_in_the_header(self, aggregate: Aggregate) -> None:
        assert error(aggregate, b"\n\xe9" + HEADER + b"a,2020-01-01,1\n") == f"line 2: {NOT_UTF8}"

    @pytest.mark.parametrize(
        ("encoding", "junk"),
        [
            ("cp1252", b"\x81"),
            ("ascii", b"\xe9"),
            ("shift_jis", b"\x81"),  # a lead byte, then the delimiter
            ("euc_jp", b"\x8f\xa1"),
            ("gb18030", b"\x81\x30\x81"),
            ("big5", b"\xfe"),
            ("euc_kr", b"\xc9"),
            ("iso2022_jp", b"\x80"),
            ("utf-7", b"\xe9"),
        ],
    )
    def test_bytes_that_do_not_decode_in_a_transcoded_file(
        self, aggregate: Aggregate, encoding: str, junk: bytes
    ) -> None:
        data = HEADER + b"\n" + b"a" + junk + b",2020-01-01,2\nc,2020-01-01,3\n"
        problem = f"line 3: bytes that are not valid {encoding}"
        assert error(aggregate, data, encoding=encoding) == problem
        assert skipped(aggregate, data, encoding=encoding) == [problem]
        kept = rows(aggregate, data, encoding=encoding, skip_errors=True)
        assert kept == b"c,2020-01-01,3\n"

    def test_half_a_surrogate_pair_in_utf_16(self, aggregate: Aggregate) -> None:
        text = HEADER.decode() + "a,2020-01-01,1\nX,2020-01-01,2\nb,2020-01-01,3\n"
        data = codecs.BOM_UTF16_LE + text.encode("utf-16-le")
        data = data.replace("X".encode("utf-16-le"), b"\x00\xd8")
        problem = "line 3: bytes that are not valid UTF-16"
        assert error(aggregate, data) == problem
        assert skipped(aggregate, data) == [problem]
        assert rows(aggregate, data, skip_errors=True) == b"a,2020-01-01,1\nb,2020-01-01,3\n"

    def test_utf_16_that_ends_within_a_character(self, aggregate: Aggregate) -> None:
        data = (HEADER.decode() + "a,2020-01-01,1\n").encode("utf-16") + b"x"
        assert error(aggregate, data) == "line 3: bytes that are not valid UTF-16"
        assert rows(aggregate, data, skip_errors=True) == b"a,2020-01-01,1\n"


class TestLineEnds:
    """A record ends at LF or CRLF (a file may mix them); at CR where the header ends in one."""

    RECORDS = (b"a,2020-01-01,1", b"b,2020-01-01,2", b"c,2020-01-01,3")
    ROWS = b"a,2020-01-01,1\nb,2020-01-01,2\nc,2020-01-01,3\n"

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("last", [True, False])
    def test_one_line_end_in_the_whole_file(
        self, aggregate: Aggregate, line_end: bytes, last: bool
    ) -> None:
        """The last line needs no line end."""
        data = line_end.join([HEADER.strip(), *self.RECORDS]) + line_end * last
        assert rows(aggregate, data) == self.ROWS

    @pytest.mark.parametrize("first", [b"\n", b"\r\n"])
    @pytest.mark.parametrize("second", [b"\n", b"\r\n"])
    def test_mixed(self, aggregate: Aggregate, first: bytes, second: bytes) -> None:
        a, b, c = self.RECORDS
        data = HEADER.strip() + first + a + second + b + first + c + second
        assert rows(aggregate, data) == self.ROWS

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("count", [1, 2, 7])
    def test_empty_lines_are_skipped(
        self, aggregate: Aggregate, line_end: bytes, count: int
    ) -> None:
        empty = line_end * count
        data = empty + (line_end + empty).join([HEADER.strip(), *self.RECORDS, b""])
        assert rows(aggregate, data) == self.ROWS
        bad = data + empty + b"d,2020-01-01,x"
        assert error(aggregate, bad) == (
            f'line {bad.count(line_end) + 1}: Number of Plays: "x" {NOT_WHOLE}'
        )

    def test_empty_lines_of_both_kinds(self, aggregate: Aggregate) -> None:
        data = b"\n\r\n\n" + HEADER + b"\r\n\n" + b"\n\r\n".join(self.RECORDS) + b"\r\n\n\r\n"
        assert rows(aggregate, data) == self.ROWS

    def test_more_empty_lines_than_a_header_may_be_long(self, aggregate: Aggregate) -> None:
        data = b"\n" * (MEBIBYTE + 100_000) + HEADER + b"a,2020-01-01,1\n"
        assert rows(aggregate, data) == b"a,2020-01-01,1\n"

    @pytest.mark.parametrize("blanks", [b" ", b"\t", b",,", b'""'])
    def test_a_line_with_anything_in_it_is_not_empty(
        self, aggregate: Aggregate, blanks: bytes
    ) -> None:
        data = HEADER + b"a,2020-01-01,1\n" + blanks + b"\n"
        assert error(aggregate, data).startswith("line 3: ")

    def test_a_lone_cr_is_data_where_lines_end_in_lf(self, aggregate: Aggregate) -> None:
        data = HEADER + b"a\rb,2020-01-01,1\r\n"
        assert rows(aggregate, data) == b'"a\rb",2020-01-01,1\n'
        message = error(aggregate, HEADER + b"a,2020-01-01,1\r\r\n")
        assert message == f'line 2: Number of Plays: "1\\r" {NOT_WHOLE}'

    def test_a_lf_is_data_where_lines_end_in_cr(self, aggregate: Aggregate) -> None:
        data = b"Song,Date,Number of Plays\ra\nb,2020-01-01,1\r"
        assert rows(aggregate, data) == b'"a\nb",2020-01-01,1\n'
        message = error(aggregate, b"Song,Date,Number of Plays\ra,2020-01-01,1\r\nx,2,3")
        assert message == f'line 3: Date: "2" {NOT_A_DATE}'

    @pytest.mark.parametrize("character", ["\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\0"])
    def test_nothing_else_ends_a_line(self, aggregate: Aggregate, character: str) -> None:
        record = f"a{character}b,2020-01-01,1\n".encode()
        assert rows(aggregate, HEADER + record) == record

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
    def test_lone_cr_mode_is_decided_by_the_end_of_the_header(
        self, aggregate: Aggregate, line_end: bytes
    ) -> None:
        """And not by line ends within quotes in it."""
        data = b'"x\r\ny\rz\n",Song,Date,Number of Plays' + line_end + b"-,a,2020-01-01,1"
        assert rows(aggregate, data + line_end + data[-16:]) == b"a,2020-01-01,2\n"

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r", b""])
    def test_only_a_header_gives_only_a_header(self, aggregate: Aggregate, line_end: bytes) -> None:
        result, summary = aggregate(HEADER.strip() + line_end)
        assert result == RESULT_HEADER
        assert (summary.rows, summary.groups) == (0, 0)
        assert aggregate(HEADER.strip() + line_end * 3)[0] == RESULT_HEADER

    @pytest.mark.parametrize(
        "data", [b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\n", b"\r\n\r\n", b"\r"]
    )
    def test_an_empty_file_is_an_error(self, aggregate: Aggregate, data: bytes) -> None:
        assert error(aggregate, data) == f"line 1: {EMPTY_FILE}"


class TestNumberOfFields:
    """A record has as many fields as the header, or it is an error."""

    @pytest.mark.parametrize(
        ("record", "found"),
        [
            (b"a", "1 field"),
            (b"a,2020-01-01", "2 fields"),
            (b"a,2020-01-01,1,", "4 fields"),
            (b",,,,", "5 fields"),
            (b'"a,2020-01-01,1"', "1 field"),
            (b"a;2020-01-01;1", "1 field"),
            (b"In The End, pt. 2,2020-01-01,1", "4 fields"),
        ],
    )
    def test_another_number_is_an_error(
        self, aggregate: Aggregate, record: bytes, found: str
    ) -> None:
        problem = f"line 2: {found} where the header has 3"
        assert error(aggregate, HEADER + record) == problem
        assert error(aggregate, HEADER + record + b"\r\nb,2020-01-01,1\n") == problem
        assert skipped(aggregate, HEADER + record) == [problem]

    def test_as_many_as_the_header_though_the_surplus_is_ignored(
        self, aggregate: Aggregate
    ) -> None:
        header = b"Song,Date,Number of Plays,\n"
        assert rows(aggregate, header + b"a,2020-01-01,1,") == b"a,2020-01-01,1\n"
        message = error(aggregate, header + b"a,2020-01-01,1\n")
        assert message == "line 2: 3 fields where the header has 4"

    def test_many_fields(self, aggregate: Aggregate) -> None:
        wide = b"," * 10_000
        data = b"Song,Date,Number of Plays" + wide + b"\na,2020-01-01,1" + wide + b"\n"
        assert rows(aggregate, data) == b"a,2020-01-01,1\n"
        assert error(aggregate, data[:-2] + b"\n") == (
            "line 2: 10002 fields where the header has 10003"
        )


class TestDelimiters:
    """The delimiter is the one of ``,`` ``;`` tab ``|`` that yields the three columns."""

    @pytest.mark.parametrize("delimiter", [b",", b";", b"\t", b"|"])
    def test_taken_from_the_header(self, aggregate: Aggregate, delimiter: bytes) -> None:
        quoted = b'"a' + delimiter + b'b"'
        song = b"a" + b",;\t|".replace(delimiter, b"")
        data = delimiter.join([b"Song", b"Date", b"Number of Plays"]) + b"\n"
        data += delimiter.join([quoted, b"2020-01-01", b"1"]) + b"\n"
        data += delimiter.join([song, b"2020-01-01", b"2"]) + b"\n"
        first = quoted if delimiter == b"," else quoted.strip(b'"')
        second = b'"%b"' % song if b"," in song else song
        assert rows(aggregate, data) == first + b",2020-01-01,1\n" + second + b",2020-01-01,2\n"

    @pytest.mark.parametrize("delimiter", [b",", b";", b"\t", b"|"])
    def test_whatever_the_other_columns_are_called(
        self, aggregate: Aggregate, delimiter: bytes
    ) -> None:
        others = [b"a" + other + b'"b' for other in (b",", b";", b"\t", b"|") if other != delimiter]
        names = [*others, b"Song", b'"x' + delimiter + b'y"', b"Date", b"Number of Plays"]
        record = [b"1", b"2", b"3", b"song", b"4", b"2020-01-01", b"5"]
        data = delimiter.join(names) + b"\n" + delimiter.join(record)
        assert rows(aggregate, data) == b"song,2020-01-01,5\n"

    def test_in_a_header_in_quotes(self, aggregate: Aggregate) -> None:
        data = b'"Song";"Date";"Number of Plays"\n"a";"2020-01-01";"1"\n'
        assert rows(aggregate, data) == b"a,2020-01-01,1\n"

    @pytest.mark.parametrize("delimiter", [":", " ", "/", "^"])
    def test_no_other(self, aggregate: Aggregate, delimiter: str) -> None:
        header = delimiter.join(["Song", "Date", "Number of Plays"])
        assert error(aggregate, header.encode() + b"\n") == (
            f'line 1: the header must name {COLUMNS} once each: "Song" is missing, '
            f'"Date" is missing, "Number of Plays" is missing (columns found: "{header}")'
        )


class TestColumns:
    """Columns are found by name, whatever their order, case and surrounding blanks."""

    @pytest.mark.parametrize(
        ("header", "record"),
        [
            (b"Song,Date,Number of Plays", b"a,2020-01-01,1"),
            (b"Song,Number of Plays,Date", b"a,1,2020-01-01"),
            (b"Date,Song,Number of Plays", b"2020-01-01,a,1"),
            (b"Date,Number of Plays,Song", b"2020-01-01,1,a"),
            (b"Number of Plays,Song,Date", b"1,a,2020-01-01"),
            (b"Number of Plays,Date,Song", b"1,2020-01-01,a"),
        ],
    )
    def test_in_any_order(self, aggregate: Aggregate, header: bytes, record: bytes) -> None:
        assert rows(aggregate, header + b"\n" + record) == b"a,2020-01-01,1\n"

    @pytest.mark.parametrize(
        "header",
        [
            b"song,date,number of plays",
            b"SONG,DATE,NUMBER OF PLAYS",
            b"sONG,dATE,nUMBER oF pLAYS",
            b" Song ,\tDate\t,  \t Number of Plays \t",
            b'"Song","Date","Number of Plays"',
            b'" song ","DATE\t","Number of plays"',
        ],
    )
    def test_in_any_case_with_blanks_around(self, aggregate: Aggregate, header: bytes) -> None:
        assert rows(aggregate, header + b"\na,2020-01-01,1") == b"a,2020-01-01,1\n"

    @pytest.mark.parametrize(
        "name", ["Number  of Plays", "NumberofPlays", "Number\u00a0of Plays", "Plays", "\u00a0Song"]
    )
    def test_no_other_name_will_do(self, aggregate: Aggregate, name: str) -> None:
        header = f"Song,Date,{name}\n" if "Song" not in name else f"{name},Date,Number of Plays\n"
        assert "is missing" in error(aggregate, header.encode())

    def test_case_is_that_of_ascii(self, aggregate: Aggregate) -> None:
        """The long s and the Kelvin sign fold to ASCII letters in Unicode."""
        assert '"Song" is missing' in error(aggregate, "ſong,Date,Number of Plays\n".encode())

    def test_further_columns_are_ignored(self, aggregate: Aggregate) -> None:
        data = (
            b"Artist,Song,Artist,Date,,Number of Plays,Number of Plays (total)\n"
            b"Rihanna,Umbrella,x,2020-01-01,not a date,1,not a number\n"
            b',Umbrella,"y,\nz",2020-01-01,,2,\n'
        )
        assert rows(aggregate, data) == b"Umbrella,2020-01-01,3\n"

    @pytest.mark.parametrize(
        ("header", "problems", "found"),
        [
            (b"Song,Date", '"Number of Plays" is missing', '"Song", "Date"'),
            (b"Date,Number of Plays", '"Song" is missing', '"Date", "Number of Plays"'),
            (b"Song;Number of Plays", '"Date" is missing', '"Song", "Number of Plays"'),
            (
                b"title\tdate\tplays",
                '"Song" is missing, "Number of Plays" is missing',
                '"title", "date", "plays"',
            ),
            (
                b"Song,song ,Date,Number of Plays",
                '"Song" is repeated',
                '"Song", "song", "Date", "Number of Plays"',
            ),
            (
                b'Song|DATE|Date|"Date"|Number of Plays',
                '"Date" is repeated',
                '"Song", "DATE", "Date", "Date", "Number of Plays"',
            ),
            (
                b"Song,Number of Plays,Number of Plays",
                '"Date" is missing, "Number of Plays" is repeated',
                '"Song", "Number of Plays", "Number of Plays"',
            ),
        ],
    )
    def test_a_missing_or_repeated_one_is_an_error_that_names_the_columns_found(
        self, aggregate: Aggregate, header: bytes, problems: str, found: str
    ) -> None:
        expected = f"the header must name {COLUMNS} once each: {problems} (columns found: {found})"
        assert error(aggregate, header + b"\n1,2,3\n") == f"line 1: {expected}"
        assert error(aggregate, b"\r\n\n" + header) == f"line 3: {expected}"

    def test_the_header_is_not_skipped_with_bad_records(self, aggregate: Aggregate) -> None:
        _, summary = aggregate(b"Song,Date\n" + EXAMPLE, skip_errors=True)
        assert summary.error is not None
        assert summary.error.line == 1

    def test_of_many_columns_the_first_are_named(self, aggregate: Aggregate) -> None:
        header = ",".join(f"c{i}" for i in range(25))
        named = ", ".join(f'"c{i}"' for i in range(20))
        message = error(aggregate, header.encode())
        assert message.endswith(f"(columns found: {named} and 5 more)")

    def test_a_long_name_is_cut(self, aggregate: Aggregate) -> None:
        message = error(aggregate, b"Song,Date," + b"x" * 1000)
        assert message.endswith(f'"Song", "Date", "{"x" * 80}…")')

    @pytest.mark.parametrize("surplus", [0, 1])
    def test_a_header_over_1_mib_is_an_error(self, aggregate: Aggregate, surplus: int) -> None:
        header = HEADER.strip().ljust(MEBIBYTE + surplus, b" ")
        data = b"\n" + header + b"\r\na,2020-01-01,1\n"
        if surplus:
            assert error(aggregate, data) == f"line 2: {LONG_HEADER}"
        else:
            assert rows(aggregate, data) == b"a,2020-01-01,1\n"

    @pytest.mark.parametrize(
        "junk", [b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"\0" * 1000, b'"' * 1001, b"%PDF-1.7\n"]
    )
    def test_what_is_no_csv_is_an_error(self, aggregate: Aggregate, junk: bytes) -> None:
        assert error(aggregate, junk).startswith("line ")

    def test_the_header_may_hold_line_ends_in_quotes(self, aggregate: Aggregate) -> None:
        """They count as lines, as everywhere."""
        data = b'\n"A\r\nB\n",Song,Date,Number of Plays\r\n,a,2020-01-01,1\n,b,2020-01-01,x'
        assert error(aggregate, data) == f'line 6: Number of Plays: "x" {NOT_WHOLE}'
        assert rows(aggregate, data, skip_errors=True) == b"a,2020-01-01,1\n"


class TestQuoting:
    """Quoting per RFC 4180: a quote is special only at the start of a field."""

    @pytest.mark.parametrize(
        ("field", "song"),
        [
            (b'"a"', b"a"),
            (b'"a ""b"" c"', b'a "b" c'),
            (b'""""', b'"'),
            (b'""""""', b'""'),
            (b'"""a"', b'"a'),
            (b'"a"""', b'a"'),
            (b'"a,b"', b"a,b"),
            (b'","', b","),
            (b'","","', b',",'),
            (b'"a\nb"', b"a\nb"),
            (b'"a\r\nb\n\r\nc"', b"a\r\nb\n\r\nc"),
            (b'"\n"', b"\n"),
            (b'"\n\n\n"', b"\n\n\n"),
            (b'" a "', b" a "),
            (b'"a\rb"', b"a\rb"),
            (b'"a\n"', b"a\n"),
            (b'"a\r"', b"a\r"),
        ],
    )
    @pytest.mark.parametrize("place", range(3))
    def test_a_quoted_field_may_hold_anything(
        self, aggregate: Aggregate, field: bytes, song: bytes, place: int
    ) -> None:
        """``""`` inside is one quote; fields may hold delimiters and line ends."""
        names = [b"Date", b"Number of Plays"]
        values = [b"2020-01-01", b"7"]
        names.insert(place, b"Song")
        values.insert(place, field)
        for line_end in (b"\n", b"\r\n"):
            for end in (line_end, b"", line_end * 2 + b",,\n"):
                data = b",".join(names) + line_end + b",".join(values) + end
                found = rows(aggregate, data, skip_errors=True)
                assert found == _as_row(song)

    @pytest.mark.parametrize(
        "song",
        [
            b'Rock 12" mix',
            b'a"',
            b'a""b',
            b' "a"',  # blanks before the quote: it is not at the start
            b'\t"',
            b"a'b",
            b"'a",
        ],
    )
    def test_a_quote_inside_an_unquoted_field_is_data(
        self, aggregate: Aggregate, song: bytes
    ) -> None:
        for end in (b"", b"\n", b"\r\n"):
            assert rows(aggregate, HEADER + song + b",2020-01-01,7" + end) == _as_row(song)
        reverse = b"Date,Number of Plays,Song\r\n2020-01-01,7," + song
        assert rows(aggregate, reverse + b"\r\n" + reverse[-14 - len(song) :]) == _as_row(
            song, plays=14
        )

    def test_a_quote_after_another_delimiter_is_data(self, aggregate: Aggregate) -> None:
        assert rows(aggregate, HEADER + b'a;"b,2020-01-01,7\n') == _as_row(b'a;"b')

    @pytest.mark.parametrize("column", ["Date", "Number of Plays"])
    def test_quotes_around_dates_and_numbers(self, aggregate: Aggregate, column: str) -> None:
        date, plays = (b'" 2020-01-01\t"', b"7") if column == "Date" else (b"2020-01-01", b'"+7 "')
        assert rows(aggregate, HEADER + b"a," + date + b"," + plays) == _as_row(b"a")

    @pytest.mark.parametrize(
        ("record", "field"),
        [
            (b'"a"b,2020-01-01,1', 1),
            (b'"a" ,2020-01-01,1', 1),
            (b'"a"\t,2020-01-01,1', 1),
            (b'"a";2020-01-01,1', 1),
            (b'""a,2020-01-01,1', 1),
            (b'"a""b"c"d,2020-01-01,1', 1),
            (b'a,"2020-01-01"x,1', 2),
            (b'a,2020-01-01,"1"x', 3),
            (b'"a\nb"c,2020-01-01,1', 1),
            (b'"a",2020-01-01,"1"\r', 3),  # then the end of the file: no CRLF
            (b'a,2020-01-01,1,"x"y', 4),
            (b'"a" "b",2020-01-01,1', 1),
        ],
    )
    def test_text_after_a_closing_quote_is_an_error(
        self, aggregate: Aggregate, record: bytes, field: int
    ) -> None:
        problem = f"line 3: {TEXT_AFTER_QUOTE.format(field)}"
        data = HEADER + b"\n" + record
        assert error(aggregate, data) == problem
        if not record.endswith(b"\r"):
            data += b"\nb,2020-01-01,2\n"
            assert skipped(aggregate, data) == [problem]
            assert rows(aggregate, data, skip_errors=True) == b"b,2020-01-01,2\n"

    @pytest.mark.parametrize(
        ("data", "line"),
        [
            (b'"a,2020-01-01,1\n', 2),
            (b'"a,2020-01-01,1', 2),
            (b'"', 2),
            (b'"""', 2),
            (b'"a"",2020-01-01,1\n', 2),
            (b'ok,2020-01-01,1\na,"2020-01-01,1\n', 3),
            (b'"a\n\n\nb",2020-01-01,1\n\n"a,2020-01-01,1\n', 7),
            # opened on a later line than the one on which the record starts
            (b'"a\r\nb","2020-01-01,1\n', 3),
            (b'"a\nb\nc","2020\n-01-01","1\n\n\n', 5),
        ],
    )
    def test_an_unclosed_quote_is_an_error_at_the_line_that_opened_it(
        self, aggregate: Aggregate, data: bytes, line: int
    ) -> None:
        assert error(aggregate, HEADER + data) == f"line {line}: {NEVER_CLOSED}"

    @pytest.mark.parametrize(
        ("header", "line"),
        [
            (b'"Song,Date,Number of Plays', 1),
            (b'Song,Date,"Number of Plays', 1),
            (b'\n\nSong,"Date,Number of Plays', 3),
            (b'"x\ny",Song,Date,"Number of Plays', 2),
            (b'Song;Date;Number of Plays;"', 1),
        ],
    )
    def test_an_unclosed_quote_in_the_header_likewise(
        self, aggregate: Aggregate, header: bytes, line: int
    ) -> None:
        message = error(aggregate, header + b"\na,2020-01-01,1\n")
        assert message == f"line {line}: {NEVER_CLOSED}"

    @pytest.mark.parametrize(
        ("header", "field"),
        [
            (b'"Song"x,Date,Number of Plays', 1),
            (b'Song,"Date" ,Number of Plays', 2),
            (b'Song;Date;"Number of Plays"s', 3),
        ],
    )
    def test_text_after_a_closing_quote_in_the_header_likewise(
        self, aggregate: Aggregate, header: bytes, field: int
    ) -> None:
        message = error(aggregate, header + b"\na,2020-01-01,1\n")
        assert message == f"line 1: {TEXT_AFTER_QUOTE.format(field)}"

    def test_a_skipped_stray_quote_costs_one_line(self, aggregate: Aggregate) -> None:
        data = HEADER + b'a,2020-01-01,1\n"b,2020-01-01,2\nc,2020-01-01,3\n\nd,2020-01-01,4'
        assert skipped(aggregate, data) == [f"line 3: {NEVER_CLOSED}"]
        assert rows(aggregate, data, skip_errors=True) == (
            b"a,2020-01-01,1\nc,2020-01-01,3\nd,2020-01-01,4\n"
        )

    def test_skipped_stray_quotes_at_the_end_each_cost_one_line(self, aggregate: Aggregate) -> None:
        """An even number of them pair up: what is between them is their field."""
        stray = b'"b,2020-01-01,2\n'
        data = HEADER + stray * 3 + b"c,2020-01-01,3\n"
        assert skipped(aggregate, data) == [
            f"line 2: {TEXT_AFTER_QUOTE.format(1)}",
            f"line 4: {NEVER_CLOSED}",
        ]
        assert rows(aggregate, data, skip_errors=True) == b"c,2020-01-01,3\n"


def _as_row(song: bytes, plays: int = 7) -> bytes:
    if any(special in song for special in (b",", b'"', b"\n", b"\r")):
        song = b'"' + song.replace(b'"', b'""') + b'"'
    return b"%b,2020-01-01,%d\n" % (song, plays)


class TestRecordLimit:
    """A record over 1 MiB is an error (that is how a stray quote shows in a huge file)."""

    END = b",2020-01-01,1"
    AFTER = b"after,2020-01-01,2\n"

    def record(self, size: int, *, quoted: bool) -> bytes:
        """A record of ``size`` bytes that starts on line 3 and spans two lines if quoted."""
        if quoted:
            return b'"a\n'.ljust(size - len(self.END) - 1, b"x") + b'"' + self.END
        return b"".ljust(size - len(self.END), b"x") + self.END

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
    @pytest.mark.parametrize("quoted", [False, True])
    def test_exactly_the_limit_is_none(
        self, aggregate: Aggregate, line_end: bytes, quoted: bool
    ) -> None:
        """The line end is not part of the record."""
        data = HEADER + b"\n" + self.record(MEBIBYTE, quoted=quoted) + line_end
        data += self.AFTER if line_end else b""
        result, summary = aggregate(data)
        assert summary.error is None
        assert summary.rows == (2 if line_end else 1)
        assert result is not None
        assert len(result) > MEBIBYTE

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
    @pytest.mark.parametrize("surplus", [1, 2, 3, 1000, 2 * MEBIBYTE])
    def test_one_over_is_an_error(
        self, aggregate: Aggregate, line_end: bytes, surplus: int
    ) -> None:
        data = HEADER + b"\n" + self.record(MEBIBYTE + surplus, quoted=False) + line_end
        data += self.AFTER if line_end else b""
        assert error(aggregate, data) == f"line 3: {TOO_LONG}"
        assert skipped(aggregate, data) == [f"line 3: {TOO_LONG}"]
        kept = rows(aggregate, data, skip_errors=True)
        assert kept == (self.AFTER if line_end else b"")

    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b""])
    @pytest.mark.parametrize("surplus", [1, 2, 3, 1000, 2 * MEBIBYTE])
    def test_one_over_in_quotes_is_an_error(
        self, aggregate: Aggregate, line_end: bytes, surplus: int
    ) -> None:
        """Skipped is the line on which it starts; the next one is read as a record."""
        data = HEADER + b"\n" + self.record(MEBIBYTE + surplus, quoted=True) + line_end
        data += self.AFTER if line_end else b""
        assert error(aggregate, data) == f"line 3: {TOO_LONG}"
        kept = rows(aggregate, data, skip_errors=True)
        second_line = surplus + MEBIBYTE - 3
        lines = [f"line 3: {TOO_LONG}", f"line 4: {TOO_LONG}"][: 1 + (second_line > MEBIBYTE)]
        assert skipped(aggregate, data) == lines
        assert kept.endswith(self.AFTER if line_end else b",2020-01-01,1\n" * (len(lines) < 2))

    def test_where_lines_end_in_cr(self, aggregate: Aggregate) -> None:
        header = HEADER.replace(b"\n", b"\r\r")
        for surplus in (0, 1, 2):
            for end in (b"\r", b""):
                record = self.record(MEBIBYTE + surplus, quoted=False)
                _, summary = aggregate(header + record + end)
                assert (str(summary.error) == f"line 3: {TOO_LONG}") == bool(surplus)

    @pytest.mark.parametrize("line", [b"b,2020-01-01,1\n", b"\n", b'"b","2020-01-01",1\r\n'])
    def test_a_stray_quote_in_a_huge_file(self, aggregate: Aggregate, line: bytes) -> None:
        before, after = b"b,2020-01-01,1\n" * 10, line * (2 * MEBIBYTE // len(line))
        stray = b'a,2020-01-01,"1\n'
        # in one of the cases the next quote closes the stray one
        problem = TEXT_AFTER_QUOTE.format(3) if b'"' in line else TOO_LONG
        data = HEADER + before + stray + after
        assert error(aggregate, data) == f"line 12: {problem}"
        _, summary = aggregate(data, skip_errors=True)
        assert [str(one) for one in summary.errors] == [f"line 12: {problem}"]
        assert summary.skipped == 1
        assert summary.lines == 11 + len(after) // len(line)
        skipped_too = 1 if b'"' in line else 0
        good = 0 if line == b"\n" else len(after) // len(line) - skipped_too
        assert summary.rows == 10 + good

    def test_many_stray_quotes_that_never_close(self, aggregate: Aggregate) -> None:
        """Each costs a line, and none a search through all that follows."""
        stray = b'a","'.ljust(63, b"b") + b"\n"  # open at its end, wherever the reading begins
        lines = 2 * MEBIBYTE // len(stray)
        _, summary = aggregate(HEADER + stray * lines, skip_errors=True)
        assert (summary.rows, summary.skipped, summary.lines) == (0, lines, lines)
        assert [str(one) for one in summary.errors] == [
            f"line {2 + i}: {TOO_LONG}" for i in range(ERRORS_KEPT)
        ]
        assert skipped(aggregate, HEADER + stray * 3) == [f"line 4: {NEVER_CLOSED}"] * 3

    def test_a_value_of_almost_the_limit_is_refused_at_once(self, aggregate: Aggregate) -> None:
        """Time must grow as the value does, not as its square."""
        for value in (b"0" * 1_000_000 + b"x", b"9" * 1_000_000, b"-" * 1_000_000):
            message = error(aggregate, HEADER + b"a,2020-01-01," + value)
            shown = value[:80].decode()
            problem = OUT_OF_RANGE if value.isdigit() else NOT_WHOLE
            assert message == f'line 2: Number of Plays: "{shown}…" {problem}'


class TestSong:
    """``Song`` is kept verbatim (empty is an error)."""

    @pytest.mark.parametrize(
        "song",
        [
            " ",
            "  leading and trailing  ",
            "\ttab\t",
            "\u00a0",
            "\ufeff",
            "\0",
            "=SUM(A1)",
            "'quoted'",
            "back\\slash",
            "7",
            "NULL",
            "NaN",
            "#comment",
            "🎵",
            "e\u0301",
            "ﬁ",
            "x" * 100_000,
        ],
    )
    def test_kept_verbatim(self, aggregate: Aggregate, song: str) -> None:
        row = f"{song},2020-01-01,1\n".encode()
        assert rows(aggregate, HEADER + row) == row
        assert rows(aggregate, HEADER + f'"{song}",2020-01-01,1\r\n'.encode()) == row

    @pytest.mark.parametrize("song", [b"", b'""'])
    def test_empty_is_an_error(self, aggregate: Aggregate, song: bytes) -> None:
        data = HEADER + b"a,2020-01-01,1\n" + song + b",2020-01-01,1\n"
        assert error(aggregate, data) == f'line 3: Song: "" {NO_SONG}'
        assert rows(aggregate, data, skip_errors=True) == b"a,2020-01-01,1\n"


class TestDate:
    """``Date`` is a real calendar date ``YYYY-MM-DD``."""

    @pytest.mark.parametrize(
        "date",
        [
            b"2020-01-01",
            b"2020-12-31",
            b"2020-02-29",
            b"2000-02-29",
            b"1600-02-29",
            b"2021-02-28",
            b"2020-04-30",
            b"0001-01-01",
            b"0004-02-29",
            b"9999-12-31",
        ],
    )
    def test_real(self, aggregate: Aggregate, date: bytes) -> None:
        assert rows(aggregate, HEADER + b"a," + date + b",1") == b"a," + date + b",1\n"

    @pytest.mark.parametrize(
        "date",
        [
            "2021-02-29",
            "2020-02-30",
            "1900-02-29",
            "2100-02-29",
            "2020-04-31",
            "2020-06-31",
            "2020-01-32",
            "2020-01-00",
            "2020-00-01",
            "2020-13-01",
            "0000-01-01",
            "0000-02-29",
            "9999-99-99",
        ],
    )
    def test_not_real(self, aggregate: Aggregate, date: str) -> None:
        data = HEADER + f"a,{date},1\n".encode()
        assert error(aggregate, data) == f'line 2: Date: "{date}" {NOT_A_DAY}'

    @pytest.mark.parametrize(
        "date",
        [
            "",
            "2020-1-1",
            "20-01-01",
            "20200101",
            "2020/01/01",
            "01-01-2020",
            "2020-01-01T00:00:00",
            "2020-01-01 00:00",
            "2020-01-01Z",
            "+2020-01-01",
            "-2020-01-01",
            "12020-01-01",
            "2020-W01-1",
            "2020-001",
            "2020- 1- 1",
            "２０２０-01-01",
            "٢٠٢٠-٠١-٠١",
            "2020‐01‐01",
            "202_-01-01",
            "\u00a02020-01-01",
            "\v2020-01-01",
        ],
    )
    def test_not_written_so(self, aggregate: Aggregate, date: str) -> None:
        message = error(aggregate, HEADER + f"a,{date},1\n".encode())
        shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in date)
        assert message == f'line 2: Date: "{shown}" {NOT_A_DATE}'

    @pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t \t"])
    def test_spaces_and_tabs_around_are_trimmed(self, aggregate: Aggregate, blanks: bytes) -> None:
        data = HEADER + b"a," + blanks + b"2020-01-01" + blanks + b",1\na,2020-01-01,1\n"
        assert rows(aggregate, data) == b"a,2020-01-01,2\n"


class TestNumberOfPlays:
    """``Number of Plays`` is a whole number, sign allowed, within 64 bits."""

    @pytest.mark.parametrize(
        ("plays", "total"),
        [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("000", 0),
            ("7", 7),
            ("+7", 7),
            ("-7", -7),
            ("007", 7),
            ("-007", -7),
            ("0" * 500 + "7", 7),
            (str(INT64_MAX), INT64_MAX),
            (f"+{INT64_MAX}", INT64_MAX),
            (f"000{INT64_MAX}", INT64_MAX),
            (str(INT64_MIN), INT64_MIN),
            (f"-000{-INT64_MIN}", INT64_MIN),
        ],
    )
    def test_whole_numbers(self, aggregate: Aggregate, plays: str, total: int) -> None:
        data = HEADER + f"a,2020-01-01,{plays}\n".encode()
        assert rows(aggregate, data) == f"a,2020-01-01,{total}\n".encode()

    @pytest.mark.parametrize(
        "plays",
        [
            str(INT64_MAX + 1),
            f"+{INT64_MAX + 1}",
            str(INT64_MIN - 1),
            "9999999999999999999",
            "-9999999999999999999",
            str(2**64),
            str(2**64 + 5),
            str(2**128),
            "1" + "0" * 40,
        ],
    )
    def test_beyond_64_bits(self, aggregate: Aggregate, plays: str) -> None:
        data = HEADER + f"a,2020-01-01,{plays}\n".encode()
        assert error(aggregate, data) == f'line 2: Number of Plays: "{plays}" {OUT_OF_RANGE}'

    @pytest.mark.parametrize(
        "plays",
        [
            "",
            "-",
            "+",
            "--1",
            "+-1",
            "1-",
            "- 1",
            "12.5",
            "12.0",
            "12.",
            ".5",
            "1e3",
            "1E3",
            "0x10",
            "0b1",
            "1_000",
            "_1",
            "1 000",
            "1'000",
            "１２",
            "١٢",
            "²",
            "½",
            "−1",
            "inf",
            "NaN",
            "None",
            "seven",
            "5L",
            "\u00a05",
            "5\u3000",
            "5\x0b",
            "\x1f5",
            "5\0",
        ],
    )
    def test_anything_else(self, aggregate: Aggregate, plays: str) -> None:
        data = HEADER + f"a,2020-01-01,{plays}\n".encode()
        shown = "".join(
            c if c.isprintable() else c.encode("unicode_escape").decode() for c in plays
        )
        assert error(aggregate, data) == f'line 2: Number of Plays: "{shown}" {NOT_WHOLE}'

    def test_thousands_separators(self, aggregate: Aggregate) -> None:
        message = error(aggregate, HEADER + b'a,2020-01-01,"1,000"\n')
        assert message == f'line 2: Number of Plays: "1,000" {NOT_WHOLE}'

    @pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t \t"])
    def test_spaces_and_tabs_around_are_trimmed(self, aggregate: Aggregate, blanks: bytes) -> None:
        data = HEADER + b"a,2020-01-01," + blanks + b"-7" + blanks + b"\r\na,2020-01-01,5\n"
        assert rows(aggregate, data) == b"a,2020-01-01,-2\n"


class TestTotals:
    """Totals are exact at any size: they never wrap and never turn into floats."""

    @pytest.mark.parametrize("plays", [INT64_MAX, INT64_MIN, 2**53 + 1, -(2**31), 2**32])
    @pytest.mark.parametrize("count", [2, 3, 1001])
    def test_beyond_64_bits(self, aggregate: Aggregate, plays: int, count: int) -> None:
        data = HEADER + f"a,2020-01-01,{plays}\n".encode() * count
        expected = RESULT_HEADER + f"a,2020-01-01,{plays * count}\n".encode()
        assert aggregate(data)[0] == expected
        assert aggregate(data, segment_size=len(data) // 3 + 1)[0] == expected

    def test_back_from_beyond_64_bits(self, aggregate: Aggregate) -> None:
        numbers = [INT64_MAX] * 5 + [INT64_MIN] * 5 + [3]
        data = HEADER + b"".join(b"a,2020-01-01,%d\n" % number for number in numbers)
        for segment_size in (1 << 20, 40, 100, 200):
            result, _ = aggregate(data, segment_size=segment_size)
            assert result == RESULT_HEADER + b"a,2020-01-01,-2\n"


class TestGroups:
    """Two records belong to the same group when their Song and Date are the same bytes."""

    @pytest.mark.parametrize(
        "records",
        [
            (b"Umbrella,2020-01-01,1", b'"Umbrella",2020-01-01,1'),
            (b'"a""b",2020-01-01,1', b'a"b,"2020-01-01",1'),
            (b"a, 2020-01-01,1", b'a,"2020-01-01\t",1'),
        ],
    )
    def test_the_same(self, aggregate: Aggregate, records: tuple[bytes, bytes]) -> None:
        first, second = records
        together = rows(aggregate, HEADER + first + b"\n" + second + b"\n")
        assert together == rows(aggregate, HEADER + first).replace(b",1\n", b",2\n")

    @pytest.mark.parametrize(
        "songs",
        [
            ("umbrella", "Umbrella"),
            ("a", "a "),
            ("a", " a"),
            ("\u00e9", "e\u0301"),
            ("straße", "strasse"),
            ("a", "a\0"),
            ("a\n", "a\r\n"),
            ("a", "а"),
            ("x" * 16, "x" * 17),
        ],
    )
    def test_nothing_else_is_folded(self, aggregate: Aggregate, songs: tuple[str, str]) -> None:
        data = HEADER + b"".join(f'"{song}",2020-01-01,1\n'.encode() for song in songs)
        assert aggregate(data)[1].groups == 2
        assert aggregate(data, segment_size=10)[1].groups == 2

    def test_song_and_date_both_count(self, aggregate: Aggregate) -> None:
        data = HEADER + b"a,2020-01-01,1\na,2020-01-02,2\nb,2020-01-01,4\na,2020-01-01,8\n"
        assert rows(aggregate, data) == b"a,2020-01-01,9\na,2020-01-02,2\nb,2020-01-01,4\n"


class TestOutput:
    """Header, then one row a group in order of first appearance, LF, minimal quoting, UTF-8."""

    def test_order_of_first_appearance(self, aggregate: Aggregate) -> None:
        names = [b"%03d" % (i * 37 % 101) for i in range(101)]
        records = [b"%b,2020-01-01,1\n" % name for name in names]
        data = HEADER + b"".join(records + records[::-1])
        expected = RESULT_HEADER + b"".join(r.replace(b",1\n", b",2\n") for r in records)
        for segment_size in (1 << 20, 100, 999):
            assert aggregate(data, segment_size=segment_size)[0] == expected

    @pytest.mark.parametrize(
        ("song", "row"),
        [
            (b"a,b", b'"a,b"'),
            (b'a"b', b'"a""b"'),
            (b"a\nb", b'"a\nb"'),
            (b"a\rb", b'"a\rb"'),
            (b'"', b'""""'),
            (b",", b'","'),
        ],
    )
    def test_quotes_where_needed(self, aggregate: Aggregate, song: bytes, row: bytes) -> None:
        quoted = b'"' + song.replace(b'"', b'""') + b'"'
        assert rows(aggregate, HEADER + quoted + b",2020-01-01,1") == row + b",2020-01-01,1\n"

    @pytest.mark.parametrize("song", [b"a;b", b"a\tb", b"a|b", b" a ", b"'a'", b"a b", b"\xc3\xa9"])
    def test_no_quotes_elsewhere(self, aggregate: Aggregate, song: bytes) -> None:
        found = rows(aggregate, HEADER + b'"' + song + b'",2020-01-01,1')
        assert found == song + b",2020-01-01,1\n"

    @pytest.mark.parametrize("delimiter", [b";", b"\t", b"|"])
    def test_commas_and_lf_whatever_the_input_has(
        self, aggregate: Aggregate, delimiter: bytes
    ) -> None:
        data = codecs.BOM_UTF8 + EXAMPLE.replace(b",", delimiter).replace(b"\n", b"\r\n")
        assert aggregate(data)[0] == EXAMPLE_RESULT

    def test_the_result_of_a_result_is_itself(self, aggregate: Aggregate) -> None:
        rename = (RESULT_HEADER, HEADER)
        first = aggregate(EXAMPLE + b'"a\n""b, c",2020-01-03,-5\r\n')[0]
        assert first is not None
        assert aggregate(first.replace(*rename))[0] == first

    @pytest.mark.parametrize("memory", [16 << 10, 64 << 10, 1 << 20, 512 << 20])
    @pytest.mark.parametrize("segment_size", [1 << 10, 10_000, 1 << 20])
    @pytest.mark.parametrize("seed", [0, 2**64 - 1])
    def test_same_input_same_bytes(
        self, aggregate: Aggregate, memory: int, segment_size: int, seed: int
    ) -> None:
        """Whatever the size, the split, the number of workers and the engine."""
        names = [b"%d" % (i * i % 769) for i in range(1500)]
        totals: dict[bytes, int] = {}
        for i, name in enumerate(names):
            totals[name] = totals.get(name, 0) + i
        data = HEADER + b"".join(b"%b,2020-01-01,%d\n" % (n, i) for i, n in enumerate(names))
        expected = RESULT_HEADER + b"".join(b"%b,2020-01-01,%d\n" % one for one in totals.items())
        result, summary = aggregate(data, memory=memory, segment_size=segment_size, seed=seed)
        assert result == expected
        assert summary == Summary(rows=1500, lines=1500, groups=len(totals))


class TestErrors:
    """Errors read ``line 3: Number of Plays: "12.5" is not a whole number``."""

    def test_as_the_contract_shows_it(self, aggregate: Aggregate) -> None:
        data = HEADER + b"a,2020-01-01,1\nb,2020-01-01,12.5\n"
        assert error(aggregate, data) == 'line 3: Number of Plays: "12.5" is not a whole number'

    def test_its_parts(self, aggregate: Aggregate) -> None:
        _, summary = aggregate(HEADER + b"a,2020-01-01, 12.5\t\n")
        assert summary.error is not None
        assert summary.error.to_json() == {
            "message": f'line 2: Number of Plays: "12.5" {NOT_WHOLE}',
            "line": 2,
            "column": "Number of Plays",
            "value": "12.5",
            "problem": NOT_WHOLE,
        }

    @pytest.mark.parametrize(
        ("before", "line"),
        [
            (b"", 2),
            (b"a,2020-01-01,1\n", 3),
            (b"a,2020-01-01,1\r\n", 3),
            (b"\n\r\n\n", 5),
            (b'"a\nb",2020-01-01,1\n', 4),
            (b'"a\r\nb\r\n",2020-01-01,1\r\n', 5),
            (b'"a\rb",2020-01-01,1\n', 3),
            (b'"\n\n\n","2020-01-01",1\n\n', 7),
            (b"a\rb,2020-01-01,1\n", 3),
        ],
    )
    @pytest.mark.parametrize("bad", [b"b,2020-01-01,x", b'"b\n\nc",2020-01-01,x', b'b,x,"\n1"'])
    def test_the_line_is_the_physical_line_on_which_the_record_starts(
        self, aggregate: Aggregate, before: bytes, line: int, bad: bytes
    ) -> None:
        """1-based; line ends inside quotes count."""
        for end in (b"", b"\n", b"\nc,2020-01-01,y\n"):
            for segment_size in (1 << 20, 1):
                _, summary = aggregate(HEADER + before + bad + end, segment_size=segment_size)
                assert summary.error is not None
                assert summary.error.line == line
                assert str(summary.error).startswith(f"line {line}: ")

    @pytest.mark.parametrize("segment_size", [1, 10, 100, 500, 1000, 5000, 1 << 20])
    def test_the_first_bad_record_is_the_one_reported_however_the_work_was_split(
        self, aggregate: Aggregate, segment_size: int
    ) -> None:
        records = [b'"a\n%d",2020-01-01,1\n' % i for i in range(30)]
        records[17] = b"b,2020-01-01,first\n"
        records[18] = b"c,2020-01-01\n"
        records[29] = b'"d'
        _, summary = aggregate(HEADER + b"".join(records), segment_size=segment_size)
        assert str(summary.error) == f'line 36: Number of Plays: "first" {NOT_WHOLE}'

    @pytest.mark.parametrize(
        ("record", "problem"),
        [
            (b'\xff"a"b,"2"x', NOT_UTF8),
            (b'"a"b,2', TEXT_AFTER_QUOTE.format(1)),
            (b",", "2 fields where the header has 3"),
            (b",x,y", f'Song: "" {NO_SONG}'),
            (b"a,x,y", f'Date: "x" {NOT_A_DATE}'),
            (b"a,2020-01-01,y", f'Number of Plays: "y" {NOT_WHOLE}'),
        ],
    )
    def test_of_several_mistakes_in_a_record_the_first_is_told(
        self, aggregate: Aggregate, record: bytes, problem: str
    ) -> None:
        """In this order: decoding, quoting, number of fields, Song, Date, Number of Plays."""
        assert error(aggregate, HEADER + record) == f"line 2: {problem}"

    def test_the_order_of_checks_is_not_that_of_the_columns(self, aggregate: Aggregate) -> None:
        data = b"Number of Plays,Date,Song\nx,y,\n"
        assert error(aggregate, data) == f'line 2: Song: "" {NO_SONG}'

    def test_a_long_value_is_cut(self, aggregate: Aggregate) -> None:
        for size, shown in ((80, "é" * 80), (81, "é" * 80 + "…")):
            message = error(aggregate, HEADER + b"a,2020-01-01," + "é".encode() * size)
            assert message == f'line 2: Number of Plays: "{shown}" {NOT_WHOLE}'

    def test_control_characters_are_made_visible(self, aggregate: Aggregate) -> None:
        message = error(aggregate, HEADER + 'a,"x\n\r\t\x1b[31m\u202e\0",1'.encode())
        assert message == (f'line 2: Date: "x\\n\\r\\t\\x1b[31m\\u202e\\x00" {NOT_A_DATE}')


class TestSkip:
    """``?on_error=skip`` drops bad records instead, and says how many, with the first 100."""

    BAD = b"b,2020-01-01,x\n"

    def test_drops_bad_records(self, aggregate: Aggregate) -> None:
        data = EXAMPLE.replace(b"Umbrella,2020-01-01,50\n", b"\n\xff\n,,\na\nUmbrella,1,2\n")
        result, summary = aggregate(data, skip_errors=True)
        assert result == EXAMPLE_RESULT.replace(b",150\n", b",100\n")
        assert (summary.rows, summary.skipped) == (6, 4)
        assert [one.line for one in summary.errors] == [6, 7, 8, 9]

    def test_a_group_begins_with_its_first_good_record(self, aggregate: Aggregate) -> None:
        data = HEADER + b"a,2020-01-01,x\nb,2020-01-01,1\na,2020-01-01,1\n"
        assert rows(aggregate, data, skip_errors=True) == b"b,2020-01-01,1\na,2020-01-01,1\n"

    def test_nothing_bad(self, aggregate: Aggregate) -> None:
        assert aggregate(EXAMPLE, skip_errors=True) == aggregate(EXAMPLE)

    def test_all_bad(self, aggregate: Aggregate) -> None:
        result, summary = aggregate(HEADER + self.BAD * 3, skip_errors=True)
        assert result == RESULT_HEADER
        assert (summary.rows, summary.skipped, summary.groups) == (0, 3, 0)

    @pytest.mark.parametrize("count", [99, 100, 101, 250])
    @pytest.mark.parametrize("segment_size", [1 << 20, 600])
    def test_all_are_counted_and_the_first_100_told(
        self, aggregate: Aggregate, count: int, segment_size: int
    ) -> None:
        data = HEADER + b"a,2020-01-01,1\n" + (b"\n" + self.BAD) * count + b"a,2020-01-01,1\n"
        result, summary = aggregate(data, skip_errors=True, segment_size=segment_size)
        assert result == RESULT_HEADER + b"a,2020-01-01,2\n"
        assert summary.skipped == count
        assert [one.line for one in summary.errors] == [
            4 + 2 * i for i in range(min(count, ERRORS_KEPT))
        ]
        assert {str(one).partition(": ")[2] for one in summary.errors} == {
            f'Number of Plays: "x" {NOT_WHOLE}'
        }


class TestBounds:
    """Memory is bounded by settings, not by the input."""

    @pytest.fixture
    def traced(self) -> Iterator[None]:
        tracemalloc.start()
        yield
        tracemalloc.stop()

    @pytest.mark.usefixtures("traced")
    @pytest.mark.parametrize("record", ["a,{blanks}2020-01-01,{i}\n", "a,2020-01-01,{blanks}{i}\n"])
    def test_long_values_are_not_kept(self, aggregate: Aggregate, record: str) -> None:
        aggregate(EXAMPLE)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for i in range(20):
            blanks = " " * (500_000 + i)
            data = HEADER + record.format(blanks=blanks, i=i).encode()
            assert rows(aggregate, data) == f"a,2020-01-01,{i}\n".encode()
        del data, blanks
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        assert after - before < 1_000_000

    def test_errors_with_long_values_are_told_in_short(self, aggregate: Aggregate) -> None:
        data = HEADER + (b"a,2020-01-01," + b"x" * 100_000 + b"\n") * 5
        _, summary = aggregate(data, skip_errors=True)
        assert summary.skipped == 5
        assert len(json.dumps(summary.to_json())) < 5000
