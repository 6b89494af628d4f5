"""Reading the header: delimiter, line end, and where the three columns are."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import asdict, dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any, Final

from plays_service.aggregation.errors import CsvError, quoted
from plays_service.aggregation.fields import closing_quote, decode, split_fields

__all__ = [
    "COLUMNS",
    "DELIMITERS",
    "HEAD_SIZE",
    "RECORD_LIMIT",
    "Dialect",
    "dialect_of",
    "early_dialect_of",
    "read_dialect",
]

#: The columns that make a record, in the order in which their values are checked.
COLUMNS: Final = ("Song", "Date", "Number of Plays")
#: In the order in which they are tried; at most one can yield all three columns.
DELIMITERS: Final = (b",", b";", b"\t", b"|")
#: Longest record in bytes, without its line end: a longer one is almost surely a stray quote.
RECORD_LIMIT: Final = 1 << 20
#: Bytes of the input that always hold the header, if it is one.
HEAD_SIZE: Final = RECORD_LIMIT + (64 << 10)

_BOM: Final = b"\xef\xbb\xbf"
_LEAST_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file writes its records: all that a worker needs besides the bytes."""

    delimiter: bytes
    line_end: bytes  #: LF (which takes CRLF along) or CR
    fields: int  #: fields in each record
    song: int  #: index of the column
    date: int
    plays: int
    data_start: int  #: byte offset of the first record after the header
    data_line: int  #: physical line of that offset, 1-based
    encoding: str  #: what the upload was written in; by now everything is UTF-8

    def to_json(self) -> dict[str, Any]:
        """The dialect as JSON."""
        text = {"delimiter": self.delimiter.decode(), "line_end": self.line_end.decode()}
        return asdict(self) | text

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Dialect:
        """The dialect that `to_json` wrote."""
        text = {name: fields[name].encode() for name in ("delimiter", "line_end")}
        return cls(**fields | text)


@dataclass(frozen=True, slots=True)
class _Header:
    start: int
    end: int  #: offset of the first byte after the header's line end
    line: int
    line_end: bytes
    record: bytes


def read_dialect(head: bytes, encoding: str = "UTF-8") -> Dialect:
    """The dialect of a file, from its first `HEAD_SIZE` bytes (all of it, if it is shorter).

    Raises `CsvError` where the file is empty, or its header lacks or repeats a column.
    """
    start = len(_BOM) if head.startswith(_BOM) else 0
    while head[start : start + 1] in (b"\n", b"\r"):
        start += 1
    if start == len(head):
        raise CsvError(1, f"the file is empty; its first line must name {_wanted()}")
    tried, errors = [], []
    for delimiter in DELIMITERS:
        header = _find_header(head, start, delimiter)
        try:
            names = _column_names(header, delimiter, encoding)
        except CsvError as error:
            errors.append((header.record.count(delimiter), error))
            continue
        found = [_fold(name) for name in names]
        if all(found.count(column) == 1 for column in _FOLDED):
            song, date, plays = (found.index(column) for column in _FOLDED)
            line = header.line + header.record.count(header.line_end) + 1
            return Dialect(
                delimiter=delimiter,
                line_end=header.line_end,
                fields=len(names),
                song=song,
                date=date,
                plays=plays,
                data_start=header.end,
                data_line=line,
                encoding=encoding,
            )
        tried.append((header.line, names))
    raise _header_error(tried, errors)


def early_dialect_of(path: Path, encoding: str = "UTF-8") -> Dialect | None:
    """`dialect_of` for a file that is still growing; None where that can change it."""
    with path.open("rb", buffering=0) as file:
        head = _read_head(file)
    known = len(head) == HEAD_SIZE and not _is_empty(head)
    return dialect_of(path, encoding) if known else None


