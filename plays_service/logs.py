"""The log: lines for people, or JSON for machines.

What clients send does not belong there: no song, date, value, file name or token. So no exception's
text is logged that may quote it, and control characters never reach a terminal.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import traceback
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

__all__ = ["configure_logging", "log_loop_error"]

_log = logging.getLogger(__name__)

#: What a traceback that came from a worker, as text, keeps.
_FRAME: Final = re.compile(r'^ +File ".*', re.MULTILINE)
#: `json.dumps` would make an encoder for each line.
_encode: Final = json.JSONEncoder(default=str).encode
#: Where a message of asyncio begins to show objects.
_REPR: Final = re.compile(r"[(<]")


def configure_logging(level: str, format_: str, **ids: ContextVar[Any]) -> None:
    """Log to stderr, from that level on, as ``text`` or ``json``.

    Each line tells those of the ``ids`` that are set where it is written: whom it is about.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter(ids) if format_ == "json" else _TextFormatter(ids))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def log_loop_error(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """What asyncio would log by itself, but for the objects: they may hold what a client sent."""
    error = context.get("exception")
    if isinstance(error, OSError) and "socket.accept" in context["message"]:
        if _no_accept.lets_pass():
            _log.error("no connection can be taken: %s", error.strerror)
        return
    _log.error("%s", _REPR.split(context["message"], maxsplit=1)[0].strip(), exc_info=error)


class _Seldom:
    """Lets a line pass once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    def lets_pass(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


#: asyncio tells it of each connection that waits, every second.
_no_accept: Final = _Seldom(10.0)


class _Formatter(logging.Formatter):
    """Knows whom a line is about."""

    def __init__(self, ids: Mapping[str, ContextVar[Any]]) -> None:
        super().__init__()
        self._ids = ids

    def ids(self) -> dict[str, str]:
        """The ids that are set, by their names."""
        ids = {name: one.get(None) for name, one in self._ids.items()}
        return {name: str(value) for name, value in ids.items() if value is not None}


class _TextFormatter(_Formatter):
    """``2020-01-01 12:00:00,000 INFO logger: message [request_id=… task_id=…]``."""

    def format(self, record: logging.LogRecord) -> str:
        ids = " ".join(f"{name}={value}" for name, value in self.ids().items())
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: "
        line += _escape(record.getMessage()) + (f" [{ids}]" if ids else "")
        frames = _trace(record)  # indented: nothing that follows can pass for a line of its own
        return "\n    ".join((line, *map(_escape, frames)))


class _JsonFormatter(_Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **self.ids(),
        }
        if isinstance(record.args, Mapping):
            fields |= record.args
        if frames := _trace(record):
            fields["exception"] = "\n".join(frames)
        return _encode(fields)


def _escape(text: str) -> str:
    """The text with what a terminal would act on made visible."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _trace(record: logging.LogRecord) -> list[str]:
    error = record.exc_info[1] if record.exc_info else None
    return [] if error is None else list(_lines_of(error))


def _lines_of(error: BaseException) -> Iterator[str]:
    """A traceback: where it happened and what kind of error it was, but not its text.

    Only the system's own errors tell more: they quote numbers, and paths that we have made.
    """
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if earlier is not None:
        yield from _lines_of(earlier)
        yield "which led to:"
    for frame in traceback.extract_tb(error.__traceback__):
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
    if type(error).__name__ == "_RemoteTraceback":  # of a worker, as text
        yield from _FRAME.findall(str(error))
        return
    yield f"{type(error).__qualname__}{f': {error}' if isinstance(error, OSError) else ''}"
