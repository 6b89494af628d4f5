"""Packed uploads, in any pieces: members, padding, what is between them, and hostile ones."""

from __future__ import annotations

import gzip
import random
import sys
from collections.abc import Callable, Iterable

import pytest

from plays_service.aggregation.unpack import PACKINGS, PackingError, Unpacker

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd.compress}

each_packing = pytest.mark.parametrize("packing", PACKINGS)


def unpack(packing: str, pieces: Iterable[bytes]) -> bytes:
    unpacker = Unpacker(packing)
    found = b"".join(piece for data in pieces for piece in unpacker.feed(data))
    unpacker.finish()
    return found


def cuts(data: bytes) -> list[list[bytes]]:
    """All at once, byte by byte, and in two at each place."""
    bytewise = [data[i : i + 1] for i in range(len(data))]
    return [[data], bytewise, *([data[:i], data[i:]] for i in range(len(data)))]


@each_packing
def test_members_in_any_pieces(packing: str) -> None:
    members = [b"one,", b"", b"two," * 9, b"three"]
    data = b"\0\0\0".join(map(PACK[packing], members)) + b"\0"
    for pieces in cuts(data):
        assert unpack(packing, pieces) == b"".join(members)


@each_packing
def test_large_members_behind_small_ones(packing: str) -> None:
    chance = random.Random(1)
    members = [chance.randbytes(size) for size in (10, 200_000, 0, 10, 3_000_000, 40_000)]
    members.append(b"\n" * 5_000_000)
    data = b"".join(map(PACK[packing], members))
    for size in (len(data), 262_144, 16_384, 10_007):
        pieces = [data[i : i + size] for i in range(0, len(data), size)]
        assert unpack(packing, pieces) == b"".join(members)


@each_packing
def test_what_follows_on_a_member_is_not_fed_with_it(packing: str) -> None:
    """The libraries copy it: a chunk full of members would be copied once for each."""
    fed = []

    class Watched(Unpacker):
        def _decompress(self, data: memoryview) -> bytes:
            fed.append(len(data))
            return super()._decompress(data)

    members = PACK[packing](b"a") * 5_000
    assert b"".join(Watched(packing).feed(members)) == b"a" * 5_000
    assert max(fed) <= 16 << 10


@each_packing
def test_many_members_that_hold_nothing_are_refused(packing: str) -> None:
    empty = PACK[packing](b"")
    assert unpack(packing, [empty * 900 + PACK[packing](b"a") + empty * 900]) == b"a"
    with pytest.raises(PackingError, match="thousands of parts with nothing in them"):
        unpack(packing, [empty * 2000])


def test_frames_to_be_skipped_are() -> None:
    note = b"\x50\x2a\x4d\x18\x03\0\0\0any"
    last = b"\x5f\x2a\x4d\x18\0\0\0\0"
    data = note + zstd.compress(b"one,") + last + note + zstd.compress(b"two") + note
    for pieces in cuts(data):
        assert unpack("zstd", pieces) == b"one,two"
    with pytest.raises(PackingError, match="ends too early"):
        unpack("zstd", [data[:-1]])
    with pytest.raises(PackingError, match="something else"):
        unpack("gzip", [gzip.compress(b"one"), note])
