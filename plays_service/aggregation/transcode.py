"""From whatever encoding an upload has to UTF-8, as it arrives."""

from __future__ import annotations

import codecs
import encodings
import pkgutil
from encodings.aliases import aliases
from functools import cache
from typing import Final

__all__ = ["EncodingError", "Transcoder"]

_UTF16_BOMS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
#: Codecs that are no encoding of files: they cannot decode in pieces, or never decode.
_NOT_FOR_FILES: Final = frozenset({"aliases", "idna", "punycode", "undefined"})
#: Codecs that end in an exception where there is no byte order mark.
_NEED_BOM: Final = frozenset({"utf_16", "utf_32"})
#: Bytes between the places in an upload where it is looked for a sequence that does not end. UTF-7
#: and escapes are held back until they end, and decoded anew with each piece that comes.
_BLOCK_SIZE: Final = 64 << 10
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
        self._to_block_end = _BLOCK_SIZE
        if encoding is not None and _codec_name(encoding) != "utf_8":
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
        self._decoder = _decoder_of(_codec_name(encoding))

    def _decoded(self, data: bytes, *, final: bool = False) -> bytes:
        if self._decoder is None:
            return data
        text, at = [], 0
        while at < len(data):
            end = min(at + self._to_block_end, len(data))
            text.append(self._text_of(data[at:end]))
            self._to_block_end -= end - at
            at = end
            if not self._to_block_end:  # a place that does not depend on the pieces
                text.append(self._give_up_endless())
                self._to_block_end = _BLOCK_SIZE
        if final:
            text.append(self._text_of(b"", final=True))
        return "".join(text).encode("utf-8", "surrogatepass")

    def _text_of(self, data: bytes, *, final: bool = False) -> str:
        assert self._decoder is not None
        before = self._decoder.getstate()
        try:
            return self._decoder.decode(data, final)
        except UnicodeError:
            return self._decoded_despite_codec(before, data, final=final)

    def _give_up_endless(self) -> str:
        """A mark for each line of what is held back, where that is more than a block."""
        assert self._decoder is not None
        pending, flags = self._decoder.getstate()
        if len(pending) <= _BLOCK_SIZE:
            return ""
        self._decoder.setstate((b"", flags))
        return "\n".join(["\udfff"] * (pending.count(b"\n") + 1))

    def _decoded_despite_codec(self, before: tuple[bytes, int], data: bytes, *, final: bool) -> str:
        """What two families of codecs refuse to decode, although told to mark it."""
        assert self._decoder is not None
        name = _codec_name(self.encoding)
        if name in _NEED_BOM:  # what lacks it is little-endian nearly always
            self._decoder = _decoder_of(f"{name}_le")
            return self._decoder.decode(before[0] + data, final)
        self._decoder.setstate(before)  # of ISO 2022: an escape sequence that never ends
        return self._decoded_bytewise(data) + (self._decoder.decode(b"", final) if final else "")

    def _decoded_bytewise(self, data: bytes) -> str:
        assert self._decoder is not None
        text = []
        for i in range(len(data)):
            pending, flags = self._decoder.getstate()
            try:
                text.append(self._decoder.decode(data[i : i + 1]))
            except UnicodeError:  # what is pending is no sequence: its first byte is junk
                self._decoder.setstate((b"", flags))
                text += ["\udfff", self._decoded_bytewise(pending[1:] + data[i : i + 1])]
        return "".join(text)


def _decoder_of(name: str) -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder(name)(errors=_MARK)


@cache
def _codec_names() -> frozenset[str]:
    """Python's modules of codecs."""
    return frozenset(module.name for module in pkgutil.iter_modules(encodings.__path__))


def _codec_name(encoding: str) -> str:
    """Python's module of a text encoding.

    It is looked up here, because Python's own lookup remembers every name that it was asked for.
    """
    spelling = encoding.lower().replace(" ", "_").replace("-", "_")
    name = aliases.get(spelling, spelling)
    try:
        if name in _codec_names():
            b"a".decode(name)  # refuses codecs that are no text encodings
    except LookupError:
        name = ""
    except UnicodeError:
        pass  # a byte is no text in UTF-16
    if name not in _codec_names() or name in _NOT_FOR_FILES:
        raise EncodingError(
            f"unknown encoding {encoding[:40]!r}; name one that Python knows, such as cp1252, "
            "latin-1, shift_jis or utf-16"
        )
    return name
