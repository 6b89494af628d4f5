"""Whether two results are the same, down to which detail; in one pass over each."""

from __future__ import annotations

import ctypes
import enum
import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.aggregate.native import load_native

__all__ = ["Agreement", "Digest", "compare", "digest_of"]


class Agreement(enum.StrEnum):
    """How far a result agrees with another, best first."""

    BYTES = "same bytes"
    ORDER = "same rows, same order"  #: other quoting, header or line ends
    ROWS = "same rows"
    WRONG = "wrong"


class _Digest(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in ("size", "rows", "bad", "bytes", "ordered", "sum", "squares")
    )


@dataclass(frozen=True, slots=True)
class Digest:
    """What a result says, in a few numbers."""

    size: int
    rows: int  #: without the header
    bad: int  #: that are not three fields
    bytes: int  #: hash of the file as it is
    ordered: int  #: hash of the decoded rows in their order
    unordered: tuple[int, int]  #: the same for any order of the rows


def digest_of(path: Path, cache: Path) -> Digest:
    """Read a result: comma separated, any quoting, LF or CRLF."""
    found = _Digest()
    if load_native(cache).pb_digest(os.fsencode(path), ctypes.byref(found)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    return Digest(
        size=found.size,
        rows=found.rows,
        bad=found.bad,
        bytes=found.bytes,
        ordered=found.ordered,
        unordered=(found.sum, found.squares),
    )


def compare(result: Digest, reference: Digest) -> Agreement:
    """How far ``result`` agrees."""
    if (result.size, result.bytes) == (reference.size, reference.bytes):
        return Agreement.BYTES
    if result.bad or result.rows != reference.rows:
        return Agreement.WRONG
    if result.ordered == reference.ordered:
        return Agreement.ORDER
    return Agreement.ROWS if result.unordered == reference.unordered else Agreement.WRONG
