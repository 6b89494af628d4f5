"""What runs calls: worker processes here, or workers anywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

__all__ = ["Executor", "WorkersChanged"]

R = TypeVar("R")

#: Told how many workers there are, when that has changed.
WorkersChanged = Callable[[int], None]


class Executor(Protocol):
    """Runs calls of `plays_service.aggregation` in workers, each as often as it takes.

    What a call cannot survive is told as `WorkerDiedError`. A call may have run more than once, and
    still run when an earlier try of it is known to be done.
    """

    @property
    def workers(self) -> int:
        """Calls that can run at once, as far as is known."""

    @property
    def alive(self) -> int:
        """Workers that are there, as far as is known."""

    @property
    def restarts(self) -> int:
        """How often a worker was lost under a call."""

    @property
    def problem(self) -> str | None:
        """Why calls wait, where the service itself can do nothing about it."""

    async def start(self) -> None:
        """Begin; calls may come from now on."""

    async def call(self, function: Callable[..., R], *args: Any, tries: int | None = None) -> R:
        """The result of ``function(*args)`` in a worker, which may cost so many their lives.

        Raises what that raises.
        """

    async def close(self, seconds: float | None = None) -> None:
        """End when the present calls are done, or after so many seconds."""
