"""The page at ``/`` and its files, as they lie in the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from aiohttp import ETag, web

__all__ = ["get_page", "get_static"]

_PAGE: Final = "index.html"
#: Not asked from the system: its tables differ, and a browser runs no script of another type.
_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".html": "text/html; charset=utf-8",
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
    }
)
#: Content Security Policy 3: only what this service itself sends, and no form that leaves the page.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    headers: Mapping[str, str]
    tag: str  #: of the content: an upgrade may change a file and not its time


async def get_page(request: web.Request) -> web.Response:
    """The page."""
    return _answer(request, _files()[_PAGE])


async def get_static(request: web.Request) -> web.Response:
    """A script, a style or a picture of the page."""
    name = request.match_info["file"]
    if name == _PAGE or name not in _files():
        raise web.HTTPNotFound
    return _answer(request, _files()[name])


def _answer(request: web.Request, file: _File) -> web.Response:
    """The file, or 304 where the browser has it already (RFC 9110, section 13.1.2)."""
    known = {tag.value for tag in request.if_none_match or ()}
    if known & {file.tag, "*"}:
        answer = web.Response(status=304, headers=file.headers)
    else:
        answer = web.Response(body=file.body, headers=file.headers)
    answer.etag = ETag(file.tag)
    return answer


@cache
def _files() -> Mapping[str, _File]:
    """All files of the page by their names: some tens of kilobytes, read once."""
    return {
        entry.name: _load(entry.read_bytes(), _TYPES[PurePath(entry.name).suffix])
        for entry in (resources.files("plays_service") / "web").iterdir()
        if PurePath(entry.name).suffix in _TYPES
    }


def _load(body: bytes, content_type: str) -> _File:
    headers = {
        "Content-Type": content_type,
        "Cache-Control": "no-cache",  # keep it, but ask each time whether it still holds
        "Content-Security-Policy": _POLICY,
    }
    return _File(body, MappingProxyType(headers), sha256(body).hexdigest()[:32])
