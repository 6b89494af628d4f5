"""Inputs as a pipeline takes them: UTF-8 in a file, whatever they are.

What is that already is read where it lies. Everything else (a pipe, a packed file, another
encoding) is written to a file beside, which is aggregated while it grows.
"""

from __future__ import annotations

import asyncio
import stat
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from plays_service.aggregation import Transcoder
from plays_service.aggregation.unpack import LONGEST_WINDOW, PACKINGS, PackingError, Unpacker
from plays_service.offline.target import STREAM
from plays_service.pipeline import Growth, Input

__all__ = ["InputError", "InputReader", "is_plain", "name_of"]

_BLOCK_SIZE: Final = 1 << 20
_ZIP: Final = b"PK\x03\x04"
#: First bytes that tell what a file is.
_HEAD_SIZE: Final = 4


class InputError(ValueError):
    """An input that is no file of plays at all; ``str()`` names it and says what to do."""


def name_of(path: Path) -> str:
    """What an input is called in messages."""
    return "standard input" if path == STREAM else str(path)


def is_plain(path: Path, encoding: str | None) -> bool:
    """Whether the file is UTF-8 as it lies there; of pipes nothing is read to tell.

    Raises `OSError`, `InputError`, and `EncodingError` for an unknown encoding.
    """
    transcoder = Transcoder(encoding)
    if path == STREAM or not path.is_file():
        return False
    with path.open("rb", buffering=0) as file:
        head = file.read(_HEAD_SIZE)
    transcoder.feed(head)
    return _packing_of(head, path) is None and not transcoder.decodes


def _packing_of(head: bytes, path: Path) -> str | None:
    """The name of the format that a file is packed in."""
    if head.startswith(_ZIP):
        raise InputError(
            f"{name_of(path)}: this is a zip archive or a spreadsheet; save it as CSV first"
        )
    return next((name for name, starts in PACKINGS.items() if head.startswith(starts)), None)


class InputReader:
    """Reads inputs one after the other, in a thread, and tells when each can be aggregated.

    The thread does not keep the process alive: nothing interrupts a read from a pipe.
    """

    def __init__(self, paths: Sequence[Path], encoding: str | None, folder: Path) -> None:
        """``folder`` is for what has to be written; raises `EncodingError`, later `InputError`."""
        self._paths = paths
        self._encoding = encoding
        self._folder = folder
        self._sizes = [_size_of(path) for path in paths]
        self._ready: asyncio.Queue[Input | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[None] = self._loop.create_future()  #: raises what went wrong

    async def inputs(self) -> AsyncIterator[Input]:
        """The inputs in order, each as soon as it is known how to read it."""
        threading.Thread(target=self._run, name="inputs", daemon=True).start()
        while (one := await self._ready.get()) is not None:
            yield one

    def _run(self) -> None:
        try:
            try:
                for number, path in enumerate(self._paths):
                    self._read(path, number)
                self._loop.call_soon_threadsafe(self._ready.put_nowait, None)
            except Exception as error:
                self._loop.call_soon_threadsafe(self._fail, error)
        except RuntimeError:
            pass  # the loop is closed: nobody waits any more

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    def _read(self, path: Path, number: int) -> None:
        growth = Growth()
        share = self._sizes[number] / (sum(self._sizes) or 1)
        if is_plain(path, self._encoding):
            growth.finish(path.stat().st_size)
            one = Input(path.absolute(), "UTF-8", growth, share)
            self._loop.call_soon_threadsafe(self._ready.put_nowait, one)
            return
        copy = self._folder / f"input-{number}.csv"
        transcoder = Transcoder(self._encoding)
        with _open(path) as file, copy.open("wb", buffering=0) as target:
            pieces = _pieces(file, path)
            first = next(filter(None, map(transcoder.feed, pieces)), b"")
            one = Input(copy, transcoder.encoding, growth, share)
            self._loop.call_soon_threadsafe(self._ready.put_nowait, one)
            size = _write(target, first)
            for piece in pieces:
                size += _write(target, transcoder.feed(piece))
                self._tell(growth, size, file, self._sizes[number])
            size += _write(target, transcoder.finish())
        self._loop.call_soon_threadsafe(growth.finish, size)

    def _tell(self, growth: Growth, size: int, file: BinaryIO, of: int) -> None:
        """So much is there; what is to come is as much, for its bytes, as what came."""
        expected = size * of // file.tell() if of else 0

        def grow() -> None:
            growth.expected = expected
            growth.grow(size)

        self._loop.call_soon_threadsafe(grow)


def _size_of(path: Path) -> int:
    """Bytes, as far as they can be known."""
    about = None if path == STREAM else path.stat()
    return about.st_size if about is not None and stat.S_ISREG(about.st_mode) else 0


def _open(path: Path) -> BinaryIO:
    # Unbuffered: the interpreter could not end while a read holds the lock of a buffer.
    if path == STREAM:
        return open(0, "rb", buffering=0, closefd=False)
    return path.open("rb", buffering=0)


def _pieces(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """The content, unpacked. Raises `InputError`."""
    head = b""
    while len(head) < _HEAD_SIZE and (block := file.read(_BLOCK_SIZE)):
        head += block
    packing = _packing_of(head, path)
    if packing is None:
        yield head
        yield from iter(lambda: file.read(_BLOCK_SIZE), b"")
    else:
        yield from _unpacked(packing, head, file, path)


def _unpacked(packing: str, head: bytes, file: BinaryIO, path: Path) -> Iterator[bytes]:
    unpacker = Unpacker(packing, window=LONGEST_WINDOW)
    try:
        block = head
        while block:
            yield from unpacker.feed(block)
            block = file.read(_BLOCK_SIZE)
        unpacker.finish()
    except PackingError as error:
        raise InputError(f"{name_of(path)}: {error}") from None


def _write(target: BinaryIO, data: bytes) -> int:
    left = memoryview(data)
    while left:
        left = left[target.write(left) :]
    return len(data)
