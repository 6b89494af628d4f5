"""``/process_csv``: what it takes, what it answers, what it leaves on disk."""

from __future__ import annotations

import asyncio
import encodings
import errno
import json
import os
import re
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
import pytest

from plays_service.tasks import TaskStore
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER
from tests.integration.conftest import (
    MIB,
    Gate,
    Service,
    StartService,
    chunked,
    message_of,
    read_answer,
    request,
    split_answer,
    with_query,
)

UUID4: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
NO_FILE: Final = b'{"message": "No upload file sent"}'
CSV: Final = b"Content-Type: text/csv"
CHUNKED: Final = b"Transfer-Encoding: chunked"


def form(content: bytes, disposition: bytes = b'name="file"; filename="example.csv"') -> bytes:
    """A form of one part, with the boundary XX."""
    return (
        b"--XX\r\nContent-Disposition: form-data; " + disposition + b"\r\n"
        b"Content-Type: text/csv\r\n\r\n" + content + b"\r\n--XX--\r\n"
    )


FORM: Final = b"Content-Type: multipart/form-data; boundary=XX"


async def refused(service: Service, *pieces: bytes) -> tuple[int, str, dict[str, str]]:
    """Send a request that must be refused: as JSON, with nothing left on disk."""
    status, headers, body = split_answer(await service.raw(*pieces))
    assert headers["content-type"] == "application/json; charset=utf-8"
    await service.holds_no_tasks()
    assert await service.is_healthy()
    return status, message_of(body), headers


# The fixed routes


async def test_an_upload_answers_with_exactly_the_documented_bytes(service: Service) -> None:
    status, headers, body = split_answer(await service.raw(request(form(EXAMPLE), FORM)))
    assert status == 200
    match = re.fullmatch(rb'\{"task_id": "(' + UUID4.encode() + rb')"\}', body)
    assert match is not None
    assert headers["location"] == "/result/" + match[1].decode()
    assert headers["content-type"] == "application/json; charset=utf-8"


async def test_the_example_gives_exactly_the_documented_result(service: Service) -> None:
    task_id = await service.upload(EXAMPLE, filename="example.csv")
    target = f"/result/{task_id}?wait=60".encode()
    answer = await service.raw(request(method=b"GET", target=target))
    status, headers, body = split_answer(answer)
    assert (status, body) == (200, EXAMPLE_RESULT)
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"] == 'attachment; filename="example-totals.csv"'
    assert headers["content-length"] == str(len(EXAMPLE_RESULT))
    assert headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[^"]+"', headers["etag"])
    await service.holds_only_ended_tasks()


async def test_the_location_leads_to_the_result(service: Service) -> None:
    data = aiohttp.FormData()
    data.add_field("file", EXAMPLE, filename="example.csv")
    async with service.client.post("/process_csv", data=data) as answer:
        location = answer.headers["Location"]
    async with service.client.get(location, params={"wait": "60"}) as answer:
        assert await answer.read() == EXAMPLE_RESULT


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([], b"", id="no body"),
        pytest.param([CSV], b"", id="an empty CSV as the body"),
        pytest.param([CSV, CHUNKED], chunked(), id="an empty body in chunks"),
        pytest.param([FORM], b"", id="a form without a body"),
        pytest.param([FORM], b"--XX--\r\n", id="a form without parts"),
        pytest.param([FORM], form(EXAMPLE, b'name="data"; filename="a.csv"'), id="another field"),
        pytest.param([FORM], form(b"", b'name="file"; filename=""'), id="no file chosen"),
        pytest.param([FORM], form(EXAMPLE, b'filename="a.csv"'), id="a part without a name"),
    ],
)
async def test_no_file_is_answered_with_exactly_the_documented_bytes(
    service: Service, headers: list[bytes], body: bytes
) -> None:
    status, _, answer = split_answer(await service.raw(request(body, *headers)))
    assert (status, answer) == (400, NO_FILE)
    await service.holds_no_tasks()


async def test_text_in_the_field_is_no_file_and_the_message_says_so(service: Service) -> None:
    status, message, _ = await refused(service, request(form(EXAMPLE, b'name="file"'), FORM))
    assert status == 400
    assert message.startswith("No upload file sent")
    assert "--form 'file=@" in message


# Ways to send a file


