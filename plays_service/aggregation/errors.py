"""What can be wrong with a CSV, and the words for it."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["CsvError", "never_closed", "quoted", "too_long"]

#: Longest value that an error shows, in characters: enough to recognise it, short enough to read.
_SHOWN_CHARACTERS: Final = 80


class CsvError(Exception):
    """One thing that is wrong with the input, and where.

    ``line`` is the physical line on which the record starts (or the quote opens): 1-based in the
    file, while a segment is being read relative to the segment. ``value`` is kept only as far as it
    is shown. ``str()`` is the text for people:
    ``line 3: Number of Plays: "12.5" is not a whole number``.
    """

    def __init__(
        self, line: int, problem: str, column: str | None = None, value: str | None = None
    ) -> None:
        if value is not None:
            value = value[: _SHOWN_CHARACTERS + 1]  # one more shows that there was more
        super().__init__(line, problem, column, value)  # all of them, so that it pickles
        self.line = line
        self.problem = problem
        self.column = column
        self.value = value

    def __str__(self) -> str:
        column = f"{self.column}: " if self.column else ""
        value = f"{quoted(self.value)} " if self.value is not None else ""
        return f"line {self.line}: {column}{value}{self.problem}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CsvError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)

    def moved(self, lines: int) -> CsvError:
        """The same error, ``lines`` further down."""
        return CsvError(self.line + lines, self.problem, self.column, self.value)

    def to_json(self) -> dict[str, Any]:
        """The error as the API shows it and the disk keeps it."""
        return {
            "message": str(self),
            "line": self.line,
            "column": self.column,
            "value": self.value,
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> CsvError:
        """The error that `to_json` wrote."""
        return cls(fields["line"], fields["problem"], fields["column"], fields["value"])


def quoted(value: str) -> str:
    """``value`` in double quotes, cut to a readable length, control characters made visible."""
    shown = value[:_SHOWN_CHARACTERS]
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
    return f'"{text}…"' if len(value) > _SHOWN_CHARACTERS else f'"{text}"'


def too_long(line: int) -> CsvError:
    """The error of a record over the limit."""
    return CsvError(line, "the record is longer than 1 MiB; is a quote not closed?")


def never_closed(line: int) -> CsvError:
    """The error of a quote that was opened on ``line``."""
    return CsvError(line, "the quote opened here is never closed")
