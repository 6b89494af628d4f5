"""What no well-behaved client sends: refused, with nothing left on disk and nobody disturbed."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from dataclasses import dataclass
from typing import Final

import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER
from tests.integration.conftest import (
    Service,
    StartService,
    chunked,
    message_of,
    read_answer,
    request,
    split_answer,
)
from tests.waiting import eventually

FORM: Final = b"Content-Type: multipart/form-data; boundary=XX"
CSV: Final = b"Content-Type: text/csv"
CHUNKED: Final = b"Transfer-Encoding: chunked"
HEADER: Final = b"Song,Date,Number of Plays\n"
RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
FILE: Final = b'Content-Disposition: form-data; name="file"; filename="a.csv"\r\n'
WHOLE: Final = b"--XX\r\n" + FILE + b"Content-Type: text/csv\r\n\r\n" + EXAMPLE + b"\r\n--XX--\r\n"
JUNK: Final = random.Random(1).randbytes(100_000)


def in_form(content: bytes) -> bytes:
    return WHOLE.replace(EXAMPLE, content)


@dataclass(frozen=True)
class Malformed:
    """A request, to be answered 400, and why."""

    name: str
    request: bytes
    message: str  #: a part of it


ENDED_EARLY: Final = "ended early"
REFUSED: Final = [
    # a form that ends too early, at every kind of place
    Malformed("a form cut in the boundary", request(WHOLE[:3], FORM), ENDED_EARLY),
    Malformed("a form cut after the boundary", request(WHOLE[:4], FORM), ENDED_EARLY),
    Malformed("a form cut in a part's headers", request(WHOLE[:30], FORM), ENDED_EARLY),
    Malformed(
        "a form cut before the content",
        request(WHOLE[: WHOLE.index(EXAMPLE)], FORM),
        ENDED_EARLY,
    ),
    Malformed("a form cut in the content", request(WHOLE[:150], FORM), ENDED_EARLY),
    Malformed(
        "a form cut before the closing line",
        request(WHOLE[: WHOLE.index(b"\r\n--XX--")], FORM),
        ENDED_EARLY,
    ),
    Malformed("a form cut in the closing line", request(WHOLE[:-5], FORM), ENDED_EARLY),
    Malformed("a form cut before the last hyphen", request(WHOLE[:-3], FORM), ENDED_EARLY),
    Malformed(
        "a form without the closing hyphens",
        request(WHOLE.replace(b"--XX--", b"--XX"), FORM),
        ENDED_EARLY,
    ),
    # boundaries
    Malformed("another boundary than announced", request(WHOLE.replace(b"XX", b"YY"), FORM), "XX"),
    Malformed(
        "no boundary", request(WHOLE, b"Content-Type: multipart/form-data"), "names no boundary"
    ),
    Malformed(
        "an empty boundary", request(WHOLE, b"Content-Type: multipart/form-data; boundary="), ""
    ),
    Malformed(
        "a boundary of 71 characters",
        request(WHOLE, b"Content-Type: multipart/form-data; boundary=" + b"X" * 71),
        "boundary",
    ),
    Malformed("two boundaries", request(WHOLE, FORM + b"; boundary=YY"), "twice"),
    Malformed(
        "a boundary that goes on", request(WHOLE.replace(b"--XX\r", b"--XXX\r"), FORM), "goes on"
    ),
    Malformed("text instead of a form", request(EXAMPLE, FORM), ENDED_EARLY),
    Malformed("junk instead of a form", request(JUNK, FORM), "--XX"),
    Malformed("lines that end in LF only", request(WHOLE.replace(b"\r\n", b"\n"), FORM), "CRLF"),
    Malformed("a huge preamble", request(b"x" * 200_000 + b"\r\n" + WHOLE, FORM), "--XX"),
    # parts
    Malformed(
        "huge headers of a part",
        request(WHOLE.replace(b"text/csv", b"x" * 100_000), FORM),
        "longer than",
    ),
    Malformed(
        "a header of a part without a colon",
        request(WHOLE.replace(b"Content-Type:", b"Content-Type"), FORM),
        "not valid",
    ),
    Malformed(
        "a null byte in a header of a part",
        request(WHOLE.replace(b"a.csv", b"a\0.csv"), FORM),
        "not valid",
    ),
    Malformed("the same header twice", request(WHOLE.replace(FILE, FILE * 2), FORM), "twice"),
    Malformed(
        "a disposition that cannot be read",
        request(WHOLE.replace(b'"a.csv"', b'"a.csv'), FORM),
        "cannot be read",
    ),
    Malformed(
        "a part in base64",
        request(WHOLE.replace(FILE, FILE + b"Content-Transfer-Encoding: base64\r\n"), FORM),
        "base64",
    ),
    Malformed(
        "a part without headers",
        request(b"--XX\r\n\r\n" + EXAMPLE + b"\r\n--XX--\r\n", FORM),
        "No upload file sent",
    ),
    Malformed(
        "two files", request(WHOLE.replace(b"--XX--\r\n", b"") + WHOLE, FORM), "Two files"
    ),
    Malformed(
        "a thousand parts",
        request(WHOLE.replace(b'name="file"', b'name="x"').replace(b"--XX--\r\n", b"") * 999, FORM),
        "more than 100 parts",
    ),
    Malformed(
        "a form inside a form",
        request(
            b"--YY\r\n" + FILE + b"Content-Type: multipart/mixed; boundary=XX\r\n\r\n"
            + WHOLE + b"\r\n--YY",
            FORM.replace(b"XX", b"YY"),
        ),
        ENDED_EARLY,
    ),
    # requests that are no good HTTP
    Malformed("no HTTP at all", b"Song,Date,Number of Plays\r\n\r\n", ""),
    Malformed("lines of the request end in LF only", b"GET / HTTP/1.1\nHost: x\n\n", ""),
    Malformed("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40, ""),
    Malformed("a version that does not exist", b"GET /health HTTP/9.9\r\n\r\n", ""),
    Malformed("a null byte in a header", request(EXAMPLE, b"X-Name: a\0b"), ""),
    Malformed("a huge header", request(EXAMPLE, b"X-Name: " + b"x" * 100_000), ""),
    Malformed("bytes in the address", request(target=b"/process_csv/\xff.csv"), ""),
    Malformed("a length below zero", request(EXAMPLE, CSV, length=-1), ""),
    Malformed(
        "two lengths", request(EXAMPLE, CSV, b"Content-Length: 3"), ""
    ),
    Malformed(
        "a length and chunks",
        request(chunked(EXAMPLE), CSV, CHUNKED, b"Content-Length: 3"),
        "",
    ),
    Malformed("chunks with a bad size", request(b"ZZ\r\nabc\r\n0\r\n\r\n", CSV, CHUNKED), ""),
    Malformed(
        "chunks longer than they say", request(b"5\r\nSong,Date\r\n0\r\n\r\n", CSV, CHUNKED), ""
    ),
    Malformed("an unknown transfer coding", request(b"x", CSV, b"Transfer-Encoding: magic"), ""),
]  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
async def test_refused_with_a_message_and_nothing_left(
    service: Service, case: Malformed, caplog: pytest.LogCaptureFixture
) -> None:
    status, headers, body = split_answer(await service.raw(case.request))
    assert status == 400, body
    assert headers["content-type"] == "application/json; charset=utf-8"
    message = message_of(body)
    assert case.message in message
    assert len(message) < 500
    await service.holds_no_tasks()
    assert await service.is_healthy()
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.parametrize(
    "rest",
    [b"ZZ\r\nabc\r\n", b"-1\r\n", b"5\r\nSong,Date\r\n", b"\r\n\r\n", b"ffffffffffffffffff\r\nabc"],
)
async def test_chunks_that_go_wrong_on_the_way_are_refused(
    start_service: StartService, rest: bytes
) -> None:
    service = await start_service(upload_timeout=0.2)
    start = request(b"%x\r\n%b\r\n" % (len(FILLER), FILLER), CSV, CHUNKED)
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    writer.write(start)
    await eventually(lambda: list((service.data_dir / "tasks").iterdir()))  # it has begun
    writer.write(rest)
    status, _, body = split_answer(await read_answer(reader))
    writer.close()
    assert status in (400, 408), body
    assert message_of(body)
    await service.holds_no_tasks()
    assert await service.is_healthy()


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(request(EXAMPLE, CSV, length=1000), id="a body shorter than its length"),
        pytest.param(request(WHOLE, FORM, length=1000), id="a form shorter than its length"),
        pytest.param(request(WHOLE[:150], FORM, length=1000), id="half a form"),
        pytest.param(request(b"5\r\nSong,\r\n", CSV, CHUNKED), id="no last chunk"),
        pytest.param(request(b"5\r\nSo", CSV, CHUNKED), id="half a chunk"),
        pytest.param(b"POST /process_csv HTTP/1.1\r\nHost: x\r\nConte", id="half the headers"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 50, id="unread answers"),
    ],
)
async def test_a_client_that_hangs_up_leaves_nothing(
    service: Service, caplog: pytest.LogCaptureFixture, start: bytes
) -> None:
    caplog.set_level(logging.WARNING)
    await service.raw(start, hang_up=True)
    await service.holds_no_tasks()
    assert await service.is_healthy()
    assert caplog.records == []  # it is an everyday thing


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "line 1: the file is empty", id="empty"),
        pytest.param(b"\xef\xbb\xbf", "line 1: the file is empty", id="a byte order mark only"),
        pytest.param(b"\n\n\r\n", "the file is empty", id="empty lines only"),
        pytest.param(b"a,b,c\n1,2,3\n", "line 1: the header must name", id="wrong header"),
        pytest.param(EXAMPLE.partition(b"\n")[2], "line 1: the header must name", id="no header"),
        pytest.param(JUNK, "line 1: ", id="junk"),
        pytest.param(b"\0" * 10_000, "line 1: ", id="null bytes"),
        pytest.param(b"x" * (3 << 20), "1 MiB", id="one endless line"),
        pytest.param(HEADER + JUNK, "line ", id="junk below a header"),
        pytest.param(HEADER + b'"' + b"x\n" * 100, "line 2: the quote opened", id="open quote"),
        pytest.param(HEADER + b"\xff,2020-01-01,1\n", "line 2: bytes that are", id="no UTF-8"),
        pytest.param(EXAMPLE.decode().encode("utf-16-le"), "line 1: ", id="UTF-16 without a BOM"),
        pytest.param(
            WHOLE.replace(b"XX", b"YY"), "line 1: the header must name", id="a form as the file"
        ),
    ],
)
async def test_a_file_that_is_no_csv_of_plays_fails_with_its_line(
    service: Service, content: bytes, message: str
) -> None:
    status, _, body = split_answer(await service.raw(request(in_form(content), FORM)))
    assert status == 200
    fields = json.loads(await service.result(json.loads(body)["task_id"]))
    assert list(fields) == ["state", "message"]
    assert fields["state"] == "FAILURE"
    assert message in fields["message"]
    assert len(fields["message"]) < 3000
    await service.holds_only_ended_tasks()
    assert await service.is_healthy()


async def test_a_header_alone_gives_a_header(service: Service) -> None:
    assert await service.result(await service.upload(HEADER)) == RESULT_HEADER
    assert await service.result(await service.upload(HEADER.strip())) == RESULT_HEADER


@pytest.mark.parametrize(
    ("body", "form_type"),
    [
        pytest.param(b"preamble\r\n" + WHOLE, FORM, id="a preamble"),
        pytest.param(WHOLE + b"epilogue" * 1000, FORM, id="an epilogue"),
        pytest.param(WHOLE.removesuffix(b"\r\n"), FORM, id="no line end at the end"),
        pytest.param(WHOLE.replace(b"--XX\r", b"--XX \t\r"), FORM, id="padded boundary"),
        pytest.param(WHOLE, FORM.replace(b"XX", b'"XX"'), id="quoted boundary"),
        pytest.param(WHOLE, FORM.replace(b"form-data", b"FORM-Data"), id="upper case"),
    ],
)
async def test_what_is_odd_but_allowed_is_taken(
    service: Service, body: bytes, form_type: bytes
) -> None:
    status, _, answer = split_answer(await service.raw(request(body, form_type)))
    assert status == 200, answer
    assert await service.result(json.loads(answer)["task_id"]) == EXAMPLE_RESULT
    await service.holds_only_ended_tasks()
