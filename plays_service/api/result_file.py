"""The file of a result as HTTP sends it: whole, in parts, packed (RFC 9110)."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path, PurePath
from typing import Final
from urllib.parse import quote

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from plays_service.aggregation import DamagedResultError
from plays_service.api.compression import (
    WORTH_PACKING,
    coding_of,
    compress,
    send_compressed,
    send_pieces,
)
from plays_service.api.errors import ApiError, gone
from plays_service.api.forms import PACKED_CSV, PARQUET, Form

__all__ = ["file_response", "stream_response"]

#: Bytes of a result that is read faster than another thread is asked to.
_SMALL: Final = 64 << 10
#: Headers with which a client asks for a part, or for the rest, of what it has as it is.
_PARTS: Final = frozenset({"Range", "If-Range", "If-Match", "If-Unmodified-Since"})
#: Headers with which a client may get something else than all of it.
_CONDITIONS: Final = _PARTS | {"If-None-Match", "If-Modified-Since"}
#: One range of bytes, the only kind of range that is served.
_RANGE: Final = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)", re.IGNORECASE)
#: The last none of the bytes, which `http_range` takes for all of them.
_NOTHING: Final = re.compile(r"bytes=-0+", re.IGNORECASE)
#: Characters of a file name that a download keeps: clients take headers of 8 KiB at most.
_LONGEST_STEM: Final = 200


async def file_response(
    request: web.Request, path: Path, filename: str, form: Form
) -> web.StreamResponse:
    """All of the result, a part of it, or packed, as is asked; ``filename`` is the upload's.

    Raises `ApiError` 404 where it is gone, 412 and 416.
    """
    headers = _headers(filename, form)
    try:
        if form is PACKED_CSV:
            return await _packed_response(request, path, headers, "gzip", form)
        about = _about(path)
        coding = None if form is PARQUET else _coding_for(request, about.st_size)
        if about.st_size <= _SMALL and not any(name in request.headers for name in _CONDITIONS):
            return _small_response(path, headers, coding, about)
        if coding is not None:
            return await _packed_response(request, path, headers, coding)
        _check_preconditions(request, about)
        answer: web.StreamResponse
        if _wants_part(request, about):
            _check_range(request, about.st_size)
            answer = _FileResponse(path, headers=headers)
        else:
            answer = _WholeFileResponse(path, headers=headers)
        await answer.prepare(request)  # here, where what goes wrong is answered
    except FileNotFoundError:
        raise gone() from None
    return answer


async def stream_response(
    request: web.Request, result: Path, pieces: AsyncIterator[bytes], filename: str, form: Form
) -> web.StreamResponse:
    """The result in a form that is made on its way, packed where that is asked for.

    Raises `FileNotFoundError` where it is gone.
    """
    about = await asyncio.to_thread(result.stat)
    coding = coding_of(request.headers.get("Accept-Encoding", ""))
    answer = web.StreamResponse(headers=_headers(filename, form))
    if _is_known(request, _describe(answer, about, coding, form.suffix)):
        answer.set_status(304)
    await answer.prepare(request)
    if answer.status == 200 and request.method != "HEAD":
        try:
            await send_pieces(answer, pieces, coding)
        except (OSError, DamagedResultError) as error:
            # An answer that has begun can only be broken off; a client must not take it for whole.
            raise ConnectionResetError("the result is gone before its end was sent") from error
    return answer


def _headers(filename: str, form: Form) -> dict[str, str]:
    return {
        "Content-Type": form.content_type,
        "Content-Disposition": _content_disposition(filename, form.suffix),
        "Vary": "Accept, Accept-Encoding",
    }


def _about(path: Path) -> os.stat_result:
    return path.stat()  # on the event loop: a hop to a thread takes ten times as long


def _wants_part(request: web.Request, about: os.stat_result) -> bool:
    """Whether a range is asked for, and of this very file (RFC 9110, sections 13.1.5 and 14.2).

    A range of another unit must be ignored, and several may be.
    """
    if not _RANGE.fullmatch(request.headers.get("Range", "")):
        return False
    condition = request.headers.get("If-Range", "").strip()
    if condition.startswith(('"', "W/")):
        return condition == f'"{_tag(about)}"'
    date = request.if_range
    return not condition or (date is not None and about.st_mtime <= date.timestamp())


class _FileResponse(web.FileResponse):
    """A file, or the error that hinders it: aiohttp's would answer that without a body."""

    def set_status(self, status: int, reason: str | None = None) -> None:
        error = sys.exc_info()[1]
        if status >= 400 and error is not None:
            raise error
        super().set_status(status, reason)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None if self.prepared else await super().prepare(request)


