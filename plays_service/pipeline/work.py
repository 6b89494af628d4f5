"""What a pipeline needs to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["SMALL", "Call", "Work"]

#: ``call(function, *args)`` runs the function in a worker and gives back what it returns.
Call = Callable[..., Awaitable[Any]]

#: Bytes up to which a file is one call, where workers are there: splitting it further costs more
#: than it gains.
SMALL: Final = 8 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is to be aggregated, and with what means. Sizes are in bytes."""

    input: Path
    result: Path
    folder: Path  #: for partials and runs; whoever runs the pipeline deletes it
    encoding: str
    skip_errors: bool
    seed: int
    segment_size: int  #: at most; up to several times that where it is ``alone``
    memory: int  #: of a worker
    workers: int
    fsync: bool
    alone: bool = False  #: no other task waits for the workers, so that calls may take long
    small: int = SMALL  #: up to which the input is one call, if it is no more than a segment
