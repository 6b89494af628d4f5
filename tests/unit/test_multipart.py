"""The reader of multipart/form-data."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

import aiohttp
import httpx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from plays_service.api.multipart import MultipartError, MultipartReader, Part, boundary_of

BOUNDARY = b"----WebKitFormBoundary7MA4YWxkTrZu0gW"
DELIMITER = b"\r\n--" + BOUNDARY
FILE_HEADER = b'Content-Disposition: form-data; name="file"; filename="x.csv"'
LARGE = 100_000


class ReadPart(NamedTuple):
    name: str | None
    filename: str | None
    content: bytes


def body(*parts: tuple[bytes, bytes], boundary: bytes = BOUNDARY, end: bytes = b"--\r\n") -> bytes:
    """A body of parts, each of them a block of header lines and the content."""
    lines = b"".join(
        b"--" + boundary + b"\r\n" + headers + b"\r\n" * (2 if headers else 1) + content + b"\r\n"
        for headers, content in parts
    )
    return lines + b"--" + boundary + end


async def stream(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def reader_of(chunks: Iterable[bytes] | bytes, boundary: bytes = BOUNDARY) -> MultipartReader:
    return MultipartReader(stream([chunks] if isinstance(chunks, bytes) else chunks), boundary)


async def read_all(reader: MultipartReader) -> list[ReadPart]:
    parts = []
    while part := await reader.next_part():
        content = b"".join([piece async for piece in part])
        parts.append(ReadPart(part.name, part.filename, content))
    return parts


async def read(chunks: Iterable[bytes] | bytes, boundary: bytes = BOUNDARY) -> list[ReadPart]:
    return await read_all(reader_of(chunks, boundary))


async def only_part(headers: bytes) -> Part:
    part = await reader_of(body((headers, b"data"))).next_part()
    assert part is not None
    return part


async def filename_of(disposition: str | bytes) -> str | None:
    encoded = disposition if isinstance(disposition, bytes) else disposition.encode()
    return (await only_part(b"Content-Disposition: form-data; " + encoded)).filename


class TestBoundary:
    @pytest.mark.parametrize(
        ("content_type", "boundary"),
        [
            ("multipart/form-data; boundary=abc", b"abc"),
            ('multipart/form-data; boundary="abc"', b"abc"),
            ("Multipart/Form-Data;BOUNDARY=AbC", b"AbC"),
            ("multipart/form-data; charset=utf-8; boundary=abc;", b"abc"),
            ('multipart/form-data; boundary="a b\'()+_,-./:=?"', b"a b'()+_,-./:=?"),
            # Quotes are missing around these, but there is only one way to read them.
            ("multipart/form-data; boundary=----=_Part_1_2.3", b"----=_Part_1_2.3"),
            ("multipart/form-data; boundary=*****", b"*****"),
            ("multipart/form-data; boundary = abc ", b"abc"),
            ("multipart/form-data; boundary=" + "x" * 70, b"x" * 70),
        ],
    )
    def test_is_taken_from_the_content_type(self, content_type: str, boundary: bytes) -> None:
        assert boundary_of(content_type) == boundary

    @pytest.mark.parametrize(
        ("content_type", "problem"),
        [
            ("", "not multipart/form-data"),
            ("text/csv; boundary=abc", "not multipart/form-data"),
            ("multipart/form-data", "names no boundary"),
            ("multipart/form-data; boundary", "cannot be read"),
            ('multipart/form-data; boundary="abc', "cannot be read"),
            ("multipart/form-data; boundary=a; boundary=b", "twice"),
            ("multipart/form-data; boundary=", "not valid"),
            ('multipart/form-data; boundary=""', "not valid"),
            ('multipart/form-data; boundary="abc "', "not valid"),
            ("multipart/form-data; boundary=" + "x" * 71, "not valid"),
            ("multipart/form-data; boundary=a\r\nb", "not valid"),
            ("multipart/form-data; boundary=a\0b", "not valid"),
            ("multipart/form-data; boundary=grün", "not valid"),
            ("multipart/form-data; boundary=gr\udcfcn", "not valid"),
        ],
    )
    def test_is_refused_if_missing_or_not_valid(self, content_type: str, problem: str) -> None:
        with pytest.raises(MultipartError, match=problem):
            boundary_of(content_type)

    @pytest.mark.parametrize("boundary", [b"", b"x" * 71, b"a\r\nb", b"a ", b"\xff"])
    def test_is_checked_by_the_reader_too(self, boundary: bytes) -> None:
        with pytest.raises(MultipartError, match="not valid"):
            reader_of(b"", boundary)

    @given(st.text())
    def test_no_text_raises_anything_else(self, text: str) -> None:
        for content_type in (text, "multipart/form-data;" + text):
            with contextlib.suppress(MultipartError):
                assert 1 <= len(boundary_of(content_type)) <= 70


class TestDelimiters:
    async def test_parts_come_in_their_order(self) -> None:
        field = (b'Content-Disposition: form-data; name="note"', b"hello")
        file = (FILE_HEADER, b"a,b\r\n1,2\r\n")
        assert await read(body(field, file)) == [
            ReadPart("note", None, b"hello"),
            ReadPart("file", "x.csv", b"a,b\r\n1,2\r\n"),
        ]

    async def test_a_form_may_have_no_parts(self) -> None:
        assert await read(b"--" + BOUNDARY + b"--") == []

    async def test_after_the_last_part_there_is_still_none(self) -> None:
        reader = reader_of(body((FILE_HEADER, b"1")))
        await read_all(reader)
        assert await reader.next_part() is None

    async def test_a_part_may_be_empty(self) -> None:
        assert await read(body((FILE_HEADER, b""))) == [ReadPart("file", "x.csv", b"")]

    @pytest.mark.parametrize("split", range(0, 220, 7))
    async def test_the_blank_line_of_an_empty_part_may_start_the_delimiter(
        self, split: int
    ) -> None:
        part = b"--" + BOUNDARY + b"\r\n" + FILE_HEADER + b"\r\n" + b"\r\n--" + BOUNDARY
        data = part + b"\r\n" + FILE_HEADER + b"\r\n\r\n1" + DELIMITER + b"--"
        parts = [ReadPart("file", "x.csv", b""), ReadPart("file", "x.csv", b"1")]
        assert await read([data[:split], data[split:]]) == parts

    async def test_the_preamble_is_ignored(self) -> None:
        preamble = b"--not it\r\nThis is a message with multiple parts.\r\n\r\n"
        assert await read(preamble + body((FILE_HEADER, b"1"))) == [ReadPart("file", "x.csv", b"1")]

    async def test_the_preamble_ends_only_where_a_line_starts(self) -> None:
        preamble = b"x--" + BOUNDARY + b"--\r\n"
        assert await read(preamble + body((FILE_HEADER, b"1"))) == [ReadPart("file", "x.csv", b"1")]

    async def test_the_preamble_is_limited(self) -> None:
        form = b"\r\n" + body((FILE_HEADER, b"1"))
        for size, chunk_size in [(1000, LARGE), (1000, 7)]:
            chunks = split_evenly(b"x" * size + form, chunk_size)
            reader = MultipartReader(stream(chunks), BOUNDARY, max_preamble_size=1000)
            assert len(await read_all(reader)) == 1
            chunks = split_evenly(b"x" * (size + 1) + form, chunk_size)
            reader = MultipartReader(stream(chunks), BOUNDARY, max_preamble_size=1000)
            with pytest.raises(MultipartError, match="first 1000 bytes"):
                await reader.next_part()

    async def test_an_endless_preamble_is_not_read_to_its_end(self) -> None:
        log: list[int] = []
        reader = MultipartReader(logged([b"x" * 1024] * 1000, log), BOUNDARY)
        with pytest.raises(MultipartError, match="first 65536 bytes"):
            await reader.next_part()
        assert len(log) == 65

    @pytest.mark.parametrize("epilogue", [b"", b"\r\n", b"\r\nbye", b"junk", DELIMITER, b"  \r\n"])
    async def test_the_epilogue_is_ignored(self, epilogue: bytes) -> None:
        assert len(await read(body((FILE_HEADER, b"1"), end=b"--" + epilogue))) == 1

    async def test_no_chunk_is_asked_for_after_the_closing_delimiter(self) -> None:
        log: list[int] = []
        chunks = [body((FILE_HEADER, b"1"), end=b"-"), b"-", b"epilogue", b"more"]
        reader = MultipartReader(logged(chunks, log), BOUNDARY)
        await read_all(reader)
        assert await reader.next_part() is None
        assert log == [0, 1]

    @pytest.mark.parametrize("padding", [b" ", b"\t", b" \t  "])
    async def test_padding_may_follow_the_boundary(self, padding: bytes) -> None:
        data = body((FILE_HEADER, b"1"), (FILE_HEADER, b"2"))
        padded = data.replace(BOUNDARY + b"\r\n", BOUNDARY + padding + b"\r\n")
        assert [part.content for part in await read(padded)] == [b"1", b"2"]

    async def test_the_padding_is_limited(self) -> None:
        data = b"--" + BOUNDARY + b" " * LARGE + b"\r\n\r\n1" + DELIMITER + b"--"
        with pytest.raises(MultipartError, match="goes on after it"):
            await read(data)

    @pytest.mark.parametrize("after", [b"X\r\n", b" --", b"-X", b"\n", b"\r\r", b" X", b"\0\0"])
    async def test_nothing_else_may_follow_the_boundary(self, after: bytes) -> None:
        first = b"--" + BOUNDARY + after + b"--" + BOUNDARY + b"--"
        later = body((FILE_HEADER, b"1" + DELIMITER + after + b"2"))
        for data in (first, later):
            with pytest.raises(MultipartError, match="goes on after it"):
                await read(data)

    @pytest.mark.parametrize(
        "content",
        [
            b"\r\n",
            b"\r",
            b"\n",
            b"--",
            b"\r\n--",
            b"\r\n\r\n",
            b"--" + BOUNDARY[:-1],
            b"x--" + BOUNDARY,
            b"\n--" + BOUNDARY,
            b"\r--" + BOUNDARY,
            b"\r\n-" + BOUNDARY,
            b"\r\n" + BOUNDARY,
            DELIMITER[:-1],
            DELIMITER[:-1] + b"x",
            DELIMITER[:-1].upper() + b"x",
            b"\r" + DELIMITER[:-1],
            DELIMITER[:-1] * 3,
            b"\r\n\r\n--\r\n--" * 3 + b"\r",
            bytes(range(256)),
        ],
    )
    async def test_what_only_resembles_a_delimiter_is_content(self, content: bytes) -> None:
        data = body((FILE_HEADER, content), (FILE_HEADER, content))
        for chunk_size in (1, 2, 3, 5, 41, len(data)):
            parts = await read(split_evenly(data, chunk_size))
            assert [part.content for part in parts] == [content, content]

    async def test_the_number_of_parts_is_limited(self) -> None:
        parts = [(FILE_HEADER, b"1")] * 3
        reader = MultipartReader(stream([body(*parts)]), BOUNDARY, max_parts=3)
        assert len(await read_all(reader)) == 3
        reader = MultipartReader(stream([body(*parts)]), BOUNDARY, max_parts=2)
        with pytest.raises(MultipartError, match="more than 2 parts"):
            await read_all(reader)

    async def test_an_error_stays(self) -> None:
        reader = MultipartReader(stream([body((FILE_HEADER, b"1"))]), BOUNDARY, max_parts=0)
        for _ in range(2):
            with pytest.raises(MultipartError, match="more than 0 parts"):
                await reader.next_part()


class TestContent:
    async def test_a_part_that_is_not_read_is_skipped(self) -> None:
        reader = reader_of([body((FILE_HEADER, b"x" * LARGE), (b"", b"2"))])
        skipped = await reader.next_part()
        part = await reader.next_part()
        assert skipped is not None
        assert part is not None
        assert [piece async for piece in skipped] == []  # and takes nothing from the next one
        assert [piece async for piece in part] == [b"2"]

    async def test_a_part_that_is_half_read_is_skipped(self) -> None:
        data = body((FILE_HEADER, b"x" * LARGE), (b"", b"2"))
        reader = reader_of(split_evenly(data, 1000))
        part = await reader.next_part()
        assert part is not None
        assert (await anext(aiter(part))).startswith(b"xx")
        assert [part.content for part in await read_all(reader)] == [b"2"]

    async def test_chunks_without_a_delimiter_pass_as_they_are(self) -> None:
        head, tail = body((FILE_HEADER, b"|")).split(b"|")
        chunks = [b"a" * LARGE, b"b\r\n" * LARGE + b"b", DELIMITER[:-1] + b"c"]
        part = await reader_of([head, *chunks, tail]).next_part()
        assert part is not None
        assert all([piece is chunk async for piece, chunk in zipped(part, chunks)])

    async def test_nothing_is_held_back_but_the_possible_start_of_a_delimiter(self) -> None:
        log: list[int] = []
        head, tail = body((FILE_HEADER, b"|")).split(b"|")
        part = await MultipartReader(
            logged([head, b"one", b"two" + DELIMITER[:9], b"X", tail], log), BOUNDARY
        ).next_part()
        assert part is not None
        seen = [(piece, len(log)) async for piece in part]
        assert seen == [(b"one", 2), (b"two", 3), (DELIMITER[:9], 4), (b"X", 4)]

    async def test_no_piece_is_empty(self) -> None:
        data = body((FILE_HEADER, b"\r\n1\r\n2\r\n"))
        part = await reader_of(split_evenly(data, 1)).next_part()
        assert part is not None
        assert all([piece async for piece in part])

    async def test_empty_chunks_change_nothing(self) -> None:
        data = body((FILE_HEADER, b"1\r\n2"), (FILE_HEADER, b""))
        chunks = [chunk for byte in split_evenly(data, 1) for chunk in (b"", byte, b"")]
        assert await read(chunks) == await read(data)

    async def test_an_error_of_the_source_passes_through(self) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield body((FILE_HEADER, b"1"), end=b"")
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await read_all(MultipartReader(broken(), BOUNDARY))


class TestTruncation:
    DATA = b"intro\r\n" + body((FILE_HEADER, b"1\r\n2"), (FILE_HEADER, b"3"), end=b"--")

    @pytest.mark.parametrize("size", range(len(DATA)))
    async def test_every_cut_is_noticed(self, size: int) -> None:
        for chunks in ([self.DATA[:size]], split_evenly(self.DATA[:size], 1)):
            with pytest.raises(MultipartError, match="the upload ended early"):
                await read(chunks)

    async def test_the_part_gives_what_came_and_then_the_error(self) -> None:
        data = body((FILE_HEADER, b"1" * 10))[: -len(DELIMITER) - 7]
        part = await reader_of(data).next_part()
        assert part is not None
        assert await anext(part) == b"1" * 7
        with pytest.raises(MultipartError, match="closing line"):
            await anext(part)

    async def test_the_error_stays(self) -> None:
        reader = reader_of(body((FILE_HEADER, b"1"), end=b""))
        part = await reader.next_part()
        for _ in range(2):
            with pytest.raises(MultipartError, match="ended early"):
                await reader.next_part()
        assert part is not None

    async def test_a_body_without_the_boundary_says_so(self) -> None:
        with pytest.raises(MultipartError, match="has no line ------WebKitFormBoundary"):
            await read(b"a,b\r\n1,2\r\n")


class TestHeaders:
    async def test_names_are_lower_case_and_values_trimmed(self) -> None:
        part = await only_part(b"CONTENT-Type: \ttext/csv; charset=utf-8 \r\nX-Note:a:b")
        assert part.headers == {"content-type": "text/csv; charset=utf-8", "x-note": "a:b"}

    async def test_a_part_may_have_no_headers(self) -> None:
        part = await only_part(b"")
        assert (part.headers, part.name, part.filename) == ({}, None, None)

    async def test_a_part_may_have_no_disposition(self) -> None:
        part = await only_part(b"Content-Type: text/csv")
        assert (part.name, part.filename) == (None, None)

    async def test_folded_lines_are_one(self) -> None:
        part = await only_part(b'Content-Disposition: form-data;\r\n\t name="f";\r\n filename="x"')
        assert (part.name, part.filename) == ("f", "x")

    @pytest.mark.parametrize(
        "line",
        [
            b"no colon",
            b": no name",
            b"Spa ced: x",
            b"Space-before : x",
            b" folded: x",
            b"Gr\xc3\xbcn: x",
            b"X: a\nContent-Type: text/csv",
            b"X: a\rb",
            b"X: a\0b",
            b"--" + BOUNDARY,
        ],
    )
    async def test_lines_that_are_no_headers_are_refused(self, line: bytes) -> None:
        with pytest.raises(MultipartError, match="header of a part is not valid"):
            await only_part(line)

    async def test_a_header_given_twice_is_refused(self) -> None:
        with pytest.raises(MultipartError, match="Content-Disposition twice"):
            await only_part(FILE_HEADER.lower() + b"\r\n" + FILE_HEADER)

    @pytest.mark.parametrize("chunk_size", [1, 10, 999, LARGE])
    async def test_their_size_is_limited(self, chunk_size: int) -> None:
        for size, fits in ((1000, True), (1001, False)):
            data = body((b"X: ".ljust(size, b"x"), b"1"))
            chunks = split_evenly(data, chunk_size)
            reader = MultipartReader(stream(chunks), BOUNDARY, max_header_size=1000)
            if fits:
                assert [part.content for part in await read_all(reader)] == [b"1"]
            else:
                with pytest.raises(MultipartError, match="longer than 1000 bytes"):
                    await read_all(reader)

    async def test_endless_headers_are_not_read_to_their_end(self) -> None:
        log: list[int] = []
        chunks = [b"--" + BOUNDARY + b"\r\n", *[b"X: " + b"x" * 1021] * 1000]
        with pytest.raises(MultipartError, match="longer than 16384 bytes"):
            await MultipartReader(logged(chunks, log), BOUNDARY).next_part()
        assert len(log) <= 18

    @pytest.mark.parametrize("encoding", [b"7bit", b"8bit", b"BINARY", b" binary "])
    async def test_transfer_encodings_without_effect_are_taken(self, encoding: bytes) -> None:
        await only_part(b"Content-Transfer-Encoding:" + encoding)

    @pytest.mark.parametrize("encoding", [b"base64", b"quoted-printable", b"x-zip", b""])
    async def test_other_transfer_encodings_are_refused(self, encoding: bytes) -> None:
        with pytest.raises(MultipartError, match=f"Content-Transfer-Encoding '{encoding.decode()}"):
            await only_part(b"Content-Transfer-Encoding:" + encoding)


class TestDisposition:
    @pytest.mark.parametrize(
        ("disposition", "name"),
        [
            (b'form-data; name="file"', "file"),
            (b"form-data; name=file", "file"),
            (b"FORM-DATA;NAME=file;", "file"),
            (b'form-data ; name = "a;b=c" ; other', None),
            (b'form-data ; name = "a;b=c" ; x=y', "a;b=c"),
            (b'form-data; name=""', ""),
            (b'form-data; filename="name=x"', None),
            (b"form-data", None),
            (b'form-data; name="gr\xc3\xbcn"', "grün"),
            (b'form-data; name="a\\"b\\\\c%22d"', 'a"b\\c"d'),
        ],
    )
    async def test_has_the_name(self, disposition: bytes, name: str | None) -> None:
        if disposition.endswith(b"other"):
            with pytest.raises(MultipartError, match="cannot be read"):
                await only_part(b"Content-Disposition: " + disposition)
        else:
            assert (await only_part(b"Content-Disposition: " + disposition)).name == name

    @pytest.mark.parametrize(
        ("parameter", "filename"),
        [
            ('filename="x.csv"', "x.csv"),
            ("filename=x.csv", "x.csv"),
            ("filename=my plays.csv", "my plays.csv"),
            ('filename="a;b.csv"; size=3', "a;b.csv"),
            ('filename="100%25.csv"', "100%25.csv"),
        ],
    )
    async def test_has_the_filename(self, parameter: str, filename: str) -> None:
        assert await filename_of(parameter) == filename

    async def test_a_quote_may_be_escaped_with_a_backslash(self) -> None:
        assert await filename_of(r'filename="say \"hi\".csv"') == 'say "hi".csv'

    async def test_a_quote_may_be_percent_encoded(self) -> None:
        assert await filename_of('filename="say %22hi%22.csv"') == 'say "hi".csv'

    async def test_an_empty_filename_is_not_a_missing_one(self) -> None:
        assert await filename_of('name="file"; filename=""') == ""
        assert await filename_of('name="file"') is None

    async def test_a_filename_may_be_raw_utf8(self) -> None:
        assert await filename_of('filename="Музыка 🎵.csv"') == "Музыка 🎵.csv"

    async def test_bytes_that_are_no_utf8_are_replaced(self) -> None:
        assert await filename_of(b'filename="gr\xfcn.csv"') == "gr\ufffdn.csv"

    @pytest.mark.parametrize(
        ("parameter", "filename"),
        [
            ("filename*=UTF-8''gr%C3%BCn.csv", "grün.csv"),
            ("filename*=utf-8'de'gr%C3%BCn.csv", "grün.csv"),
            ("filename*=ISO-8859-1''gr%FCn.csv", "grün.csv"),
            ("filename*=\"UTF-8''gr%C3%BCn.csv\"", "grün.csv"),
            ("filename=\"plain.csv\"; filename*=UTF-8''gr%C3%BCn.csv", "grün.csv"),
            ("filename*=UTF-8''gr%C3%BCn.csv; filename=\"plain.csv\"", "grün.csv"),
            ("filename*=UTF-8''100%25.csv", "100%.csv"),
            # As much as can be made of what is not valid.
            ("filename*=UTF-8''gr%FCn.csv", "gr\ufffdn.csv"),
            ("filename*=no-such-charset''x.csv", "x.csv"),
            ("filename*=x.csv", "x.csv"),
        ],
    )
    async def test_a_filename_may_be_extended(self, parameter: str, filename: str) -> None:
        assert await filename_of(parameter) == filename

    @pytest.mark.parametrize(
        "parameter",
        [
            'filename="plays/2024/x.csv"',
            'filename="../../../etc/x.csv"',
            r'filename="C:\plays\new\x.csv"',
            r'filename="C:\\plays\\x.csv"',
            r'filename="\\server\plays/x.csv"',
            "filename*=UTF-8''..%2F..%5Cx.csv",
        ],
    )
    async def test_of_a_path_only_the_last_component_is_kept(self, parameter: str) -> None:
        assert await filename_of(parameter) == "x.csv"

    async def test_a_filename_has_no_control_characters(self) -> None:
        encoded = "filename*=UTF-8''a%0D%0Ab%00%1B%C2%85.csv"
        assert await filename_of(encoded) == "a\ufffd\ufffdb\ufffd\ufffd\ufffd.csv"

    @pytest.mark.parametrize(
        "parameter",
        ['filename="x.csv', 'filename="x"y', 'filename=x"y"', "filename", "=x", 'a="b"c'],
    )
    async def test_what_cannot_be_read_is_refused(self, parameter: str) -> None:
        with pytest.raises(MultipartError, match="Content-Disposition cannot be read"):
            await filename_of(parameter)

    async def test_a_parameter_given_twice_is_refused(self) -> None:
        with pytest.raises(MultipartError, match="parameter 'filename' twice"):
            await filename_of("filename=a; FileName=b")

    @pytest.mark.parametrize(
        "repeated",
        [" ", ";", "\\", "=", "'", "%", "/", "; ", ";a", ' "', '\\"', ";a= ", "a ", "\t "],
    )
    @pytest.mark.parametrize("start", ["", "; a=", '; a="', "; a=x "])
    async def test_long_ones_take_no_time(self, start: str, repeated: str) -> None:
        value = start + repeated * (LARGE // len(repeated)) + '"x'
        data = body((b"Content-Disposition: form-data" + value.encode(), b"1"))
        reader = MultipartReader(stream([data]), BOUNDARY, max_header_size=2 * LARGE)
        with contextlib.suppress(MultipartError):
            await reader.next_part()  # in quadratic time it would hit the test's time limit


class TestChunking:
    DATA = body(
        (b'Content-Disposition: form-data; name="note"', b"\r\n--\r\n"),
        (FILE_HEADER, b"a,b\r\n1,2\r\n" + DELIMITER[:-1] + b"\r"),
        (b"", b""),
    )

    def test_every_split_in_two_gives_the_same_parts(self) -> None:
        expected = asyncio.run(read(self.DATA))
        assert len(expected) == 3
        for at in range(len(self.DATA) + 1):
            assert asyncio.run(read([self.DATA[:at], self.DATA[at:]])) == expected

    @pytest.mark.parametrize("size", range(1, 50))
    async def test_chunks_of_one_size_give_the_same_parts(self, size: int) -> None:
        assert await read(split_evenly(self.DATA, size)) == await read(self.DATA)


boundaries = st.one_of(
    st.sampled_from([b"-", b"--", b"a", b"aab", b"*****", b"-" * 70, BOUNDARY]),
    st.text("-aA0'()+_,./:=?", min_size=1, max_size=70).map(str.encode),
)


@st.composite
def forms(draw: st.DrawFn) -> tuple[bytes, list[ReadPart], list[bytes]]:
    """A boundary, parts whose contents nearly have delimiters in them, and the body in chunks."""
    boundary = draw(boundaries)
    delimiter = b"\r\n--" + boundary
    cut = st.integers(0, len(delimiter) - 1)
    near = st.one_of(
        cut.map(delimiter.__getitem__).map(lambda byte: bytes([byte])),
        cut.map(lambda size: delimiter[:size]),
        cut.map(lambda at: delimiter[at + 1 :]),
    )
    piece = st.one_of(near, st.binary(max_size=20), st.sampled_from([b"\r", b"\n", b"-", b"\r\n"]))
    contents = draw(st.lists(st.lists(piece, max_size=12).map(b"".join), max_size=4))
    # A client has to choose a boundary that does not occur (RFC 2046 section 5.1.1).
    assume(not any(delimiter in b"\r\n" + content for content in contents))
    names = draw(st.lists(st.text("abc äß%'", max_size=5), min_size=4, max_size=4))
    parts = [ReadPart(n, f"{n}.csv", c) for n, c in zip(names, contents, strict=False)]
    headers = [f'Content-Disposition: form-data; name="{p[0]}"; filename="{p[1]}"' for p in parts]
    data = body(
        *((h.encode(), p.content) for h, p in zip(headers, parts, strict=True)), boundary=boundary
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=30)))
    chunks = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    return boundary, parts, chunks


@settings(max_examples=100)
@given(forms())
def test_what_is_written_is_read(form: tuple[bytes, list[ReadPart], list[bytes]]) -> None:
    boundary, parts, chunks = form
    assert asyncio.run(read(chunks, boundary)) == parts
    assert asyncio.run(read(split_evenly(b"".join(chunks), 1), boundary)) == parts


tokens = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(
        [DELIMITER, DELIMITER + b"\r\n", DELIMITER + b"--", b"--" + BOUNDARY, FILE_HEADER]
        + [b"\r\n", b"\r\n\r\n", b"\r", b"\n", b" ", b"--", b";", b'"', b"\\", b"=", b":", b"%"]
        + [b"Content-Disposition:", b"Content-Transfer-Encoding:", b"filename*=", b"UTF-8''", b"'"]
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A body of which some bytes are replaced by others."""
    data = TestChunking.DATA
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(tokens) + data[at + draw(st.integers(0, 20)) :]
    return data


