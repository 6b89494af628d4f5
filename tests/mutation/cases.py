"""What is sent: valid uploads of every kind, damaged."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.conftest import EXAMPLE
from tests.mutation.mutator import CSV_TOKENS, FORM_TOKENS, HEAD_TOKENS, Mutator
from tests.mutation.oracle import BadPackingError, Outcome, outcome, unpacked

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CsvCase", "FormCase", "undamaged"]

_PACKERS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "zstd": zstd.compress,
}
_ENCODINGS: Final = ("cp1252", "utf-16", "shift_jis", "utf-8", "iso2022_jp")
_HEADER: Final = "Song,Date,Number of Plays\n"
_CSVS: Final = (
    EXAMPLE.decode(),
    EXAMPLE.decode().replace("\n", "\r\n"),
    EXAMPLE.decode().replace("\n", "\r"),
    EXAMPLE.decode().replace(",", ";"),
    '\ufeffnumber of plays|x|DATE|song\n-5|"a|b"|2020-02-29|12" mix\n+7|""| 2020-02-29\t|"q""q"\n',
    _HEADER + '"two\nlines",2020-01-01,1\n"Umbrella",2020-01-01,2\nUmbrella,2020-01-01,3\n',
    _HEADER + "a,2020-01-01,9223372036854775807\n" * 3 + "é,2020-12-31,-9223372036854775808\n" * 2,
    _HEADER + "".join(f"Song {n % 50},2020-01-{n % 28 + 1:02},{n}\n" for n in range(300)),
)
_LARGE_CSV: Final = _HEADER + "".join(
    f'"Song, {n % 500}",2020-01-{n % 28 + 1:02},{n}\n' for n in range(15_000)
)
_PART: Final = b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
_FORMS: Final = (
    _PART + b"\r\n" + EXAMPLE + b"\r\n--XX--\r\n",
    _PART
    + b"Content-Type: text/csv\r\n\r\n"
    + EXAMPLE.replace(b"\n", b"\r\n")
    + b"--XX\r\n\r\n--XX--",
    b"preamble\r\n" + _PART + b"\r\n" + EXAMPLE + b"\r\n--XX--\r\nepilogue",
    b'--XX\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
    + _PART.replace(b'"a.csv"', b'"C:\\\\a \\"b\\".csv"')
    + b"\r\n"
    + EXAMPLE
    + b"\r\n--XX--\r\n",
    _PART.replace(b"filename=", b"filename*=UTF-8''%e2%82%ac.csv; x=") + b"\r\n\r\n--XX--\r\n",
    _PART + b"\r\n" + gzip.compress(EXAMPLE, mtime=0) + b"\r\n--XX--\r\n",
    _PART + b"\r\n" + EXAMPLE + b"\n" * 400_000 + b"\r\n--XX--\r\n",
)
_FORM_TYPE: Final = b"Content-Type: multipart/form-data; boundary=XX\r\n"


def _request(mutator: Mutator, headers: bytes, body: bytes, query: str = "") -> bytes:
    """A request whose framing is right."""
    head = f"POST /process_csv{query} HTTP/1.1\r\nHost: localhost\r\n".encode() + headers
    if mutator.random.random() < 0.8:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + _chunked(mutator, body)


def _chunked(mutator: Mutator, body: bytes) -> bytes:
    size = mutator.random.choice((7, 100, 4096))
    pieces = [body[i : i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


def undamaged() -> list[bytes]:
    """Requests with all the forms, and all the files, from which the damaged ones are made."""
    files = [_PART + b"\r\n" + text.encode() + b"\r\n--XX--" for text in (*_CSVS, _LARGE_CSV)]
    return [_request(Mutator(""), _FORM_TYPE, body) for body in (*_FORMS, *files)]


@dataclass(frozen=True)
class CsvCase:
    """A damaged file in an upload that is right."""

    request: bytes
    file: bytes  #: as it is sent, so perhaps packed
    encoding: str | None
    skip_errors: bool
    in_form: bool

    @classmethod
    def make(cls, seed: str) -> CsvCase:
        mutator = Mutator(seed)
        random = mutator.random
        encoding = random.choice(_ENCODINGS) if random.random() < 0.2 else None
        skip_errors = random.random() < 0.4
        in_form = random.random() < 0.5
        file = _damaged_file(mutator, encoding)
        body, headers = file, b"Content-Type: text/csv\r\n"
        if in_form:
            body, headers = _PART + b"\r\n" + file + b"\r\n--XX--\r\n", _FORM_TYPE
        if random.random() < 0.1:
            coding = random.choice(list(_PACKERS))
            body, headers = (
                _PACKERS[coding](body),
                headers + f"Content-Encoding: {coding}\r\n".encode(),
            )
        query = f"?on_error={'skip' if skip_errors else 'fail'}"
        query += f"&encoding={encoding}" if encoding else ""
        request = _request(mutator, headers, body, query)
        return cls(request, file, encoding, skip_errors, in_form)

    def expected(self, folder: Path) -> Outcome | int:
        """What must become of it, or the status with which it must be refused."""
        if b"\r\n--XX" in self.file and self.in_form:
            return 400  # it is no file of that form any more
        if not self.file and not self.in_form:
            return 400
        if self.file.startswith(b"PK\x03\x04"):
            return 415
        try:
            data = unpacked(self.file)
        except BadPackingError:
            return 400
        return outcome(data, self.encoding, skip_errors=self.skip_errors, folder=folder)


def _damaged_file(mutator: Mutator, encoding: str | None) -> bytes:
    random = mutator.random
    text = _LARGE_CSV if random.random() < 0.01 else random.choice(_CSVS)
    data = mutator.mutated(text.encode(encoding or "utf-8", "replace"), CSV_TOKENS)
    if random.random() < 0.2:
        data = random.choice(list(_PACKERS.values()))(data)
        if random.random() < 0.5:
            data = mutator.mutated(data, CSV_TOKENS)
    return data


@dataclass(frozen=True)
class FormCase:
    """A damaged form, or a damaged request around it."""

    request: bytes
    is_whole: bool  #: its framing is right, so that it must be answered

    @classmethod
    def make(cls, seed: str) -> FormCase:
        mutator = Mutator(seed)
        kinds, weights = zip(*_KINDS.items(), strict=True)
        (kind,) = mutator.random.choices(kinds, weights)
        body = _FORMS[-1] if mutator.random.random() < 0.01 else mutator.random.choice(_FORMS[:-1])
        return cls(kind(mutator, body), kind in _WHOLE)


def _damaged_body(mutator: Mutator, body: bytes) -> bytes:
    return _request(mutator, _FORM_TYPE, mutator.mutated(body, FORM_TOKENS))


def _damaged_packed_body(mutator: Mutator, body: bytes) -> bytes:
    coding = mutator.random.choice(list(_PACKERS))
    packed = mutator.mutated(_PACKERS[coding](body), CSV_TOKENS)
    return _request(mutator, _FORM_TYPE + f"Content-Encoding: {coding}\r\n".encode(), packed)


def _other_boundary(mutator: Mutator, body: bytes) -> bytes:
    tokens = [token for token in FORM_TOKENS if not set(token) & set(b"\r\n\0")]
    boundary = mutator.mutated(b"boundary=XX", tokens)
    boundary = bytes(byte for byte in boundary if byte in b"\t" or 32 <= byte != 127)
    return _request(mutator, b"Content-Type: multipart/form-data; " + boundary + b"\r\n", body)


def _damaged_head(mutator: Mutator, body: bytes) -> bytes:
    head, blank, rest = _request(mutator, _FORM_TYPE, body).partition(b"\r\n\r\n")
    return mutator.mutated(head + blank, HEAD_TOKENS) + rest


def _wrong_length(mutator: Mutator, body: bytes) -> bytes:
    wrong = mutator.random.choice(
        (b"-1", b"", b"x", b"0", b"1e3", b"%d" % (1 << 62), b"%d" % mutator.random.randrange(1000))
    )
    head = b"POST /process_csv HTTP/1.1\r\nHost: localhost\r\n" + _FORM_TYPE
    return head + b"Content-Length: " + wrong + b"\r\n\r\n" + body


def _damaged_chunks(mutator: Mutator, body: bytes) -> bytes:
    head = b"POST /process_csv HTTP/1.1\r\nHost: localhost\r\n" + _FORM_TYPE
    chunks = mutator.mutated(_chunked(mutator, body), (b"\r\n", b"0\r\n\r\n", b"ffffffff", b";x=1"))
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


_KINDS: Final[dict[Callable[[Mutator, bytes], bytes], float]] = {
    _damaged_body: 0.6,
    _damaged_packed_body: 0.1,
    _other_boundary: 0.1,
    _damaged_head: 0.1,
    _wrong_length: 0.05,
    _damaged_chunks: 0.05,
}
_WHOLE: Final = (_damaged_body, _damaged_packed_body, _other_boundary)