async def test_other_fields_of_a_form_are_ignored(service: Service) -> None:
    data = aiohttp.FormData()
    data.add_field("comment", "before")
    data.add_field("other", b"not this\n", filename="other.csv")
    data.add_field("file", EXAMPLE, filename="example.csv")
    data.add_field("comment", "after")
    async with service.client.post("/process_csv", data=data) as answer:
        task_id = (await answer.json())["task_id"]
    assert await service.result(task_id) == EXAMPLE_RESULT


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_a_form_may_arrive_in_pieces_of_any_size(service: Service, size: int) -> None:
    body = form(EXAMPLE)
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    answer = await service.raw(request(chunked(*pieces), FORM, CHUNKED))
    status, _, text = split_answer(answer)
    assert status == 200, text
    assert await service.result(json.loads(text)["task_id"]) == EXAMPLE_RESULT


@pytest.mark.parametrize("method", [b"POST", b"PUT"])
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="no type"),
        pytest.param([CSV], id="text/csv"),
        pytest.param([b"Content-Type: Text/CSV; charset=UTF-8; header=present"], id="parameters"),
        pytest.param([b"Content-Type: text/plain"], id="text/plain"),
        pytest.param([b"Content-Type: application/octet-stream"], id="octet-stream"),
        pytest.param([CSV, b"Content-Encoding: identity"], id="identity"),
    ],
)
async def test_a_raw_body_is_taken_as_the_file(
    service: Service, method: bytes, headers: list[bytes]
) -> None:
    status, answer_headers, text = split_answer(
        await service.raw(request(EXAMPLE, *headers, method=method))
    )
    assert status == 200, text
    task_id = json.loads(text)["task_id"]
    assert answer_headers["location"] == f"/result/{task_id}"
    assert await service.result(task_id) == EXAMPLE_RESULT
    assert (await service.task(task_id))["filename"] == "upload.csv"
    await service.holds_only_ended_tasks()


async def test_the_name_of_a_raw_body_is_cleaned_as_that_of_a_form(service: Service) -> None:
    target = b"/process_csv?filename=..%2Fa%5Cb%0A%1B%5B31mc.csv"
    _, _, text = split_answer(await service.raw(request(EXAMPLE, CSV, target=target)))
    task = await service.task(json.loads(text)["task_id"])
    assert task["filename"] == "b\ufffd\ufffd[31mc.csv"


async def test_put_below_the_route_names_the_file_as_curl_does(service: Service) -> None:
    async with service.client.put("/process_csv/my%20plays.csv", data=EXAMPLE) as answer:
        task_id = (await answer.json())["task_id"]
    assert await service.result(task_id) == EXAMPLE_RESULT
    assert (await service.task(task_id))["filename"] == "my plays.csv"


async def test_a_client_that_waits_for_100_continue_gets_it(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    whole = request(EXAMPLE, CSV, b"Expect: 100-continue")
    writer.write(whole.removesuffix(EXAMPLE))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(EXAMPLE)
    status, _, body = split_answer(await reader.read())
    writer.close()
    assert status == 200
    assert await service.result(json.loads(body)["task_id"]) == EXAMPLE_RESULT


async def test_several_uploads_go_through_one_connection(service: Service) -> None:
    one = request(form(EXAMPLE), FORM).replace(b"Connection: close\r\n", b"")
    answer = await service.raw(one, one, request(form(EXAMPLE), FORM))
    ids = re.findall(rb'"task_id": "([^"]+)"', answer)
    assert len(set(ids)) == 3
    for task_id in ids:
        assert await service.result(task_id.decode()) == EXAMPLE_RESULT


# Options


async def test_an_encoding_can_be_named(service: Service) -> None:
    text = "Song,Date,Number of Plays\nDéjà Vu,2020-01-01,1\n"
    task_id = await service.upload(text.encode("cp1252"), params={"encoding": "cp1252"})
    expected = "Song,Date,Total Number of Plays for Date\nDéjà Vu,2020-01-01,1\n"
    assert await service.result(task_id) == expected.encode()
    assert (await service.task(task_id))["encoding"] == "cp1252"


async def test_utf_16_needs_no_option(service: Service) -> None:
    task_id = await service.upload(EXAMPLE.decode().encode("utf-16"))
    assert await service.result(task_id) == EXAMPLE_RESULT
    assert (await service.task(task_id))["bytes"] == len(EXAMPLE) * 2 + 2


async def test_bad_records_can_be_skipped(service: Service) -> None:
    data = EXAMPLE + b"Umbrella,2020-01-01,many\n"
    task_id = await service.upload(data, params={"on_error": "skip"})
    assert await service.result(task_id) == EXAMPLE_RESULT


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"on_error": "ignore"}, "on_error must be fail or skip"),
        ({"on_error": ""}, "on_error must be fail or skip"),
        ({"encoding": "klingon"}, "klingon"),
        ({"encoding": ""}, "unknown encoding"),
        ({"encoding": "base64"}, "unknown encoding"),
        ({"encoding": "undefined"}, "unknown encoding"),
        ({"encoding": "../../etc/passwd"}, "unknown encoding"),
        ({"encoding": "\0"}, "unknown encoding"),
        ({"encoding": "x" * 4000}, "unknown encoding"),
    ],
)
async def test_an_option_that_makes_no_sense_is_answered_400(
    service: Service, params: dict[str, str], expected: str
) -> None:
    target = with_query("/process_csv", **params).encode()
    status, message, _ = await refused(service, request(EXAMPLE, CSV, target=target))
    assert status == 400
    assert expected in message
    assert len(message) < 300


