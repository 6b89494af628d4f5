"""The Python client against services that fail it: what it repeats, and what it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from plays_service.client import (
    AccessDeniedError,
    AnswerError,
    Client,
    PlaysError,
    ServiceUnavailableError,
    UploadRefusedError,
)
from tests.conftest import EXAMPLE

TASK_ID: Final = "7d3c1b2e-1111-4111-8111-111111111111"
RESULT: Final = b"Song,Date,Total Number of Plays for Date\n" + b"a,2020-01-01,1\n" * 300_000
TAG: Final = '"tag"'
CSV: Final = {"Content-Type": "text/csv; charset=utf-8", "ETag": TAG}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[..., Awaitable[str]]


class Script:
    """A service whose answers are written down beforehand; the last one goes on."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return await answer(request)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[TestServer] = []

    async def start(script: Script) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.handle)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return str(servers[-1].make_url("/"))

    yield start
    for server in servers:
        await server.close()


def status(code: int, body: str = '{"message": "not now"}', **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        return web.Response(status=code, text=body, headers=headers)

    return answer


async def accept(request: web.Request) -> web.StreamResponse:
    assert await request.read() == EXAMPLE
    return web.json_response({"task_id": TASK_ID})


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Take all of the request, and close without an answer."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang_up_early(request: web.Request) -> web.StreamResponse:
    """Close after the first bytes of a body."""
    await request.content.readany()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def pieces() -> AsyncIterator[bytes]:
    yield EXAMPLE[:9]
    yield EXAMPLE[9:]


def part(size: int, code: int = 200, **headers: str) -> Answer:
    """Some of the result, after which the connection breaks; from where the range begins."""

    async def answer(request: web.Request) -> web.StreamResponse:
        start = request.http_range.start or 0 if code == 206 else 0
        response = web.StreamResponse(status=code, headers=CSV | headers)
        response.content_length = len(RESULT) - start
        if code == 206:
            about = f"bytes {start}-{len(RESULT) - 1}/{len(RESULT)}"
            response.headers["Content-Range"] = about
        await response.prepare(request)
        await response.write(RESULT[start : start + size])
        if start + size < len(RESULT):
            await asyncio.sleep(0.01)
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


# Uploads


@pytest.mark.parametrize("code", [429, 503, 507])
async def test_a_refusal_for_now_is_repeated(start: Start, tmp_path: Path, code: int) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(EXAMPLE)
    for content in (EXAMPLE, path):
        script = Script(status(code), status(code), accept)
        async with Client(await start(script)) as client:
            assert await client.submit(content) == TASK_ID
        assert len(script.requests) == 3


async def test_retry_after_is_honoured(start: Start) -> None:
    script = Script(status(503, **{"Retry-After": "1"}), accept)
    began = asyncio.get_running_loop().time()
    async with Client(await start(script)) as client:
        assert await client.submit(EXAMPLE) == TASK_ID
    assert asyncio.get_running_loop().time() - began >= 1  # not less: it was asked for
    script = Script(status(503, **{"Retry-After": "3600"}))
    async with Client(await start(script)) as client:
        with pytest.raises(ServiceUnavailableError, match="not now"):
            await client.submit(EXAMPLE)
    assert len(script.requests) == 1


async def test_what_comes_only_once_is_sent_only_once(start: Start) -> None:
    script = Script(status(503), accept)
    async with Client(await start(script)) as client:
        with pytest.raises(ServiceUnavailableError, match="send the file again"):
            await client.submit(pieces())
    assert len(script.requests) == 1


async def test_an_upload_that_broke_off_is_repeated(start: Start) -> None:
    large = EXAMPLE + b"\n" * (64 << 20)
    taken: list[int] = []

    async def take(request: web.Request) -> web.StreamResponse:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        taken.append(size)
        return web.json_response({"task_id": TASK_ID})

    script = Script(hang_up_early, take)
    async with Client(await start(script)) as client:
        assert await client.submit(large) == TASK_ID
    assert taken == [len(large)]


@pytest.mark.parametrize("answer", [hang_up, status(502, "<html>"), status(504, "")])
async def test_what_may_have_made_a_task_is_not_repeated(start: Start, answer: Answer) -> None:
    script = Script(answer, accept)
    async with Client(await start(script)) as client:
        with pytest.raises(ServiceUnavailableError, match="there may be a task"):
            await client.submit(EXAMPLE)
    assert len(script.requests) == 1


async def test_other_refusals_are_told_at_once(start: Start) -> None:
    moved = status(308, Location="https://elsewhere/process_csv")
    for answer, kind, text in (
        (status(400), UploadRefusedError, "not now"),
        (status(404, "<html>"), UploadRefusedError, "answers 404 Not Found"),
        (status(500, "[]"), UploadRefusedError, "answers 500"),
        (status(401, '{"message": "who?"}'), AccessDeniedError, "who"),
        (moved, PlaysError, "elsewhere"),
    ):
        script = Script(answer, accept)
        async with Client(await start(script)) as client:
            with pytest.raises(kind, match=text):
                await client.submit(EXAMPLE)
        assert len(script.requests) == 1


async def test_the_token_is_sent(start: Start) -> None:
    script = Script(accept)
    async with Client(await start(script), token="a-token") as client:
        await client.submit(EXAMPLE)
    assert script.requests[0].headers["Authorization"] == "Bearer a-token"


async def test_the_service_may_lie_below_a_path(start: Start) -> None:
    script = Script(accept)
    async with Client(await start(script) + "below/it/") as client:
        await client.submit(EXAMPLE)
    assert script.requests[0].path == "/below/it/process_csv"


# Tasks


@pytest.mark.parametrize("text", ["<html>", "", "[]", "{}", "null", '{"task_id": "x"}'])
async def test_another_kind_of_server_is_recognised(
    start: Start, tmp_path: Path, text: str
) -> None:
    script = Script(status(200, text))
    async with Client(await start(script)) as client:
        for call in (
            client.submit(EXAMPLE),
            client.wait(TASK_ID),
            client.remove(TASK_ID),
            client.result(TASK_ID, to=tmp_path / "out"),
        ):
            with pytest.raises(PlaysError, match="is that its address"):
                await call
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", [hang_up, status(502, "<html>"), status(503)])
async def test_questions_are_repeated(start: Start, answer: Answer) -> None:
    script = Script(answer, status(418, '{"message": "told"}'))
    async with Client(await start(script)) as client:
        with pytest.raises(AnswerError, match="told") as raised:
            await client.task(TASK_ID)
    assert raised.value.status == 418
    assert len(script.requests) == 2


async def test_a_removal_that_may_have_happened_is_not_repeated(start: Start) -> None:
    script = Script(hang_up)
    async with Client(await start(script)) as client:
        with pytest.raises(ServiceUnavailableError):
            await client.remove(TASK_ID)
    assert len(script.requests) == 1


# Downloads


async def test_a_download_goes_on_where_it_broke(start: Start, tmp_path: Path) -> None:
    script = Script(
        status(503), part(9), hang_up, part(1 << 20, 206), part(1, 206), part(len(RESULT), 206)
    )
    told: list[int] = []
    async with Client(await start(script)) as client:
        await client.result(
            TASK_ID, to=tmp_path / "out", progress=lambda done, _: told.append(done)
        )
    is_same = (tmp_path / "out").read_bytes() == RESULT
    assert is_same
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert told == sorted(told)
    assert told[-1] == len(RESULT)
    asked = [request.headers.get("Range") for request in script.requests]
    starts = [int(text[6:-1]) if text else 0 for text in asked]
    assert starts == sorted(starts)
    assert starts[2:4] == [9, 9]
    assert all(one.headers.get("If-Range") == TAG for one in script.requests[2:])


@pytest.mark.parametrize(
    "answer", [part(len(RESULT)), part(99, ETag="other"), status(416, "{}"), status(404)]
)
async def test_another_result_is_never_mixed_in(
    start: Start, tmp_path: Path, answer: Answer
) -> None:
    (tmp_path / "out").write_bytes(b"old")
    script = Script(part(9), answer)
    async with Client(await start(script)) as client:
        with pytest.raises(PlaysError):
            await client.result(TASK_ID, to=tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


async def test_without_a_tag_a_broken_download_is_an_error(start: Start, tmp_path: Path) -> None:
    script = Script(part(9, ETag='W/"tag"'), part(len(RESULT), 206))
    async with Client(await start(script)) as client:
        with pytest.raises(PlaysError, match="no tag"):
            await client.result(TASK_ID, to=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
