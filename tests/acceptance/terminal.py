"""Programs in a terminal: a pseudo-terminal of which the tests hold the other end."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from tests.acceptance.conftest import clean_environment
from tests.waiting import LONG

__all__ = ["Terminal", "in_terminal"]

#: Makes the terminal that of the session, so that Ctrl-C reaches it, and becomes the program.
_TAKE_TERMINAL: Final = """
import fcntl, os, sys, termios
fcntl.ioctl(2, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_CTRL_C: Final = b"\x03"


class Terminal:
    """A program whose standard error, and input unless it is given, is a terminal."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self._end = end
        self._shown = b""
        self._changed = threading.Condition()
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._end, 1 << 16)
            except OSError:  # EIO: nobody has the terminal open any more
                data = b""
            with self._changed:
                self._shown += data
                self._changed.notify_all()
            if not data:
                return

    @property
    def shown(self) -> str:
        """What was written to the terminal so far."""
        return self._shown.decode()

    def until(self, condition: Callable[[str], object]) -> None:
        """Return when what is shown fulfils the condition; fail where it does not for long."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.shown), LONG), self.shown

    def press_ctrl_c(self) -> None:
        os.write(self._end, _CTRL_C)

    def ended(self) -> tuple[int, bytes]:
        """Exit code and standard output, once it has ended."""
        stdout, _ = self.process.communicate(timeout=LONG)
        self._reading.join(LONG)
        return self.process.returncode, stdout


@contextmanager
def in_terminal(words: list[str], stdin: int | None = None, **variables: str) -> Iterator[Terminal]:
    """Start a program that has a terminal, as the leader of its session; kill it at the end."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *words],
        stdin=theirs if stdin is None else stdin,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=clean_environment(**variables),
        start_new_session=True,
    )
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        terminal.ended()
        os.close(ours)
