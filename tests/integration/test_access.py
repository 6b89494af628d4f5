"""API tokens: who gets in, and to which tasks."""

from __future__ import annotations

import asyncio
import json
import shutil
from hashlib import sha256
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import (
    MIB,
    Service,
    StartService,
    chunked,
    message_of,
    read_answer,
    request,
    split_answer,
)

ANN: Final = {"Authorization": "Bearer token-of-ann"}
ANN_TOO: Final = {"Authorization": "bearer   other-token-of-ann"}
BOB: Final = {"Authorization": "Bearer token-of-bob"}
AS_ANN: Final = b"Authorization: Bearer token-of-ann"
CSV: Final = b"Content-Type: text/csv"


def lines(**tokens: str) -> str:
    return "".join(
        f"{name.split('_')[0]} {sha256(token.encode()).hexdigest()}\n"
        for name, token in tokens.items()
    )


@pytest.fixture
def tokens_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(lines(ann="token-of-ann", ann_too="other-token-of-ann", bob="token-of-bob"))
    return path


@pytest.fixture
async def service(start_service: StartService, tokens_file: Path) -> Service:
    """An application that asks for tokens."""
    return await start_service(tokens_file=tokens_file)


async def upload(service: Service, headers: dict[str, str]) -> str:
    async with service.client.put("/process_csv", data=EXAMPLE, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        task_id: str = (await answer.json())["task_id"]
        return task_id


async def status_of(
    service: Service, path: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> int:
    async with service.client.request(method, path, headers=headers) as answer:
        if answer.status >= 400 and method != "HEAD":
            assert message_of(await answer.read())
        return answer.status


# Without a token


async def test_nothing_else_is_open(service: Service) -> None:
    task_id = await upload(service, ANN)
    for method, path in (
        ("POST", "/process_csv"),
        ("PUT", "/process_csv/plays.csv"),
        ("GET", f"/result/{task_id}"),
        ("HEAD", f"/result/{task_id}"),
        ("GET", f"/tasks/{task_id}"),
        ("GET", f"/tasks/{task_id}/events"),
        ("DELETE", f"/tasks/{task_id}"),
        ("GET", "/metrics"),
        ("POST", "/session"),
        ("GET", "/nothing"),
        ("POST", "/health"),
        ("GET", "/health/../metrics"),
        ("GET", "//health"),
        ("GET", "/docs/%2e%2e/metrics"),
    ):
        answer = await service.raw(request(method=method.encode(), target=path.encode()))
        status, headers, body = split_answer(answer)
        assert status == 401, path
        assert headers["www-authenticate"] == "Bearer"
        if method != "HEAD":
            assert "Authorization: Bearer" in message_of(body)
    assert await service_result(service, task_id) == EXAMPLE_RESULT


async def service_result(service: Service, task_id: str) -> bytes:
    path = f"/result/{task_id}?wait=30"
    async with service.client.get(path, headers=ANN) as answer:
        return await answer.read()


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_whoever_watches_needs_no_token(service: Service, path: str) -> None:
    assert await status_of(service, path) == 200


async def test_a_wrong_token_is_none(service: Service) -> None:
    for header in (
        b"Authorization: Bearer token-of-eve",
        b"Authorization: Bearer",
        b"Authorization: Bearer ",
        b"Authorization: token-of-ann",
        b"Authorization: Basic dG9rZW4tb2YtYW5u",
        b"Authorization: Bearer token-of-ann, Bearer token-of-bob",
        b"Authorization: Bearer \xff\xfe\x80",
        b"Authorization: Bearer " + b"x" * 8000,
        b"Authorization: Bearer " + sha256(b"token-of-ann").hexdigest().encode(),
        b"Cookie: plays_token=token-of-eve",
        b"Cookie: plays_token",
        b'Cookie: plays_token="\\377\\000"',
        b"Cookie: plays_token=token-of-ann\r\nAuthorization: Bearer token-of-eve",
        b"Cookie: plays_token=token-of-ann\r\nSec-Fetch-Site: cross-site",
        b"Cookie: plays_token=token-of-ann\r\nSec-Fetch-Site: same-site",
    ):
        status, headers, body = split_answer(await service.raw(request(EXAMPLE, CSV, header)))
        assert status == 401, header
        assert headers["www-authenticate"] == "Bearer"
        assert "token-of" not in message_of(body)
    await service.holds_no_tasks()


async def test_a_token_in_the_query_is_none(service: Service) -> None:
    for name in ("token", "access_token", "plays_token"):
        assert await status_of(service, f"/metrics?{name}=token-of-ann") == 401


# Uploads that are refused


@pytest.mark.parametrize("size", [100, 64 * MIB])
@pytest.mark.parametrize("in_chunks", [False, True])
async def test_a_refused_upload_gets_its_answer_and_leaves_nothing(
    service: Service, size: int, in_chunks: bool
) -> None:
    piece = b"x" * min(size, MIB)
    if in_chunks:
        pieces = [chunked(piece).removesuffix(b"0\r\n\r\n")] * (size // len(piece)) + [chunked()]
        head = request(b"", CSV, b"Transfer-Encoding: chunked")
    else:
        pieces = [piece] * (size // len(piece))
        head = request(b"", CSV, length=size)
    answer = await service.raw(head, *pieces)  # all of it is sent before anything is read
    status, headers, body = split_answer(answer)
    assert (status, headers["connection"]) == (401, "close")
    assert message_of(body)
    await service.holds_no_tasks()


async def test_an_upload_is_refused_before_its_body(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(b"", CSV, length=1 << 40))
    status, _, _ = split_answer(await read_answer(reader))
    writer.close()
    assert status == 401


async def test_a_client_that_waits_for_it_is_not_told_to_send(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    expect = b"Expect: 100-continue"
    writer.write(request(b"", CSV, expect, length=len(EXAMPLE)))
    status, _, _ = split_answer(await read_answer(reader))  # the first that comes
    writer.close()
    assert status == 401

    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(request(b"", CSV, expect, AS_ANN, length=len(EXAMPLE)))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(EXAMPLE)
    status, _, _ = split_answer(await read_answer(reader))
    writer.close()
    assert status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("expect", ["Expect: 100-continue", "Expect:"])
async def test_curl_sees_why_its_upload_is_refused(
    service: Service, tmp_path: Path, expect: str
) -> None:
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(64 * MIB)
    process = await asyncio.create_subprocess_exec(
        "curl", "--silent", "--show-error", "--write-out", "%{http_code}", "--header", expect,
        "--upload-file", str(tmp_path / "large.csv"),
        f"http://127.0.0.1:{service.port}/process_csv",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    stdout, stderr = await process.communicate()
    assert (process.returncode, stderr) == (0, b"")
    assert stdout.endswith(b"}401")
    await service.holds_no_tasks()


# With a token


async def test_a_task_is_its_owners_alone(service: Service) -> None:
    task_id = await upload(service, ANN)
    assert await service_result(service, task_id) == EXAMPLE_RESULT
    for path in (f"/result/{task_id}", f"/tasks/{task_id}", f"/tasks/{task_id}/events"):
        assert await status_of(service, path, ANN) == 200
        assert await status_of(service, path, ANN_TOO) == 200  # the same owner
        assert await status_of(service, path, BOB) == 404
    assert await status_of(service, f"/tasks/{task_id}", BOB, "DELETE") == 404
    assert await status_of(service, f"/tasks/{task_id}", ANN, "DELETE") == 204


async def test_somebody_elses_task_looks_like_none(service: Service) -> None:
    task_id = await upload(service, ANN)
    answers = []
    for one in (task_id, str(uuid4())):
        async with service.client.get(f"/tasks/{one}", headers=BOB) as answer:
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name not in ("X-Request-ID", "Date")
            }
            answers.append((answer.status, headers, await answer.read()))
    assert answers[0] == answers[1]


async def test_the_owner_survives_a_restart_and_is_shown_to_nobody(
    start_service: StartService, service: Service, tokens_file: Path
) -> None:
    task_id = await upload(service, ANN)
    await service_result(service, task_id)
    async with service.client.get(f"/tasks/{task_id}", headers=ANN) as answer:
        assert "owner" not in await answer.json()
    await service.stop()
    service = await start_service(tokens_file=tokens_file)
    assert await status_of(service, f"/result/{task_id}", ANN) == 200
    assert await status_of(service, f"/result/{task_id}", BOB) == 404


async def test_a_token_is_rotated_without_a_restart(service: Service, tokens_file: Path) -> None:
    task_id = await upload(service, ANN)
    path = f"/tasks/{task_id}"
    tokens_file.write_text(lines(ann="token-of-ann", ann_new="new"))
    new = {"Authorization": "Bearer new"}
    assert await status_of(service, path, ANN) == await status_of(service, path, new) == 200
    tokens_file.write_text(lines(ann="new"))
    assert await status_of(service, path, ANN) == 401
    assert await status_of(service, path, new) == 200


async def test_tasks_from_before_there_were_tokens_are_nobodys(
    start_service: StartService, tokens_file: Path
) -> None:
    service = await start_service()
    task_id = await service.upload(EXAMPLE)
    assert await service.result(task_id) == EXAMPLE_RESULT
    await service.stop()
    stored = service.folder(task_id) / "task.json"
    fields = json.loads(stored.read_text())
    del fields["owner"]  # as versions without tokens have written it
    stored.write_text(json.dumps(fields))

    service = await start_service(tokens_file=tokens_file)
    assert await status_of(service, f"/tasks/{task_id}", ANN) == 404
    owned = await upload(service, ANN)
    assert await service_result(service, owned) == EXAMPLE_RESULT
    await service.stop()

    service = await start_service()  # without tokens an id is all that it takes, as ever
    for one in (task_id, owned):
        assert await service.result(one) == EXAMPLE_RESULT


# Browsers


async def session_cookie(service: Service, headers: dict[str, str]) -> SimpleCookie:
    async with service.client.post("/session", headers=headers) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        return SimpleCookie(answer.headers["Set-Cookie"])


async def test_a_session_is_a_cookie_out_of_reach_of_scripts(service: Service) -> None:
    cookie = (await session_cookie(service, ANN))["plays_token"]
    assert cookie.value == "token-of-ann"
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert not cookie["secure"]  # the test speaks plain HTTP
    proxied = await session_cookie(service, {**ANN, "X-Forwarded-Proto": "https"})
    assert proxied["plays_token"]["secure"] is True


@pytest.mark.parametrize(
    "site", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
async def test_the_cookie_lets_its_owner_in(service: Service, site: dict[str, str]) -> None:
    cookie = {"Cookie": "theme=dark; plays_token=token-of-ann", **site}
    task_id = await upload(service, cookie)
    assert await status_of(service, f"/tasks/{task_id}", ANN) == 200
    assert await status_of(service, f"/tasks/{task_id}", cookie) == 200
    assert await status_of(service, f"/tasks/{task_id}", {"Cookie": "plays_token=x"}) == 401


@pytest.mark.parametrize("headers", [{}, ANN, {"Cookie": "plays_token=no-longer-good"}])
async def test_a_session_ends_whatever_its_token_is_worth(
    service: Service, headers: dict[str, str]
) -> None:
    async with service.client.delete("/session", headers=headers) as answer:
        assert answer.status == 204
        cookie = SimpleCookie(answer.headers["Set-Cookie"])["plays_token"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", "0", "/")


async def test_where_no_tokens_are_asked_for_a_session_is_nothing(
    start_service: StartService,
) -> None:
    service = await start_service()
    async with service.client.post("/session", headers=ANN) as answer:
        assert answer.status == 204
        assert "Set-Cookie" not in answer.headers
    task_id = await upload(service, ANN)
    assert await status_of(service, f"/tasks/{task_id}") == 200


async def test_what_needs_a_token_is_kept_by_no_cache(service: Service) -> None:
    task_id = await upload(service, ANN)
    for path, expected in (
        (f"/result/{task_id}?wait=30", "private, no-cache"),
        (f"/tasks/{task_id}", "private, no-cache"),
        ("/health", None),
    ):
        async with service.client.get(path, headers=ANN) as answer:
            assert answer.headers.get("Cache-Control") == expected
