"""What can be uploaded: a file, bytes, or whatever comes from an iterator."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Callable
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeAlias

from plays_service.client.pipes import read_pipe

__all__ = ["Content", "Sending", "Source", "UploadProgress", "source_of"]

#: A path, the bytes themselves, or an asynchronous iterator of them.
Content: TypeAlias = str | os.PathLike[str] | bytes | AsyncIterable[bytes]
#: Told how many bytes are sent, and how many there are (None: nobody knows).
UploadProgress: TypeAlias = Callable[[int, int | None], None]

_BLOCK_SIZE: Final = 1 << 20


class Source(Protocol):
    """Something to upload."""

    filename: str  #: to be shown
    size: int | None  #: bytes, where they are known
    is_repeatable: bool  #: whether it can be read from its start again

    def blocks(self) -> AsyncIterator[bytes]:
        """The content from its start, in blocks of any size."""
        ...


def source_of(content: Content) -> Source:
    """What ``content`` stands for. Raises `OSError` where a file is not there."""
    if isinstance(content, bytes):
        return _Bytes(content)
    if isinstance(content, str | os.PathLike):
        path = Path(content)
        return _File(path) if path.is_file() else _Pipe(path)
    return _Iterator(content)


class _Bytes:
    filename = "upload.csv"
    is_repeatable = True

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size: int | None = len(content)

    async def blocks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), _BLOCK_SIZE):
            yield self._content[start : start + _BLOCK_SIZE]


class _Iterator:
    filename = "upload.csv"
    size: int | None = None
    is_repeatable = False

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content

    def blocks(self) -> AsyncIterator[bytes]:
        return aiter(self._content)


class _Pipe:
    """What comes only once, and nobody knows how much."""

    size: int | None = None
    is_repeatable = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.filename = path.name
        path.stat()  # here, where it is asked for, it is told that it is not there

    def blocks(self) -> AsyncIterator[bytes]:
        return read_pipe(lambda: self._path.open("rb", buffering=0))


class _File:
    is_repeatable = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.filename = path.name
        self.size: int | None = path.stat().st_size

    async def blocks(self) -> AsyncIterator[bytes]:
        """Raises `OSError` where the file is not the one any more that it was."""
        size = 0
        with await asyncio.to_thread(self._path.open, "rb", buffering=0) as file:
            reading = _begin_to_read(file)
            try:
                while block := await reading:
                    reading = _begin_to_read(file)  # while this block is being sent
                    size += len(block)
                    self._check(size)
                    yield block
            finally:
                await asyncio.gather(reading, return_exceptions=True)
        self._check(size, at_end=True)

    def _check(self, size: int, *, at_end: bool = False) -> None:
        if self.size is not None and (size > self.size or (at_end and size < self.size)):
            raise OSError(f"{self._path} changed while it was being sent; send it again")


def _begin_to_read(file: BinaryIO) -> asyncio.Future[bytes]:
    return asyncio.ensure_future(asyncio.to_thread(file.read, _BLOCK_SIZE))


class Sending:
    """One try to send a source: its blocks, and how far they got."""

    def __init__(self, source: Source, progress: UploadProgress | None) -> None:
        self._source = source
        self._progress = progress
        self.begun = False
        self.ended = False  #: whether the service may have all of it
        self.failed: Exception | None = None  #: why the source gave no more

    async def blocks(self) -> AsyncIterator[bytes]:
        """The blocks, each given away only when the next is there: so the last is known as such."""
        sent, held = 0, b""
        try:
            async for block in self._source.blocks():
                self.begun = True
                if held:
                    yield held
                    sent = self._tell(sent + len(held))
                held = block
        except Exception as error:
            self.failed = error
            raise
        self.ended = True
        if held:
            yield held
        self._tell(sent + len(held))

    def _tell(self, sent: int) -> int:
        if self._progress is not None:
            self._progress(sent, self._source.size)
        return sent
