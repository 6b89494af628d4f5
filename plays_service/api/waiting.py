"""Letting a client wait for a task, but not for longer than the service goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

__all__ = ["wait_unless_stopping"]


async def wait_unless_stopping(
    event: Coroutine[Any, Any, Any], stopping: asyncio.Event, seconds: float
) -> None:
    """Return when the event has come, the service stops, or the time is over."""
    waits = [asyncio.ensure_future(event), asyncio.ensure_future(stopping.wait())]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
