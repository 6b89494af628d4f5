"""Headers that every answer has: the browser's orders, and the request's id."""

from __future__ import annotations

import re
from typing import Final

import pytest

from plays_service.tasks import TaskStore
from tests.conftest import EXAMPLE, FILLER
from tests.integration.conftest import Service, message_of, request, split_answer

CSV: Final = b"Content-Type: text/csv"
SECURITY: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "server": "plays_service",
}


async def ask(service: Service, *pieces: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send a request; its answer must have what every answer has."""
    status, headers, body = split_answer(await service.raw(*pieces))
    assert {name: headers.get(name) for name in SECURITY} == SECURITY
    assert "strict-transport-security" not in headers  # this is plain HTTP
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", headers["x-request-id"])
    return status, headers, body


def get(target: str, *headers: bytes) -> bytes:
    return request(b"", *headers, method=b"GET", target=target.encode())


async def test_answers_of_every_kind_have_them(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await service.upload(EXAMPLE)
    await service.result(task_id)
    song = b"x" * 100_000
    large = await service.upload(b"Song,Date,Number of Plays\n%b,2020-01-01,1\n" % song)
    await service.result(large)
    for expected, raw in (
        (200, get("/health")),
        (200, get(f"/result/{task_id}")),
        (200, get(f"/result/{large}")),
        (200, get(f"/result/{large}", b"Accept-Encoding: zstd")),
        (206, get(f"/result/{large}", b"Range: bytes=0-9")),
        (304, get(f"/result/{task_id}", b"If-None-Match: *")),
        (200, get(f"/tasks/{task_id}/events")),
        (200, get("/metrics")),
        (204, request(method=b"POST", target=b"/session")),
        (400, request(b"", CSV)),
        (404, get("/nothing")),
        (404, get("/result/x")),
        (405, get("/process_csv")),
        (400, b"\x16\x03\x01\x02\x00\r\n\r\n"),  # as TLS begins
        (400, b"GARBAGE\r\n\r\n"),
        (400, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"),
        (400, get("/health").replace(b"localhost", b"x\x00y")),
        (417, request(EXAMPLE, CSV, b"Expect: 200-maybe")),
        (417, get("/health", b"Expect: 200-maybe")),
        (417, get("/nothing", b"Expect: 200-maybe")),
        (417, request(b"", b"Expect: 200-maybe", method=b"PATCH", target=b"/result/x")),
        (415, request(EXAMPLE, b"Content-Type: text/html")),
    ):
        status, _, body = await ask(service, raw)
        assert status == expected, raw
        if status >= 400:
            message_of(body)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(TaskStore, "accept_bytes", broken)
    status, _, body = await ask(service, request(EXAMPLE, CSV))
    assert status == 500
    assert "bug" not in message_of(body)


@pytest.mark.parametrize("sent", ["abc", "A.b_c-9", "x" * 64])
async def test_a_request_keeps_its_id(service: Service, sent: str) -> None:
    _, headers, _ = await ask(service, get("/health", b"X-Request-ID: " + sent.encode()))
    assert headers["x-request-id"] == sent
    _, headers, _ = await ask(service, get("/nothing", b"X-Request-ID: " + sent.encode()))
    assert headers["x-request-id"] == sent


@pytest.mark.parametrize(
    "sent", [b"", b"a b", b"x" * 65, b"\xc3\xa9", b"a\tb", b"<script>", b"a;b"]
)
async def test_an_id_that_could_do_harm_is_replaced(service: Service, sent: bytes) -> None:
    _, headers, _ = await ask(service, get("/health", b"X-Request-ID: " + sent))
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


async def test_each_request_of_a_connection_has_its_own_id(service: Service) -> None:
    keep = get("/health").replace(b"Connection: close\r\n", b"")
    text = (await service.raw(keep + keep + get("/health"))).decode()
    assert len(set(re.findall(r"X-Request-ID: (\w+)", text))) == 3


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "|"])
async def test_a_song_that_a_spreadsheet_would_run_comes_back_verbatim(
    service: Service, start: str
) -> None:
    song = f"""{start}cmd|' /C calc'!A0"""
    task_id = await service.upload(f"Song,Date,Number of Plays\n{song},2020-01-01,1\n".encode())
    await service.result(task_id)
    _, headers, body = await ask(service, get(f"/result/{task_id}"))
    assert body.decode() == f"Song,Date,Total Number of Plays for Date\n{song},2020-01-01,1\n"
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert headers["content-disposition"].startswith("attachment; ")


async def test_a_huge_upload_that_is_refused_has_them(service: Service) -> None:
    status, _, _ = await ask(service, request(b"PK\x03\x04" + FILLER, CSV))
    assert status == 415
