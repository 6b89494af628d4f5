"""Test data: the same parameters give the same bytes, on every machine."""

from __future__ import annotations

import ctypes
import math
import os
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from typing import Final

from benchmarks.aggregate.native import load_native

__all__ = ["Plan", "concatenate", "generate"]

_DAYS: Final = 3653
#: Songs for each date, roughly, where the number of groups is given.
_SONGS_PER_DAY: Final = 33


class _Plan(ctypes.Structure):
    _fields_ = (
        ("size", ctypes.c_uint64),
        ("songs", ctypes.c_uint64),
        ("days", ctypes.c_uint64),
        ("seed", ctypes.c_uint64),
        ("quoted", ctypes.c_uint32),
        ("multiline", ctypes.c_uint32),
        ("crlf", ctypes.c_uint32),
        ("delimiter", ctypes.c_uint32),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a generated file is like."""

    size: int  #: bytes at most; less than a row is missing
    groups: int | None = 30_000  #: None: nearly every row is a group of its own
    quoted: bool = False  #: strings in quotes, some titles with delimiters and quotes in them
    multiline: bool = False  #: some titles with a line end in them; needs ``quoted``
    crlf: bool = False
    delimiter: str = ","
    seed: int = 1

    @property
    def days(self) -> int:
        """Different dates, spread over ten years."""
        if self.groups is None:
            return _DAYS
        return min(_DAYS, max(1, round(math.sqrt(self.groups / _SONGS_PER_DAY))))

    @property
    def songs(self) -> int:
        """Different titles. They are not equally popular: the first come most often."""
        if self.groups is None:
            return max(1000, self.size // 1000)
        return math.ceil(self.groups / self.days)

    @property
    def name(self) -> str:
        """A file name that says it all."""
        return "-".join(f"{key}_{value}" for key, value in asdict(self).items()).translate(
            {ord(";"): "semicolon", ord(","): "comma", ord("|"): "bar", ord("\t"): "tab"}
        )


def generate(plan: Plan, path: Path, cache: Path) -> int:
    """Write the file, or fail and leave none; the number of its rows."""
    fields = _Plan(
        size=plan.size,
        songs=plan.songs,
        days=plan.days,
        seed=plan.seed,
        quoted=plan.quoted or plan.multiline,
        multiline=plan.multiline,
        crlf=plan.crlf,
        delimiter=ord(plan.delimiter),
    )
    native = load_native(cache)
    native.pb_generate.restype = ctypes.c_int64
    temporary = path.with_suffix(".tmp")
    rows = int(native.pb_generate(os.fsencode(temporary), ctypes.byref(fields)))
    if rows < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    temporary.replace(path)
    return rows


def concatenate(source: Path, size: int, path: Path) -> None:
    """The header of ``source``, and its rows again and again, up to about ``size`` bytes."""
    header, _, rows = source.read_bytes().partition(b"\n")
    if not rows.endswith(b"\n"):
        rows += b"\n"
    temporary = path.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(header + b"\n")
        file.writelines(repeat(rows, max(1, (size - len(header) - 1) // len(rows))))
    temporary.replace(path)
