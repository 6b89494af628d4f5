"""Signals, while an event loop waits."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["woken_by_signals"]


@contextmanager
def woken_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have the loop wake up for signals, whose handlers run between two of its steps.

    One that comes just before it begins to wait, or to another thread, does not end the waiting by
    itself (`signal.set_wakeup_fd`).
    """
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield  # there the loop does so anyway; elsewhere no signal is handled
        return
    receiving, sending = socket.socketpair()
    with receiving, sending:
        receiving.setblocking(False)
        sending.setblocking(False)
        loop.add_reader(receiving, receiving.recv, 1024)
        before = signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            loop.remove_reader(receiving)
