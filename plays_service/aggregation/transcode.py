"""From whatever encoding an upload has to UTF-8, as it arrives."""

from __future__ import annotations

import codecs
from typing import Final

__all__ = ["EncodingError", "Transcoder"]

_UTF16_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Codecs that are no encoding of files: they cannot decode in pieces, or never decode.
_NOT_FOR_FILES: Final = frozenset({"idna", "punycode", "undefined"})
_MARK: Final = "plays_service.mark_undecodable"


class EncodingError(ValueError):
    """The encoding that a client named is none."""


def _mark_undecodable(error: UnicodeError) -> tuple[str, int]:
    """A lone surrogate for what cannot be decoded: it becomes bytes that are no UTF-8.

    So the aggregation finds it in its place, names its line, and can skip just that record.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udfff", error.end


codecs.register_error(_MARK, _mark_undecodable)


class Transcoder:
    """Turns an upload into UTF-8, piece by piece.

    Without a named encoding the upload is UTF-16 if it starts with that byte order mark, and else
    passes as it is. Raises `EncodingError` for a name that is no text encoding of Python's.
    """

    def __init__(self, encoding: str | None = None) -> None:
        self.encoding = "UTF-8"  #: the name to use in messages, known after the first bytes
        self._head = b""
        self._sniffing = encoding is None
        self._decoder: codecs.IncrementalDecoder | None = None
        if encoding is not None and _codec_name(encoding) != "utf-8":
            self._decode_as(encoding)

    def feed(self, data: bytes) -> bytes:
        """The UTF-8 of ``data``, as far as it can be told yet."""
        if self._sniffing:
            data = self._head + data
            if len(data) < len(codecs.BOM_UTF16_LE):
                self._head = data
                return b""
            self._sniffing = False
            if data.startswith(_UTF16_BOMS):
                self._decode_as("UTF-16")
        return self._decoded(data)

    def finish(self) -> bytes:
        """What is left when the upload has ended."""
        if self._sniffing:
            return self._head
        return self._decoded(b"", final=True)

    @property
    def decodes(self) -> bool:
        """Whether the bytes have to be transcoded (as far as can be told yet)."""
        return self._decoder is not None

    def _decode_as(self, encoding: str) -> None:
        self.encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)(errors=_MARK)

    def _decoded(self, data: bytes, *, final: bool = False) -> bytes:
        if self._decoder is None:
            return data
        return self._decoder.decode(data, final).encode("utf-8", "surrogatepass")


def _codec_name(encoding: str) -> str:
    """Python's name of a text encoding."""
    try:
        name = codecs.lookup(encoding).name
        b"".decode(encoding)  # refuses codecs that are no text encodings
    except (LookupError, ValueError, UnicodeError):
        name = ""
    if not name or name in _NOT_FOR_FILES:
        raise EncodingError(
            f"unknown encoding {encoding[:40]!r}; name one that Python knows, such as cp1252, "
            "latin-1, shift_jis or utf-16"
        )
    return name
