"""Calls that are with workers elsewhere, or on their way, until they are answered."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

__all__ = ["Calls", "Link", "LostError", "Message", "SpentError"]

_log = logging.getLogger(__name__)

#: What calls came to, as JSON.
Answer = list[dict[str, Any]]


class LostError(RuntimeError):
    """A call's worker was lost, so many times."""

    def __init__(self, how: str, times: int = 1) -> None:
        super().__init__(how)
        self.times = times


class SpentError(MemoryError):
    """A call's worker had not enough memory left of earlier calls, and is being replaced."""


class Link:
    """Whether the broker is reached, for the threads that talk to it."""

    def __init__(self) -> None:
        self.is_up = threading.Event()
        self.is_closing = threading.Event()
        self.outages = 0  #: so often was the broker not reached, or not any more

    def lose(self, error: Exception) -> None:
        """The broker cannot be reached, which matters no more when all ends."""
        if self.is_closing.is_set():
            return
        if self.is_up.is_set() or not self.outages:
            _log.error("the broker cannot be reached, will try again: %s", error)
            self.outages += 1
        self.is_up.clear()

    def close(self) -> None:
        """Nobody waits for the broker any more."""
        self.is_closing.set()
        self.is_up.set()


@dataclass(slots=True)
class Message:
    """One or more calls that go together."""

    calls: Sequence[dict[str, Any]]
    growing: Path | None  #: the input that they read while it is still being written
    answer: Future[Answer]
    result: Future[Any]  #: what the answer comes to; cancelled where nobody wants it any more
    tries: int  #: workers that it may cost
    outages: int = -1  #: that there had been when it was sent last; -1: it was not


class Calls:
    """Messages by the ids under which they are sent. An answer to any other id counts no more."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}

    def add(self, message: Message) -> str:
        """Its new id."""
        call_id = str(uuid4())
        self._messages[call_id] = message
        return call_id

    def get(self, call_id: str) -> Message | None:
        """The message, as long as it is not answered."""
        return self._messages.get(call_id)

    def all(self) -> list[tuple[str, Message]]:
        """Those that are not answered."""
        return list(self._messages.items())

    def take(self, call_id: str) -> Message | None:
        """`get`, and forget it: whoever gets it settles it."""
        return self._messages.pop(call_id, None)

    def answer(self, call_id: str, answer: Answer) -> None:
        """Settle it, if that was not done before."""
        if (message := self.take(call_id)) is not None:
            message.answer.set_result(answer)

    def fail(self, call_id: str, error: Exception) -> None:
        """Settle it, if that was not done before."""
        if (message := self.take(call_id)) is not None:
            message.answer.set_exception(error)
