"""What an aggregation found, each bad record with the input that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from plays_service.aggregation import ERRORS_KEPT, CsvError, Summary

__all__ = ["BadRecord", "Outcome"]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that cannot be counted; ``str()`` says where it is and why."""

    input: str  #: as the user named it
    error: CsvError

    def __str__(self) -> str:
        return f"{self.input}: {self.error}"

    def to_json(self) -> dict[str, Any]:
        """The record as JSON."""
        return {"input": self.input, **self.error.to_json()}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found in all inputs; with an error there is no result."""

    rows: int  #: good records
    groups: int
    skipped: int  #: bad records that were dropped
    errors: tuple[BadRecord, ...]  #: the first 100 of them
    error: BadRecord | None  #: the bad record that ended the work

    @classmethod
    def of(cls, names: Sequence[str], summaries: Sequence[Summary], groups: int) -> Outcome:
        """The outcome of inputs with these names; ``summaries`` ends at the first error."""
        pairs = list(zip(names, summaries, strict=False))
        errors = [BadRecord(name, error) for name, one in pairs for error in one.errors]
        ends = [BadRecord(name, one.error) for name, one in pairs if one.error is not None]
        return cls(
            rows=sum(one.rows for one in summaries),
            groups=groups,
            skipped=sum(one.skipped for one in summaries),
            errors=tuple(errors[:ERRORS_KEPT]),
            error=ends[0] if ends else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The outcome as JSON."""
        return {
            "rows": self.rows,
            "groups": self.groups,
            "skipped": self.skipped,
            "errors": [one.to_json() for one in self.errors],
            "error": self.error and self.error.to_json(),
        }
