"""The page at ``/`` and its files, as they lie in the package."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from aiohttp import web

from plays_service.api.static_file import StaticFile

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


async def get_page(request: web.Request) -> web.Response:
    """The page."""
    return _files()[_PAGE].answer(request)


async def get_static(request: web.Request) -> web.Response:
    """A script, a style or a picture of the page."""
    name = request.match_info["file"]
    if name == _PAGE or name not in _files():
        raise web.HTTPNotFound
    return _files()[name].answer(request)


@cache
def _files() -> Mapping[str, StaticFile]:
    """All files of the page by their names: some tens of kilobytes, read once."""
    return {
        entry.name: StaticFile.of(entry.read_bytes(), _TYPES[PurePath(entry.name).suffix], _POLICY)
        for entry in (resources.files("plays_service") / "web").iterdir()
        if PurePath(entry.name).suffix in _TYPES
    }
