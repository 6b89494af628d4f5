"""Calls on their way to workers elsewhere, as JSON."""

from __future__ import annotations

import errno
import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from plays_service import aggregation
from plays_service.aggregation import (
    CallError,
    CallWire,
    CsvError,
    DamagedFileError,
    Dialect,
    Reading,
    RowQuery,
    Segment,
    Source,
    Summary,
)
from plays_service.aggregation.calls import CALLS

#: Functions of the aggregation that the service runs itself.
_CALLED_HERE = {"read_page", "temporary_for"}
ROOT = Path("/data")
DIALECT = Dialect(
    delimiter=b"\t", line_end=b"\r", fields=4, song=3, date=0, plays=1, data_start=1 << 40,
    data_line=2, encoding="cp1252",
)  # fmt: skip
ERROR = CsvError(7, "is empty", "Song", "")
SUMMARY = Summary(rows=1 << 62, lines=3, groups=2, skipped=1, errors=(ERROR,), error=ERROR)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        (1 << 64) - 1,
        "Ünïcode",
        b"\x00\xff",
        RowQuery(sort="plays", descending=True, song="Straße", first_date=20200101),
        ROOT / "tasks" / "x" / "input.csv",
        range(3, 512),
        DIALECT,
        Segment(0, 1 << 50, rough=True, growing=True),
        Source(ROOT / "input.csv", DIALECT, skip_errors=True, base=1 << 40),
        SUMMARY,
        Reading(5, 1 << 45, SUMMARY),
        [[range(1, 2), 17], [ROOT / "a", None]],
    ],
)
def test_values_travel_unchanged(value: Any) -> None:
    wire = CallWire(ROOT)
    assert wire.from_json(json.loads(json.dumps(wire.to_json(value)))) == value


def test_a_call_runs_in_another_data_folder(tmp_path: Path) -> None:
    (tmp_path / "input.csv").write_bytes(b"Song,Date,Number of Plays\na,2020-01-01,1\n")
    call = partial(
        aggregation.aggregate_small, ROOT / "input.csv", ROOT / "result.csv", ROOT / "work",
        encoding="UTF-8", skip_errors=False, seed=(1 << 64) - 1, memory=1 << 24, fsync=False,
    )  # fmt: skip
    here = CallWire(ROOT)
    sent = json.dumps(here.call_to_json(call))
    outcome = CallWire(tmp_path).run(json.loads(sent))
    assert here.result_of(outcome).rows == 1
    assert (tmp_path / "result.csv").read_bytes().endswith(b"a,2020-01-01,1\n")


@pytest.mark.parametrize("text", ["../input.csv", "/etc/passwd", "tasks/../../input.csv"])
def test_a_path_leads_nowhere_else(text: str, tmp_path: Path) -> None:
    (tmp_path / "input.csv").write_bytes(b"Song,Date,Number of Plays\n")
    wire = CallWire(tmp_path / "data")
    outcome = wire.run({"name": "dialect_of", "args": [{"path": text}], "named": {}})
    with pytest.raises(CallError, match=r"^ValueError$"):
        wire.result_of(outcome)


@pytest.mark.parametrize("name", ["os.system", "use_engine", "__import__", ""])
def test_only_calls_of_the_aggregation_run(name: str, tmp_path: Path) -> None:
    wire = CallWire(tmp_path)
    outcome = wire.run({"name": name, "args": ["true"], "named": {}})
    with pytest.raises(CallError, match="KeyError"):
        wire.result_of(outcome)


def test_what_cannot_travel_is_refused() -> None:
    wire = CallWire(ROOT)
    with pytest.raises(ValueError, match="is not a call"):
        wire.call_to_json(os.getcwd)
    with pytest.raises(ValueError, match="cannot travel"):
        wire.call_to_json(aggregation.dialect_of, object())
    with pytest.raises(ValueError, match="subpath"):
        wire.call_to_json(aggregation.dialect_of, Path("/elsewhere/input.csv"))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ERROR, str(ERROR)),
        (DamagedFileError("a.partial is cut off"), "a.partial is cut off"),
        (MemoryError(), ""),
        (OSError(errno.ENOSPC, "No space left on device"), "[Errno 28] No space left on device"),
        (FileNotFoundError(errno.ENOENT, "gone"), "[Errno 2] gone"),
    ],
)
def test_errors_come_back_as_what_they_are(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Path) -> None:
        raise error

    monkeypatch.setattr("plays_service.aggregation.calls.CALLS", {"fail": fail})
    wire = CallWire(ROOT)
    outcome = json.loads(json.dumps(wire.run({"name": "fail", "args": [1], "named": {}})))
    with pytest.raises(type(error)) as caught:
        wire.result_of(outcome)
    assert str(caught.value) == text


def test_other_errors_tell_their_kind_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError("of Umbrella by 0")

    monkeypatch.setattr("plays_service.aggregation.calls.CALLS", {"fail": fail})
    wire = CallWire(ROOT)
    outcome = wire.run({"name": "fail", "args": [], "named": {}})
    with pytest.raises(CallError, match=r"^ZeroDivisionError$"):
        wire.result_of(outcome)


def test_every_call_to_a_worker_can_travel() -> None:
    package = Path(aggregation.__file__).parents[1]
    files = [path for layer in ("pipeline", "tasks") for path in (package / layer).glob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in files)
    called = set(re.findall(r"[ (]aggregation\.([a-z_]+)\b", text))
    assert called - _CALLED_HERE == set(CALLS)
