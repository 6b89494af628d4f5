"""Links between the documents lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.docs.documents import DOCUMENTS, ROOT, Document

pytest.importorskip("tools.release")  # the tests may be apart from the repository


@cache
def anchors(document: Document) -> set[str]:
    """As GitHub makes them of headings."""
    headings = [
        inline.content
        for opening, inline in zip(document.tokens, document.tokens[1:], strict=False)
        if opening.type == "heading_open"
    ]
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def links(document: Document) -> Iterator[str]:
    for token in document.inline:
        for attribute in ("href", "src"):
            if target := token.attrs.get(attribute):
                yield str(target)
    yield from re.findall(r' (?:src|srcset)="([^"]+)"', document.text)


@pytest.mark.parametrize("document", [*DOCUMENTS, Document("CHANGELOG.md")], ids=str)
def test_links_lead_somewhere(document: Document) -> None:
    for link in links(document):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (document.path.parent / path).resolve() if path else document.path
        assert target.is_relative_to(ROOT), link
        assert target.is_file(), link
        if anchor:
            assert anchor in anchors(Document(str(target.relative_to(ROOT)))), link


def test_the_index_has_every_document() -> None:
    (index,) = (one for one in DOCUMENTS if one.name == "docs/README.md")
    named = {link.partition("#")[0] for link in links(index)}
    others = {one.path.name for one in DOCUMENTS if one.name.startswith("docs/")} - {"README.md"}
    assert others <= named


def test_every_picture_is_shown_somewhere() -> None:
    pictures = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    assert pictures == {
        link.rpartition("/")[2] for one in DOCUMENTS for link in links(one) if "images/" in link
    }