@settings(max_examples=200)
@given(
    st.one_of(mutated(), st.lists(tokens, max_size=30).map(b"".join), st.binary()),
    st.integers(1, 60),
)
def test_no_bytes_raise_anything_but_the_error(data: bytes, chunk_size: int) -> None:
    outcomes = []
    for chunks in ([data], split_evenly(data, chunk_size)):
        try:
            outcomes.append(str(asyncio.run(read(chunks))))
        except MultipartError as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


CONTENT = b"Song,Date,Number of Plays\r\nUmbrella,2020-01-02,200\r\n" * 5000
FILENAMES = ["plays.csv", "my plays; new.csv", "Музыка 🎵.csv", "100%.csv", "it's.csv", 'a"b.csv']


@pytest.mark.parametrize("filename", FILENAMES)
@pytest.mark.parametrize("chunk_size", [1, 4096, 1 << 20])
async def test_httpx_forms_are_read(filename: str, chunk_size: int) -> None:
    content = CONTENT[:5000] if chunk_size == 1 else CONTENT
    request = httpx.Request(
        "POST",
        "http://localhost/",
        data={"note": "grün"},
        files={"file": (filename, io.BytesIO(content), "text/csv")},
    )
    boundary = boundary_of(request.headers["Content-Type"])
    assert await read(split_evenly(request.read(), chunk_size), boundary) == [
        ReadPart("note", None, "grün".encode()),
        ReadPart("file", filename, content),
    ]