def dialect_of(path: Path, encoding: str = "UTF-8") -> Dialect:
    """The dialect of the file at ``path``; raises what `read_dialect` raises."""
    offset, empty_lines = 0, Counter[bytes]()
    with path.open("rb", buffering=0) as file:
        head = _read_head(file)
        while len(head) == HEAD_SIZE and _is_empty(head):
            offset += len(head)
            empty_lines.update({end: head.count(end) for end in (b"\n", b"\r")})
            head = _read_head(file)
    try:
        dialect = read_dialect(head, encoding)
    except CsvError as error:
        raise error.moved(empty_lines[b"\n"] or empty_lines[b"\r"]) from None
    if offset == 0:
        return dialect
    return replace(
        dialect,
        data_start=dialect.data_start + offset,
        data_line=dialect.data_line + empty_lines[dialect.line_end],
    )


def _read_head(file: FileIO) -> bytes:
    """The next `HEAD_SIZE` bytes, or all that there are.

    Room is made for what is there only: for a small file, that for a whole head would cost more
    than all else that is done with it.
    """
    at_once = max(os.fstat(file.fileno()).st_size, _LEAST_AT_ONCE)
    parts, left = [], HEAD_SIZE
    while left and (part := file.read(min(at_once, left))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _is_empty(head: bytes) -> bool:
    """Whether all lines are."""
    return not head.removeprefix(_BOM).strip(b"\r\n")


def _find_header(head: bytes, start: int, delimiter: bytes) -> _Header:
    """The first record: where it ends decides which line end the whole file has."""
    pos, quoted_field = start, head.startswith(b'"', start)
    while True:
        if quoted_field:
            pos = closing_quote(head, pos + 1) + 1 or len(head)
        line_ends = [p for p in (head.find(b"\n", pos), head.find(b"\r", pos)) if p >= 0]
        end = min(line_ends, default=len(head))
        opening = head.find(delimiter + b'"', pos, end)
        if opening < 0:
            break
        pos, quoted_field = opening + 1, True
    lone_cr = head[end : end + 1] == b"\r" and head[end + 1 : end + 2] != b"\n"
    line_end = b"\r" if lone_cr else b"\n"
    length = 2 if head[end : end + 2] == b"\r\n" else 1
    line = head.count(line_end, 0, start) + 1
    return _Header(start, min(end + length, len(head)), line, line_end, head[start:end])


def _column_names(header: _Header, delimiter: bytes, encoding: str) -> list[str]:
    """Raises `CsvError` where the header cannot be read with this delimiter."""
    if len(header.record) > RECORD_LIMIT:
        raise CsvError(header.line, "the header is longer than 1 MiB; is this a CSV file?")
    decode(header.record, header.line, encoding)
    fields = split_fields(header.record, delimiter, header.line, header.line_end)
    return [field.decode() for field in fields]


def _fold(name: str) -> str:
    """Names are equal whatever their case (ASCII) and surrounding blanks."""
    name = name.strip(" \t")
    if name.isascii():
        return name.lower()
    return "".join(c.lower() if c.isascii() else c for c in name)


_FOLDED: Final = tuple(map(_fold, COLUMNS))


def _wanted() -> str:
    return ", ".join(f'"{column}"' for column in COLUMNS)


def _header_error(
    tried: list[tuple[int, list[str]]], errors: list[tuple[int, CsvError]]
) -> CsvError:
    """What is wrong with a header, read with the delimiter that explains most of it.

    ``tried`` are lines and names as some delimiters give them; ``errors`` what is wrong with the
    quotes for others, and how often those occur.
    """
    wanted = set(_FOLDED)

    def explained(one: tuple[int, list[str]]) -> tuple[int, int]:
        return len(wanted & {_fold(name) for name in one[1]}), len(one[1])

    line, names = max(tried, key=explained, default=(0, []))
    if errors and not wanted & {_fold(name) for name in names}:
        return max(errors, key=lambda one: one[0])[1]
    found = [_fold(name) for name in names]
    columns = ", ".join(quoted(name.strip(" \t")) for name in names[:20])
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    problems = [f'"{c}" is missing' for c in COLUMNS if _fold(c) not in found]
    problems += [f'"{c}" is repeated' for c in COLUMNS if found.count(_fold(c)) > 1]
    return CsvError(
        line,
        f"the header must name {_wanted()} once each: {', '.join(problems)} "
        f"(columns found: {columns}{more})",
    )
