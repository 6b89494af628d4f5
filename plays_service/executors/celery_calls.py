"""Calls that are with workers elsewhere, or on their way, until they are answered."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

__all__ = ["Calls", "Link", "LostError", "Message", "SpentError"]

_log = logging.getLogger(__name__)

#: Seconds of silence that need no mention: a connection broke, say, and there is another soon.
_SHORT: Final = 5.0
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
    """Whether the broker is reached and takes calls, for the threads that talk to it."""

    def __init__(self) -> None:
        self.is_up = threading.Event()
        self.is_closing = threading.Event()
        #: Counts up whenever the broker may have lost what it took before.
        self.epoch = 0
        self._taken_at = -math.inf  # when it took a call last
        self._silent_since: float | None = None  # it has taken none that was sent then or later
        self._blocked: str | None = None  # why it says that it takes none

    @property
    def problem(self) -> str | None:
        """Why calls cannot be sent."""
        if not self.is_up.is_set():
            return "the broker cannot be reached"
        if (reason := self._blocked) is not None:
            return f"the broker takes no calls ({reason})"
        if self.silent_for > _SHORT:
            return "the broker takes no calls"
        return None

    @property
    def silent_for(self) -> float:
        """Seconds for which the broker has taken no call, and not said why."""
        since = self._silent_since  # read once: another thread may change it
        return 0 if since is None or self._blocked is not None else time.monotonic() - since

    def note_taken(self) -> None:
        """The broker has taken a call."""
        self._taken_at = time.monotonic()
        self.forget_silence()

    def note_silence(self, since: float) -> None:
        """The broker has not taken a call that it was sent then."""
        if self._silent_since is None and since > self._taken_at:
            self._silent_since = since

    def note_blocked(self, reason: str) -> None:
        """The broker says that it takes nothing until it has memory or disk again."""
        if self._blocked is None:
            _log.error("the broker takes no calls, will try again: %s", reason)
        self._blocked = reason

    def forget_silence(self) -> None:
        """Nobody waits for what the broker has not taken; who does will notice again."""
        self._silent_since = self._blocked = None

    def begin_epoch(self) -> None:
        """All that was sent is to be sent again."""
        self.epoch += 1
        self.forget_silence()

    def lose(self, error: Exception) -> None:
        """The broker cannot be reached, which matters no more when all ends."""
        if self.is_closing.is_set():
            return
        if self.is_up.is_set() or not self.epoch:
            _log.error("the broker cannot be reached, will try again: %s", error)
            self.begin_epoch()
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
    is_sent: bool = False  #: the broker has it, or has lost it since


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
