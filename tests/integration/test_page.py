"""The page's files as HTTP sends them. What they do in a browser: tests/browser."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from tests.integration.conftest import Service, message_of

FILES = sorted(
    entry.name
    for entry in (resources.files("plays_service") / "web").iterdir()
    if entry.name.endswith((".js", ".css", ".svg"))
)
TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


async def test_the_page_is_html_that_may_load_only_from_here(service: Service) -> None:
    async with service.client.get("/") as answer:
        text = await answer.text()
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        policy = answer.headers["Content-Security-Policy"]
    assert text.startswith("<!doctype html>")
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|<script>|\son[a-z]+=|https?://", text)


async def test_every_file_has_its_type_and_goes_out_whole(service: Service) -> None:
    assert FILES
    for name in FILES:
        async with service.client.get(f"/static/{name}") as answer:
            body = await answer.read()
            assert answer.status == 200
            assert answer.content_type == TYPES[name.rpartition(".")[2]]
            assert answer.headers["Cache-Control"] == "no-cache"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert body == (resources.files("plays_service") / "web" / name).read_bytes()


@pytest.mark.parametrize("path", ["/", "/static/app.js"])
async def test_what_a_browser_has_is_not_sent_again(service: Service, path: str) -> None:
    async with service.client.get(path) as answer:
        tag = answer.headers["ETag"]
    for known in (tag, f'"other", {tag}', "*", f"W/{tag}"):
        async with service.client.get(path, headers={"If-None-Match": known}) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert answer.headers["ETag"] == tag
    async with service.client.get(path, headers={"If-None-Match": '"other"'}) as answer:
        assert answer.status == 200
        assert await answer.read()


async def test_files_of_other_content_have_other_tags(service: Service) -> None:
    tags = set()
    for name in FILES:
        async with service.client.head(f"/static/{name}") as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            tags.add(answer.headers["ETag"])
    assert len(tags) == len(FILES)


async def test_nothing_else_is_served(service: Service) -> None:
    for name in (
        "",
        "none.js",
        "index.html",
        "..%2Fapp.py",
        "%2e%2e%2fapp.py",
        "app.js%00",
        "APP.JS",
    ):
        async with service.client.get(f"/static/{name}") as answer:
            assert answer.status == 404
            assert "nothing at this address" in message_of(await answer.read())


async def test_the_page_takes_no_posts(service: Service) -> None:
    async with service.client.post("/", data=b"x") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"
        message_of(await answer.read())
