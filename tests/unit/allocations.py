"""Memory that runs out, at any moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import pytest

__all__ = ["fail_each"]

_kernel = pytest.importorskip("plays_service.aggregation._kernel")
_Found = TypeVar("_Found")
_MOST: Final = 10_000


def fail_each(call: Callable[[], _Found]) -> tuple[_Found, int]:
    """Let each of the kernel's allocations fail, in a try of its own, until ``call`` has them all.

    What it gives then, and how many failed before. Each try has ended with `MemoryError`, and has
    left nothing in memory.
    """
    held = _kernel.allocated()
    for count in range(_MOST):
        _kernel.fail_allocation(count)
        try:
            found = call()
        except MemoryError:
            assert _kernel.allocated() == held
        else:
            return found, count
        finally:
            _kernel.fail_allocation(-1)
    pytest.fail("there is no end to its allocations")
