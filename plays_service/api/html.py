"""HTML from elements, so that no text can become markup."""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element, tostring

__all__ = ["Node", "element", "paragraphs", "phrase", "render"]

Node = Element | str
_CODE: Final = re.compile(r"`([^`]+)`")


def element(tag: str, *children: Node, **attributes: str) -> Element:
    """An element; ``_`` ends an attribute that Python has as a keyword, and stands for ``-``."""
    names = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, names)
    for child in children:
        _append(made, child)
    return made


def _append(parent: Element, child: Node) -> None:
    if isinstance(child, Element):
        parent.append(child)
    elif len(parent):
        parent[-1].tail = (parent[-1].tail or "") + child
    else:
        parent.text = (parent.text or "") + child


def phrase(text: str) -> list[Node]:
    """Text in which back quotes enclose code: of CommonMark, all that our descriptions use."""
    parts = _CODE.split(text)
    return [element("code", part) if i % 2 else part for i, part in enumerate(parts)]


def paragraphs(text: str) -> list[Node]:
    """A paragraph for each, where blank lines divide them."""
    return [element("p", *phrase(part)) for part in text.split("\n\n") if part]


def render(root: Element) -> str:
    """The whole document."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html")
