"""What goes into an aggregation and what comes out, besides the bytes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation.dialect import Dialect
from plays_service.aggregation.errors import CsvError

__all__ = ["ERRORS_KEPT", "Reading", "Segment", "Source", "Summary"]

#: Bad records that are told one by one when they are skipped; the rest is only counted.
ERRORS_KEPT: Final = 100


@dataclass(frozen=True, slots=True)
class Source:
    """An input file and how to read it."""

    path: Path
    dialect: Dialect
    skip_errors: bool = False  #: drop bad records (``on_error=skip``) instead of stopping
    base: int = 0  #: bytes of the inputs before this one, where several have one result


@dataclass(frozen=True, slots=True)
class Segment:
    """A share of an input: the records that start in the bytes ``[start, end)``."""

    start: int
    end: int
    #: The start is any byte: the first record is taken to be where the first line starts from there
    #: on. That is wrong where it is inside quotes, which only the segment before can tell.
    rough: bool = False
    growing: bool = False  #: more may be written behind what the file holds

    def to_json(self) -> dict[str, Any]:
        """The segment as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Segment:
        """The segment that `to_json` wrote."""
        return cls(**fields)


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
        """The summary as JSON."""
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


@dataclass(frozen=True, slots=True)
class Reading:
    """What a segment turned out to be.

    Segments follow on each other exactly where one starts at the other's end: then, and only then,
    both were cut between the same two records.
    """

    start: int  #: offset of the first record
    end: int  #: offset of the first record that is not in it; after an error, the segment's end
    summary: Summary

    def to_json(self) -> dict[str, Any]:
        """The reading as a partial keeps it."""
        return {"start": self.start, "end": self.end, "summary": self.summary.to_json()}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Reading:
        """The reading that `to_json` wrote."""
        return cls(fields["start"], fields["end"], Summary.from_json(fields["summary"]))
