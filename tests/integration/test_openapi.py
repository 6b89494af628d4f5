"""``/openapi.json`` and ``/docs``, and that the documented answers are the real ones."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest

from plays_service.api import SETTINGS, STOPPING, forms
from plays_service.api.openapi import document
from plays_service.executors import WorkerPool
from plays_service.tasks import DiskBudget, QuotaError, TaskStore, result_reader
from tests.conftest import EXAMPLE
from tests.integration.conftest import (
    Gate,
    Service,
    StartService,
    read_answer,
    request,
    split_answer,
)

BAD: Final = b"Song,Date,Number of Plays\nUmbrella,2020-01-02,200\nUmbrella,2020-01-01,12.5\n"
CSV: Final = b"Content-Type: text/csv"
FORM: Final = b"Content-Type: multipart/form-data; boundary=XX"
PART: Final = (
    b'--XX\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    + EXAMPLE
    + b"\r\n"
)
METHODS: Final = {"get", "post", "put", "delete"}


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/openapi.json", "application/json"), ("/docs", "text/html")],
)
async def test_both_are_fetched_once_and_then_known(
    service: Service, path: str, content_type: str
) -> None:
    async with service.client.get(path) as answer:
        assert (answer.status, answer.content_type) == (200, content_type)
        etag = answer.headers["ETag"]
        text = await answer.text()
    for known in (etag, f'"other", {etag}', "*"):
        async with service.client.get(path, headers={"If-None-Match": known}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert answer.headers["ETag"] == etag
    async with service.client.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert (answer.status, await answer.text()) == (200, text)


async def test_the_document_is_served_as_it_is(service: Service) -> None:
    async with service.client.get("/openapi.json") as answer:
        assert await answer.json() == document()


async def test_the_page_allows_its_own_style_and_nothing_else(service: Service) -> None:
    async with service.client.get("/docs") as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    style = re.search(r"<style>(.*)</style>", page, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["default-src"] == "'none'"
    assert directives["style-src"] == f"'sha256-{digest}'"
    assert "script-src" not in directives
    assert "unsafe" not in policy


# The documented answers


@dataclass(frozen=True)
class Documented:
    """An example of an answer, and how the answer is described."""

    status: str
    response: Mapping[str, Any]
    content_type: str
    value: Any


def documented() -> Iterator[tuple[str, Documented]]:
    """All examples of answers, by names such as ``getResult.pending``."""
    for item in document()["paths"].values():
        for operation in (item[method] for method in METHODS & item.keys()):
            for status, response in operation["responses"].items():
                name = response.get("$ref", operation["operationId"]).rpartition("/")[2]
                whole = resolved(response)
                for content_type, media in whole.get("content", {}).items():
                    for example, value in media.get("examples", {}).items():
                        found = Documented(status, whole, content_type, resolved(value)["value"])
                        yield f"{name}.{example}", found


def resolved(node: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" not in node:
        return node
    _, _, kind, name = node["$ref"].split("/")
    component: Mapping[str, Any] = document()["components"][kind][name]
    return component


async def test_the_documented_answers_are_the_real_ones(
    start_service: StartService, gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    waiting = await answers_while_a_task_waits(await start_service(max_queued_tasks=1), gate)
    gate.open()
    closed = await answers_without_a_token(start_service, tmp_path)
    service = await start_service(upload_timeout=0.1)
    answers = waiting | closed | await answers_to_uploads(service)
    answers |= await answers_about_tasks(service)
    answers |= await answers_about_results(service, monkeypatch)
    answers |= await answers_in_trouble(service, monkeypatch)
    expected = dict(documented())
    assert answers.keys() == expected.keys()
    for name, answer in answers.items():
        check(expected[name], answer)


async def answers_while_a_task_waits(service: Service, gate: Gate) -> dict[str, bytes]:
    task = await service.upload(EXAMPLE, filename="example.csv")
    await gate.arrived.wait()
    answers = {
        "getResult.pending": await ask(service, get(f"/result/{task}")),
        "NoRows.pending": await ask(service, get(f"/tasks/{task}/rows")),
        "Unavailable.busy": await ask(service, get("/ready")),
        "deleteTask.revoked": await ask(service, get(f"/tasks/{task}", method=b"DELETE")),
        "getResult.revoked": await ask(service, get(f"/result/{task}")),
    }
    await service.stop()
    return answers


async def answers_to_uploads(service: Service) -> dict[str, bytes]:
    requests = {
        "Accepted.accepted": upload(EXAMPLE),
        "NoUpload.no_file": upload(b""),
        "NoUpload.on_error": upload(EXAMPLE, query=b"?on_error=stop"),
        "NoUpload.encoding": upload(EXAMPLE, query=b"?encoding=klingon"),
        "NoUpload.packing": upload(gzip.compress(EXAMPLE)[:-1]),
        "NoUpload.two_files": upload(PART * 2 + b"--XX--\r\n").replace(CSV, FORM),
        "UploadStalled.stalled": upload(EXAMPLE, length=999),
        "TooLarge.too_large": upload(b"", length=2 << 40),
        "NotACsv.type": upload(b"{}").replace(b"text/csv", b"application/json"),
        "NotACsv.zip": upload(b"PK\x03\x04"),
        "NotACsv.coding": upload(EXAMPLE, b"Content-Encoding: br"),
        "ExpectationFailed.expectation": upload(EXAMPLE, b"Expect: 200-ok"),
    }
    return {name: await ask(service, sent) for name, sent in requests.items()}


async def answers_about_tasks(service: Service) -> dict[str, bytes]:
    done = await service.upload(EXAMPLE, filename="example.csv")
    failed = await service.upload(BAD, filename="bad.csv")
    skipped = await service.upload(BAD, filename="bad.csv", params={"on_error": "skip"})
    for task in (done, failed, skipped):
        await service.result(task)
    requests = {
        "getResult.totals": get(f"/result/{done}"),
        "getResult.failed": get(f"/result/{failed}"),
        "getResult.part": get(f"/result/{done}", b"Range: bytes=0-24"),
        "getResult.beyond": get(f"/result/{done}", b"Range: bytes=999-"),
        "getResult.changed": get(f"/result/{done}", b'If-Match: "other"'),
        "getResult.wait": get(f"/result/{done}?wait=soon"),
        "getTask.succeeded": get(f"/tasks/{done}"),
        "getTask.failed": get(f"/tasks/{failed}"),
        "getTask.skipped": get(f"/tasks/{skipped}"),
        "getEvents.ended": get(f"/tasks/{done}/events").replace(b"HTTP/1.1", b"HTTP/1.0"),
        "deleteTask.only": get(f"/tasks/{done}?only=ended", method=b"DELETE"),
        "deleteTask.ended": get(f"/tasks/{done}?only=running", method=b"DELETE"),
        "NoSuchTask.unknown": get(f"/tasks/{uuid4()}"),
        "getHealth.alive": get("/health"),
        "getReady.ready": get("/ready"),
    }
    return {name: await ask(service, sent) for name, sent in requests.items()}


async def answers_without_a_token(start: StartService, folder: Path) -> dict[str, bytes]:
    (folder / "tokens").write_text(f"label {sha256(b'secret').hexdigest()}\n")
    service = await start(tokens_file=folder / "tokens")
    answers = {
        "Unauthorized.missing": await ask(service, get(f"/tasks/{uuid4()}")),
        "Unauthorized.wrong": await ask(service, get("/metrics", b"Authorization: Bearer other")),
    }
    await service.stop()
    return answers


async def answers_about_results(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> dict[str, bytes]:
    done = await service.upload(EXAMPLE, filename="example.csv")
    failed = await service.upload(BAD, filename="bad.csv")
    for task in (done, failed):
        await service.result(task)
    requests = {
        "getResultAs.lines": get(f"/result/{done}.jsonl").replace(b"HTTP/1.1", b"HTTP/1.0"),
        "getRows.page": get(f"/tasks/{done}/rows?sort=plays&order=desc&limit=2"),
        "getRows.limit": get(f"/tasks/{done}/rows?limit=1001"),
        "getRows.date": get(f"/tasks/{done}/rows?date=2021-02-29"),
        "getSummary.summary": get(f"/tasks/{done}/summary"),
        "NoRows.failed": get(f"/tasks/{failed}/rows"),
    }
    answers = {name: await ask(service, sent) for name, sent in requests.items()}
    with monkeypatch.context() as patch:
        patch.setattr(forms, "find_spec", lambda _: None)
        answers["NoParquet.parquet"] = await ask(service, get(f"/result/{done}.parquet"))
        patch.setattr(result_reader, "_MAKINGS", 0)
        answers["Busy.results"] = await ask(service, get(f"/tasks/{done}/rows?sort=song"))
    return answers


async def answers_in_trouble(service: Service, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def over_quota(*_: Any) -> None:
        raise QuotaError

    async def in_trouble(target: object, name: str, value: object, sent: bytes) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            return await ask(service, sent)

    ready, settings = get("/ready"), service.app[SETTINGS]
    no_uploads, dead = replace(settings, max_uploads=0), property(lambda _: False)
    answers = {
        "DiskFull.disk_full": await in_trouble(TaskStore, "begin", full, upload(EXAMPLE)),
        "DiskFull.quota": await in_trouble(DiskBudget, "check", over_quota, ready),
        "Unavailable.workers": await in_trouble(WorkerPool, "alive", dead, ready),
    }
    with monkeypatch.context() as patch:
        patch.setitem(service.app._state, SETTINGS, no_uploads)
        answers["Unavailable.uploads"] = await ask(service, ready)
    service.app[STOPPING].set()
    return answers | {"Unavailable.stopping": await ask(service, ready)}


async def ask(service: Service, sent: bytes) -> bytes:
    """The answer, without waiting for the server to close: it first waits for the rest to come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(sent)
    answer = await (reader.read() if b"HTTP/1.0" in sent else read_answer(reader))
    writer.close()
    await writer.wait_closed()
    return answer


