"""Calls as JSON, for workers that share with the service only the data folder.

A call names its function, one of `CALLS`: nothing that comes from the wire is code. Paths travel
relative to the data folder, and lead nowhere else. What is no number, text, truth value or list is
an object with one key, its kind: ``{"path": "tasks/…"}``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from plays_service.aggregation.dialect import Dialect, dialect_of, early_dialect_of
from plays_service.aggregation.engine import (
    aggregate_segment,
    combine_partials,
    merge_partitions,
    plan_result,
    write_ranges,
)
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.groupfile import DamagedFileError
from plays_service.aggregation.publish import publish_once
from plays_service.aggregation.small import aggregate_small, merge_small
from plays_service.aggregation.summary import Reading, Segment, Source, Summary

__all__ = ["CALLS", "CallError", "CallWire"]

_log = logging.getLogger(__name__)

#: Every function that may be called from afar, by name.
CALLS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            aggregate_segment,
            aggregate_small,
            combine_partials,
            dialect_of,
            early_dialect_of,
            merge_partitions,
            merge_small,
            plan_result,
            publish_once,
            write_ranges,
        )
    }
)

_JSON: Final = (bool, int, float, str, type(None))
_WITH_JSON: Final = MappingProxyType(
    {kind.__name__.lower(): kind for kind in (Dialect, Segment, Summary, Reading)}
)


class CallError(RuntimeError):
    """Something else went wrong in a worker; its log says what."""


class CallWire:
    """Calls, values and outcomes to JSON and back, for one data folder (an absolute path)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def call_to_json(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """The call, which may be a `partial`. Raises `ValueError` where it cannot travel."""
        call = partial(function, *args)  # which makes one of a partial's partial
        name = getattr(call.func, "__name__", "")
        if CALLS.get(name) is not call.func:
            raise ValueError(f"{call.func!r} is not a call for workers elsewhere")
        named = {name: self.to_json(value) for name, value in call.keywords.items()}
        return {"name": name, "args": self.to_json(call.args), "named": named}

    def run(self, call: Mapping[str, Any]) -> dict[str, Any]:
        """Run a call here; its outcome as JSON, whatever that is."""
        try:
            function = CALLS[call["name"]]
            args = self.from_json(call["args"])
            named = {name: self.from_json(value) for name, value in call["named"].items()}
            return {"result": self.to_json(function(*args, **named))}
        except Exception as error:  # whoever awaits the call is told
            return {"error": _error_to_json(error)}

    def result_of(self, outcome: Mapping[str, Any]) -> Any:
        """What the call gave back. Raises what it raised, or `CallError` for that."""
        if "error" in outcome:
            raise _error_from_json(outcome["error"])
        return self.from_json(outcome["result"])

    def to_json(self, value: Any) -> Any:
        """A value as JSON. Raises `ValueError` where it cannot travel."""
        if isinstance(value, _JSON):
            return value
        if isinstance(value, (list, tuple)):
            return [self.to_json(one) for one in value]
        if isinstance(value, Path):
            return {"path": value.relative_to(self._root).as_posix()}
        if isinstance(value, range):
            return {"range": [value.start, value.stop]}
        if isinstance(value, Source):
            fields = (value.path, value.dialect, value.skip_errors)
            return {"source": [self.to_json(field) for field in fields]}
        kind = type(value).__name__.lower()
        if kind not in _WITH_JSON:
            raise ValueError(f"a {kind} cannot travel to workers elsewhere")
        return {kind: value.to_json()}

    def from_json(self, value: Any) -> Any:
        """The value that `to_json` wrote; a tuple comes back as a list. Raises `ValueError`."""
        if isinstance(value, _JSON):
            return value
        if isinstance(value, list):
            return [self.from_json(one) for one in value]
        ((kind, text),) = value.items()
        if kind == "path":
            return self._path(text)
        if kind == "range":
            return range(*text)
        if kind == "source":
            return Source(*self.from_json(text))
        return _WITH_JSON[kind].from_json(text)

    def _path(self, text: str) -> Path:
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("a path leads out of the data folder")
        return self._root / path


def _error_to_json(error: Exception) -> dict[str, Any]:
    if isinstance(error, CsvError):
        return {"csv": error.to_json()}
    if isinstance(error, DamagedFileError):
        return {"damaged": str(error)}
    if isinstance(error, MemoryError):
        return {"memory": None}
    if isinstance(error, OSError):
        return {"os": [error.errno, error.strerror or str(error)]}
    # its text may quote what a client has sent
    kind, frames = type(error).__name__, traceback.format_tb(error.__traceback__)
    _log.error("a call failed: %s\n%s", kind, "".join(frames))
    return {"other": kind}


def _error_from_json(fields: Mapping[str, Any]) -> Exception:
    ((kind, told),) = fields.items()
    if kind == "csv":
        return CsvError.from_json(told)
    if kind == "damaged":
        return DamagedFileError(told)
    if kind == "memory":
        return MemoryError()
    if kind == "os":
        return OSError(*told)
    return CallError(told)
