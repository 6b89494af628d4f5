"""From whatever encoding an upload has to UTF-8: any piece, any codec, any bytes."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
import random
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from plays_service.aggregation import EncodingError, Transcoder

#: Python's modules of codecs that are none of text files.
NOT_TEXT = ["base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec"]
NOT_TEXT += ["zlib_codec"]
NOT_FOR_FILES = ["idna", "punycode", "undefined"]
ELSEWHERE = ["mbcs", "oem"]  #: on Windows
CODECS = sorted(
    {module.name for module in pkgutil.iter_modules(encodings.__path__)}
    - {"aliases", *NOT_TEXT, *NOT_FOR_FILES, *ELSEWHERE}
)
MULTI_BYTE = [
    "utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_7",
    "shift_jis", "cp932", "euc_jp", "iso2022_jp", "iso2022_jp_3", "iso2022_kr", "gb18030", "gbk",
    "hz", "big5", "big5hkscs", "euc_kr", "cp949", "johab",
]  # fmt: skip
#: What does not decode, where a byte of all ones is not it.
JUNK = {
    "utf_16": b"\x00\xdc",
    "utf_16_le": b"\x00\xdc",
    "utf_16_be": b"\xdc\x00",
    "utf_32": b"\xff\xff\xff\x7f",
    "utf_32_le": b"\xff\xff\xff\x7f",
    "cp932": b"\x81\x00",
}
#: Bytes that mean something to one encoding or other: escapes, shifts, lead bytes, BOMs.
MEANINGFUL = b'\x1b$B(J)KC&@.A~{}+-/\\x0u\x0e\x0f\x81\x8e\x8f\xa1\xc9\xd8\xdc\xe9\xfe\xff\0a,"\n\r'


def transcode(encoding: str | None, pieces: Iterable[bytes]) -> bytes:
    transcoder = Transcoder(encoding)
    return b"".join([*map(transcoder.feed, pieces), transcoder.finish()])


def cuts(data: bytes) -> list[list[bytes]]:
    """The bytes one by one, in twos, with empty pieces, and in two pieces at each place."""
    return [
        [data[i : i + 1] for i in range(len(data))],
        [data[i : i + 2] for i in range(0, len(data), 2)],
        [piece for i in range(len(data)) for piece in (b"", data[i : i + 1])],
        *([data[:i], data[i:]] for i in range(len(data))),
    ]


def assert_same(encoding: str, pieces: list[bytes], whole: bytes) -> None:
    """Except for junk in ISO 2022: how much of a broken escape Python marks depends on the cut."""
    found = transcode(encoding, pieces)
    assert found == whole or (encoding.startswith("iso2022") and not is_utf8(found))


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of unicode_escape, for "\\-"
@pytest.mark.parametrize("encoding", CODECS)
def test_any_bytes_in_any_pieces(encoding: str) -> None:
    """Never an exception, and the same bytes however they arrive."""
    chance = random.Random(encoding)
    for size in range(40):
        alphabet = chance.choice([MEANINGFUL, bytes(range(256))])
        data = bytes(chance.choice(alphabet) for _ in range(size))
        whole = transcode(encoding, [data])
        for pieces in cuts(data):
            assert_same(encoding, pieces, whole)


@given(st.sampled_from(MULTI_BYTE), st.binary(max_size=40))
@example("iso2022_kr", b"\x1b&~\x8e\xfe\\+++")
@example("iso2022_jp_3", b"@-\x1b&\xff}\xfe\x1b/~\xa1B")
@example("utf_16", b"\x07\xf9|")
@example("utf_32", b"2-A,+a-2a")
def test_random_bytes_in_any_pieces(encoding: str, data: bytes) -> None:
    whole = transcode(encoding, [data])
    for pieces in cuts(data):
        assert_same(encoding, pieces, whole)


@given(st.sampled_from(MULTI_BYTE), st.data())
def test_what_python_decodes(encoding: str, data: st.DataObject) -> None:
    """Text that the codec can write comes out as it is."""
    letters = 'a,\n\r";é€ßЖ愛さ사上ソ表🎵𠮷\u2028'
    known = [letter for letter in letters if _keeps(letter, encoding)]
    written = data.draw(st.text(known, min_size=1, max_size=30)).encode(encoding)
    expected = written.decode(encoding).encode()
    for pieces in cuts(written):
        assert transcode(encoding, pieces) == expected


def _keeps(letter: str, encoding: str) -> bool:
    try:
        return letter.encode(encoding).decode(encoding) == letter
    except UnicodeError:
        return False


@pytest.mark.parametrize("encoding", MULTI_BYTE)
def test_what_does_not_decode_becomes_no_utf8(encoding: str) -> None:
    """So that it is found later, in its place; nothing before or after it is lost."""
    junk = JUNK.get(encoding, b"\xff")
    before, after = "a\n".encode(encoding), "b\nc\n".encode(encoding)
    if encoding in ("utf_16", "utf_32", "utf_8_sig"):
        after = after.removeprefix("".encode(encoding))
    lines = transcode(encoding, [before + junk + after]).split(b"\n")
    assert [lines[0], lines[2], lines[3]] == [b"a", b"c", b""]
    if not encoding.startswith("utf_8"):  # which passes as it is, with the name of "utf-8"
        assert lines[1].startswith(b"\xed\xbf\xbf")
    assert lines[1].endswith(b"b")
    assert not is_utf8(lines[1])


@pytest.mark.parametrize("encoding", ["shift_jis", "cp932", "euc_jp", "gbk", "gb18030", "big5"])
def test_a_lead_byte_swallows_no_line_end(encoding: str) -> None:
    """Else the lines of errors after it would be wrong."""
    for lead in range(0x80, 0x100):
        for special in (b"\n", b",", b'"', b"\r\n"):
            found = transcode(encoding, [b"x" + bytes([lead]) + special + b"y"])
            assert found.endswith(special + b"y")


class TestSniffing:
    """Without a named encoding: UTF-16 by its byte order mark, else as it is."""

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_utf_16(self, encoding: str) -> None:
        text = "Song é愛🎵\n\u0a0a\u0d0d"
        data = ("\ufeff" + text).encode(encoding)
        for pieces in cuts(data):
            assert transcode(None, pieces) == text.encode()

    def test_its_name_is_known_after_two_bytes(self) -> None:
        transcoder = Transcoder()
        assert (transcoder.encoding, transcoder.decodes) == ("UTF-8", False)
        assert transcoder.feed(b"\xff") == b""
        assert transcoder.feed(b"\xfe") == b""
        assert (transcoder.encoding, transcoder.decodes) == ("UTF-16", True)

    @given(st.binary(max_size=30))
    @example(b"")
    @example(b"\xff")
    @example(b"\xfe\xfd")
    @example(codecs.BOM_UTF8 + b"a")
    def test_anything_else_passes_as_it_is(self, data: bytes) -> None:
        if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            for pieces in cuts(data):
                assert transcode(None, pieces) == data

    @pytest.mark.parametrize("name", ["utf-8", "UTF8", "u8", "utf_8", "cp65001"])
    def test_named_utf_8_passes_as_it_is(self, name: str) -> None:
        transcoder = Transcoder(name)
        assert transcoder.feed(b"\xff\xfe\xc3") + transcoder.finish() == b"\xff\xfe\xc3"
        assert (transcoder.encoding, transcoder.decodes) == ("UTF-8", False)


class TestNames:
    @pytest.mark.parametrize("name", ["cp1252", "Windows-1252", "LATIN1", "utf 16", "ibm037"])
    def test_any_spelling_that_python_knows(self, name: str) -> None:
        transcoder = Transcoder(name)
        assert transcoder.decodes
        assert transcoder.encoding == name

    @pytest.mark.parametrize("name", [*NOT_TEXT, "rot13", "hex", "base64", "bz2", "zlib", "uu"])
    def test_codecs_that_are_no_text_are_refused(self, name: str) -> None:
        with pytest.raises(EncodingError, match="unknown encoding"):
            Transcoder(name)

    @pytest.mark.parametrize("name", NOT_FOR_FILES)
    def test_codecs_that_are_not_for_files_are_refused(self, name: str) -> None:
        with pytest.raises(EncodingError, match="unknown encoding"):
            Transcoder(name)

    @pytest.mark.parametrize(
        "name",
        ["", " ", "no-such", "aliases", "cp1252\0", "é", "\udcff", "..", "../etc", "a" * 10_000]
        + ["utf-8,cp1252", "None", "__main__", "encodings.cp1252"],
    )
    def test_names_that_are_none_are_refused(self, name: str) -> None:
        with pytest.raises(EncodingError) as caught:
            Transcoder(name)
        assert "such as cp1252, latin-1, shift_jis or utf-16" in str(caught.value)
        assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("encoding", "start", "more"),
    [("utf-7", b"+", b"A"), ("unicode_escape", b"\\N{", b"A"), ("unicode_escape", b"\\N{", b"A\n")],
)
def test_a_sequence_without_end_is_given_up(encoding: str, start: bytes, more: bytes) -> None:
    """None of its lines can pass for a record, and none is lost."""
    data = b"good\n" + start + more * 150_000 + b"\nlast\n"
    whole = transcode(encoding, [data])
    lines = whole.split(b"\n")
    assert (lines[0], lines[-2:]) == (b"good", [b"last", b""])
    assert len(lines) == data.count(b"\n") + 1
    given_up = lines[1 : 1 + data[: 64 << 10].count(b"\n")]
    assert not any(map(is_utf8, given_up))
    for size in (262_144, 50_021, 4096):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert transcode(encoding, pieces) == whole
        transcoder = Transcoder(encoding)
        held = [len(piece) - len(transcoder.feed(piece)) for piece in pieces]
        assert sum(held) < 200_000  # but for marks, all has come out again
