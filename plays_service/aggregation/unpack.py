"""Compressed uploads: gzip (RFC 1952) and Zstandard (RFC 8878), unpacked as they arrive.

Not among the names of the package: workers do without these libraries.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from isal import igzip_lib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["LONGEST_WINDOW", "PACKINGS", "PackingError", "Unpacker"]

#: Bytes that are unpacked at once, whatever the input would make of itself.
_PIECE_SIZE: Final = 1 << 20
#: Bytes of a member that are tried first: what follows on its end is copied by the libraries, and a
#: chunk may hold thousands of members.
_FIRST_SIZE: Final = 16 << 10
#: Behind a member there may be zeros, as tapes and gzip itself leave them.
_NO_PADDING: Final = re.compile(rb"[^\0]")
#: Members in a row that unpack to nothing: each costs far more time than bytes.
_MOST_EMPTY_MEMBERS: Final = 1000
#: Base 2 logarithm of the bytes that a Zstandard frame may have its reader remember. A few bytes
#: ask for any number of them; from strangers the 8 MiB are taken that all readers have (RFC 9659).
_WINDOW: Final = 23
#: The same where the file is the user's own: what `zstd` itself unpacks without being asked to.
LONGEST_WINDOW: Final = 27


class PackingError(ValueError):
    """The compressed bytes are not whole, or are no such format; ``str()`` says what to do."""


class _Decompressor(Protocol):
    """What the libraries have in common: the interface of Python's `bz2`."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview, max_length: int, /) -> bytes: ...


def _gzip(_window: int) -> Any:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zstd(window: int) -> _Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window})


#: What other programs have to know of a Zstandard file, such as where its frames are (RFC 8878,
#: section 3.1.2): the library skips it.
_SKIPPABLE: Final = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
#: Formats by the name that HTTP has for them, each with the first bytes that it may have.
PACKINGS: Final[Mapping[str, tuple[bytes, ...]]] = MappingProxyType(
    {"gzip": (b"\x1f\x8b",), "zstd": (b"\x28\xb5\x2f\xfd", *_SKIPPABLE)}
)
_MAKERS: Final[Mapping[str, Callable[[int], _Decompressor]]] = MappingProxyType(
    {"gzip": _gzip, "zstd": _zstd}
)


class Unpacker:
    """Unpacks one of `PACKINGS`, piece by piece; several members or frames become one file.

    ``window`` is the base 2 logarithm of the bytes that a Zstandard frame may refer back to.
    """

    def __init__(self, packing: str, *, window: int = _WINDOW) -> None:
        self._packing = packing
        self._window = window
        self._empty_members = 0  # in a row
        self._next_size = _FIRST_SIZE
        self._begin_member()
        self._next_start = b""  # of what may be another member, too short to tell

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, in pieces of at most 1 MiB. Raises `PackingError`.

        Take all of them before the next call.
        """
        data, self._next_start = self._next_start + data, b""
        view, at = memoryview(data), 0
        while at < len(data) or self._holds_more():
            if self._decompressor.eof:
                at = self._next_member(data, at)
                continue
            end = at if self._holds_more() else min(at + self._next_size, len(data))
            piece = self._decompress(view[at:end])
            at, self._next_size = end - len(self._decompressor.unused_data), sys.maxsize
            if piece:
                self._empty_members = 0
                yield piece

    def finish(self) -> None:
        """Raises `PackingError` where there should be more."""
        if self._next_start or not self._decompressor.eof:
            raise PackingError(f"The {self._packing} data ends too early; send the whole file")

    def _holds_more(self) -> bool:
        return not (self._decompressor.eof or self._decompressor.needs_input)

    def _decompress(self, data: memoryview) -> bytes:
        try:
            return self._decompressor.decompress(data, _PIECE_SIZE)
        except Exception as error:  # each library has one of its own
            if "too much memory" in str(error):
                raise PackingError(
                    f"The zstd data needs a window of more than {1 << self._window >> 20} MiB; "
                    "pack the file without --long and --ultra"
                ) from None
            raise PackingError(
                f"The file is no valid {self._packing} ({error}); pack it again"
            ) from None

    def _next_member(self, data: bytes, at: int) -> int:
        """Where in ``data`` another member begins; its end where none does yet."""
        start = _NO_PADDING.search(data, at)
        at = start.start() if start else len(data)
        starts = PACKINGS[self._packing]
        if at + len(starts[0]) > len(data) and any(s.startswith(data[at:]) for s in starts):
            self._next_start = data[at:]
            return len(data)
        if not data.startswith(starts, at):
            raise PackingError(
                f"Behind the {self._packing} data comes something else; pack the file again"
            )
        self._begin_member()
        return at

    def _begin_member(self) -> None:
        self._decompressor = _MAKERS[self._packing](self._window)
        self._next_size = _FIRST_SIZE
        self._empty_members += 1
        if self._empty_members > _MOST_EMPTY_MEMBERS:
            raise PackingError(
                f"The {self._packing} data has thousands of parts with nothing in them; "
                "pack the file again"
            )
