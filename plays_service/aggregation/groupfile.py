"""Groups on disk, in buckets: the one file format between segment, merge and result.

A *partial* holds the groups of a segment, bucketed by partition (a hash of the key), so that
equal keys of all partials meet. A *run* holds merged groups as rows of the result, bucketed by
range of first row, so that the order of first appearance can be restored a range at a time.

The layout, everything little-endian::

    magic | block* | index entry* | note | trailer

A block is four columns one after the other, each as wide as its largest number needs: first row
(byte offset, less the block's base), date (YYYYMMDD), total, length of the text; then all texts.
A width of 0 means that all of the column is 0 and nothing is stored. An index entry is ``bucket,
groups, offset, size, base, widths``. The note is JSON. The trailer is the offset of the index, the
number of blocks, the size of the note, the CRC-32 of index and note, the magic.

Files appear whole or not at all: written beside, then renamed.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, NamedTuple, Self, TypeAlias

from plays_service.aggregation.publish import temporary_for

__all__ = [
    "MAGIC",
    "Block",
    "DamagedFileError",
    "Group",
    "GroupFile",
    "GroupFileWriter",
    "file_end",
]

#: First row (byte offset of its record in the input), date (YYYYMMDD), total, text (the song; in
#: a run the row of the result, date and total being 0).
Group: TypeAlias = tuple[int, int, int, bytes]

#: What a group file begins and ends with.
MAGIC: Final = b"PLAYSGF1"
_INDEX_ENTRY: Final = struct.Struct("<IIQQQ4B4x")
_TRAILER: Final = struct.Struct("<QIII8s")
_TYPECODES: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_SIGNED_TYPECODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_WIDE: Final = 16  #: a total beyond 64 bits; rows fit an offset of 64 bits, so 128 are enough


class DamagedFileError(ValueError):
    """A file that is not a whole group file."""


class Block(NamedTuple):
    """Where some groups of one bucket lie in a file."""

    bucket: int
    groups: int
    offset: int
    size: int  #: bytes
    base: int  #: added to every first row
    first_width: int
    date_width: int
    total_width: int
    length_width: int

    @property
    def text_size(self) -> int:
        """Bytes of all texts."""
        widths = self.first_width + self.date_width + self.total_width + self.length_width
        return self.size - self.groups * widths


class GroupFileWriter:
    """Writes a group file; it appears at ``path`` when the ``with`` block ends without error."""

    def __init__(self, path: Path) -> None:
        self.note: Any = None
        self._path = path
        self._temporary = temporary_for(path)
        self._index: list[Block] = []
        self._file = self._temporary.open("wb")
        self._offset = self._file.write(MAGIC)
        self._discarded = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        keep = kind is None and not self._discarded
        try:
            with self._file:
                if keep:
                    self._write_index()
            if keep:
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def discard(self) -> None:
        """Leave no file behind."""
        self._discarded = True

    def write(self, bucket: int, groups: Sequence[Group]) -> None:
        """Append ``groups`` (at least one) as a block."""
        firsts, dates, totals, texts = zip(*groups, strict=True)
        base = min(firsts)
        lengths = [len(text) for text in texts]
        columns = [
            _pack([first - base for first in firsts]),
            _pack(dates),
            _pack_signed(totals),
            _pack(lengths),
        ]
        data = b"".join([*(packed for _, packed in columns), *texts])
        widths = [width for width, _ in columns]
        block = Block(bucket, len(groups), self._offset, len(data), base, *widths)
        self._index.append(block)
        self._offset += self._file.write(data)

    def _write_index(self) -> None:
        index = b"".join(_INDEX_ENTRY.pack(*block) for block in self._index)
        self._file.write(file_end(index, self._offset, self.note))


class GroupFile:
    """Reads a group file, of which it keeps only the index of ``buckets`` (all, if None).

    It holds no descriptor: a merge reads from as many files as the input has segments. Raises
    `DamagedFileError` where the file is not whole.
    """

    def __init__(self, path: Path, buckets: range | None = None) -> None:
        self._path = path
        self.note: Any
        self.blocks: dict[int, list[Block]] = defaultdict(list)
        try:
            with path.open("rb") as file:
                self.note, index = _read_index(file)
        except (struct.error, ValueError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise DamagedFileError(f"{path.name} is not a whole group file: {error}") from error
        for block in map(Block._make, _INDEX_ENTRY.iter_unpack(index)):
            if buckets is None or block.bucket in buckets:
                self.blocks[block.bucket].append(block)

    def read(self, block: Block) -> Iterator[Group]:
        """The groups of a block, in the order in which they were written."""
        with self._path.open("rb", buffering=0) as file:
            file.seek(block.offset)
            data = file.read(block.size)
        if len(data) != block.size:
            raise DamagedFileError(f"{self._path.name} ends early")
        pos = 0
        columns = []
        for width, signed in zip(block[5:], (False, False, True, False), strict=True):
            size = block.groups * width
            columns.append(_unpack(data[pos : pos + size], width, block.groups, signed=signed))
            pos += size
        for first, date, total, length in zip(*columns, strict=True):
            yield first + block.base, date, total, data[pos : pos + length]
            pos += length


def _read_index(file: BinaryIO) -> tuple[Any, bytes]:
    """The note, and the index entries as they are."""
    end = file.seek(-_TRAILER.size, os.SEEK_END)
    offset, blocks, note_size, checksum, magic = _TRAILER.unpack(file.read())
    index_size = blocks * _INDEX_ENTRY.size
    if magic != MAGIC or offset + index_size + note_size != end:
        raise ValueError("no trailer")
    file.seek(offset)
    tail = file.read(index_size + note_size)
    if zlib.crc32(tail) != checksum:
        raise ValueError("wrong checksum")
    return json.loads(tail[index_size:]), tail[:index_size]


def file_end(index: bytes, offset: int, note: Any) -> bytes:
    """All that follows the last block: the packed ``index``, which lies at ``offset``, and on."""
    text = json.dumps(note).encode()
    count, checksum = len(index) // _INDEX_ENTRY.size, zlib.crc32(index + text)
    return index + text + _TRAILER.pack(offset, count, len(text), checksum, MAGIC)


def _pack(numbers: Sequence[int]) -> tuple[int, bytes]:
    """The narrowest width in bytes that takes all of ``numbers``, and them packed."""
    largest = max(numbers)
    if largest == 0:
        return 0, b""
    width = next(width for width in _TYPECODES if largest < 1 << 8 * width)
    return width, _little_endian(array(_TYPECODES[width], numbers))


def _pack_signed(numbers: Sequence[int]) -> tuple[int, bytes]:
    largest = max(*numbers, ~min(numbers))
    if largest == 0 and not any(numbers):
        return 0, b""
    for width, typecode in _SIGNED_TYPECODES.items():
        if largest < 1 << 8 * width - 1:
            return width, _little_endian(array(typecode, numbers))
    return _WIDE, b"".join(number.to_bytes(_WIDE, "little", signed=True) for number in numbers)


def _unpack(data: bytes, width: int, count: int, *, signed: bool) -> Sequence[int]:
    if width == 0:
        return [0] * count
    if width == _WIDE:
        pieces = (data[i : i + _WIDE] for i in range(0, len(data), _WIDE))
        return [int.from_bytes(piece, "little", signed=True) for piece in pieces]
    numbers = array((_SIGNED_TYPECODES if signed else _TYPECODES)[width])
    numbers.frombytes(data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _little_endian(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()
