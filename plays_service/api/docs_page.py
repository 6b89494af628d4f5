"""An OpenAPI 3.1 document as one page of HTML, without scripts.

It renders what our document uses of OpenAPI (https://spec.openapis.org/oas/v3.1.1.html), not all
there is; tests hold that nothing of the document is missing on the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element

from plays_service.api.html import Node, element, paragraphs, phrase, render

__all__ = ["docs_page"]

_METHODS: Final = ("get", "post", "put", "patch", "delete")
#: What a schema says of a value besides its type, and the words for it.
_CONSTRAINTS: Final = {
    "const": "always {}",
    "default": "default {}",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "length at least {}",
    "maxLength": "length at most {}",
    "maxItems": "at most {} items",
}


def docs_page(document: Mapping[str, Any], style: str) -> str:
    """The page, with ``style`` as its style sheet."""
    return render(_Page(document).page(style))


class _Page:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def page(self, style: str) -> Element:
        info = self._document["info"]
        head = element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", name="viewport", content="width=device-width, initial-scale=1"),
            element("meta", name="color-scheme", content="light dark"),
            element("title", f"{info['title']}: the API"),
            element("link", rel="icon", href="data:,"),
            element("style", style),
        )
        body = element("body", self._skip_link(), self._header(), self._contents(), self._main())
        return element("html", head, body, lang="en")

    def _skip_link(self) -> Element:
        return element("a", "Skip to the description", href="#main", class_="skip")

    def _header(self) -> Element:
        info = self._document["info"]
        about = element(
            "p",
            f"Version {info['version']} · OpenAPI {self._document['openapi']} · ",
            element("a", "openapi.json", href="openapi.json"),
        )
        return element("header", element("h1", info["title"]), element("p", info["summary"]), about)

    def _contents(self) -> Element:
        groups: list[Node] = []
        for tag in self._document["tags"]:
            links = [
                element("li", element("a", _method(method), " ", path, href=f"#{name}"))
                for path, method, operation in self._operations(tag["name"])
                for name in [operation["operationId"]]
            ]
            groups += [element("h2", tag["name"]), element("ul", *links)]
        schemas = [
            element("li", element("a", name, href=f"#{name}"))
            for name in self._document["components"]["schemas"]
        ]
        groups += [element("h2", "Objects"), element("ul", *schemas)]
        return element("nav", *groups, aria_label="Contents", tabindex="0")

    def _main(self) -> Element:
        intro = paragraphs(self._document["info"]["description"])
        sections: list[Node] = [element("section", *intro, self._access())]
        for tag in self._document["tags"]:
            operations = [self._operation(*found) for found in self._operations(tag["name"])]
            intro = paragraphs(tag["description"])
            sections.append(element("section", element("h2", tag["name"]), *intro, *operations))
        schemas = self._document["components"]["schemas"].items()
        objects = [self._object(name, schema) for name, schema in schemas]
        sections.append(element("section", element("h2", "Objects"), *objects))
        return element("main", *sections, id="main")

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, item in self._document["paths"].items():
            for method in _METHODS:
                if method in item and tag in item[method]["tags"]:
                    shared = item.get("parameters", [])
                    parameters = [*shared, *item[method].get("parameters", [])]
                    yield path, method, {**item[method], "parameters": parameters}

    def _operation(self, path: str, method: str, operation: Mapping[str, Any]) -> Element:
        name = operation["operationId"]
        title = element("h3", _method(method), " ", element("code", path), id=f"{name}-title")
        parts: list[Node] = [title, element("p", operation["summary"], class_="summary")]
        parts += paragraphs(operation["description"])
        parts += [_code(sample["source"]) for sample in operation.get("x-codeSamples", [])]
        if operation["parameters"]:
            parts += [element("h4", "Parameters"), self._parameters(operation["parameters"])]
        if "requestBody" in operation:
            parts += [element("h4", "Body"), *self._content(operation["requestBody"]["content"])]
        parts.append(element("h4", "Answers"))
        parts += [self._response(*item) for item in operation["responses"].items()]
        return element("article", *parts, id=name, aria_labelledby=f"{name}-title")

    def _access(self) -> Element:
        schemes = self._document["components"]["securitySchemes"].values()
        return element("ul", *(element("li", *phrase(way["description"])) for way in schemes))

    def _parameters(self, parameters: list[Mapping[str, Any]]) -> Element:
        rows = []
        for parameter in map(self._resolved, parameters):
            where = "required, " if parameter.get("required") else ""
            about = f"{where}in the {parameter['in']}"
            name = element("th", element("code", parameter["name"]), scope="row")
            told = [*phrase(parameter["description"]), _small(about)]
            rows.append(element("tr", name, *self._cells(parameter, told)))
        return _table(("Name", "Value", "Meaning"), rows)

    def _headers(self, headers: Mapping[str, Any]) -> Element:
        rows = []
        for name, reference in headers.items():
            header = self._resolved(reference)
            cells = self._cells(header, phrase(header["description"]))
            rows.append(element("tr", element("th", element("code", name), scope="row"), *cells))
        return _table(("Header", "Value", "Meaning"), rows)

    def _cells(self, described: Mapping[str, Any], told: list[Node]) -> list[Node]:
        example: list[Node] = []
        if "example" in described:
            example = [_small("such as ", element("code", str(described["example"])))]
        value = element("td", *self._value(described["schema"]), *example)
        return [value, element("td", *told)]

    def _response(self, status: str, reference: Mapping[str, Any]) -> Element:
        response = self._resolved(reference)
        title = element("summary", element("code", status), " ", *phrase(response["description"]))
        parts: list[Node] = [title]
        if "headers" in response:
            parts.append(self._headers(response["headers"]))
        parts += self._content(response.get("content", {}))
        opened = {"open": ""} if status == "200" else {}
        return element("details", *parts, **opened)

    def _content(self, content: Mapping[str, Any]) -> list[Node]:
        parts: list[Node] = []
        for media_type, media in content.items():
            value = self._value(media["schema"])
            parts.append(element("p", element("code", media_type), ": ", *value))
            parts += paragraphs(media["schema"].get("description", ""))
            if "properties" in media["schema"]:
                parts.append(self._properties(media["schema"]))
            for example in map(self._resolved, media.get("examples", {}).values()):
                if "summary" in example:
                    parts.append(_small(example["summary"]))
                parts.append(_code(_shown(example["value"])))
        return parts

    def _object(self, name: str, schema: Mapping[str, Any]) -> Element:
        title = element("h3", name, id=f"{name}-title")
        about = element("p", *phrase(schema["description"]))
        table = self._properties(schema)
        return element("article", title, about, table, id=name, aria_labelledby=f"{name}-title")

    def _properties(self, schema: Mapping[str, Any]) -> Element:
        rows = []
        for name, value in schema["properties"].items():
            told = phrase(value.get("description", ""))
            if name not in schema.get("required", ()):
                told.append(_small("not always there"))
            if "properties" in value:
                told.append(self._properties(value))
            label = element("th", element("code", name), scope="row")
            cells = [element("td", *self._value(value)), element("td", *told)]
            rows.append(element("tr", label, *cells))
        return _table(("Field", "Value", "Meaning"), rows)

    def _value(self, schema: Mapping[str, Any]) -> list[Node]:
        """The type and what else is known of a value, in words."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return [element("a", name, href=f"#{name}")]
        if "anyOf" in schema:
            return _joined([self._value(choice) for choice in schema["anyOf"]], " or ")
        if "enum" in schema:
            parts = [_joined([[_literal(value)] for value in schema["enum"]], " or ")]
        elif "items" in schema:
            parts = [["array of ", *self._value(schema["items"])]]
        else:
            types = schema.get("type", "bytes")  # of what is no JSON, OpenAPI leaves it out
            parts = [[types if isinstance(types, str) else " or ".join(types)]]
        if "contentSchema" in schema:
            parts.append(["holds ", *self._value(schema["contentSchema"])])
        if "format" in schema:
            parts.append([schema["format"]])
        for key, words in _CONSTRAINTS.items():
            if key in schema:
                parts.append([words.format(json.dumps(schema[key]))])
        return _joined(parts, ", ")

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for key in node["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        resolved: Mapping[str, Any] = found
        return resolved


def _method(method: str) -> Element:
    return element("span", method.upper(), class_=f"method {method}")


def _small(*content: Node) -> Element:
    return element("small", *content)


def _literal(value: object) -> Element:
    return element("code", value if isinstance(value, str) else json.dumps(value))


def _code(text: str) -> Element:
    return element("pre", element("code", text), tabindex="0")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else json.dumps(value, ensure_ascii=False, indent=2)


def _table(titles: tuple[str, ...], rows: list[Element]) -> Element:
    head = element("tr", *(element("th", title, scope="col") for title in titles))
    table = element("table", element("thead", head), element("tbody", *rows))
    return element("div", table, class_="table", tabindex="0")


def _joined(parts: list[list[Node]], separator: str) -> list[Node]:
    joined = parts[0]
    for part in parts[1:]:
        joined = [*joined, separator, *part]
    return joined
