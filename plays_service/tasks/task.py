"""A task: one upload on its way to its result."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from dataclasses import fields as fields_of
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from plays_service.aggregation import CsvError, Summary
from plays_service.tasks.signal import Signal

__all__ = ["ENDED", "State", "Task"]


class State(StrEnum):
    """Celery's names; a task only ever moves forward through them."""

    PENDING = "PENDING"  #: accepted; no worker has begun
    STARTED = "STARTED"  #: a worker is, or has been, at it
    SUCCESS = "SUCCESS"  #: the result is there, whole
    FAILURE = "FAILURE"  #: there will be no result; the message says why
    REVOKED = "REVOKED"  #: cancelled by the client


#: States that never change any more.
ENDED: Final = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED})

#: Fields by which this process waits for a task; they are no part of what is told of it.
_WAITED_FOR: Final = frozenset({"changed", "ended", "ending"})


@dataclass(slots=True, kw_only=True, eq=False, weakref_slot=True)
class Task:
    """What the registry knows of a task. Times are seconds since the epoch."""

    id: UUID = field(default_factory=uuid4)
    filename: str
    bytes: int  #: size of the upload as it came
    owner: str | None = None  #: whose token it came with, where tokens are asked for
    encoding: str = "UTF-8"  #: that the upload had; on disk it is UTF-8
    skip_errors: bool = False
    state: State = State.PENDING
    message: str = "None"  #: what a client is told beside the state
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    progress: float = 0.0  #: 0..1, never goes back
    rows: int = 0
    groups: int = 0
    skipped: int = 0
    errors: tuple[CsvError, ...] = ()  #: the first of the skipped
    error: CsvError | None = None
    segments: int = 0  #: read so far
    changed: Signal = field(default_factory=Signal, repr=False)
    ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    ending: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)  #: one end only

    @property
    def has_ended(self) -> bool:
        """Whether the state is final."""
        return self.state in ENDED

    @property
    def seed(self) -> int:
        """64 bits that no uploader could know beforehand."""
        return self.id.int & (1 << 64) - 1

    def count(self, summary: Summary) -> None:
        """Take over what reading the input found."""
        self.rows, self.skipped = summary.rows, summary.skipped
        self.errors, self.error = summary.errors, summary.error
        self.groups = summary.groups or self.groups

    def fail(self, summary: Summary) -> None:
        """Let it have ended with the error of the summary."""
        self.count(summary)
        self.state, self.message = State.FAILURE, str(summary.error)
        self.finished = time.time()

    def become(self, other: Task) -> None:
        """Take over all that ``other`` tells; who waits for this task goes on waiting for it."""
        for one in fields_of(self):
            if one.name not in _WAITED_FOR:
                setattr(self, one.name, getattr(other, one.name))

    def to_json(self) -> dict[str, Any]:
        """The task as the disk keeps it (times in seconds)."""
        return {
            "task_id": str(self.id),
            "owner": self.owner,
            "state": self.state.value,
            "message": self.message,
            "filename": self.filename,
            "bytes": self.bytes,
            "encoding": self.encoding,
            "on_error": "skip" if self.skip_errors else "fail",
            "created": self.created,
            "started": self.started,
            "finished": self.finished,
            "progress": round(self.progress, 4),
            "segments": self.segments,
            "rows": self.rows,
            "groups": self.groups,
            "skipped": self.skipped,
            "errors": [error.to_json() for error in self.errors],
            "error": self.error and self.error.to_json(),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Task:
        """The task that `to_json` wrote. Raises `KeyError`, `TypeError` or `ValueError`."""
        task = cls(
            id=UUID(fields["task_id"]),
            owner=fields.get("owner"),  # which older versions did not write
            filename=fields["filename"],
            bytes=fields["bytes"],
            encoding=fields["encoding"],
            skip_errors=fields["on_error"] == "skip",
            state=State(fields["state"]),
            message=fields["message"],
            created=fields["created"],
            started=fields["started"],
            finished=fields["finished"],
            progress=fields["progress"],
            segments=fields["segments"],
            rows=fields["rows"],
            groups=fields["groups"],
            skipped=fields["skipped"],
            errors=tuple(CsvError.from_json(error) for error in fields["errors"]),
            error=CsvError.from_json(fields["error"]) if fields["error"] else None,
        )
        if task.has_ended:
            task.ended.set()
        return task
