"""The body of a request as it arrives: in time, within the limit, unpacked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import ClientError, web

from plays_service.aggregation.unpack import PACKINGS, Unpacker
from plays_service.api.context import SETTINGS
from plays_service.api.errors import ApiError

__all__ = ["CLOSE", "body_of", "check_length", "pieces_of", "too_large", "usage"]

#: Closes the connection: what is left of the upload is not worth reading.
CLOSE: Final = {"Connection": "close"}
#: What a form may add to the size of the file, in bytes.
_FORM_OVERHEAD: Final = 64 << 10


def check_length(request: web.Request) -> None:
    """Raise `ApiError` 413 where the headers say that the body is too large."""
    limit = request.app[SETTINGS].max_upload_size
    if (request.content_length or 0) > limit + _FORM_OVERHEAD:
        raise too_large(limit)


async def body_of(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives, without its Content-Encoding (RFC 9110, section 8.4).

    Raises `PackingError`, and `ApiError` 400, 408, 413 or 415.
    """
    unpacker, pieces = _unpacker_for(request), _chunks(request)
    if unpacker is not None:
        pieces = _unpack(unpacker, pieces)
    limit = request.app[SETTINGS].max_upload_size
    left = limit + _FORM_OVERHEAD  # what lies outside the file counts, too
    async for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise too_large(limit)
        yield piece


def _unpacker_for(request: web.Request) -> Unpacker | None:
    """What takes off the Content-Encoding, if there is one. Raises `ApiError` 415."""
    coding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity":
        return None
    packing = coding.removeprefix("x-")
    if packing not in PACKINGS:
        raise ApiError(
            415,
            f"Content-Encoding {coding[:40]} is not taken, only gzip and zstd; {usage(request)}",
            {**CLOSE, "Accept-Encoding": ", ".join(PACKINGS)},
        )
    return Unpacker(packing)


async def _unpack(unpacker: Unpacker, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        async for piece in pieces_of(unpacker, chunk):
            yield piece
    unpacker.finish()


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises `ApiError` where it stops arriving, or hardly does."""
    settings, loop = request.app[SETTINGS], asyncio.get_running_loop()
    timeout, least = settings.upload_timeout, settings.min_upload_rate
    begun, size = loop.time(), 0
    while True:
        try:
            async with asyncio.timeout(timeout):
                chunk = await request.content.readany()
        except TimeoutError:
            raise _timed_out(f"Nothing came for {timeout:g} s") from None
        except (ClientError, web.RequestPayloadError, ConnectionError) as error:
            raise ApiError(400, f"The upload ended early: {error}", CLOSE) from None
        if not chunk:
            return
        size += len(chunk)
        if size < (loop.time() - begun - timeout) * least:
            raise _timed_out(f"Less than {least} bytes came in a second")
        yield chunk


def _timed_out(problem: str) -> ApiError:
    return ApiError(408, f"{problem}; send the file again", CLOSE)


async def pieces_of(unpacker: Unpacker, data: bytes) -> AsyncIterator[bytes]:
    """What ``data`` unpacks to, without stalling the loop."""
    pieces = unpacker.feed(data)
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece


def too_large(limit: int) -> ApiError:
    """The answer to an upload of more than ``limit`` bytes."""
    return ApiError(
        413, f"The file is larger than {limit} bytes, the most that this service takes", CLOSE
    )


def usage(request: web.Request) -> str:
    """How to send a file here, by commands that work."""
    try:
        url = str(request.url.with_query(None))
    except ValueError:  # of a Host header that is none
        url = request.path
    return (
        f"send the file with: curl --form 'file=@plays.csv' {url} "
        f"or: curl --header 'Content-Type: text/csv' --data-binary @plays.csv {url}"
    )
