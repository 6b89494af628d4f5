"""What a header likes, and how much: the weights of Accept and its kin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

__all__ = ["weights_in"]

_WEIGHT: Final = re.compile(
    r";\s*q\s*=\s*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)\s*(?:;|$)", re.IGNORECASE
)


def weights_in(header: str) -> Iterator[tuple[str, float]]:
    """Each item of the header, in lower case, and its weight, 0..1 (RFC 9110, section 12.4.2).

    One that has none, or none that can be read, weighs 1.
    """
    for item in header.split(","):
        weight = _WEIGHT.search(item)
        yield item.partition(";")[0].strip().lower(), float(weight[1]) if weight else 1.0
