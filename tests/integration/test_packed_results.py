"""Results packed on their way to the client."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping

import pytest

from tests.integration.conftest import Service

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

UNPACK: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "zstd": zstd.decompress}
HEADER = b"Song,Date,Number of Plays\n"
RESULT_HEADER = b"Song,Date,Total Number of Plays for Date\n"
#: Rows of a small result (sent in one step) and of a large one (in several).
SIZES = {"small": 1000, "large": 200_000}

each_coding = pytest.mark.parametrize("coding", UNPACK)
each_size = pytest.mark.parametrize("size", SIZES)


def rows_of(size: str) -> bytes:
    return b"".join(b"Song number %d,2020-01-01,%d\n" % (i, i % 7) for i in range(SIZES[size]))


async def fetched(
    service: Service, task_id: str, method: str = "GET", **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    """The answer as it is on the wire."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with service.client.session.request(
        method,
        service.client.make_url(f"/result/{task_id}"),
        params={"wait": "60"},
        headers={"Accept-Encoding": "identity"} | names,
        auto_decompress=False,
    ) as answer:
        return answer.status, answer.headers, await answer.read()


@each_coding
@each_size
async def test_a_result_is_packed_for_who_asks(service: Service, size: str, coding: str) -> None:
    rows = rows_of(size)
    task_id = await service.upload(HEADER + rows)
    status, headers, body = await fetched(service, task_id, Accept_Encoding=f"{coding}, br")
    assert status == 200
    assert headers["Content-Encoding"] == coding
    assert headers["Vary"] == "Accept, Accept-Encoding"
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert len(body) < len(rows) / 2
    assert UNPACK[coding](body) == RESULT_HEADER + rows


@each_size
async def test_who_does_not_ask_gets_it_as_it_is(service: Service, size: str) -> None:
    rows = rows_of(size)
    task_id = await service.upload(HEADER + rows)
    status, headers, body = await fetched(service, task_id)
    assert (status, body) == (200, RESULT_HEADER + rows)
    assert "Content-Encoding" not in headers
    assert headers["Vary"] == "Accept, Accept-Encoding"
    assert headers["Content-Length"] == str(len(body))


async def test_a_tiny_result_is_not_worth_it(service: Service) -> None:
    task_id = await service.upload(HEADER + b"a,2020-01-01,1\n")
    _, headers, body = await fetched(service, task_id, Accept_Encoding="gzip")
    assert body == RESULT_HEADER + b"a,2020-01-01,1\n"
    assert "Content-Encoding" not in headers


@each_coding
@each_size
async def test_each_form_has_a_tag_of_its_own(service: Service, size: str, coding: str) -> None:
    task_id = await service.upload(HEADER + rows_of(size))
    _, plain, _ = await fetched(service, task_id)
    _, packed, first = await fetched(service, task_id, Accept_Encoding=coding)
    assert plain["ETag"] != packed["ETag"]
    asked = {"Accept_Encoding": coding}
    for tag, expected in (
        (packed["ETag"], 304),
        (f'"other", W/{packed["ETag"]}', 304),
        ("*", 304),
        (plain["ETag"], 200),
    ):
        status, headers, body = await fetched(service, task_id, If_None_Match=tag, **asked)
        assert (status, body) == (expected, first if expected == 200 else b""), tag
        assert headers["ETag"] == packed["ETag"]
    status, _, _ = await fetched(service, task_id, If_None_Match=plain["ETag"])
    assert status == 304


@each_size
async def test_parts_are_never_packed(service: Service, size: str) -> None:
    rows = rows_of(size)
    task_id = await service.upload(HEADER + rows)
    status, headers, body = await fetched(
        service, task_id, Accept_Encoding="gzip", Range="bytes=5-104"
    )
    assert (status, body) == (206, (RESULT_HEADER + rows)[5:105])
    assert "Content-Encoding" not in headers
    assert headers["Content-Range"] == f"bytes 5-104/{len(RESULT_HEADER + rows)}"
    tag = (await fetched(service, task_id, Accept_Encoding="gzip"))[1]["ETag"]
    status, _, body = await fetched(
        service, task_id, Accept_Encoding="gzip", Range="bytes=5-104", If_Range=tag
    )
    assert (status, body) == (200, RESULT_HEADER + rows)  # what it has a part of is packed
    tag = (await fetched(service, task_id))[1]["ETag"]
    status, _, body = await fetched(service, task_id, Range="bytes=5-104", If_Range=tag)
    assert (status, body) == (206, (RESULT_HEADER + rows)[5:105])


@each_size
async def test_head_says_what_get_would(service: Service, size: str) -> None:
    task_id = await service.upload(HEADER + rows_of(size))
    status, headers, body = await fetched(service, task_id, "HEAD", Accept_Encoding="zstd")
    assert (status, body, headers["Content-Encoding"]) == (200, b"", "zstd")
    _, same, _ = await fetched(service, task_id, Accept_Encoding="zstd")
    assert headers["ETag"] == same["ETag"]


async def test_who_hangs_up_is_not_packed_for_any_more(service: Service) -> None:
    task_id = await service.upload(HEADER + rows_of("large") * 5)
    await service.result(task_id)
    url = b"GET /result/%b HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n" % task_id.encode()
    for _ in range(5):
        await service.raw(url, hang_up=True)
    assert await service.is_healthy()
    _, _, body = await fetched(service, task_id, Accept_Encoding="gzip")
    assert gzip.decompress(body).count(b"\n") == SIZES["large"] + 1
