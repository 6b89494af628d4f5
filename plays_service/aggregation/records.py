"""Cutting bytes into records: the line and quote rules of the CSV contract.

A record ends at the first line end outside quotes. Where a quote never closes, or closes only
after more than `RECORD_LIMIT` bytes, the bad record is the physical line that starts it, and
reading goes on at the next line: with ``on_error=skip`` a stray quote costs one line, not the
rest of the file.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final, TypeAlias

from plays_service.aggregation.dialect import RECORD_LIMIT, Dialect
from plays_service.aggregation.errors import CsvError, never_closed, too_long

__all__ = ["Record", "RecordReader"]

#: Byte offset in the file; physical line, 0-based from where reading began; the record without
#: its line end; what is wrong with it. Plain tuples: one is made for each row of the input.
Record: TypeAlias = tuple[int, int, bytes, CsvError | None]

#: Byte offset; the line with its line end, cut short if it is over the limit; its whole size.
_Line: TypeAlias = tuple[int, bytes, int]

_BLOCK_SIZE: Final = 256 << 10
_QUOTE: Final = b'"'
#: A record's bytes with the longest line end.
_LONGEST: Final = RECORD_LIMIT + 2


class RecordReader:
    """The records that start in ``[start, end)``, two record boundaries; empty lines left out.

    It looks beyond ``end`` for the close of a quote, never further than the record limit. Memory:
    a block and a record of the longest size. Errors count their lines like `Record`.
    """

    def __init__(self, file: BinaryIO, start: int, end: int, dialect: Dialect) -> None:
        self.lines = 0  #: physical lines read so far
        self.stopped = start  #: once all are read: where the first record starts that is not here
        self.at_end = False  #: whether the file's end was met
        self._end = end
        self._line_end = dialect.line_end
        self._delimiter_quote = dialect.delimiter + _QUOTE
        self._file = file
        self._source = _read_lines(file, start, dialect.line_end)
        self._ahead: deque[_Line] = deque()  # read in search of a closing quote
        # What the last search without success found out: wherever a line before this one ends
        # inside quotes, this one starts inside quotes, opened on that line. Without it, a hostile
        # file makes each of its lines search the whole limit anew.
        self._open_at = 0
        self._opened_on = 0

    def __iter__(self) -> Iterator[Record]:
        while (line := self._next_line()) and line[0] < self._end:
            offset, raw, size = line
            if size > _LONGEST or (size > RECORD_LIMIT and len(self._text(raw)) > RECORD_LIMIT):
                yield self._too_long(offset)
                self.lines += 1
            elif _QUOTE in raw:
                yield self._quoted_record(line)
            else:
                text = self._text(raw)
                if text:
                    yield offset, self.lines, text, None
                self.lines += 1
        self.stopped = line[0] if line else self._file.tell()

    def _next_line(self) -> _Line | None:
        return self._ahead.popleft() if self._ahead else self._read_line()

    def _read_line(self) -> _Line | None:
        line = next(self._source, None)
        self.at_end |= line is None or not line[1].endswith(self._line_end)
        return line

    def _text(self, raw: bytes) -> bytes:
        """``raw`` without its line end."""
        if not raw.endswith(self._line_end):
            return raw
        return raw[:-2] if raw.endswith(b"\r\n") else raw[:-1]

    def _quoted_record(self, first: _Line) -> Record:
        """The record that starts on ``first``; counts and takes its lines."""
        offset, raw, _ = first
        opened = self._scan(raw, self.lines, None)
        more = 0  # lines after the first
        while opened is not None:
            if self.lines + more + 1 < self._open_at:
                more, opened = self._open_at - self.lines - 1, max(opened, self._opened_on)
            line = self._look_ahead(more)
            if line is None or line[0] + line[2] - offset > _LONGEST:
                return self._never_ends(offset, more, opened, too_long=line is not None)
            more += 1
            opened = self._scan(line[1], self.lines + more, opened)
        text = self._text(raw + b"".join(self._ahead[i][1] for i in range(more)))
        if len(text) > RECORD_LIMIT:
            return self._never_ends(offset, 0, self.lines, too_long=True)
        for _ in range(more):
            self._ahead.popleft()
        record = (offset, self.lines, text, None)
        self.lines += more + 1
        return record

    def _never_ends(self, offset: int, more: int, opened: int, *, too_long: bool) -> Record:
        if too_long:
            record = self._too_long(offset)
        else:
            record = (offset, self.lines, b"", never_closed(opened))
        self._open_at, self._opened_on = self.lines + more + 1, opened
        self.lines += 1
        return record

    def _too_long(self, offset: int) -> Record:
        return offset, self.lines, b"", too_long(self.lines)

    def _look_ahead(self, index: int) -> _Line | None:
        while len(self._ahead) <= index:
            line = self._read_line()
            if line is None:
                return None
            self._ahead.append(line)
        return self._ahead[index]

    def _scan(self, raw: bytes, number: int, opened: int | None) -> int | None:
        """The line that opened the quote which is open at the end of line ``number``, or None.

        ``opened`` is the same for the end of the line before.
        """
        pos = 0
        if opened is None:
            if raw.startswith(_QUOTE):
                opened, pos = number, 1
            elif (pos := raw.find(self._delimiter_quote) + 2) > 1:
                opened = number
        while opened is not None:
            pos = raw.find(_QUOTE, pos)
            if pos < 0:
                break
            if raw.startswith(_QUOTE, pos + 1):
                pos += 2
                continue
            pos = raw.find(self._delimiter_quote, pos + 1) + 2
            opened = number if pos > 1 else None
        return opened


def _read_lines(file: BinaryIO, start: int, line_end: bytes) -> Iterator[_Line]:
    """Physical lines with their line ends; of a line over the limit only head and tail are kept."""
    file.seek(start)
    offset, carry, dropped = start, b"", 0
    while block := file.read(_BLOCK_SIZE):
        pieces = _split_lines(carry + block, line_end)
        carry = b"" if pieces[-1].endswith(line_end) else pieces.pop()
        for raw in pieces:
            size = len(raw) + dropped
            yield offset, raw, size
            offset, dropped = offset + size, 0
        excess = len(carry) - _LONGEST
        if excess > 0:  # the tail stays: it may hold half a CRLF
            carry, dropped = carry[:RECORD_LIMIT] + carry[-2:], dropped + excess
    if carry:
        yield offset, carry, len(carry) + dropped


def _split_lines(block: bytes, line_end: bytes) -> list[bytes]:
    if line_end == b"\n":
        return io.BytesIO(block).readlines()
    *lines, rest = block.split(line_end)
    lines = [line + line_end for line in lines]
    return [*lines, rest] if rest else lines
