"""The input of a task while it is being received."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from plays_service.aggregation.steps import Step, reached
from plays_service.pipeline import SMALL
from plays_service.tasks.disk import DISK_FULL

if TYPE_CHECKING:
    from plays_service.tasks.runner import TaskRunner
    from plays_service.tasks.task import Task

__all__ = ["Intake"]

#: Bytes that are collected before they are written: less costs more hops between threads, and more
#: costs memory for each upload (twice this). Smaller inputs touch the disk only when they become a
#: task.
_WRITE_SIZE: Final = 256 << 10
#: Pieces smaller than this are copied together: many tiny ones take much more memory than bytes.
_PIECE_SIZE: Final = 16 << 10
#: Bytes after which the disk is asked to make sure of them, where it must in the end.
_SYNC_SIZE: Final = 64 << 20
#: Bytes of the disk that are reserved beyond what has come: a client that only says how much will
#: come takes no more than this from the others.
_RESERVED_AHEAD: Final = 64 << 20
#: One thread: a disk is not faster for being asked twice, and other threads must not wait for it.
_SYNCER: Final = ThreadPoolExecutor(1, "sync")
#: `fallocate` (2), with which a file keeps its size while it gets its room.
_KEEP_SIZE: Final = 1


class Intake:
    """Takes the bytes of an input (UTF-8), and lets the pipeline run behind them.

    Either `accept` or `abandon` must be called at last.
    """

    def __init__(self, runner: TaskRunner, task: Task) -> None:
        self._runner = runner
        self._task = task
        self._file: int | None = None
        self._on_disk = False  # there may be a folder of the task that is to be
        self._announced = 0  # bytes
        self._reserved = 0  # bytes, in the budget and on disk
        self._begun = False  # the pipeline
        self._pieces: list[bytes | bytearray] = []
        self._collected = 0  # bytes in them
        self._written = 0  # bytes on disk
        self._writing: asyncio.Future[None] | None = None
        self._synced = 0  # bytes that survive a power cut, once this is done:
        self._syncing: asyncio.Future[None] | None = None

    def expect(self, size: int) -> None:
        """About so many bytes will come. Raises `OSError` where they would not fit now.

        They are reserved bit by bit, ahead of what has really come.
        """
        self._runner.disk.check_input(self._task.id, size, new=size)
        self._announced = size

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises `OSError`.

        Once the input is known to be bad, what else comes is dropped.
        """
        if self._begun and self._runner.has_verdict(self._task):
            self._pieces.clear()
            self._collected = 0
            return
        self._collect(data)
        if self._collected >= _WRITE_SIZE:
            await self._flush()

    async def accept(self) -> None:
        """Make what was written a task; when this returns it will never be lost.

        Raises `OSError`.
        """
        if self._file is None:
            await self._runner.accept_bytes(b"".join(self._pieces), self._task)
            return
        await self._flush()
        await self._finish_writing()
        await self._finish_syncing()
        reached(Step.UPLOAD_WHOLE)
        await asyncio.to_thread(os.ftruncate, self._file, self._written)  # frees what is reserved
        await self._close()
        await self._runner.accept(self._task, self._written)

    async def abandon(self) -> None:
        """Forget all of it: it becomes no task."""
        under_way = [one for one in (self._writing, self._syncing) if one is not None]
        await asyncio.shield(asyncio.gather(*under_way, return_exceptions=True))
        with suppress(OSError):  # the file goes anyway
            await self._close()
        if self._on_disk:
            await self._runner.abandon(self._task)
        self._runner.disk.release(self._task.id)

    def _collect(self, data: bytes) -> None:
        self._collected += len(data)
        if len(data) >= _PIECE_SIZE:
            self._pieces.append(data)
        elif self._pieces and isinstance(last := self._pieces[-1], bytearray):
            last += data
        else:
            self._pieces.append(bytearray(data))

    async def _flush(self) -> None:
        """Begin to write what was collected; what comes meanwhile is collected anew."""
        await self._finish_writing()
        if self._file is None:
            self._on_disk = True
            self._file = await asyncio.to_thread(self._open)
        if (size := self._written + self._collected) > self._reserved:
            await self._reserve(self._file, size)
        pieces, self._pieces = self._pieces, []
        size, self._collected = self._collected, 0
        if self._syncing is None or self._syncing.done():
            await self._finish_syncing()
            self._sync(self._file)
        writing = asyncio.get_running_loop().run_in_executor(None, _write, self._file, pieces)
        self._writing = asyncio.ensure_future(self._note_written(writing, size))

    async def _note_written(self, writing: asyncio.Future[None], size: int) -> None:
        await writing
        self._written += size
        reached(Step.UPLOAD_WRITTEN)
        if self._begun:
            self._runner.grow(self._task, self._written)
        elif self._written > SMALL:
            self._begun = True
            self._runner.begin(self._task, self._written)

    async def _finish_writing(self) -> None:
        if self._writing is not None:
            await asyncio.shield(self._writing)
            self._writing = None

    def _sync(self, file: int) -> None:
        """Keep the disk busy while more comes: at the end there is little left to wait for."""
        if self._runner.store.fsync and self._written - self._synced >= _SYNC_SIZE:
            self._synced = self._written
            loop = asyncio.get_running_loop()
            self._syncing = loop.run_in_executor(_SYNCER, os.fsync, file)

    async def _finish_syncing(self) -> None:
        """Raises `OSError` where it failed: the system tells that only once."""
        if self._syncing is not None:
            await asyncio.shield(self._syncing)
            self._syncing = None

    def _open(self) -> int:
        path = self._runner.store.begin(self._task)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    async def _reserve(self, file: int, size: int) -> None:
        """Reserve what the first ``size`` bytes take, and what is likely to follow."""
        ahead = max(size, min(self._announced, 2 * size + _RESERVED_AHEAD))
        self._runner.disk.claim_input(self._task.id, ahead, new=ahead - self._written)
        if ahead > size:
            await asyncio.to_thread(_reserve, file, ahead)
        self._reserved = ahead

    async def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            await asyncio.to_thread(os.close, file)


def _write(file: int, pieces: Sequence[bytes | bytearray]) -> None:
    """Write all of the pieces: a disk that fills up may take a part before it says so."""
    left = deque(memoryview(piece) for piece in pieces)
    while left:
        written = os.writev(file, left)
        while left and written >= len(left[0]):
            written -= len(left.popleft())
        if left:
            left[0] = left[0][written:]


def _reserve(file: int, size: int) -> None:
    """Reserve disk for a file without changing its size, where the file system can.

    The budget has seen that there is room: `fallocate` would take all there is before it says that
    there is not enough, and everybody else's writes fail. Raises `OSError`.
    """
    fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if fallocate is None:
        return
    if fallocate(file, _KEEP_SIZE, ctypes.c_int64(0), ctypes.c_int64(size)) != 0:
        number = ctypes.get_errno()
        if number in DISK_FULL | {errno.EFBIG}:
            raise OSError(number, os.strerror(number))