async def test_unknown_encodings_leave_nothing_in_memory(service: Service) -> None:
    known = len(vars(encodings)["_cache"])
    for number in range(20):
        async with service.client.post(
            "/process_csv", params={"encoding": f"no-such-{number}"}, data=EXAMPLE
        ) as answer:
            assert answer.status == 400
    assert len(vars(encodings)["_cache"]) < known + 20


# File names


async def disposition_of(service: Service, task_id: str) -> str:
    async with service.client.get(f"/result/{task_id}", params={"wait": "60"}) as answer:
        assert answer.status == 200
        return answer.headers["Content-Disposition"]


@pytest.mark.parametrize(
    ("filename", "known_as", "download"),
    [
        (b"plays.csv", "plays.csv", "plays-totals.csv"),
        (b"plays", "plays", "plays-totals.csv"),
        (b"a.b.csv", "a.b.csv", "a.b-totals.csv"),
        (b"/etc/passwd", "passwd", "passwd-totals.csv"),
        (b"../../../up.csv", "up.csv", "up-totals.csv"),
        (rb"C:\plays\x.csv", "x.csv", "x-totals.csv"),
        (b"a%22b.csv", 'a"b.csv', 'a"b-totals.csv'),
        (rb"a\"b.csv", 'a"b.csv', 'a"b-totals.csv'),
        ("été 東京.csv".encode(), "été 東京.csv", "été 東京-totals.csv"),
        (b"..", "..", "..-totals.csv"),
        (b"caf\xe9.csv", "caf\ufffd.csv", "caf\ufffd-totals.csv"),
        (b"a;b, c.csv", "a;b, c.csv", "a;b, c-totals.csv"),
        (b"\xf0\x9f\x8e\xb5.csv", "🎵.csv", "🎵-totals.csv"),
    ],
)
async def test_the_download_is_named_after_the_upload(
    service: Service, filename: bytes, known_as: str, download: str
) -> None:
    body = form(EXAMPLE, b'name="file"; filename="' + filename + b'"')
    _, _, text = split_answer(await service.raw(request(body, FORM)))
    task_id = json.loads(text)["task_id"]
    header = await disposition_of(service, task_id)
    assert header.isascii()
    plain = re.match(r'attachment; filename="([ -!#-\[\]-~]*)"', header)
    assert plain is not None
    extended = re.search(r"; filename\*=UTF-8''([!#-~]*)\Z", header)
    assert (unquote(extended[1], errors="strict") if extended else plain[1]) == download
    assert (await service.task(task_id))["filename"] == known_as
    assert [path.name for path in (service.data_dir / "tasks").iterdir()] == [task_id]


@pytest.mark.parametrize("name", ["..%2F..%2Fup.csv", "%00%0D%0AX-Evil:%201.csv", "%FF%FE.csv"])
async def test_a_hostile_name_in_the_path_does_no_harm(service: Service, name: str) -> None:
    raw = request(EXAMPLE, method=b"PUT", target=f"/process_csv/{name}".encode())
    status, _, text = split_answer(await service.raw(raw))
    if status != 200:  # no such address
        assert (status, message_of(text) != "") == (404, True)
        return
    task_id = json.loads(text)["task_id"]
    _, headers, body = split_answer(
        await service.raw(request(method=b"GET", target=f"/result/{task_id}?wait=60".encode()))
    )
    assert body == EXAMPLE_RESULT
    assert "x-evil" not in headers
    assert headers["content-disposition"].isprintable()


