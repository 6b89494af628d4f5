"""Progress bars on standard error."""

from __future__ import annotations

import io
from typing import Any, Final, Self

import click

__all__ = ["Bar"]

_STEPS: Final = 1000


class Bar:
    """A bar from 0 to 1, drawn where ``shown``; where nothing tells how far it is, it swings."""

    def __init__(self, label: str, *, shown: bool) -> None:
        self._label = label
        self._shown = shown
        self._bar: Any = None
        self._drawn = 0

    def __enter__(self) -> Self:
        if self._shown:
            self._bar = click.progressbar(
                length=_STEPS, label=self._label, file=_Terminal(), width=0
            )
            self._bar.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the line as it is; what follows goes to the next."""
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None

    def to(self, fraction: float) -> None:
        """So much is done; at the end, the bar is left."""
        steps = int(fraction * _STEPS)
        if self._bar is not None and steps > self._drawn:
            self._bar.update(steps - self._drawn)
            self._drawn = steps
        if fraction >= 1:
            self.close()


class _Terminal(io.TextIOWrapper):
    """Standard error, taken for a terminal: whether to draw is decided already."""

    def __init__(self) -> None:
        super().__init__(open(2, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115 -- kept

    def isatty(self) -> bool:
        return True
