"""Progress bars on standard error."""

from __future__ import annotations

import io
from typing import Any, Final, Self

import click

__all__ = ["Bar"]

_STEPS: Final = 1000
_MEGABYTE: Final = 10**6
#: Click's own.
_TEMPLATE: Final = "%(label)s  [%(bar)s]  %(info)s"


class Bar:
    """A bar from 0 to 1, drawn where ``shown``; where nobody knows the end, a count of bytes."""

    def __init__(self, label: str, *, shown: bool, counts: bool = False) -> None:
        self._label = label
        self._shown = shown
        self._counts = counts
        self._bar: Any = None
        self._drawn = 0

    def __enter__(self) -> Self:
        if self._shown:
            self._bar = click.progressbar(
                length=_STEPS,
                label=self._label,
                file=_Terminal(),
                width=0,
                show_eta=not self._counts,
                show_percent=not self._counts,
                bar_template="%(label)s  %(info)s" if self._counts else _TEMPLATE,
                item_show_func=lambda _: f"{self._drawn} MB" if self._counts else None,
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

    def count(self, done: int, of: int | None) -> None:
        """So many bytes of so many are done."""
        if of:
            self.to(done / of)
        elif self._bar is not None and done // _MEGABYTE > self._drawn:
            self._drawn = done // _MEGABYTE
            self._bar.render_progress()

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
        super().__init__(open(2, "wb", closefd=False), encoding="utf-8")  # noqa: SIM115 -- the wrapper has it

    def isatty(self) -> bool:
        return True
