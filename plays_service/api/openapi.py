"""The description of the API: ``/openapi.json`` for programs, ``/docs`` for people."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from aiohttp import web

from plays_service import __version__
from plays_service.api.docs_page import docs_page
from plays_service.api.static_file import StaticFile

__all__ = ["document", "get_docs", "get_openapi"]


async def get_openapi(request: web.Request) -> web.Response:
    """The OpenAPI 3.1 document."""
    return _document_file().answer(request)


async def get_docs(request: web.Request) -> web.Response:
    """The document as a page."""
    return _page_file().answer(request)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    written: dict[str, Any] = json.loads(_web_file("openapi.json"))
    written["info"]["version"] = __version__
    return written


def _web_file(name: str) -> str:
    return (files("plays_service") / "web" / name).read_text(encoding="utf-8")


@cache
def _document_file() -> StaticFile:
    text = json.dumps(document(), ensure_ascii=False)
    return StaticFile.of(text.encode(), "application/json; charset=utf-8")


@cache
def _page_file() -> StaticFile:
    text = docs_page(document(), _web_file("docs.css"))
    return StaticFile.of(text.encode(), "text/html; charset=utf-8", _page_policy())


def _page_policy() -> str:
    """Nothing is allowed but the one style sheet, by its hash (CSP level 3)."""
    digest = b64encode(sha256(_web_file("docs.css").encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
