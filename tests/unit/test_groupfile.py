"""The file format between segment, merge and result."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plays_service.aggregation.groupfile import (
    DamagedFileError,
    Group,
    GroupFile,
    GroupFileWriter,
)

Buckets = list[tuple[int, list[Group]]]

#: Totals at the edges of each width.
EDGES = sorted(
    {
        sign * (1 << bits) + more
        for bits in (0, 7, 8, 15, 16, 31, 32, 63, 64, 126)
        for sign in (1, -1)
        for more in (-1, 0, 1)
    }
    | {2**127 - 1, -(2**127)}
)
#: What is written for the tests of damage: two blocks in one bucket, one in another, a note.
SAMPLE: Buckets = [
    (3, [(10, 2020_01_01, 5, b"Umbrella"), (20, 2020_01_02, -(2**70), b"In The End")]),
    (511, [(0, 2020_01_01, 0, b"")]),
    (3, [(1 << 40, 1_01_01, 7, b"x" * 300)]),
]
NOTE = {"rows": 4, "text": "愛", "none": None}
TRAILER_SIZE = 28

groups = st.tuples(
    st.integers(0, 2**64 - 1) | st.integers(0, 300),
    st.integers(0, 9999_12_31),
    st.integers(-(2**127), 2**127 - 1) | st.integers(-200, 200) | st.sampled_from(EDGES),
    st.binary(max_size=20) | st.binary(max_size=300),
)
buckets = st.lists(
    st.tuples(st.integers(0, 2**32 - 1) | st.integers(0, 5), st.lists(groups, min_size=1)),
    max_size=6,
)
notes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def write(path: Path, content: Buckets, note: Any = None) -> None:
    with GroupFileWriter(path) as file:
        for bucket, rows in content:
            file.write(bucket, rows)
        file.note = note


def read(path: Path, wanted: range | None = None) -> Buckets:
    file = GroupFile(path, wanted)
    blocks = [block for bucket in file.blocks.values() for block in bucket]
    return [(block.bucket, list(file.read(block))) for block in blocks]


def by_bucket(content: Buckets) -> Buckets:
    """In the order in which the index gives them: buckets as they appear, blocks as written."""
    order = list(dict.fromkeys(bucket for bucket, _ in content))
    return sorted(content, key=lambda one: order.index(one[0]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.partial"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(buckets, notes)
def test_what_was_written_is_read(path: Path, content: Buckets, note: Any) -> None:
    write(path, content, note)
    assert read(path) == by_bucket(content)
    assert GroupFile(path).note == note


@pytest.mark.parametrize("total", EDGES)
def test_totals_at_the_edge_of_each_width(path: Path, total: int) -> None:
    content: Buckets = [
        (0, [(0, 0, total, b"")]),
        (1, [(0, 0, total, b"a"), (1, 0, 0, b"b"), (2, 0, -1, b"c")]),
    ]
    write(path, content)
    assert read(path) == content


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65535, 65536])
def test_texts_at_the_edge_of_each_width(path: Path, size: int) -> None:
    content: Buckets = [(0, [(0, 0, 0, b"x" * size), (1, 0, 0, b"y")])]
    write(path, content)
    assert read(path) == content
    block = GroupFile(path).blocks[0][0]
    assert block.text_size == size + 1


@pytest.mark.parametrize("distance", [0, 1, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63])
def test_first_rows_far_into_a_file(path: Path, distance: int) -> None:
    first = 2**63 - 1
    content: Buckets = [(0, [(first + distance, 0, 0, b""), (first, 0, 0, b"")])]
    write(path, content)
    assert read(path) == content


def test_numbers_take_the_bytes_they_need(path: Path) -> None:
    write(path, [(0, [(1000, 2020_01_01, 1, b"a"), (1255, 2020_01_01, -128, b"b")])])
    block = GroupFile(path).blocks[0][0]
    assert block.base == 1000
    assert (block.first_width, block.date_width, block.total_width, block.length_width) == (
        1,
        4,
        1,
        1,
    )
    write(path, [(0, [(7, 0, 0, b"")] * 3)])
    assert GroupFile(path).blocks[0][0].size == 0


def test_the_layout_byte_for_byte(path: Path) -> None:
    """Another implementation must write this, and read it, on any machine."""
    write(path, [(3, [(10, 2020_01_01, -2, b"ab"), (12, 2020_01_02, 300, b"c")])], {"rows": 2})
    columns = b"\x00\x02" + struct.pack("<II", 2020_01_01, 2020_01_02)
    columns += struct.pack("<hh", -2, 300) + b"\x02\x01" + b"abc"
    index = struct.pack("<IIQQQBBBBxxxx", 3, 2, 8, len(columns), 10, 1, 4, 2, 1)
    note = b'{"rows": 2}'
    trailer = struct.pack("<QII", 8 + len(columns), 1, len(note))
    trailer += struct.pack("<I8s", zlib.crc32(index + note), b"PLAYSGF1")
    assert path.read_bytes() == b"PLAYSGF1" + columns + index + note + trailer


def test_only_the_wanted_buckets(path: Path) -> None:
    write(path, SAMPLE, NOTE)
    assert read(path, range(511, 512)) == [SAMPLE[1]]
    assert read(path, range(511)) == [SAMPLE[0], SAMPLE[2]]
    assert read(path, range(4, 511)) == []
    assert GroupFile(path, range(0)).note == NOTE


def test_a_bucket_that_is_not_there_is_empty(path: Path) -> None:
    write(path, SAMPLE)
    assert GroupFile(path).blocks[4] == []


def test_nothing_at_all(path: Path) -> None:
    write(path, [])
    assert read(path) == []
    assert GroupFile(path).note is None


class TestWhole:
    """Files appear whole or not at all."""

    def test_nothing_is_there_before_the_end(self, path: Path) -> None:
        with GroupFileWriter(path) as file:
            file.write(0, SAMPLE[0][1])
            assert not path.exists()
        assert [one.name for one in path.parent.iterdir()] == [path.name]

    def test_nothing_is_left_after_an_error(self, path: Path) -> None:
        with pytest.raises(OverflowError), GroupFileWriter(path) as file:
            file.write(0, [(0, 0, 2**127, b"")])
        assert list(path.parent.iterdir()) == []

    def test_nothing_is_left_after_a_note_that_cannot_be_written(self, path: Path) -> None:
        with pytest.raises(TypeError), GroupFileWriter(path) as file:
            file.note = object()
        assert list(path.parent.iterdir()) == []

    def test_nothing_is_left_if_discarded(self, path: Path) -> None:
        with GroupFileWriter(path) as file:
            file.write(0, SAMPLE[0][1])
            file.discard()
        assert list(path.parent.iterdir()) == []

    def test_an_earlier_file_is_replaced(self, path: Path) -> None:
        write(path, SAMPLE)
        write(path, [SAMPLE[1]])
        assert read(path) == [SAMPLE[1]]

    def test_two_writers_of_one_file_do_not_meet(self, path: Path) -> None:
        with GroupFileWriter(path) as one:
            with GroupFileWriter(path) as other:
                other.write(1, SAMPLE[1][1])
                one.write(0, SAMPLE[0][1])
            assert read(path) == [(1, SAMPLE[1][1])]
        assert read(path) == [(0, SAMPLE[0][1])]


class TestDamage:
    """What is not whole is never taken for a partial."""

    @pytest.fixture
    def data(self, path: Path) -> bytes:
        write(path, SAMPLE, NOTE)
        return path.read_bytes()

    @pytest.fixture
    def tail(self, data: bytes) -> int:
        """Where index, note and trailer begin."""
        return int.from_bytes(data[-TRAILER_SIZE:][:8], "little")

    def test_cut_at_every_byte(self, path: Path, data: bytes) -> None:
        for size in range(len(data)):
            path.write_bytes(data[:size])
            with pytest.raises(DamagedFileError, match=r"a\.partial is not a whole group file"):
                GroupFile(path)

    def test_begun_at_every_byte(self, path: Path, data: bytes) -> None:
        for start in range(1, len(data)):
            path.write_bytes(data[start:])
            with pytest.raises(DamagedFileError):
                GroupFile(path)

    @pytest.mark.parametrize("change", [0x01, 0x80, 0xFF])
    def test_every_byte_of_the_tail_changed(
        self, path: Path, data: bytes, tail: int, change: int
    ) -> None:
        for at in range(tail, len(data)):
            path.write_bytes(data[:at] + bytes([data[at] ^ change]) + data[at + 1 :])
            with pytest.raises(DamagedFileError):
                GroupFile(path)

    def test_every_eight_bytes_of_the_tail_zeroed(self, path: Path, data: bytes, tail: int) -> None:
        """As a disk may leave a page that was never written."""
        for at in range(tail, len(data) - 8):
            if any(data[at : at + 8]):
                path.write_bytes(data[:at] + bytes(8) + data[at + 8 :])
                with pytest.raises(DamagedFileError):
                    GroupFile(path)

    def test_something_appended(self, path: Path, data: bytes) -> None:
        for more in (b"\0", b"\n", b"PLAYSGF1", data[-TRAILER_SIZE:]):
            path.write_bytes(data + more)
            with pytest.raises(DamagedFileError):
                GroupFile(path)

    @pytest.mark.parametrize("content", [b"", b"\0" * 28, b"\0" * 4096, b"Song,Date\n" * 10])
    def test_no_group_file(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        with pytest.raises(DamagedFileError):
            GroupFile(path)

    def test_no_file(self, path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            GroupFile(path)

    def test_cut_after_it_was_opened(self, path: Path, data: bytes) -> None:
        file = GroupFile(path)
        path.write_bytes(data[:20])
        for block in file.blocks[3]:
            with pytest.raises(DamagedFileError, match="ends early"):
                list(file.read(block))