class _WholeFileResponse(_FileResponse):
    """The file, whatever range is asked for."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        headers = request.headers.copy()
        headers.pop("Range", None)
        return await super().prepare(request.clone(headers=headers))


def _coding_for(request: web.Request, size: int) -> str | None:
    """The Content-Encoding of the result; None: as it is. Parts of it always go as they are."""
    if size < WORTH_PACKING or any(name in request.headers for name in _PARTS):
        return None
    return coding_of(request.headers.get("Accept-Encoding", ""))


async def _packed_response(
    request: web.Request,
    path: Path,
    headers: dict[str, str],
    coding: str,
    form: Form | None = None,
) -> web.StreamResponse:
    """Packed while it is sent: for the way only, or, in a ``form`` that is packed, for good."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        answer = web.StreamResponse(headers=headers)
        about = os.fstat(file.fileno())
        tag = (
            _describe(answer, about, None, form.suffix)
            if form
            else _describe(answer, about, coding)
        )
        if _is_known(request, tag):
            answer.set_status(304)
        await answer.prepare(request)
        if answer.status == 200 and request.method != "HEAD":
            await send_compressed(answer, file, coding)
    finally:
        file.close()
    return answer


def _small_response(
    path: Path, headers: dict[str, str], coding: str | None, about: os.stat_result
) -> web.Response:
    """What `FileResponse` answers when nothing is asked but the whole file, in one step."""
    data = path.read_bytes()
    response = web.Response(body=compress(data, coding) if coding else data, headers=headers)
    _describe(response, about, coding)
    response.headers["Accept-Ranges"] = "bytes"
    return response


def _is_known(request: web.Request, tag: str) -> bool:
    """Whether the client has it already."""
    return any(known.value in (tag, "*") for known in request.if_none_match or ())


def _describe(
    answer: web.StreamResponse, about: os.stat_result, coding: str | None, form: str | None = None
) -> str:
    """Say what a cache needs to know. Packed it is another thing: the tag of which is returned."""
    tag = answer.etag = _tag(about, form, coding)
    answer.last_modified = about.st_mtime
    if coding is not None:
        answer.headers["Content-Encoding"] = coding
    return tag


def _tag(about: os.stat_result, *of: str | None) -> str:
    tag = f"{about.st_mtime_ns:x}-{about.st_size:x}"  # as `FileResponse` has it
    return "-".join([tag, *filter(None, of)])


def _check_preconditions(request: web.Request, about: os.stat_result) -> None:
    """Raise `ApiError` 412 (RFC 9110, section 13.2.2): `FileResponse` would, but without a body."""
    known, since = request.if_match, request.if_unmodified_since
    if known is not None:
        tags = {one.value for one in known if not one.is_weak}
        holds = not tags.isdisjoint({_tag(about), "*"})
    else:
        holds = since is None or about.st_mtime <= since.timestamp()
    if not holds:
        raise ApiError(
            412,
            "The result is another than the one that the request asks for; leave out If-Match "
            "and If-Unmodified-Since",
        )


def _check_range(request: web.Request, size: int) -> None:
    """Raise `ApiError` 416 (RFC 9110, section 15.5.17): `FileResponse` would, but not as JSON."""
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if _NOTHING.fullmatch(request.headers.get("Range", "")):
        start = size
    if start is not None and start >= size:
        raise ApiError(
            416,
            f"The range lies beyond the {size} bytes of the result",
            {"Content-Range": f"bytes */{size}"},
        )


def _content_disposition(filename: str, suffix: str) -> str:
    """The header that offers the result for download (RFC 6266; RFC 8187 beyond ASCII)."""
    plain = filename.removesuffix(".gz").removesuffix(".zst")
    name = f"{PurePath(plain).stem[:_LONGEST_STEM] or 'upload'}-totals.{suffix}"
    fallback = re.sub(r'[^ -~]|["\\]', "_", name)
    header = f'attachment; filename="{fallback}"'
    return header if fallback == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
