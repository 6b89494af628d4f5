"""Which implementation does the work: the C kernel where it is, else pure Python.

``PLAYS_ENGINE`` says so: ``auto`` (the default), ``native``, ``pure``. Both give the same results,
byte for byte, and read each other's files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import ModuleType

__all__ = [
    "ENGINE",
    "aggregate_file",
    "aggregate_segment",
    "cut_segments",
    "merge_partitions",
    "plan_result",
    "write_ranges",
]


def pick(wanted: str) -> tuple[str, ModuleType]:
    """The name and the module of the implementation that ``wanted`` asks for.

    Raises `ImportError` where it is ``native`` and the extension is not built, `ValueError` where
    it is none of the three.
    """
    from plays_service.aggregation import pure

    if wanted not in ("auto", "native", "pure"):
        raise ValueError(f"PLAYS_ENGINE: {wanted!r} is none of: auto, native, pure")
    if wanted == "pure":
        return "pure", pure
    try:
        from plays_service.aggregation import native
    except ImportError as error:
        if wanted == "auto":
            return "pure", pure
        raise ImportError(
            "PLAYS_ENGINE=native, but the C extension is not here: install the package where there "
            "is a C compiler and without PLAYS_NO_EXTENSIONS"
        ) from error
    return "native", native


_name, _module = pick(os.environ.get("PLAYS_ENGINE") or "auto")

#: The implementation in use: ``native`` or ``pure``.
ENGINE: Final = _name

if TYPE_CHECKING:
    from plays_service.aggregation.pure import (
        aggregate_file,
        aggregate_segment,
        cut_segments,
        merge_partitions,
        plan_result,
        write_ranges,
    )
else:
    aggregate_file = _module.aggregate_file
    aggregate_segment = _module.aggregate_segment
    cut_segments = _module.cut_segments
    merge_partitions = _module.merge_partitions
    plan_result = _module.plan_result
    write_ranges = _module.write_ranges
