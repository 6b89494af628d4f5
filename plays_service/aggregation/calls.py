"""Calls as JSON, for workers that share with the service only the data folder.

A call names its function, one of `CALLS`: nothing that comes from the wire is code. Paths travel
relative to the data folder, and lead nowhere else. What is no number, text, truth value or list is
an object with one key, its kind: ``{"path": "tasks/…"}``.
"""

from __future__ import annotations

import logging
import traceback
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from plays_service.aggregation.derived import make_parquet, make_summary, make_view
from plays_service.aggregation.dialect import Dialect, dialect_of, early_dialect_of
from plays_service.aggregation.engine import (
    aggregate_segment,
    combine_partials,
    json_lines,
    merge_partitions,
    plan_result,
    write_ranges,
)
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.groupfile import DamagedFileError
from plays_service.aggregation.parquet import ParquetError
from plays_service.aggregation.publish import publish_once
from plays_service.aggregation.result_rows import DamagedResultError
from plays_service.aggregation.row_query import RowQuery
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
            json_lines,
            make_parquet,
            make_summary,
            make_view,
            merge_partitions,
            merge_small,
            plan_result,
            publish_once,
            write_ranges,
        )
    }
)

_JSON: Final = (bool, int, float, str, type(None))
#: Errors that are told by their text, which quotes nothing of a file.
_ERRORS: Final = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (DamagedFileError, DamagedResultError, MemoryError, ParquetError)
    }
)


class CallError(RuntimeError):
    """Something else went wrong in a worker; its log says what."""


class CallWire:
    """Calls, values and outcomes to JSON and back, for one data folder (an absolute path)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._kinds = {
            "path": _Kind(Path, self._path_to_json, self._path_from_json),
            "source": _Kind(Source, self._source_to_json, self._source_from_json),
            "range": _Kind(range, _range_to_json, lambda ends: range(*ends)),
            "bytes": _Kind(bytes, _bytes_to_json, b64decode),
        }
        for kind in (Dialect, Reading, RowQuery, Segment, Summary):
            name = kind.__name__.lower()
            self._kinds[name] = _Kind(kind, kind.to_json, kind.from_json)

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
        for name, kind in self._kinds.items():
            if isinstance(value, kind.type):
                return {name: kind.to_json(value)}
        raise ValueError(f"a {type(value).__name__} cannot travel to workers elsewhere")

    def from_json(self, value: Any) -> Any:
        """The value that `to_json` wrote; a tuple comes back as a list. Raises `ValueError`."""
        if isinstance(value, _JSON):
            return value
        if isinstance(value, list):
            return [self.from_json(one) for one in value]
        ((name, text),) = value.items()
        return self._kinds[name].from_json(text)

    def _path_to_json(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _path_from_json(self, text: str) -> Path:
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError("a path leads out of the data folder")
        return self._root / path

    def _source_to_json(self, source: Source) -> Any:
        return self.to_json((source.path, source.dialect, source.skip_errors, source.base))

    def _source_from_json(self, fields: Any) -> Source:
        return Source(*self.from_json(fields))


@dataclass(frozen=True, slots=True)
class _Kind:
    """How values of a type travel."""

    type: type
    to_json: Callable[[Any], Any]
    from_json: Callable[[Any], Any]


def _range_to_json(value: range) -> list[int]:
    return [value.start, value.stop]


def _bytes_to_json(value: bytes) -> str:
    return b64encode(value).decode()


def _error_to_json(error: Exception) -> dict[str, Any]:
    if isinstance(error, CsvError):
        return {"csv": error.to_json()}
    if isinstance(error, OSError):
        return {"os": [error.errno, error.strerror]}
    kind = type(error).__name__
    if kind in _ERRORS:
        return {kind: str(error)}
    frames = traceback.format_tb(error.__traceback__)  # the text may quote what a client has sent
    _log.error("a call failed: %s\n%s", kind, "".join(frames))
    return {"other": kind}


def _error_from_json(fields: Mapping[str, Any]) -> Exception:
    ((kind, told),) = fields.items()
    if kind == "csv":
        return CsvError.from_json(told)
    if kind == "os":
        return OSError(*told)
    return _ERRORS[kind](told) if kind in _ERRORS else CallError(told)