def get(target: str, *headers: bytes, method: bytes = b"GET") -> bytes:
    return request(b"", *headers, method=method, target=target.encode())


def upload(body: bytes, *headers: bytes, query: bytes = b"", length: int | None = None) -> bytes:
    """An upload to the documented host: some answers have commands for it."""
    sent = request(body, CSV, *headers, target=b"/process_csv" + query, length=length)
    return sent.replace(b"Host: localhost\r\n", b"Host: localhost:8000\r\n")


def check(expected: Documented, answer: bytes) -> None:
    """Assert that this is the documented answer."""
    status, headers, body = split_answer(answer)
    assert str(status) == expected.status, body
    assert headers["content-type"].partition(";")[0] == expected.content_type
    for header, described in expected.response.get("headers", {}).items():
        assert header.lower() in headers or not resolved(described).get("required"), header
    assert same(body.decode()) == same(written(expected))


def written(expected: Documented) -> str:
    """The example as the service writes it."""
    if isinstance(expected.value, str):
        return expected.value
    if expected.content_type == "text/event-stream":
        return "".join(f"{field}: {text}\n" for field, text in expected.value.items()) + "\n"
    return json.dumps(expected.value)


def same(text: str) -> str:
    """The text without what is another each time, or in these tests."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    text = re.sub(r"[0-9-]{10}T[0-9:.]{12}\+00:00", "<time>", text)
    text = re.sub(r'"[0-9]+\.[0-9]+\.[0-9]+[a-z0-9]*"', '"<version>"', text)
    return re.sub(r"for [0-9.]+ s;", "for <timeout> s;", text)
