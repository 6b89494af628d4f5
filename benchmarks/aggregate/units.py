"""Numbers as people read them."""

from __future__ import annotations

import math

__all__ = ["count_text", "ratio_text", "seconds_text", "size_text"]


def seconds_text(seconds: float) -> str:
    """``1.95 s``, ``36.2 ms``, ``84 µs``."""
    for factor, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if seconds * factor >= 1 or unit == "µs":
            break
    return f"{_digits(seconds * factor)} {unit}"


def size_text(size: int) -> str:
    """``4.00 GiB``, ``48.2 MiB``."""
    if size >= 1 << 30:
        return f"{_digits(size / 2**30)} GiB"
    if size >= 1 << 20:
        return f"{_digits(size / 2**20)} MiB"
    return f"{size:,} B"


def ratio_text(ratio: float) -> str:
    """``2.4×``."""
    return f"{_digits(ratio, 2)}×"


def count_text(count: int) -> str:
    """``30,000``."""
    return f"{count:,}"


def _digits(number: float, significant: int = 3) -> str:
    """As many significant digits, but no exponent."""
    place = math.floor(math.log10(number)) if number > 0 else 0
    return f"{number:,.{max(0, significant - 1 - place)}f}"
