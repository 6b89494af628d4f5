"""The description of the API: whole, valid, and shown as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from plays_service import __version__
from plays_service.api import docs_page as docs_page_module
from plays_service.api.docs_page import docs_page
from plays_service.api.openapi import document
from plays_service.app import create_app
from plays_service.settings import Settings

METHODS = {"get", "post", "put", "delete", "patch", "options", "trace"}
#: What belongs to the page at ``/``, which is no API.
PAGE = re.compile(r"/|/static/.*")


def nodes(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """All that is in the document, each with its path."""
    yield path, value
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from nodes(child, f"{path}/{key.replace('/', '~1')}")
    elif isinstance(value, list):
        for i, child in enumerate(value):
            yield from nodes(child, f"{path}/{i}")


def resolved(node: Any) -> Any:
    """The node that a reference stands for."""
    if "$ref" not in node:
        return node
    found: Any = document()
    for key in node["$ref"].removeprefix("#/").split("/"):
        found = found[key]
    return found


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Every example, each with where it is and its schema."""
    for path, node in nodes(document()):
        if not isinstance(node, Mapping) or "schema" not in node:
            continue
        if "example" in node:
            yield path, node["schema"], node["example"]
        for name, example in node.get("examples", {}).items():
            yield f"{path}/{name}", node["schema"], resolved(example)["value"]


def operations() -> set[tuple[str, str]]:
    return {
        (method.upper(), path)
        for path, item in document()["paths"].items()
        for method in METHODS & item.keys()
    }


def test_it_is_valid() -> None:
    validate(document())


def test_it_is_of_this_version() -> None:
    assert document()["info"]["version"] == __version__


def test_every_route_is_described_and_no_other(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    routes = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"  # comes with every GET
    }
    described = operations()
    assert {route for route in routes if not PAGE.fullmatch(route[1])} == described


@pytest.mark.parametrize(
    ("schema", "example"), [pytest.param(*rest, id=path) for path, *rest in examples()]
)
def test_every_example_fits_its_schema(schema: Any, example: Any) -> None:
    whole = {**schema, "components": document()["components"]}  # for the references
    OAS31Validator(whole).validate(example)


def test_every_component_is_used() -> None:
    used = {
        node["$ref"] for _, node in nodes(document()) if isinstance(node, dict) and "$ref" in node
    }
    components = {
        f"#/components/{kind}/{name}"
        for kind, named in document()["components"].items()
        for name in named
        if kind != "securitySchemes"
    }
    assert components == used


def test_every_error_is_the_same_json() -> None:
    for path, item in document()["paths"].items():
        for method in METHODS & item.keys():
            for status, response in item[method]["responses"].items():
                if int(status) >= 400:
                    content = resolved(response)["content"]
                    assert list(content) == ["application/json"], (path, method, status)
                    assert content["application/json"]["schema"] == {
                        "$ref": "#/components/schemas/Error"
                    }


def test_everything_has_a_description() -> None:
    for path, node in nodes(document()):
        described = isinstance(node, dict) and "schema" in node and "/content/" not in path
        if described or re.search(r"/(schemas|responses)/[^/]+$", path):
            assert resolved(node).get("description"), path


def test_descriptions_use_no_markup_but_code_and_paragraphs() -> None:
    for path, node in nodes(document()):
        if path.endswith(("/description", "/summary")) and isinstance(node, str):
            text = re.sub(r"`[^`]+`", "", node)
            assert not re.search(r"[*_<>\[\]`#]", text.replace("plays_service", "")), path
            assert not re.search(r"\n(?!\n)(?<!\n\n)", text), path


# The page


class Page(HTMLParser):
    """What is on a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def values(self, attribute: str) -> list[str]:
        return [value for name, value in self.attributes if name == attribute]


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(docs_page(document(), "body { color: black }"))


def test_the_page_tells_all_that_is_in_the_document(page: Page) -> None:
    for path, node in nodes(document()):
        if path.endswith(("/description", "/summary")) and isinstance(node, str):
            if path.startswith("/servers") or "/links/" in path:
                continue  # for programs
            for line in node.replace("`", "").split("\n\n"):
                assert line in page.text, path
        elif re.search(r"/(parameters|headers|properties|content)/[^/]+$", path):
            name = node["name"] if "name" in node else path.rpartition("/")[2]
            if "/components/headers/" not in path and "$ref" not in node:
                assert name.replace("~1", "/") in page.text, path
    for method, path in operations():
        assert f"{method} {path}" in page.text
    for _, _, example in examples():
        if isinstance(example, str):
            assert example in page.text


def test_the_page_knows_all_that_the_schemas_say() -> None:
    words = set(docs_page_module._CONSTRAINTS) | {
        *("type", "format", "enum", "items", "anyOf", "$ref", "contentSchema"),  # in words
        *("properties", "required", "description"),  # as a table
        *("additionalProperties", "contentMediaType"),  # for programs
    }
    for path, node in nodes(document()):
        if re.search(r"/(schema|items|schemas/[^/]+|properties/[^/]+|anyOf/[0-9]+)$", path):
            assert node.keys() <= words, path


def test_every_link_on_the_page_leads_somewhere(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    internal = {link.removeprefix("#") for link in page.values("href") if link.startswith("#")}
    assert internal <= set(ids)
    assert {link for link in page.values("href") if not link.startswith("#")} == {
        "data:,",
        "openapi.json",
    }


def test_the_page_has_no_script_and_no_style_but_its_own(page: Page) -> None:
    assert page.tags.isdisjoint({"script", "iframe", "img", "object"})
    names = {name for name, _ in page.attributes}
    assert "style" not in names
    assert not [name for name in names if name.startswith("on")]


def test_no_text_becomes_markup() -> None:
    hostile = "</style><script>alert(1)</script>&amp;"
    described = {
        **document(),
        "info": {**document()["info"], "description": hostile, "title": hostile},
    }
    page = Page(docs_page(described, ""))
    assert "script" not in page.tags
    assert hostile in page.text
