"""The description of the API: ``/openapi.json`` for programs, ``/docs`` for people."""

from __future__ import annotations

import json
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from aiohttp import ETag, web

from plays_service import __version__
from plays_service.api.docs_page import docs_page

__all__ = ["document", "get_docs", "get_openapi"]


async def get_openapi(request: web.Request) -> web.Response:
    """The OpenAPI 3.1 document."""
    return _unless_known(request, _document_text(), "application/json")


async def get_docs(request: web.Request) -> web.Response:
    """The document as a page."""
    answer = _unless_known(request, _page_text(), "text/html")
    answer.headers["Content-Security-Policy"] = _page_policy()
    return answer


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document of this version."""
    written: dict[str, Any] = json.loads(_web_file("openapi.json"))
    written["info"]["version"] = __version__
    return written


def _web_file(name: str) -> str:
    return (files("plays_service") / "web" / name).read_text(encoding="utf-8")


@cache
def _document_text() -> str:
    return json.dumps(document(), ensure_ascii=False)


@cache
def _page_text() -> str:
    return docs_page(document(), _web_file("docs.css"))


@cache
def _page_policy() -> str:
    """Nothing is allowed but the one style sheet, by its hash (CSP level 3)."""
    digest = b64encode(sha256(_web_file("docs.css").encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _unless_known(request: web.Request, text: str, content_type: str) -> web.Response:
    """The text, or 304 where the client has it (RFC 9110, section 13.1.2)."""
    tag = sha256(text.encode()).hexdigest()[:16]
    if any(known.value in (tag, "*") for known in request.if_none_match or ()):
        answer = web.Response(status=304)
    else:
        answer = web.Response(text=text, content_type=content_type)
    answer.etag = ETag(tag)
    answer.headers["Cache-Control"] = "no-cache"
    return answer
