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
        self._longest = _FIRST_PAUSE
        self._since: float | None = None

    def succeeded(self) -> None:
        """The next failure is the first again."""
        self._since = None

    async def pause(self, error: TemporaryError) -> None:
        """Return when it is time for another try. Raises `ServiceUnavailableError`."""
        now = time.monotonic()
        is_first = self._since is None
        if self._since is None:
            self._since, self._longest = now, _FIRST_PAUSE
        pause = max(random.uniform(0, self._longest), error.pause)  # noqa: S311 -- no secret
        if now + pause - self._since > self._limit:
            raise ServiceUnavailableError(str(error)) from error
        if is_first:
            _log.warning("%s; trying again for %g s", error, self._limit)
        self._longest = min(2 * self._longest, _LONGEST_PAUSE)
        await asyncio.sleep(pause)
