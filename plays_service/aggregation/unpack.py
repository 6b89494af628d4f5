"""Compressed uploads: gzip (RFC 1952) and Zstandard (RFC 8878), unpacked as they arrive.

Not among the names of the package: workers do without these libraries.
"""

from __future__ import annotations

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
#: Base 2 logarithm of the bytes that a Zstandard frame may have its reader remember. A few bytes ask
#: for any number of them; from strangers the 8 MiB are taken that all readers have (RFC 9659).
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
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip(_window: int) -> Any:
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _zstd(window: int) -> _Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: window})


#: Formats by the name that HTTP has for them, each with its first bytes.
PACKINGS: Final[Mapping[str, bytes]] = MappingProxyType(
    {"gzip": b"\x1f\x8b", "zstd": b"\x28\xb5\x2f\xfd"}
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
        self._decompressor = _MAKERS[packing](window)
        self._next_start = b""  # of what may be another member, too short to tell

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What ``data`` unpacks to, in pieces of at most 1 MiB. Raises `PackingError`.

        Take all of them before the next call.
        """
        data, self._next_start = self._next_start + data, b""
        while data or self._holds_more():
            if self._decompressor.eof:
                data = self._next_member(data)
                continue
            piece = self._decompress(data)
            data = b"" if self._holds_more() else self._decompressor.unused_data
            if piece:
                yield piece

    def finish(self) -> None:
        """Raises `PackingError` where there should be more."""
        if self._next_start or not self._decompressor.eof:
            raise PackingError(f"The {self._packing} data ends too early; send the whole file")

    def _holds_more(self) -> bool:
        return not (self._decompressor.eof or self._decompressor.needs_input)

    def _decompress(self, data: bytes) -> bytes:
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

    def _next_member(self, data: bytes) -> bytes:
        """``data`` once it is known to be another member; empty until then."""
        data = data.lstrip(b"\0")  # padding, as tapes and gzip itself leave it
        magic = PACKINGS[self._packing]
        if len(data) < len(magic) and magic.startswith(data):
            self._next_start = data
            return b""
        if not data.startswith(magic):
            raise PackingError(
                f"Behind the {self._packing} data comes something else; pack the file again"
            )
        self._decompressor = _MAKERS[self._packing](self._window)
        return data
