"""The key hash: the same in every implementation, since each merges the other's partials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plays_service.aggregation.keys import PARTITIONS, key_hash, partition_of

songs = st.binary(min_size=1, max_size=70)
dates = st.integers(1_01_01, 9999_12_31)
seeds = st.integers(0, 2**64 - 1)

#: Song, date, seed and hash; a change of any is a change of the format of partials.
GOLDEN = [
    (b"a", 20200101, 0x0, 0xEB4525ACC22AAEC2),
    (b"a", 20200101, 0x1, 0x8D76ECDB8D190B16),
    (b"a", 20200102, 0x1, 0x6B9F1F0F13398750),
    (b"a\0", 20200101, 0x1, 0xA19524C3FE4640A7),
    (b"Umbrella", 20200101, 0x1, 0x213614801C984FB0),
    (b"Umbrella", 20200102, 0x1, 0x430E9D46E32ECA4C),
    (b"In The End", 20200101, 0x1, 0x2E14A603E32CB90F),
    (b"x" * 15, 20200101, 0x2, 0xF1D8F7B88EC3448D),
    (b"x" * 16, 20200101, 0x2, 0xC343100DFDEB96FD),
    (b"x" * 17, 20200101, 0x2, 0xBB0172701BB06414),
    (b"x" * 31, 20200101, 0x2, 0xDF590CA086CD6FFE),
    (b"x" * 32, 20200101, 0x2, 0x50559E0A6D2C04FF),
    (b"x" * 33, 20200101, 0x2, 0x13ED9CFA7F5DB6AB),
    ("Beyoncé, 愛 🎵".encode(), 99991231, 0xFFFFFFFFFFFFFFFF, 0x0863952D7C251E73),
    (bytes(range(256)), 10101, 0x123456789ABCDEF, 0xCE894EC5D03F4157),
    (bytes(16), 20200101, 0x9E3779B97F4A7C15, 0xC79FCE5405220EC3),
    (b"\xff" * 48, 20200229, 0x8000000000000000, 0xEFC6D215318E0271),
]


@pytest.mark.parametrize(("song", "date", "seed", "hashed"), GOLDEN)
def test_golden_values(song: bytes, date: int, seed: int, hashed: int) -> None:
    """Another implementation must give these, on any machine."""
    assert key_hash(song, date, seed) == hashed


def test_the_number_of_partitions_is_part_of_the_format() -> None:
    assert PARTITIONS == 512


@given(songs, dates, seeds)
def test_the_hash_has_64_bits(song: bytes, date: int, seed: int) -> None:
    hashed = key_hash(song, date, seed)
    assert 0 <= hashed < 2**64
    assert partition_of(hashed) == hashed // 2**55
    assert partition_of(hashed) in range(PARTITIONS)


@pytest.mark.parametrize(("hashed", "partition"), [(0, 0), (2**55 - 1, 0), (2**55, 1)])
def test_the_partition_is_the_top_bits(hashed: int, partition: int) -> None:
    assert partition_of(hashed) == partition
    assert partition_of(2**64 - 1 - hashed) == PARTITIONS - 1 - partition


@given(songs, dates, seeds, st.data())
def test_every_byte_of_the_song_counts(
    song: bytes, date: int, seed: int, data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(song) - 1))
    bit = data.draw(st.integers(0, 7))
    other = bytes([*song[:at], song[at] ^ 1 << bit, *song[at + 1 :]])
    assert key_hash(other, date, seed) != key_hash(song, date, seed)


@given(songs, dates, seeds)
def test_the_length_counts(song: bytes, date: int, seed: int) -> None:
    """Songs are padded with zeros, which must not make two of them one."""
    lengthened = {key_hash(song + bytes(more), date, seed) for more in range(33)}
    assert len(lengthened) == 33


@given(songs, dates, dates, seeds)
def test_the_date_counts(song: bytes, date: int, other: int, seed: int) -> None:
    assert (key_hash(song, date, seed) == key_hash(song, other, seed)) == (date == other)


@given(songs, dates, seeds, seeds)
def test_the_seed_counts(song: bytes, date: int, seed: int, other: int) -> None:
    assert (key_hash(song, date, seed) == key_hash(song, date, other)) == (seed == other)


@given(st.binary(min_size=8, max_size=8), st.binary(min_size=8, max_size=8), dates, seeds)
def test_the_order_of_bytes_counts(one: bytes, other: bytes, date: int, seed: int) -> None:
    same = key_hash(one + other, date, seed) == key_hash(other + one, date, seed)
    assert same == (one == other)


ALIKE: dict[str, Callable[[int], tuple[bytes, int]]] = {
    "numbers": lambda i: (b"%d" % i, 2020_01_01),
    "dates": lambda i: (b"Umbrella", 10_000 + i),
    "long songs": lambda i: (b"x" * 100 + i.to_bytes(4, "big") + b"x" * 100, 2020_01_01),
    "two letters": lambda i: (f"{i:016b}".encode(), 2020_01_01),
    "two letters in long songs": lambda i: (f"{i:032b}".encode(), 2020_01_01),
}


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
@pytest.mark.parametrize("kind", ALIKE)
def test_keys_that_are_alike_spread_over_all_partitions(seed: int, kind: str) -> None:
    """Else one of them would outgrow the memory. 64 are expected in each."""
    keys = [ALIKE[kind](i) for i in range(64 * PARTITIONS)]
    hashes = {key_hash(song, date, seed) for song, date in keys}
    found = Counter(partition_of(hashed) for hashed in hashes)
    assert len(found) == PARTITIONS
    assert max(found.values()) < 64 + 8 * 6  # six standard deviations
    assert min(found.values()) > 64 - 8 * 6
    assert len(hashes) == len(keys)
