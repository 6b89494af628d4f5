"""Waiting for what happens elsewhere: never for a fixed time, and for long only where it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import pytest

__all__ = ["LONG", "eventually"]

#: Seconds: far more than anything here takes.
LONG: Final = 60.0


async def eventually(
    condition: Callable[[], object], shown: Callable[[], object] = lambda: None
) -> None:
    """Return when the condition holds; fail where it does not for long."""
    try:
        async with asyncio.timeout(LONG):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"never came true: {shown()}")
