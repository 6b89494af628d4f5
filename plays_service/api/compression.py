"""Results packed on their way, for clients that ask for it (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import BinaryIO, Final, Protocol

from aiohttp import web
from isal import isal_zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["WORTH_PACKING", "coding_of", "compress", "send_compressed", "send_pieces"]

#: Bytes of an answer below which packing it spares no packet.
WORTH_PACKING: Final = 1400
#: Bytes of a result that are packed at once.
_PIECE_SIZE: Final = 1 << 20
_FASTEST: Final = 1
#: ``wbits`` with which zlib's interface makes gzip.
_GZIP: Final = 31
_QUALITY: Final = re.compile(r"q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")


class _Compressor(Protocol):
    """What the libraries have in common: the interface of Python's `zlib`."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


#: By the name that HTTP has for it; the first is the best where a client likes several.
_CODINGS: Final[Mapping[str, Callable[[], _Compressor]]] = MappingProxyType(
    {
        "zstd": lambda: zstd.ZstdCompressor(level=_FASTEST),
        "gzip": lambda: isal_zlib.compressobj(_FASTEST, wbits=_GZIP),
    }
)


def coding_of(accepted: str) -> str | None:
    """What an Accept-Encoding header likes best of ``zstd`` and ``gzip``; None: neither."""
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, _, parameters = item.partition(";")
        quality = _QUALITY.fullmatch(parameters.strip())
        weights[name.strip()] = float(quality[1]) if quality else 1.0
    best = max(_CODINGS, key=lambda coding: _weight(weights, coding))
    return best if _weight(weights, best) > weights.get("identity", 0.0) else None


def _weight(weights: Mapping[str, float], coding: str) -> float:
    names = (coding, f"x-{coding}", "*")
    return next((weights[name] for name in names if name in weights), 0.0)


def compress(data: bytes, coding: str) -> bytes:
    """All of it at once, as long as it is little."""
    compressor = _CODINGS[coding]()
    return compressor.compress(data) + compressor.flush()


async def send_compressed(answer: web.StreamResponse, file: BinaryIO, coding: str) -> None:
    """Pack the file, piece by piece and off the event loop, into an answer that is prepared."""
    compressor = _CODINGS[coding]()

    def next_piece() -> tuple[bytes, bool]:
        data = file.read(_PIECE_SIZE)
        return (compressor.compress(data), True) if data else (compressor.flush(), False)

    more = True
    while more:
        piece, more = await asyncio.to_thread(next_piece)
        if piece:
            await answer.write(piece)
    await answer.write_eof()


async def send_pieces(
    answer: web.StreamResponse, pieces: AsyncIterator[bytes], coding: str | None
) -> None:
    """Send the pieces, packed off the event loop, as an answer that is prepared."""
    compressor = _CODINGS[coding]() if coding else None
    async for piece in pieces:
        packed = await asyncio.to_thread(compressor.compress, piece) if compressor else piece
        if packed:
            await answer.write(packed)
    await answer.write_eof(compressor.flush() if compressor else b"")
