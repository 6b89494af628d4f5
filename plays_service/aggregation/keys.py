"""The hash that says in which partition a key lies.

Every implementation must compute the same one, since each merges the other's partials. It is a
chain of 64x64→128-bit multiplications, folded, two words of the song a step, as in wyhash
(Wang Yi, "wyhash", 2019). The seed is drawn anew for each task: nobody can write a file whose keys
all meet in one partition.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["PARTITIONS", "key_hash", "partition_of"]

#: Partitions of a partial: few enough that each is worth a read, many enough that a partition of
#: 500 million groups fits a worker.
PARTITIONS: Final = 512

_MASK: Final = (1 << 64) - 1
_SECRET: Final = (0x9E3779B97F4A7C15, 0xD1B54A32D192ED03)  # odd, no pattern; any such will do


def key_hash(song: bytes, date: int, seed: int) -> int:
    """64 bits that depend on every byte of the key and on ``seed`` (64 bits)."""
    padded = song + bytes(-len(song) % 16)
    # not zero for any seed: the length would not count
    state = seed ^ _fold((seed ^ _SECRET[0]) | 1, _SECRET[1] ^ len(song))
    secret = _fold(state ^ _SECRET[1], _SECRET[0])  # not the state: words could change places
    for low, high in struct.iter_unpack("<QQ", padded):
        state = _fold(low ^ secret, high ^ state)
    return _fold(state ^ date, _SECRET[0])


def partition_of(hashed: int) -> int:
    """The partition of a key with this hash: its top bits."""
    return hashed >> 64 - PARTITIONS.bit_length() + 1


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & _MASK
