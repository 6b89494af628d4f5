"""The documents of the project, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
#: Before a block: why it cannot run here. People who read the document do not see it.
_MARK: Final = re.compile(r"<!-- not run: (?P<reason>.+) -->")


@dataclass(frozen=True)
class Block:
    """A block of code, and where it stands."""

    document: str
    line: int
    language: str
    text: str
    reason: str | None  #: why it is not run, where it is not

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Document:
    """A document of the project, by its path in it."""

    name: str

    def __str__(self) -> str:
        return self.name

    @cached_property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return MarkdownIt("commonmark").enable("table").parse(self.text)

    @cached_property
    def inline(self) -> list[Token]:
        """What is in its paragraphs, headings and tables."""
        return [one for token in self.tokens for one in token.children or []]

    @cached_property
    def blocks(self) -> list[Block]:
        return list(self._blocks())

    def _blocks(self) -> Iterator[Block]:
        before: Token | None = None
        for token in self.tokens:
            if token.type == "fence":
                mark = _MARK.fullmatch(before.content.strip()) if before else None
                line = (token.map or [0])[0] + 1
                reason = mark and mark["reason"]
                yield Block(self.name, line, token.info, token.content, reason)
            before = token


DOCUMENTS: Final = [
    Document(str(path.relative_to(ROOT)))
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
]
BLOCKS: Final = [block for document in DOCUMENTS for block in document.blocks]
