"""The file of a result as HTTP sends it: whole, in parts, packed."""

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
from plays_service.api.conditions import (
    CONDITIONS,
    PARTS,
    check_preconditions,
    check_range,
    is_known,
    wants_part,
)
from plays_service.api.errors import gone
from plays_service.api.forms import PACKED_CSV, PARQUET, Form

__all__ = ["file_response", "stream_response"]

#: Bytes of a result that is read faster than another thread is asked to.
_SMALL: Final = 64 << 10
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
            return await _packed_response(request, path, headers, "gzip", form.suffix)
        about = _about(path)
        coding = None if form is PARQUET else _coding_for(request, about.st_size)
        if coding is not None:
            headers["Content-Encoding"] = coding
        if about.st_size <= _SMALL and not any(name in request.headers for name in CONDITIONS):
            return _small_response(path, headers, coding, about)
        if coding is not None:
            return await _packed_response(request, path, headers, coding, coding)
        tag, modified = _tag(about), about.st_mtime
        check_preconditions(request, tag, modified)
        answer: web.StreamResponse
        if wants_part(request, tag, modified):
            check_range(request, about.st_size)
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

    Raises `FileNotFoundError` where it is gone, and `ApiError` 412.
    """
    about = await asyncio.to_thread(result.stat)
    coding = coding_of(request.headers.get("Accept-Encoding", ""))
    headers = _headers(filename, form)
    if coding is not None:
        headers["Content-Encoding"] = coding
    answer = web.StreamResponse(headers=headers)
    _heed_conditions(request, answer, about, form.suffix, coding)
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
    if size < WORTH_PACKING or any(name in request.headers for name in PARTS):
        return None
    return coding_of(request.headers.get("Accept-Encoding", ""))


async def _packed_response(
    request: web.Request,
    path: Path,
    headers: dict[str, str],
    coding: str,
    tagged: str,
) -> web.StreamResponse:
    """Packed while it is sent; ``tagged`` tells it from the other ways to have the result."""
    file = await asyncio.to_thread(path.open, "rb")
    try:
        answer = web.StreamResponse(headers=headers)
        _heed_conditions(request, answer, os.fstat(file.fileno()), tagged)
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


def _heed_conditions(
    request: web.Request, answer: web.StreamResponse, about: os.stat_result, *of: str | None
) -> None:
    """Describe the answer, and make it 304 where the client has it. Raises `ApiError` 412."""
    tag = _describe(answer, about, *of)
    check_preconditions(request, tag, about.st_mtime)
    if is_known(request, tag, about.st_mtime):
        answer.set_status(304)


def _describe(answer: web.StreamResponse, about: os.stat_result, *of: str | None) -> str:
    """Say what a cache needs to know; the tag. In another form, or packed, it is another thing."""
    tag = answer.etag = _tag(about, *of)
    answer.last_modified = about.st_mtime
    return tag


def _tag(about: os.stat_result, *of: str | None) -> str:
    tag = f"{about.st_mtime_ns:x}-{about.st_size:x}"  # as `FileResponse` has it
    return "-".join([tag, *filter(None, of)])


def _content_disposition(filename: str, suffix: str) -> str:
    """The header that offers the result for download (RFC 6266; RFC 8187 beyond ASCII)."""
    plain = filename.removesuffix(".gz").removesuffix(".zst")
    name = f"{PurePath(plain).stem[:_LONGEST_STEM] or 'upload'}-totals.{suffix}"
    fallback = re.sub(r'[^ -~]|["\\]', "_", name)
    header = f'attachment; filename="{fallback}"'
    return header if fallback == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
