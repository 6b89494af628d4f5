"""multipart/form-data, read as it arrives: RFC 7578 on top of RFC 2046 section 5.1.

Everything that is not the content of a part is bounded, and no piece of content is held back
longer than it takes to know that it is none of the delimiter.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote

__all__ = ["MultipartError", "MultipartReader", "Part", "boundary_of", "last_component"]

_CRLF: Final = b"\r\n"
_BLANK_LINE: Final = b"\r\n\r\n"
_MEDIA_TYPE: Final = "multipart/form-data"

#: RFC 2046 has fewer characters, but clients do send others that do no harm, such as "*****".
#: What it must not have: a CR (see `_start_of_delimiter`) and a space at the end (padding).
_BOUNDARY: Final = re.compile(rb"[\x20-\x7e]{0,69}[\x21-\x7e]")

# The parameters of Content-Type and of Content-Disposition are read here, and not by a library:
# - aiohttp's parse_content_disposition warns instead of failing, and loses all the parameters
#   when it dislikes one;
# - the email package ends header lines at a lone CR or LF, too, and turns unescaped Windows paths
#   and undecodable bytes into something else without a word.
# Possessive quantifiers (*+, ++): no header can make the match take more than linear time.
_PARAMETER: Final = re.compile(
    r"""
    ;[ \t;]*+ ([^\s;="]++) [ \t]*+ = [ \t]*+
    (?: "( [^"\\]*+ (?: \\. [^"\\]*+ )* )" [ \t]*+ | ([^;"]*+) )
    (?= ; | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
#: Only these two: in the C:\plays\x.csv of older clients a backslash is just a backslash.
_ESCAPED: Final = re.compile(r'\\(["\\])')
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_FOLD: Final = re.compile(r"\r\n[ \t]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PATH_SEPARATOR: Final = re.compile(r"[/\\]")

#: Encodings of content that leave its bytes as they are (RFC 2045 section 6.2).
_IDENTITY_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})


class MultipartError(ValueError):
    """The body is no multipart/form-data that can be read; ``str()`` says why and what to do."""


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type header names (RFC 2046 section 5.1.1).

    Raises `MultipartError` if the type is not multipart/form-data, or if the boundary is missing,
    given twice, longer than 70 characters or not made of visible ASCII characters.
    """
    if content_type.partition(";")[0].strip().lower() != _MEDIA_TYPE:
        raise MultipartError(f"the Content-Type is not {_MEDIA_TYPE}; send the form as that")
    boundary = _parameters("Content-Type", content_type).get("boundary")
    if boundary is None:
        raise MultipartError(
            f"the Content-Type {_MEDIA_TYPE} names no boundary; let the HTTP client set this "
            "header itself, or add the boundary that the body uses"
        )
    return _checked_boundary(boundary.encode("utf-8", "surrogatepass"))


class Part:
    """One part of a form: its headers, and its content as an asynchronous iterator.

    ``headers`` has lower-case names. ``name`` and ``filename`` are those of Content-Disposition
    (RFC 7578 section 4.2), and None if it does not have them. Of a filename with a path in it only
    the last component is kept; it is ``""`` if the user chose no file, never has control
    characters, and is still nothing to make a path from.

    Iterate over it once, and before the reader is asked for the next part. It yields the content
    in pieces as large as they arrive, none of them empty, and raises `MultipartError` when the
    body ends too early, as well as what the reader's ``chunks`` raises.
    """

    def __init__(
        self, headers: Mapping[str, str], next_piece: Callable[[], Awaitable[bytes]]
    ) -> None:
        parameters = _disposition(headers)
        self.headers = headers
        self.name = parameters.get("name")
        filename = parameters.get("filename")
        self.filename = None if filename is None else last_component(filename)
        self._next_piece = next_piece
        self._ended = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._ended:
            if piece := await self._next_piece():
                return piece
            self._ended = True
        raise StopAsyncIteration


class MultipartReader:
    """Reads the parts of a multipart/form-data body, one after the other.

    ``chunks`` is the body in chunks of any size; the reader holds one at a time, and asks for none
    after the closing delimiter: what follows that (the epilogue) is for the caller to drain. The
    content of a part may have any size. Limited are the bytes before the first delimiter
    (``max_preamble_size``), those of the headers of one part (``max_header_size``), and the number
    of parts.

    Raises `MultipartError` for a boundary that `boundary_of` would refuse.
    """

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        boundary: bytes,
        *,
        max_header_size: int = 16 * 1024,
        max_preamble_size: int = 64 * 1024,
        max_parts: int = 100,
    ) -> None:
        self._chunks = chunks
        self._delimiter = _CRLF + b"--" + _checked_boundary(boundary)
        self._max_header_size = max_header_size
        self._max_preamble_size = max_preamble_size
        self._max_parts = max_parts
        self._chunk = b""
        self._position = 0  #: in the chunk: where the bytes start that are not read yet
        self._matched = 0  #: how much of the delimiter the chunks before have ended with
        self._not_content = 0  #: how much of that belongs to what comes before the content
        self._at_delimiter = False
        self._part: Part | None = None
        self._parts = 0
        self._closed = False
        self._error: MultipartError | None = None
        self._start_content()

    async def next_part(self) -> Part | None:
        """The next part, or None after the last; skips what is left of the part before.

        Raises `MultipartError`, and then again at each further call, if the body is not as
        RFC 2046 section 5.1.1 and RFC 7578 section 4 want it, exceeds a limit or ends too early.
        What ``chunks`` raises passes through.
        """
        if self._error is not None:
            raise self._error
        try:
            return None if self._closed else await self._next_part()
        except MultipartError as error:
            self._error = error
            raise

    async def _next_part(self) -> Part | None:
        if self._part is None:
            await self._skip_preamble()
        else:
            async for _ in self._part:
                pass
        if await self._is_close_delimiter():
            self._closed = True
            self._part, self._chunk = None, b""
            return None
        self._count_part()
        headers = _headers(await self._read_header_block())
        _check_transfer_encoding(headers)
        self._part = Part(headers, self._next_piece)
        self._start_content()
        return self._part

    async def _skip_preamble(self) -> None:
        left = self._max_preamble_size
        while piece := await self._next_piece():
            left -= len(piece)
            if left < 0:
                raise MultipartError(
                    f"no line {self._shown_delimiter()} in the first {self._max_preamble_size} "
                    "bytes of the body; send the boundary that the Content-Type names, with CRLF "
                    "line ends"
                )

    async def _is_close_delimiter(self) -> bool:
        """Read what follows the boundary: ``--``, or padding and the end of the line."""
        after = await self._take(len(_CRLF))
        if after == b"--":
            return True
        padding = 0
        while after[0] in b" \t" and padding < self._max_header_size:
            after = after[1:] + await self._take(1)
            padding += 1
        if after != _CRLF:
            # RFC 2046 makes every line that starts like this a delimiter, so it is no content.
            raise MultipartError(
                f"a line starts with {self._shown_delimiter()} but goes on after it; the boundary "
                "must not occur in what is sent, and its lines must end with CRLF"
            )
        return False

    def _count_part(self) -> None:
        if self._parts == self._max_parts:
            raise MultipartError(
                f"the form has more than {self._max_parts} parts; send fewer of them at a time"
            )
        self._parts += 1

    async def _read_header_block(self) -> bytes:
        """The header lines of a part, without the blank line that ends them."""
        block = bytearray(_CRLF)  # of the line before: without headers the blank line comes first
        searched = 0
        while (end := block.find(_BLANK_LINE, searched)) < 0:
            room = len(_CRLF) + self._max_header_size + len(_BLANK_LINE) - len(block)
            if room <= 0:
                raise MultipartError(
                    f"the headers of a part are longer than {self._max_header_size} bytes, or no "
                    "blank line ends them; send fewer or shorter ones, with CRLF line ends"
                )
            searched = max(0, len(block) - len(_BLANK_LINE) + 1)
            block += await self._take_some(room)
        self._position -= len(block) - end - len(_BLANK_LINE)  # back to the start of the content
        return bytes(block[len(_CRLF) : end])

    def _start_content(self) -> None:
        # A delimiter may come at once: its CRLF is then that of the blank line, and the first one
        # of a body needs none (RFC 2046: body-part and multipart-body in section 5.1.1).
        self._matched = self._not_content = len(_CRLF)
        self._at_delimiter = False

    async def _next_piece(self) -> bytes:
        """The next piece of content; an empty one when the delimiter is reached."""
        while not self._at_delimiter:
            await self._fill()
            if piece := self._scan():
                return piece
        return b""

    def _scan(self) -> bytes:
        """Take the content from the chunk, up to the delimiter or what may be the start of it."""
        if self._matched:
            return self._resume_match()
        chunk, start = self._chunk, self._position
        end = self._find_delimiter()
        if end >= 0:
            self._position = end + len(self._delimiter)
            self._at_delimiter = True
        else:
            end = self._start_of_delimiter()
            self._matched = len(chunk) - end
            self._position = len(chunk)
        return chunk[start:end]  # all of the chunk is the chunk itself, not a copy

    def _find_delimiter(self) -> int:
        """Where the delimiter is in the chunk, or -1."""
        # CPython's find takes up to ten times as long on some data and in chunks below 30 kB. A
        # search from the end compares little at each CR, and is as good at telling that there is
        # no delimiter at all, which is what nearly every chunk is searched for.
        first = self._chunk.find(b"\r", self._position)
        if first < 0 or self._chunk.rfind(self._delimiter, first) < 0:
            return -1
        return self._chunk.find(self._delimiter, first)

    def _start_of_delimiter(self) -> int:
        """Where the chunk ends with the start of a delimiter, or else its length."""
        chunk = self._chunk
        # The delimiter has no second CR, so the last one decides.
        at = chunk.rfind(b"\r", max(self._position, len(chunk) - len(self._delimiter) + 1))
        return at if at >= 0 and self._delimiter.startswith(chunk[at:]) else len(chunk)

    def _resume_match(self) -> bytes:
        """Go on with a delimiter that chunks before have started; if it is none, give that back."""
        expected = self._delimiter[self._matched :]
        arrived = self._chunk[self._position : self._position + len(expected)]
        if not expected.startswith(arrived):
            held = self._delimiter[self._not_content : self._matched]
            self._matched = self._not_content = 0
            return held
        self._position += len(arrived)
        self._matched += len(arrived)
        if self._matched == len(self._delimiter):
            self._matched = self._not_content = 0
            self._at_delimiter = True
        return b""

    async def _take(self, size: int) -> bytes:
        """The next ``size`` bytes: for a few of them."""
        taken = b""
        while len(taken) < size:
            taken += await self._take_some(size - len(taken))
        return taken

    async def _take_some(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes."""
        await self._fill()
        taken = self._chunk[self._position : self._position + size]
        self._position += len(taken)
        return taken

    async def _fill(self) -> None:
        """Make sure that the chunk has bytes that are not read yet."""
        while self._position == len(self._chunk):
            self._chunk, self._position = b"", 0  # not one more chunk while waiting for the next
            try:
                self._chunk = await anext(self._chunks)
            except StopAsyncIteration:
                raise self._ended_early() from None

    def _ended_early(self) -> MultipartError:
        if self._part is None and not self._at_delimiter:
            return MultipartError(
                f"the upload ended early: the body has no line {self._shown_delimiter()}; send it "
                "again, with the boundary that the Content-Type names and CRLF line ends"
            )
        return MultipartError(
            f"the upload ended early: the closing line {self._shown_delimiter()}-- is missing; "
            "send all of it again"
        )

    def _shown_delimiter(self) -> str:
        return self._delimiter[len(_CRLF) :].decode("ascii")


def _checked_boundary(boundary: bytes) -> bytes:
    if not _BOUNDARY.fullmatch(boundary):
        raise MultipartError(
            "the boundary in the Content-Type is not valid; use 1 to 70 letters, digits or hyphens"
        )
    return boundary


def _headers(block: bytes) -> dict[str, str]:
    """The headers in a block of lines (RFC 5322 section 2.2), by their names in lower case."""
    # Names are UTF-8 nowadays (RFC 7578 section 5.1); others must still fit into UTF-8 later on.
    text = _FOLD.sub(" ", block.decode("utf-8", "replace"))
    headers: dict[str, str] = {}
    for line in text.split("\r\n") if text else ():
        name, colon, value = line.partition(":")
        if not colon or not _HEADER_NAME.fullmatch(name) or _has_line_break(value):
            raise MultipartError(
                "a header of a part is not valid; send lines such as "
                'Content-Disposition: form-data; name="file", with CRLF line ends'
            )
        if name.lower() in headers:
            raise MultipartError(f"a part has the header {name[:80]} twice; send it once")
        headers[name.lower()] = value.strip(" \t")
    return headers


def _has_line_break(value: str) -> bool:
    """Whether others could see more than one line in a value (RFC 9110 section 5.5)."""
    return "\r" in value or "\n" in value or "\0" in value


def _check_transfer_encoding(headers: Mapping[str, str]) -> None:
    """Refuse encoded content: RFC 7578 section 4.7 deprecates it, and no browser sends it."""
    encoding = headers.get("content-transfer-encoding", "binary")
    if encoding.lower() not in _IDENTITY_ENCODINGS:
        raise MultipartError(
            f"the Content-Transfer-Encoding {encoding[:40]!a} of a part is not supported; "
            "send the content as it is, without this header"
        )


def _disposition(headers: Mapping[str, str]) -> dict[str, str]:
    """The decoded parameters of Content-Disposition."""
    raw = _parameters("Content-Disposition", headers.get("content-disposition", ""))
    # Browsers and curl write a quote as %22, and a percent sign as it is: so no more than that.
    plain = {name: value.replace("%22", '"') for name, value in raw.items()}
    # RFC 7578 section 4.2 forbids filename*, but some send it, as the better of the two.
    extended = {
        name.removesuffix("*"): _extended(value) for name, value in raw.items() if name[-1] == "*"
    }
    return plain | extended


def _extended(value: str) -> str:
    """Decode ``charset'language'percent-encoded`` (RFC 5987 section 3.2), as far as possible."""
    charset, _, rest = value.partition("'")
    _, quote, text = rest.partition("'")
    encoding = "iso-8859-1" if charset.lower() == "iso-8859-1" else "utf-8"
    return unquote(text if quote else value, encoding, "replace")


def _parameters(header: str, value: str) -> dict[str, str]:
    """What follows the first ``;`` of a header's value, by the names in lower case."""
    parameters: dict[str, str] = {}
    position = value.find(";") if ";" in value else len(value)
    while match := _PARAMETER.match(value, position):
        name, quoted, token = match.group(1).lower(), match.group(2), match.group(3)
        if name in parameters:
            raise MultipartError(f"{header} has the parameter {name[:40]!a} twice")
        parameters[name] = token.strip() if quoted is None else _ESCAPED.sub(r"\1", quoted)
        position = match.end()
    if value[position:].strip("; \t"):
        raise MultipartError(
            f"{header} cannot be read; write its parameters as "
            'name="value", with a backslash before each quote in the value'
        )
    return parameters


def last_component(filename: str) -> str:
    """What comes last in a path of any system, with control characters made visible."""
    return _CONTROL.sub("\ufffd", _PATH_SEPARATOR.split(filename)[-1])
