"""Reading what may keep its reader waiting: pipes, terminals, standard input."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import BinaryIO, Final

__all__ = ["read_pipe"]

_BLOCK_SIZE: Final = 1 << 20
#: Blocks that are read ahead.
_READ_AHEAD: Final = 2


async def read_pipe(open_pipe: Callable[[], BinaryIO]) -> AsyncIterator[bytes]:
    """The blocks of an unbuffered pipe, as they come. Raises `OSError`.

    They are read in a thread that keeps nobody from ending: nothing interrupts such a read, and
    asyncio waits for the threads that are its own.
    """
    loop = asyncio.get_running_loop()
    blocks: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(_READ_AHEAD)

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody wants more
            try:
                with open_pipe() as pipe:
                    block = None
                    while block != b"":
                        room.acquire()
                        block = pipe.read(_BLOCK_SIZE)
                        loop.call_soon_threadsafe(blocks.put_nowait, block)
            except OSError as error:
                loop.call_soon_threadsafe(blocks.put_nowait, error)

    threading.Thread(target=read, name="pipe", daemon=True).start()
    while block := await blocks.get():
        if isinstance(block, OSError):
            raise block
        yield block
        room.release()
