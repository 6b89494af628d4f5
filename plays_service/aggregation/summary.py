"""What goes into an aggregation and what comes out, besides the bytes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation.dialect import Dialect
from plays_service.aggregation.errors import CsvError

__all__ = ["ERRORS_KEPT", "Segment", "Source", "Summary"]

#: Bad records that are told one by one when they are skipped; the rest is only counted.
ERRORS_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Source:
    """An input file and how to read it."""

    path: Path
    dialect: Dialect
    skip_errors: bool = False  #: drop bad records (``on_error=skip``) instead of stopping


@dataclass(frozen=True, slots=True)
class Segment:
    """Whole records of an input: the bytes ``[start, end)``."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What reading one segment, or a whole file, found."""

    rows: int = 0  #: good records
    lines: int = 0  #: physical lines
    groups: int = 0
    skipped: int = 0  #: bad records that were dropped
    errors: tuple[CsvError, ...] = field(default=())  #: the first of them
    error: CsvError | None = None  #: the bad record that ended the reading

    def then(self, following: Summary) -> Summary:
        """The summary of both, where ``following`` is of the bytes right after this one's.

        Groups do not add up (two segments may share them): they are known after the merge.
        """
        errors = (*self.errors, *(error.moved(self.lines) for error in following.errors))
        return Summary(
            rows=self.rows + following.rows,
            lines=self.lines + following.lines,
            skipped=self.skipped + following.skipped,
            errors=errors[:ERRORS_KEPT],
            error=self.error or (following.error and following.error.moved(self.lines)),
        )

    def moved(self, lines: int) -> Summary:
        """The same, with the lines of errors counted from ``lines`` further up."""
        return replace(
            self,
            errors=tuple(error.moved(lines) for error in self.errors),
            error=self.error and self.error.moved(lines),
        )

    def to_json(self) -> dict[str, Any]:
        """The summary as a partial keeps it."""
        return {
            "rows": self.rows,
            "lines": self.lines,
            "groups": self.groups,
            "skipped": self.skipped,
            "errors": [error.to_json() for error in self.errors],
            "error": self.error and self.error.to_json(),
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Summary:
        """The summary that `to_json` wrote."""
        error = fields["error"]
        return cls(
            rows=fields["rows"],
            lines=fields["lines"],
            groups=fields["groups"],
            skipped=fields["skipped"],
            errors=tuple(CsvError.from_json(one) for one in fields["errors"]),
            error=CsvError.from_json(error) if error else None,
        )
