"""Damage, from a seed: the same seed damages the same bytes in the same way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["CSV_TOKENS", "FORM_TOKENS", "HEAD_TOKENS", "Mutator"]

#: What means something in a CSV, or in the encodings it may have.
CSV_TOKENS: Final = (
    b",", b";", b"\t", b"|", b'"', b'""', b"\r", b"\n", b"\r\n", b" ", b"-", b"+", b"0",
    b"\0", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1a",
    b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808", b"9" * 40,
    b"2020-02-29", b"2021-02-29", b"0000-01-01", b"Song", b"Date", b"Number of Plays",
    b"Song,Date,Number of Plays\n", b"Umbrella,2020-01-01,1\n", b'"a\nb",2020-01-01,1\n',
)  # fmt: skip
#: What means something in a form, besides.
FORM_TOKENS: Final = (
    *CSV_TOKENS,
    b"--XX", b"--XX--", b"--XX\r\n", b"\r\n--XX--\r\n", b"\r\n\r\n", b"--", b":", b"\\", b"%22",
    b'Content-Disposition: form-data; name="file"; filename="x.csv"\r\n', b'name="file"',
    b"filename*=UTF-8''%e2%82%ac", b'filename=""', b"Content-Transfer-Encoding: base64\r\n",
)  # fmt: skip
#: What means something before the body of a request.
HEAD_TOKENS: Final = (
    b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"\xff", b"%00", b"%", b"/", b"?", b"..",
    b"GET", b"HEAD", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"OPTIONS", b"PATCH", b"PRI",
    b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"?on_error=skip", b"?encoding=utf-16", b"chunked",
    b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: -1\r\n",
    b"Content-Length: 99999999999999999999\r\n", b"Content-Encoding: gzip\r\n",
    b"Content-Encoding: zstd\r\n", b"Expect: 100-continue\r\n", b"Expect: x\r\n",
    b"Connection: keep-alive\r\n", b"Upgrade: websocket\r\n", b"Host: [\r\n", b"boundary=",
    b"Content-Type: text/csv\r\n", b"X: " + b"x" * 9000 + b"\r\n", b"multipart/form-data",
)  # fmt: skip
_MOST_AT_ONCE: Final = 6


class Mutator:
    """Damages bytes; ``random`` is for other choices of the same test case."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)

    def mutated(self, data: bytes, tokens: Sequence[bytes]) -> bytes:
        """The bytes with one to six changes; about half of the time it is one."""
        changes = 1
        while changes < _MOST_AT_ONCE and self.random.random() < 0.5:
            changes += 1
        for _ in range(changes):
            data = self.random.choice(_CHANGES)(self, data, tokens)
        return data

    def _place(self, data: bytes) -> int:
        return self.random.randint(0, len(data))

    def _block(self, data: bytes) -> slice:
        """Any block, more often a short one."""
        start = self._place(data)
        longest = self.random.choice((4, 40, len(data)))
        return slice(start, start + self.random.randint(1, max(longest, 1)))

    def flip_bit(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        if not data:
            return data
        damaged = bytearray(data)
        damaged[self.random.randrange(len(data))] ^= 1 << self.random.randrange(8)
        return bytes(damaged)

    def insert_token(self, data: bytes, tokens: Sequence[bytes]) -> bytes:
        place = self._place(data)
        return data[:place] + self.random.choice(tokens) + data[place:]

    def put_token(self, data: bytes, tokens: Sequence[bytes]) -> bytes:
        place, token = self._place(data), self.random.choice(tokens)
        return data[:place] + token + data[place + len(token) :]

    def insert_junk(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        place = self._place(data)
        return data[:place] + self.random.randbytes(self.random.randint(1, 8)) + data[place:]

    def remove_block(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        block = self._block(data)
        return data[: block.start] + data[block.stop :]

    def repeat_block(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        block = self._block(data)
        return data[: block.stop] + data[block] + data[block.stop :]

    def move_block(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        block = self._block(data)
        rest = data[: block.start] + data[block.stop :]
        place = self._place(rest)
        return rest[:place] + data[block] + rest[place:]

    def cut(self, data: bytes, _tokens: Sequence[bytes]) -> bytes:
        return data[: self._place(data)]


_CHANGES: Final[tuple[Callable[[Mutator, bytes, Sequence[bytes]], bytes], ...]] = (
    Mutator.flip_bit,
    Mutator.insert_token,
    Mutator.put_token,
    Mutator.insert_junk,
    Mutator.remove_block,
    Mutator.repeat_block,
    Mutator.move_block,
    Mutator.cut,
)
