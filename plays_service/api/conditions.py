"""What a request asks for by what its client has already (RFC 9110, sections 13 and 14).

A tag is that of an ETag header, without its quotes; ``modified`` is in seconds since the epoch.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from plays_service.api.errors import ApiError

__all__ = [
    "CONDITIONS",
    "PARTS",
    "check_preconditions",
    "check_range",
    "is_known",
    "wants_part",
]

#: Headers with which a client asks for a part, or for the rest, of what it has as it is.
PARTS: Final = frozenset({"Range", "If-Range", "If-Match", "If-Unmodified-Since"})
#: Headers with which a client may get something else than all of it.
CONDITIONS: Final = PARTS | {"If-None-Match", "If-Modified-Since"}
#: One range of bytes, the only kind of range that is served.
_RANGE: Final = re.compile(r"bytes=(?:[0-9]+-[0-9]*|-[0-9]+)", re.IGNORECASE)
#: The last none of the bytes, which `http_range` takes for all of them.
_NOTHING: Final = re.compile(r"bytes=-0+", re.IGNORECASE)


def is_known(request: web.Request, tag: str, modified: float | None = None) -> bool:
    """Whether the client has it already, which is answered 304 (sections 13.1.2 and 13.1.3)."""
    known, since = request.if_none_match, request.if_modified_since
    if known is not None:
        return any(one.value in (tag, "*") for one in known)
    return modified is not None and since is not None and modified <= since.timestamp()


def check_preconditions(request: web.Request, tag: str, modified: float) -> None:
    """Raise `ApiError` 412 (section 13.2.2): aiohttp's files would, but without a body."""
    known, since = request.if_match, request.if_unmodified_since
    if known is not None:
        tags = {one.value for one in known if not one.is_weak}
        holds = not tags.isdisjoint({tag, "*"})
    else:
        holds = since is None or modified <= since.timestamp()
    if not holds:
        raise ApiError(
            412,
            "The result is another than the one that the request asks for; leave out If-Match "
            "and If-Unmodified-Since",
        )


def wants_part(request: web.Request, tag: str, modified: float) -> bool:
    """Whether a range is asked for, and of this very file (sections 13.1.5 and 14.2).

    A range of another unit must be ignored, and several may be.
    """
    if not _RANGE.fullmatch(request.headers.get("Range", "")):
        return False
    condition = request.headers.get("If-Range", "").strip()
    if condition.startswith(('"', "W/")):
        return condition == f'"{tag}"'
    date = request.if_range
    return not condition or (date is not None and modified <= date.timestamp())


def check_range(request: web.Request, size: int) -> None:
    """Raise `ApiError` 416 (section 15.5.17): aiohttp's files would, but not as JSON."""
    try:
        start = request.http_range.start
    except ValueError:
        start = size
    if _NOTHING.fullmatch(request.headers.get("Range", "")):
        start = size
    if start is not None and start >= size:
        raise ApiError(
            416,
            f"The range lies beyond the {size} bytes of the result",
            {"Content-Range": f"bytes */{size}"},
        )