@pytest.mark.parametrize("character", ["a", "é", "🎵"])
async def test_the_longest_file_name_still_gives_headers_that_clients_take(
    service: Service, character: str
) -> None:
    name = character * (8000 // len(character.encode())) + ".csv"
    body = form(EXAMPLE, b'name="file"; filename="' + name.encode() + b'"')
    _, _, text = split_answer(await service.raw(request(body, FORM)))
    task_id = json.loads(text)["task_id"]
    assert await service.result(task_id) == EXAMPLE_RESULT


# Refusals


async def test_a_file_that_announces_too_many_bytes_is_refused_unread(
    start_service: StartService,
) -> None:
    service = await start_service(max_upload_size=MIB)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(b"", CSV, length=1 << 40))
    head = await reader.readuntil(b"\r\n\r\n")  # before any of the body is sent
    writer.close()
    assert head.startswith(b"HTTP/1.1 413 ")
    await service.holds_no_tasks()


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        pytest.param([CSV, CHUNKED], chunked(b"x" * 60_000, b"x" * 60_000), id="in chunks"),
        pytest.param([CSV], b"x" * 100_001, id="a little more, by its length"),
        pytest.param([FORM], form(b"x" * 100_001), id="in a form"),
        pytest.param([FORM, CHUNKED], chunked(form(b"x" * 200_000)), id="in a form, in chunks"),
    ],
)
async def test_a_file_with_too_many_bytes_is_answered_413(
    start_service: StartService, headers: list[bytes], body: bytes
) -> None:
    service = await start_service(max_upload_size=100_000)
    status, message, _ = await refused(service, request(body, *headers))
    assert status == 413
    assert "100000 bytes" in message


async def test_a_file_of_exactly_the_largest_size_is_taken(start_service: StartService) -> None:
    service = await start_service(max_upload_size=len(EXAMPLE))
    task_id = await service.upload(EXAMPLE)
    assert await service.result(task_id) == EXAMPLE_RESULT


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ([b"Content-Type: application/x-www-form-urlencoded"], b"file=a", "curl"),
        ([b"Content-Type: application/json"], b"{}", "curl"),
        ([b"Content-Type: multipart/mixed; boundary=XX"], form(EXAMPLE), "curl"),
        ([b"Content-Type: text/html"], b"<html>", "curl"),
        ([FORM, b"Content-Encoding: br"], form(EXAMPLE), "gzip and zstd"),
        ([CSV, b"Content-Encoding: gzip, zstd"], EXAMPLE, "gzip and zstd"),
        ([CSV], b"PK\x03\x04" + b"\0" * 20, "save it as CSV"),
        ([FORM], form(b"PK\x03\x04" + b"\0" * 20), "save it as CSV"),
    ],
)
async def test_what_is_no_csv_is_answered_415_with_what_to_do(
    service: Service, headers: list[bytes], body: bytes, expected: str
) -> None:
    status, message, _ = await refused(service, request(body, *headers))
    assert status == 415
    assert expected in message


@pytest.mark.parametrize(
    ("magic", "expected"),
    [(b"\x1f\x8b\x08", 400), (b"\x28\xb5\x2f\xfd", 400), (b"PK\x03\x04", 415)],
)
@pytest.mark.parametrize("in_form", [False, True])
async def test_what_is_no_csv_is_known_however_it_arrives(
    service: Service, monkeypatch: pytest.MonkeyPatch, magic: bytes, expected: int, in_form: bool
) -> None:
    async def read_one_byte(self: aiohttp.StreamReader) -> bytes:
        return await self.read(1)

    monkeypatch.setattr(aiohttp.StreamReader, "readany", read_one_byte)
    whole = request(form(magic + b"xy"), FORM) if in_form else request(magic + b"xy", CSV)
    status, _, _ = await refused(service, whole)
    assert status == expected


@pytest.mark.parametrize("host", [b"a b:c", b"", b"[", b"x:99999999", b"\x7f"])
async def test_a_bad_host_header_is_no_error_of_the_service(service: Service, host: bytes) -> None:
    whole = request(b"{}", b"Content-Type: application/json")
    answer = await service.raw(whole.replace(b"Host: localhost", b"Host: " + host))
    status, _, body = split_answer(answer)
    assert status in (400, 415)
    assert message_of(body)


