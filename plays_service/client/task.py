"""A task as the service shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Self

from plays_service.client.errors import TaskFailedError, TaskNotEndedError, TaskRevokedError

__all__ = ["BadRecord", "Task"]

_ENDED: Final = frozenset({"SUCCESS", "FAILURE", "REVOKED"})


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record of the file that cannot be counted, and why; ``str()`` says it all."""

    message: str
    line: int  #: 1-based line of the file on which the record starts
    column: str | None
    value: str | None

    def __str__(self) -> str:
        return self.message

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The record of an answer."""
        return cls(fields["message"], fields["line"], fields.get("column"), fields.get("value"))


@dataclass(frozen=True, slots=True)
class Task:
    """A task at the moment of the answer."""

    id: str
    state: str  #: PENDING, STARTED, SUCCESS, FAILURE or REVOKED
    message: str
    filename: str
    bytes: int  #: size of the upload as it came
    rows: int  #: good records so far
    groups: int
    skipped: int  #: bad records that were dropped
    errors: tuple[BadRecord, ...]  #: the first 100 of them
    error: BadRecord | None  #: the bad record that ended the task
    progress: float  #: 0..1
    seconds_left: float | None  #: an estimate
    created: datetime
    started: datetime | None
    finished: datetime | None
    fields: Mapping[str, Any] = field(repr=False, compare=False, hash=False)  #: the whole answer

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.state in _ENDED

    def check(self) -> None:
        """Return where there is a result.

        Raises `TaskFailedError`, `TaskRevokedError` and `TaskNotEndedError`.
        """
        if self.state == "FAILURE":
            bad = self.error
            if bad is None:
                raise TaskFailedError(self.message)
            raise TaskFailedError(self.message, bad.line, bad.column, bad.value)
        if self.state == "REVOKED":
            raise TaskRevokedError(f"the task {self.id} was cancelled")
        if not self.has_ended:
            raise TaskNotEndedError(f"the task {self.id} has not ended yet; wait for it")

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """The task of an answer; what a later service adds is only in ``fields``."""
        error = fields["error"]
        return cls(
            id=fields["task_id"],
            state=fields["state"],
            message=fields["message"],
            filename=fields["filename"],
            bytes=fields["bytes"],
            rows=fields["rows"],
            groups=fields["groups"],
            skipped=fields["skipped"],
            errors=tuple(BadRecord.from_json(one) for one in fields["errors"]),
            error=BadRecord.from_json(error) if error else None,
            progress=fields["progress"],
            seconds_left=fields.get("seconds_left"),
            created=datetime.fromisoformat(fields["created"]),
            started=_time(fields["started"]),
            finished=_time(fields["finished"]),
            fields=fields,
        )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
