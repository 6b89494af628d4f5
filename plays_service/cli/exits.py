"""How a command ends: its exit code, and what it says on standard error."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import NoReturn

import click

__all__ = ["Exit", "as_documented", "give_up"]


class Exit(IntEnum):
    """The exit codes; beyond 128 as a shell counts signals."""

    FAILED = 1  #: the file is bad, or cannot be read or written
    USAGE = 2  #: the command line or a setting is wrong
    UNAVAILABLE = 3  #: the service cannot be reached, or refused
    NO_TASK = 4  #: cancelled, or unknown
    INTERRUPTED = 130
    BROKEN_PIPE = 141


def give_up(message: str, code: Exit) -> NoReturn:
    """End the command with a message."""
    click.echo(f"Error: {message}", err=True)
    sys.exit(code)


@contextmanager
def as_documented() -> Iterator[None]:
    """End as the documentation says, with everything cleared up, whatever comes."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _leave)
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:
        with contextlib.suppress(OSError):  # or the interpreter complains about it at its end
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(Exit.BROKEN_PIPE)


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
