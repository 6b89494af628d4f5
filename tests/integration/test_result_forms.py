"""Results as JSON lines and Parquet."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from pyarrow import parquet

from plays_service.api import forms
from plays_service.api.errors import ApiError
from plays_service.api.reading import reading
from plays_service.tasks import ResultReader
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import Gate, Service, message_of, request

HEADER = b"Song,Date,Number of Plays\n"
DATA = HEADER + 'Straße,2020-01-01,1\n"a ""b"", c\nd",0001-01-01,-2\n'.encode()
ROWS: list[dict[str, Any]] = [
    {"song": "Straße", "date": "2020-01-01", "plays": 1},
    {"song": 'a "b", c\nd', "date": "0001-01-01", "plays": -2},
]
JSON_LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


async def fetched(
    service: Service, path: str, **headers: str
) -> tuple[int, Mapping[str, str], bytes]:
    """The answer as it is on the wire."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with service.client.session.get(
        service.client.make_url(path),
        headers={"Accept-Encoding": "identity"} | names,
        auto_decompress=False,
    ) as answer:
        return answer.status, answer.headers, await answer.read()


async def ended(service: Service, data: bytes) -> str:
    task_id = await service.upload(data, filename="plays.csv")
    await service.result(task_id)
    return task_id


@pytest.mark.parametrize("accept", [None, "application/x-ndjson", "Application/JSONL, */*;q=0.1"])
async def test_json_lines(service: Service, accept: str | None) -> None:
    task_id = await ended(service, DATA)
    status, headers, body = await (
        fetched(service, f"/result/{task_id}", Accept=accept)
        if accept
        else fetched(service, f"/result/{task_id}.jsonl")
    )
    assert (status, body) == (200, JSON_LINES)
    assert headers["Content-Type"] == "application/x-ndjson"
    assert headers["Content-Disposition"] == 'attachment; filename="plays-totals.jsonl"'
    assert headers["Vary"] == "Accept, Accept-Encoding"


@pytest.mark.parametrize(
    "accept",
    ["", "*/*", "text/html, */*;q=0.8", "application/json", "text/csv, application/x-ndjson",
     "application/x-ndjson;q=0", "text/csv;q=0.9, application/x-ndjson;q=0.8"],
)  # fmt: skip
async def test_csv_for_whoever_does_not_prefer_another(service: Service, accept: str) -> None:
    task_id = await ended(service, EXAMPLE)
    for path in (f"/result/{task_id}", f"/result/{task_id}.csv"):
        status, headers, body = await fetched(service, path, Accept=accept)
        assert (status, body) == (200, EXAMPLE_RESULT)
        assert headers["Content-Type"] == "text/csv; charset=utf-8"
        assert headers["Content-Disposition"] == 'attachment; filename="plays-totals.csv"'


async def test_a_suffix_wins_over_the_header(service: Service) -> None:
    task_id = await ended(service, EXAMPLE)
    path = f"/result/{task_id}.csv"
    assert (await fetched(service, path, Accept="application/x-ndjson"))[2] == EXAMPLE_RESULT


async def test_json_lines_of_many_pieces_packed(service: Service) -> None:
    rows = 60_000
    data = b"".join(b"Song number %d,2020-01-01,%d\n" % (i, i) for i in range(rows))
    task_id = await ended(service, HEADER + data)
    path = f"/result/{task_id}.jsonl"
    status, headers, body = await fetched(service, path, Accept_Encoding="gzip")
    assert (status, headers["Content-Encoding"]) == (200, "gzip")
    plays = [json.loads(line)["plays"] for line in gzip.decompress(body).splitlines()]
    assert plays == list(range(rows))


@pytest.mark.parametrize(
    "data", [EXAMPLE, HEADER + b"".join(b"%d,2020-01-01,1\n" % i for i in range(60_000))]
)
@pytest.mark.parametrize("coding", ["identity", "gzip", "zstd"])
async def test_a_packed_csv_stays_packed(service: Service, data: bytes, coding: str) -> None:
    task_id = await ended(service, data)
    _, _, plain = await fetched(service, f"/result/{task_id}.csv")
    path = f"/result/{task_id}.csv.gz"
    status, headers, body = await fetched(service, path, Accept_Encoding=coding, Range="bytes=0-9")
    assert (status, gzip.decompress(body)) == (200, plain)
    assert headers["Content-Type"] == "application/gzip"
    assert headers["Content-Disposition"] == 'attachment; filename="plays-totals.csv.gz"'
    assert "Content-Encoding" not in headers


async def test_json_lines_of_a_task_that_is_removed_break_off(service: Service, gate: Gate) -> None:
    gate.open()
    data = b"".join(b"Song number %d,2020-01-01,%d\n" % (i, i) for i in range(200_000))
    task_id = await ended(service, HEADER + data)
    gate.close()
    gate.let(1)
    async with service.client.get(f"/result/{task_id}.jsonl") as answer:
        assert answer.status == 200
        await gate.arrived.wait()
        async with service.client.delete(f"/tasks/{task_id}") as removed:
            assert removed.status == 204
        gate.open()
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
    await service.holds_no_tasks()