@pytest.mark.parametrize("filename", FILENAMES)
@pytest.mark.parametrize("chunk_size", [1, 4096, 1 << 20])
async def test_aiohttp_forms_are_read(filename: str, chunk_size: int) -> None:
    content = CONTENT[:5000] if chunk_size == 1 else CONTENT
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("note", "grün")
    form.add_field("file", io.BytesIO(content), filename=filename, content_type="text/csv")
    payload = form()
    boundary = boundary_of(payload.headers["Content-Type"])
    assert await read(split_evenly(await payload.as_bytes(), chunk_size), boundary) == [
        ReadPart("note", None, "grün".encode()),
        ReadPart("file", filename, content),
    ]


async def test_aiohttp_percent_encodes_filenames_and_that_is_left_so() -> None:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(b"1"), filename="my plays.csv")
    payload = form()
    boundary = boundary_of(payload.headers["Content-Type"])
    # A browser would mean these characters, and which of the two it is cannot be told.
    assert await read(await payload.as_bytes(), boundary) == [
        ReadPart("file", "my%20plays.csv", b"1")
    ]


def split_evenly(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


async def logged(chunks: Iterable[bytes], log: list[int]) -> AsyncIterator[bytes]:
    """The chunks; each that is asked for gets into the log."""
    for number, chunk in enumerate(chunks):
        log.append(number)
        yield chunk


async def zipped(part: Part, chunks: Iterable[bytes]) -> AsyncIterator[tuple[bytes, bytes]]:
    expected: Iterator[bytes] = iter(chunks)
    async for piece in part:
        yield piece, next(expected)
    assert next(expected, None) is None