async def test_a_full_queue_is_answered_503_and_later_there_is_room(
    start_service: StartService, gate: Gate
) -> None:
    service = await start_service(max_queued_tasks=2)
    first, second = await service.upload(EXAMPLE), await service.upload(EXAMPLE)
    status, headers, body = split_answer(await service.raw(request(form(EXAMPLE), FORM)))
    assert status == 503
    assert int(headers["retry-after"]) > 0
    assert "try again" in message_of(body)
    async with service.client.get("/ready") as answer:
        assert answer.status == 503
        assert "Retry-After" in answer.headers
    assert await service.is_healthy()
    gate.open()
    assert await service.result(first) == await service.result(second) == EXAMPLE_RESULT
    async with service.client.get("/ready") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ready"})
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT
    await service.holds_only_ended_tasks()


@pytest.mark.parametrize(
    ("headers", "start"),
    [
        pytest.param([CSV], b"", id="nothing"),
        pytest.param([CSV], EXAMPLE[:40], id="half a file"),
        pytest.param([FORM], form(EXAMPLE)[:30], id="half a part's headers"),
        pytest.param([FORM], form(EXAMPLE)[:-10], id="half a form"),
        pytest.param([CSV, CHUNKED], b"5\r\nSong,\r\n", id="half the chunks"),
        pytest.param([CSV, CHUNKED], b"5\r\nSo", id="half a chunk"),
    ],
)
async def test_an_upload_that_stalls_is_answered_408(
    start_service: StartService, headers: list[bytes], start: bytes
) -> None:
    service = await start_service(upload_timeout=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(start, *headers, length=1000))
    status, answer_headers, body = split_answer(await read_answer(reader))
    assert status == 408
    assert answer_headers["connection"] == "close"
    assert "send the file again" in message_of(body)
    writer.close()
    await service.holds_no_tasks()
    assert await service.is_healthy()


@pytest.mark.parametrize(
    "path", ["/nothing", "/process_csv/", "/result/", "/tasks", "/process_csv/a/b", "//health"]
)
async def test_an_unknown_address_is_answered_404(service: Service, path: str) -> None:
    status, message, _ = await refused(service, request(target=path.encode()))
    assert status == 404
    assert "POST /process_csv" in message


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/process_csv", "POST, PUT"),
        ("DELETE", "/process_csv", "POST, PUT"),
        ("OPTIONS", "/process_csv", "POST, PUT"),
        ("POST", "/process_csv/x.csv", "PUT"),
        ("POST", "/result/x", "GET, HEAD"),
        ("PUT", "/tasks/x", "DELETE, GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
        ("PATCH", "/ready", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_answered_405_with_the_right_ones(
    service: Service, method: str, path: str, allowed: str
) -> None:
    status, message, headers = await refused(
        service, request(method=method.encode(), target=path.encode())
    )
    assert status == 405
    assert headers["allow"] == allowed
    assert method in message
    assert allowed in message


async def test_an_expectation_that_nobody_knows_is_answered_417(service: Service) -> None:
    status, message, _ = await refused(service, request(EXAMPLE, CSV, b"Expect: 200-maybe"))
    assert status == 417
    assert message == "Expect: 200-maybe is not understood; only 100-continue is"


async def test_a_full_disk_is_answered_507(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for method in ("begin", "accept"):
        with monkeypatch.context() as patch:
            patch.setattr(TaskStore, method, full)
            status, message, _ = await refused(service, request(form(EXAMPLE), FORM))
            assert status == 507
            assert "disk is full" in message
    assert await service.result(await service.upload(EXAMPLE)) == EXAMPLE_RESULT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
async def test_a_file_that_cannot_be_made_leaves_no_folder(
    service: Service, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    really_open = os.open

    def fail(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("input.csv"):
            raise OSError(number, os.strerror(number))
        return really_open(path, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", fail)
        status, message, _ = await refused(service, request(EXAMPLE + FILLER, CSV))
    assert status == 507
    assert "disk" in message
    await service.holds_no_tasks()


async def test_after_a_refusal_the_connection_closes(start_service: StartService) -> None:
    service = await start_service(max_upload_size=1000)
    whole = request(chunked(b"x" * 2000), CSV, CHUNKED).replace(b"Connection: close\r\n", b"")
    status, headers, _ = split_answer(await service.raw(whole))  # returns when it is closed
    assert status == 413
    assert headers["connection"] == "close"
