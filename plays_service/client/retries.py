"""Asking again, politely."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Final

from plays_service.client.errors import ServiceUnavailableError, TemporaryError

__all__ = ["Retries"]

_log = logging.getLogger(__name__)

#: Seconds of the longest pause before the second try; it doubles with each.
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 10.0


class Retries:
    """Pauses between tries: exponential backoff with full jitter, for so many seconds in all.

    The time begins with the first failure since the last success. The jitter keeps clients apart
    that all lost the same service (Brooker, "Exponential Backoff And Jitter", 2015).
    """

    def __init__(self, limit: float) -> None:
        self._limit = limit
        self._failures = 0
        self._since = 0.0

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._failures = 0

    async def pause(self, error: TemporaryError) -> None:
        """Return when it is time for another try. Raises `ServiceUnavailableError`."""
        now = time.monotonic()
        if not self._failures:
            self._since = now
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failures)
        pause = max(random.uniform(0, longest), error.pause)  # noqa: S311 -- no secret
        if now + pause - self._since > self._limit:
            raise ServiceUnavailableError(str(error)) from error
        if not self._failures:
            _log.warning("%s; trying again for %g s", error, self._limit)
        self._failures += 1
        await asyncio.sleep(pause)
