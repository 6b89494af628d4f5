"""The log: its two formats, and what never gets into it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Final
from uuid import uuid4

import pytest

from plays_service.api import REQUEST_ID
from plays_service.logs import configure_logging, log_loop_error
from plays_service.tasks import CURRENT_TASK

_log = logging.getLogger("plays_service.test")
#: Stands for what a client has sent.
SECRET: Final = "Umbrella"


@pytest.fixture(autouse=True)
def root_logger() -> Iterator[None]:
    """Puts back what `configure_logging` replaces."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_a_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    _log.info("%d tasks", 3)
    _log.debug("nothing")
    (line,) = capsys.readouterr().err.splitlines()
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    assert re.fullmatch(rf"{time} INFO plays_service\.test: 3 tasks", line)


def test_a_line_for_machines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")
    _log.warning("%(method)s took %(ms)d ms", {"method": "GET", "ms": 5})
    fields = json.loads(capsys.readouterr().err)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", fields.pop("time"))
    assert fields == {
        "level": "WARNING",
        "logger": "plays_service.test",
        "message": "GET took 5 ms",
        "method": "GET",
        "ms": 5,
    }


@pytest.mark.parametrize("format_", ["text", "json"])
def test_lines_name_the_request_and_the_task(
    capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    configure_logging("info", format_, request_id=REQUEST_ID, task_id=CURRENT_TASK)
    task_id = uuid4()

    async def handle() -> None:
        REQUEST_ID.set("r-1")
        CURRENT_TASK.set(task_id)
        await asyncio.create_task(work())  # what a request begins belongs to it, too

    async def work() -> None:
        _log.info("done")

    asyncio.run(handle())
    line = capsys.readouterr().err
    if format_ == "json":
        fields = json.loads(line)
        assert (fields["request_id"], fields["task_id"]) == ("r-1", str(task_id))
    else:
        assert line.endswith(f": done [request_id=r-1 task_id={task_id}]\n")


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize(
    "evil", ["a\nINFO b", "a\r\nb", "\x1b[2J", "\x00", "\u2028b", "\x9b31m", "\u202eb", "\udcff"]
)
def test_nothing_can_be_forged_or_sent_to_a_terminal(
    capsys: pytest.CaptureFixture[str], format_: str, evil: str
) -> None:
    configure_logging("info", format_)
    _log.info("about %s", evil)
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert text.removesuffix("\n").isprintable()


def _fail(text: str) -> None:
    raise ValueError(text)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_traceback_has_no_texts_that_may_quote_data(
    capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    configure_logging("info", format_)
    try:
        try:
            _fail(SECRET)
        except ValueError as error:
            raise KeyError(SECRET + "\nERROR forged") from error
    except KeyError:
        _log.exception("failed")
    text = capsys.readouterr().err
    assert SECRET not in text
    assert "forged" not in text
    assert re.search("in _fail.*ValueError.*which led to:.*KeyError", text, re.DOTALL)
    if format_ == "text":
        assert all(line.startswith("    ") for line in text.splitlines()[1:])
    else:
        assert "in _fail" in json.loads(text)["exception"]


def test_a_traceback_tells_what_the_system_says(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "text")
    try:
        raise OSError(28, "No space left on device", "/data/tasks/x")
    except OSError:
        _log.exception("failed")
    assert "OSError: [Errno 28] No space left on device: '/data/tasks/x'" in capsys.readouterr().err


def test_a_traceback_from_a_worker_tells_where_it_failed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "text")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        error = pool.submit(_fail, SECRET).exception()
    assert SECRET in repr(error)
    _log.error("failed", exc_info=error)
    text = capsys.readouterr().err
    assert SECRET not in text
    assert "in _fail" in text
    assert text.rstrip().endswith("ValueError")


def test_what_asyncio_has_to_say_is_logged_without_its_objects(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "text")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(log_loop_error)
        loop.call_soon(_fail, SECRET)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    text = capsys.readouterr().err
    assert SECRET not in text
    assert "Exception in callback" in text
    assert "in _fail" in text
