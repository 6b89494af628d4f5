"""Compressed uploads."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable

import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import (
    MIB,
    Service,
    StartService,
    message_of,
    request,
    split_answer,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CSV = b"Content-Type: text/csv"


def zstd_with_checksum(data: bytes) -> bytes:
    """As the command line tool packs."""
    return zstd.compress(data, options={zstd.CompressionParameter.checksum_flag: 1})


PACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstd_with_checksum}
HEADER = b"Song,Date,Number of Plays\n"

each_packing = pytest.mark.parametrize("packing", PACK)


async def sent(service: Service, body: bytes, *headers: bytes) -> tuple[int, bytes]:
    status, _, answer = split_answer(await service.raw(request(body, CSV, *headers)))
    return status, answer


async def refused(service: Service, body: bytes, *headers: bytes) -> str:
    status, answer = await sent(service, body, *headers)
    assert status == 400, answer
    await service.holds_no_tasks()
    return message_of(answer)


@each_packing
async def test_a_packed_body_may_have_the_type_of_its_packing(
    service: Service, packing: str
) -> None:
    headers = {"Content-Type": f"application/{packing}"}
    body = PACK[packing](EXAMPLE)
    async with service.client.post("/process_csv", data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert await service.result((await answer.json())["task_id"]) == EXAMPLE_RESULT


@each_packing
async def test_a_packed_file_is_known_by_its_first_bytes(service: Service, packing: str) -> None:
    task_id = await service.upload(PACK[packing](EXAMPLE), filename="plays.csv.gz")
    assert await service.result(task_id) == EXAMPLE_RESULT
    task = await service.task(task_id)
    assert task["bytes"] == len(PACK[packing](EXAMPLE))
    async with service.client.get(f"/result/{task_id}") as answer:
        assert 'filename="plays-totals.csv"' in answer.headers["Content-Disposition"]


@each_packing
@pytest.mark.parametrize("name", ["{}", "x-{}"])
async def test_a_body_may_be_packed_for_the_way(service: Service, packing: str, name: str) -> None:
    coding = b"Content-Encoding: " + name.format(packing.upper()).encode()
    status, answer = await sent(service, PACK[packing](EXAMPLE), coding)
    assert status == 200, answer
    task_id = answer.decode().split('"')[3]
    assert await service.result(task_id) == EXAMPLE_RESULT


@each_packing
async def test_several_members_are_one_file(service: Service, packing: str) -> None:
    pack = PACK[packing]
    data = b"".join(pack(line) for line in EXAMPLE.splitlines(keepends=True)) + b"\0" * 512
    assert await service.result(await service.upload(data)) == EXAMPLE_RESULT


@each_packing
async def test_a_large_packed_file_is_aggregated_while_it_comes(
    start_service: StartService, packing: str
) -> None:
    service = await start_service(segment_size=MIB, workers=2)
    rows = b"".join(b"Song %d,2020-01-01,1\n" % (row % 100) for row in range(50_000))
    data = PACK[packing](HEADER + rows * 30)
    totals = b"".join(b"Song %d,2020-01-01,%d\n" % (song, 15_000) for song in range(100))
    expected = b"Song,Date,Total Number of Plays for Date\n" + totals
    assert await service.result(await service.upload(data)) == expected


@each_packing
async def test_a_bomb_does_not_go_off(start_service: StartService, packing: str) -> None:
    service = await start_service(max_upload_size=8 * MIB)
    bomb = PACK[packing](HEADER + b"\n" * (200 * MIB))
    assert len(bomb) < MIB
    status, answer = await sent(service, bomb)
    assert status == 413, answer
    assert "larger than" in message_of(answer)
    status, answer = await sent(service, bomb, b"Content-Encoding: " + packing.encode())
    assert status == 413, answer
    await service.holds_no_tasks()


@each_packing
async def test_a_bomb_beside_the_file_does_not_go_off_either(
    start_service: StartService, packing: str
) -> None:
    service = await start_service(max_upload_size=MIB)
    note = b'--x\r\nContent-Disposition: form-data; name="note"\r\n\r\n' + b" " * (50 * MIB)
    file = b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    body = PACK[packing](note + file + EXAMPLE + b"\r\n--x--\r\n")
    form = b"Content-Type: multipart/form-data; boundary=x"
    coding = b"Content-Encoding: " + packing.encode()
    status, _, answer = split_answer(await service.raw(request(body, form, coding)))
    assert status == 413, answer
    await service.holds_no_tasks()


@each_packing
async def test_half_a_packed_file_is_refused(service: Service, packing: str) -> None:
    data = PACK[packing](EXAMPLE)
    for size in (5, len(data) // 2, len(data) - 1):
        message = await refused(service, data[:size])
        assert message == f"The {packing} data ends too early; send the whole file"
    coding = b"Content-Encoding: " + packing.encode()
    assert "too early" in await refused(service, data[:-1], coding)


@each_packing
async def test_damage_is_refused(service: Service, packing: str) -> None:
    data = bytearray(PACK[packing](EXAMPLE * 20))
    data[len(data) // 2] ^= 0xFF
    assert packing in await refused(service, bytes(data))


@each_packing
async def test_something_else_behind_it_is_refused(service: Service, packing: str) -> None:
    message = await refused(service, PACK[packing](EXAMPLE) + b"a,2020-01-01,1\n")
    assert message == f"Behind the {packing} data comes something else; pack the file again"


async def test_a_window_that_takes_much_memory_is_refused(service: Service) -> None:
    data = with_window(24, EXAMPLE)
    message = "needs a window of more than 8 MiB; pack the file without --long and --ultra"
    assert message in await refused(service, data)
    assert message in await refused(service, data, b"Content-Encoding: zstd")
    assert await service.result(await service.upload(with_window(23, EXAMPLE))) == EXAMPLE_RESULT


async def test_what_a_zstd_file_has_for_other_programs_is_skipped(service: Service) -> None:
    note = b"\x52\x2a\x4d\x18\x04\0\0\0note"
    frames = [zstd.compress(EXAMPLE[:60]), zstd.compress(EXAMPLE[60:])]
    data = note + note.join(frames) + note
    assert await service.result(await service.upload(data)) == EXAMPLE_RESULT
    status, answer = await sent(service, data, b"Content-Encoding: zstd")
    assert status == 200, answer


def with_window(window: int, data: bytes) -> bytes:
    """Packed as a stream, so that the frame asks for the whole window."""
    compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: window})
    return compressor.compress(data) + compressor.flush()