async def test_each_form_has_its_own_tag(service: Service) -> None:
    task_id = await ended(service, DATA)
    tags = set()
    for suffix in ("csv", "csv.gz", "jsonl", "parquet"):
        path = f"/result/{task_id}.{suffix}"
        _, headers, _ = await fetched(service, path)
        tags.add(headers["ETag"])
        status, _, body = await fetched(service, path, If_None_Match=headers["ETag"])
        assert (status, body) == (304, b""), suffix
    _, headers, _ = await fetched(service, f"/result/{task_id}.jsonl", Accept_Encoding="zstd")
    tags.add(headers["ETag"])
    assert len(tags) == 5


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "jsonl", "parquet"])
async def test_conditions_hold_for_each_form(service: Service, suffix: str) -> None:
    path = f"/result/{await ended(service, DATA)}.{suffix}"
    _, headers, whole = await fetched(service, path)
    tag, date = headers["ETag"], headers["Last-Modified"]
    long_ago = "Sat, 01 Jan 2000 00:00:00 GMT"
    for name, value, expected in (
        ("If_Match", tag, 200),
        ("If_Match", "*", 200),
        ("If_Match", '"other"', 412),
        ("If_Unmodified_Since", date, 200),
        ("If_Unmodified_Since", long_ago, 412),
        ("If_Modified_Since", date, 304),
        ("If_Modified_Since", long_ago, 200),
    ):
        status, _, body = await fetched(service, path, **{name: value})
        assert status == expected, (name, value)
        if expected == 200:
            assert body == whole
        elif expected == 304:
            assert body == b""
        else:
            message_of(body)


@pytest.mark.parametrize("accept", [None, "application/vnd.apache.parquet"])
async def test_parquet(service: Service, accept: str | None) -> None:
    task_id = await ended(service, DATA)
    suffix, headers = ("", {"Accept": accept}) if accept else (".parquet", {})
    status, answered, body = await fetched(service, f"/result/{task_id}{suffix}", **headers)
    assert status == 200
    assert answered["Content-Type"] == "application/vnd.apache.parquet"
    assert answered["Content-Disposition"] == 'attachment; filename="plays-totals.parquet"'
    table = parquet.read_table(io.BytesIO(body))
    assert {field.name: str(field.type) for field in table.schema} == {
        "song": "string",
        "date": "date32[day]",
        "plays": "int64",
    }
    assert table.to_pylist() == [row | {"date": dt.date.fromisoformat(row["date"])} for row in ROWS]
    await service.holds_only_ended_tasks()


async def test_parquet_of_totals_beyond_64_bits(service: Service) -> None:
    task_id = await ended(service, HEADER + b"a,2020-01-01,9223372036854775807\n" * 2)
    _, _, body = await fetched(service, f"/result/{task_id}.parquet")
    table = parquet.read_table(io.BytesIO(body))
    assert str(table.schema.field("plays").type) == "decimal128(38, 0)"
    assert int(table.to_pylist()[0]["plays"]) == 2 * (2**63 - 1)


async def test_parquet_of_the_longest_song(service: Service) -> None:
    song = b'"\n' * (255 << 10)  # with its quotes doubled the row is as long as an upload's may be
    rows = b'"%b",2020-01-01,1\n' % song.replace(b'"', b'""') + b"a,2020-01-01,1\n"
    task_id = await ended(service, HEADER + rows * 3)
    _, _, body = await fetched(service, f"/result/{task_id}.parquet")
    songs = [row["song"] for row in parquet.read_table(io.BytesIO(body)).to_pylist()]
    assert songs == [song.decode(), "a"]


async def test_parquet_cannot_hold_more_than_38_digits(service: Service) -> None:
    task_id = await ended(service, EXAMPLE)
    with (service.folder(task_id) / "result.csv").open("ab") as file:
        file.write(b"a,2020-01-01,%d\n" % 10**38)
    status, _, body = await fetched(service, f"/result/{task_id}.parquet")
    assert status == 406
    assert "38 digits" in message_of(body)
    await service.holds_only_ended_tasks()


async def test_what_takes_too_much_memory_says_so() -> None:
    with pytest.raises(ApiError, match="PLAYS_WORKER_MEMORY") as caught:
        async with reading():
            raise MemoryError
    assert caught.value.status == 503


async def test_parquet_without_rows(service: Service) -> None:
    task_id = await ended(service, HEADER)
    _, _, body = await fetched(service, f"/result/{task_id}.parquet")
    assert parquet.read_table(io.BytesIO(body)).num_rows == 0
    assert (await fetched(service, f"/result/{task_id}.jsonl"))[2] == b""


async def test_parquet_where_it_is_not_installed(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "find_spec", lambda _: None)
    task_id = await ended(service, EXAMPLE)
    status, _, body = await fetched(service, f"/result/{task_id}.parquet")
    assert status == 406
    assert "plays-service[parquet]" in message_of(body)


async def test_states_and_unknown_ids_are_told_in_every_form(service: Service, gate: Gate) -> None:
    task_id = await service.upload(EXAMPLE)
    for suffix in (".csv", ".jsonl", ".parquet"):
        _, _, body = await fetched(service, f"/result/{task_id}{suffix}")
        assert json.loads(body) == {"state": "PENDING", "message": "None"}
    for path in (f"/result/{task_id}.xlsx", f"/result/x{task_id}.csv", "/result/.csv"):
        status, _, body = await fetched(service, path)
        assert status == 404, path
        message_of(body)


async def test_an_answer_that_has_begun_is_broken_off_and_not_begun_again(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await ended(service, DATA)

    async def short_of_memory(*_: object) -> AsyncIterator[bytes]:
        yield JSON_LINES
        raise MemoryError

    monkeypatch.setattr(ResultReader, "json_lines", short_of_memory)
    target = f"/result/{task_id}.jsonl".encode()
    answer = await service.raw(request(method=b"GET", target=target))
    assert JSON_LINES in answer
    assert answer.count(b"HTTP/1.1") == 1
    assert b"message" not in answer
    assert not answer.endswith(b"0\r\n\r\n")  # no client takes it for whole
