"""How a command ends: its exit code, and what it says on standard error."""

from __future__ import annotations

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
    _hold_closed_descriptors()
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)
    except OSError as error:  # of standard output; everything else is told where it happens
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter tries again at its end
        if isinstance(error, BrokenPipeError):
            sys.exit(Exit.BROKEN_PIPE)
        give_up(f"standard output: {error.strerror}", Exit.FAILED)


def _hold_closed_descriptors() -> None:
    """Keep files that are opened from becoming a standard stream that was closed.

    As GNU's tools do, input and output are opened the wrong way round, so that their use is an
    error. Messages are lost.
    """
    for number, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_RDWR)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
            name = ("stdin", "stdout", "stderr")[number]
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 -- open as long as sys has it


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)
