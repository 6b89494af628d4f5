"""What the documents tell people to do, done: each block in its order, with a real service."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import EXAMPLE
from tests.docs.documents import DOCUMENTS, Document
from tests.docs.reader import LANGUAGES, Reader
from tests.docs.shell import Shell


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a service that all documents share, as a reader who has it running already."""
    with Shell(tmp_path_factory.mktemp("service")) as shell:
        yield shell.serve({})


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    "document",
    [one for one in DOCUMENTS if any(block.language in LANGUAGES for block in one.blocks)],
    ids=str,
)
def test_a_reader_gets_what_the_document_says(
    document: Document, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "example.csv").write_bytes(EXAMPLE)
    monkeypatch.chdir(tmp_path)
    with Shell(tmp_path) as shell:
        reader = Reader(shell, tmp_path, port)
        for block in document.blocks:
            if block.language in LANGUAGES and not block.reason:
                reader.follow(block)
