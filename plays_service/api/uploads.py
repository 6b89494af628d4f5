"""``/process_csv``: an upload on its way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from aiohttp import HttpVersion11, web

from plays_service.aggregation import EncodingError, Transcoder
from plays_service.aggregation.unpack import PACKINGS, PackingError, Unpacker
from plays_service.api.access import check_access
from plays_service.api.body import CLOSE, body_of, check_length, pieces_of, too_large, usage
from plays_service.api.context import OWNER, RUNNER, SETTINGS, UPLOADS
from plays_service.api.errors import ApiError, no_room
from plays_service.api.health import refuse_uploads
from plays_service.api.multipart import (
    MultipartError,
    MultipartReader,
    Part,
    boundary_of,
    last_component,
)
from plays_service.tasks import CURRENT_TASK, Intake, Task

__all__ = ["answer_expectation", "process_csv"]

_NO_FILE: Final = "No upload file sent"
#: Types of a raw body that may be a CSV, packed or not; none at all is what `curl -T` sends.
_RAW_TYPES: Final = frozenset(
    {
        "",
        "text/csv",
        "text/plain",
        "text/tab-separated-values",
        "application/csv",
        "application/gzip",
        "application/octet-stream",
        "application/vnd.ms-excel",
        "application/zstd",
    }
)
#: First bytes of archives and spreadsheets, which people mistake for CSV.
_ZIP: Final = b"PK\x03\x04"
_MAGIC_SIZE: Final = max(map(len, (_ZIP, *chain(*PACKINGS.values()))))


@dataclass(slots=True)
class _Upload:
    """An upload that is being taken: what it is, and where its bytes go."""

    task: Task
    intake: Intake
    transcoder: Transcoder
    limit: int  #: bytes
    head: bytes = b""  #: the first of them, until they tell what this is
    unpacker: Unpacker | None = None
    unpacked: int = 0  #: bytes

    def expect(self, size: int) -> None:
        """The client says that about so many bytes will come."""
        if not self.transcoder.decodes:  # else the size on disk is another
            self.intake.expect(size)

    async def write(self, data: bytes) -> None:
        before = self.task.bytes
        self.task.bytes += len(data)
        if self.task.bytes > self.limit:
            raise too_large(self.limit)
        if before < _MAGIC_SIZE:
            self.head += data
            if len(self.head) < _MAGIC_SIZE:
                return
            data, self.head = self.head, b""
            self._look_at(data)
        await self._unpack(data)

    def _look_at(self, head: bytes) -> None:
        """See from the first bytes what the file is. Raises `ApiError` 415."""
        if head.startswith(_ZIP):
            raise ApiError(
                415, "The file is a zip archive or a spreadsheet; save it as CSV first", CLOSE
            )
        for packing, starts in PACKINGS.items():
            if head.startswith(starts):
                self.unpacker = Unpacker(packing)

    async def _unpack(self, data: bytes) -> None:
        if self.unpacker is None:
            await self._decode(data)
            return
        async for piece in pieces_of(self.unpacker, data):
            self.unpacked += len(piece)
            if self.unpacked > self.limit:  # a few bytes can become any number of them
                raise too_large(self.limit)
            await self._decode(piece)

    async def _decode(self, data: bytes) -> None:
        if self.transcoder.decodes:  # takes long enough to stall the loop
            data = await asyncio.to_thread(self.transcoder.feed, data)
        else:
            data = self.transcoder.feed(data)
        self.task.encoding = self.transcoder.encoding
        await self.intake.write(data)

    async def finish(self) -> None:
        if self.head:  # a file of a few bytes
            self._look_at(self.head)
            await self._unpack(self.head)
        if self.unpacker is not None:
            self.unpacker.finish()
        await self.intake.write(self.transcoder.finish())


async def process_csv(request: web.Request) -> web.Response:
    """Take a file and answer with the id of its task."""
    _refuse_unread(request)
    transcoder, skip_errors = _options(request)
    if not request.can_read_body:
        raise ApiError(400, _NO_FILE)
    task = Task(filename="upload.csv", bytes=0, skip_errors=skip_errors, owner=request.get(OWNER))
    CURRENT_TASK.set(task.id)
    await _receive(request, transcoder, task)
    return web.json_response({"task_id": str(task.id)}, headers={"Location": f"/result/{task.id}"})


async def answer_expectation(request: web.Request) -> None:
    """Tell a client that waits for it to send its body (RFC 9110, section 10.1.1).

    A client that need not send it is told nothing here: it gets its refusal instead.
    Raises `HTTPExpectationFailed`.
    """
    if request.version < HttpVersion11:
        return
    expectation = request.headers["Expect"]
    if expectation.lower() != "100-continue":
        message = f"Expect: {expectation[:100]} is not understood; only 100-continue is"
        raise web.HTTPExpectationFailed(text=message)
    try:
        check_access(request)
        _refuse_unread(request)
    except ApiError:
        return
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request.writer.output_size = 0  # not the answer yet


def _refuse_unread(request: web.Request) -> None:
    """Raise `ApiError` where an upload cannot be taken, as far as its headers tell."""
    refuse_uploads(request.app)
    check_length(request)


async def _receive(request: web.Request, transcoder: Transcoder, task: Task) -> None:
    """Make the upload the task; where that fails, nothing of it is left."""
    settings = request.app[SETTINGS]
    handler = asyncio.current_task()
    assert handler is not None
    request.app[UPLOADS].add(handler)
    handler.add_done_callback(request.app[UPLOADS].discard)
    intake = Intake(request.app[RUNNER], task)
    upload = _Upload(task, intake, transcoder, settings.max_upload_size)
    try:
        upload.expect(request.content_length or 0)
        await _read_body(request, upload)
        await upload.finish()
        await intake.accept()
    except BaseException as error:
        await intake.abandon()
        if isinstance(error, PackingError):
            raise ApiError(400, str(error), CLOSE) from None
        if isinstance(error, OSError):
            raise no_room(error) from error
        raise


def _options(request: web.Request) -> tuple[Transcoder, bool]:
    """What the query asks for. Raises `ApiError` 400."""
    on_error = request.query.get("on_error", "fail")
    if on_error not in ("fail", "skip"):
        raise ApiError(400, "on_error must be fail or skip")
    try:
        return Transcoder(request.query.get("encoding")), on_error == "skip"
    except EncodingError as error:
        raise ApiError(400, str(error)) from None


async def _read_body(request: web.Request, upload: _Upload) -> None:
    content_type = request.content_type if "Content-Type" in request.headers else ""
    chunks = body_of(request)
    if content_type == "multipart/form-data":
        try:
            await _read_form(request, chunks, upload)
        except MultipartError as error:
            raise ApiError(400, str(error), CLOSE) from None
    elif content_type in _RAW_TYPES:
        upload.task.filename = _raw_filename(request)
        async for chunk in chunks:
            await upload.write(chunk)
        if not upload.task.bytes:
            raise ApiError(400, _NO_FILE)
    else:
        raise ApiError(
            415, f"A body of type {content_type[:100]} is not taken; {usage(request)}", CLOSE
        )


async def _read_form(request: web.Request, chunks: AsyncIterator[bytes], upload: _Upload) -> None:
    settings = request.app[SETTINGS]
    reader = MultipartReader(
        chunks,
        boundary_of(request.headers["Content-Type"]),
        max_header_size=settings.max_header_size,
        max_parts=settings.max_form_parts,
    )
    found = False
    while part := await reader.next_part():
        if part.name != "file":
            continue
        if part.filename is None:
            problem = f'{_NO_FILE}: the field "file" holds text'
            raise ApiError(400, f"{problem}; {usage(request)}", CLOSE)
        if found:
            raise ApiError(400, "Two files in one request; send each in its own", CLOSE)
        found = await _read_part(part, upload)
    if not found:
        raise ApiError(400, _NO_FILE)


async def _read_part(part: Part, upload: _Upload) -> bool:
    """Write the part; False where it is what a browser sends for no file chosen."""
    async for chunk in part:
        await upload.write(chunk)
    upload.task.filename = part.filename or upload.task.filename
    return bool(part.filename or upload.task.bytes)


def _raw_filename(request: web.Request) -> str:
    """The name of a raw body, if the path or the query has one; never used as a path."""
    name = request.match_info.get("filename") or request.query.get("filename", "")
    return last_component(name) or "upload.csv"
