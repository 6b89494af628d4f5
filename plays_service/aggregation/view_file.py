"""Views on disk: where the rows that a query wants begin in the result, in its order.

The layout, everything little-endian: magic, number of rows, width; then the offset in the result of
each row, in ``width`` bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["HEAD_SIZE", "ViewFile", "view_head", "width_for"]

_MAGIC: Final = b"PLAYSVW2"
_HEAD: Final = struct.Struct("<8sQI")
#: Bytes before the first offset.
HEAD_SIZE: Final = _HEAD.size


def width_for(size: int) -> int:
    """Bytes of an offset into a result of ``size`` bytes."""
    return max(1, (size.bit_length() + 7) // 8)


def view_head(rows: int, width: int) -> bytes:
    """What a view begins with."""
    return _HEAD.pack(_MAGIC, rows, width)


@dataclass(frozen=True, slots=True)
class ViewFile:
    """A view that is there, whole."""

    path: Path
    rows: int
    width: int

    @classmethod
    def open(cls, path: Path) -> ViewFile | None:
        """The view at ``path``; None where there is none, or only a damaged one."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                magic, rows, width = _HEAD.unpack(file.read(HEAD_SIZE))
        except (FileNotFoundError, struct.error):
            return None
        is_sound = magic == _MAGIC and 1 <= width <= 8
        if not is_sound or size != HEAD_SIZE + rows * width:
            return None
        return cls(path, rows, width)

    def offsets(self, start: int, count: int) -> list[int]:
        """Up to ``count`` of the offsets from number ``start`` on."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(HEAD_SIZE + start * self.width)
            data = file.read(count * self.width)
        pieces = (data[i : i + self.width] for i in range(0, len(data), self.width))
        return [int.from_bytes(piece, "little") for piece in pieces]
