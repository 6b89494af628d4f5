"""Views on disk: where the rows that a query wants begin in the result, in its order.

The layout, everything little-endian: magic, number of rows, step, width; then the offset in the
result of each ``step``-th row, in ``width`` bytes. The step is more than 1 only where the rows are
all of the result in their order: then those between are found by reading on.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plays_service.aggregation.row_query import RowQuery

__all__ = ["HEAD_SIZE", "ViewFile", "step_of", "view_head", "width_for"]

_MAGIC: Final = b"PLAYSVW1"
_HEAD: Final = struct.Struct("<8sQII")
#: Bytes before the first offset.
HEAD_SIZE: Final = _HEAD.size
#: Rows that are quickly read to find one of them.
_SPARSE: Final = 1024


def step_of(query: RowQuery) -> int:
    """How many rows go on one offset."""
    return 1 if query.is_filter or query.sort != "appearance" else _SPARSE


def width_for(size: int) -> int:
    """Bytes of an offset into a result of ``size`` bytes."""
    return max(1, (size.bit_length() + 7) // 8)


def view_head(rows: int, step: int, width: int) -> bytes:
    """What a view begins with."""
    return _HEAD.pack(_MAGIC, rows, step, width)


@dataclass(frozen=True, slots=True)
class ViewFile:
    """A view that is there, whole."""

    path: Path
    rows: int
    step: int
    width: int

    @classmethod
    def open(cls, path: Path) -> ViewFile | None:
        """The view at ``path``; None where there is none, or only a damaged one."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                magic, rows, step, width = _HEAD.unpack(file.read(HEAD_SIZE))
        except (FileNotFoundError, struct.error):
            return None
        is_sound = magic == _MAGIC and step and 1 <= width <= 8
        if not is_sound or size != HEAD_SIZE + -(-rows // step) * width:
            return None
        return cls(path, rows, step, width)

    def offsets(self, start: int, count: int) -> list[int]:
        """Up to ``count`` of the stored offsets from number ``start`` on."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(HEAD_SIZE + start * self.width)
            data = file.read(count * self.width)
        pieces = (data[i : i + self.width] for i in range(0, len(data), self.width))
        return [int.from_bytes(piece, "little") for piece in pieces]
