"""Someone who does what a document says, from its first block to its last."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.docs.documents import Block
from tests.docs.shell import Shell

#: What a reader does, instead of only reading it.
LANGUAGES: Final = {"sh", "bash", "console", "python"}
_SERVE: Final = re.compile(r"(?P<settings>(?:\w+=\S+ )*)(?:make run|\S*plays-service serve)")
_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TIME: Final = r"\d{4}-\d\d-\d\dT[0-9:.]+(?:Z|\+00:00)"


class Reader:
    """Follows the blocks of one document, with a service on ``port`` where the document says 8000.

    The ids in a document are those of another run: where an output shows one, the one that is
    really there takes its place from then on. Times may be any; ``…`` stands for anything.
    """

    def __init__(self, shell: Shell, folder: Path, port: int) -> None:
        self._shell = shell
        self._folder = folder
        self._ids: dict[str, str] = {}
        self._names: dict[str, Any] = {}
        self._use(port)

    def follow(self, block: Block) -> None:
        """Do what the block says; an AssertionError where that is not what it promises."""
        text = self._here(block.text)
        if serve := _SERVE.fullmatch(text.strip()):
            settings = dict(word.split("=") for word in serve["settings"].split())
            self._use(self._shell.serve(settings))
        elif block.language == "python":
            self._python(text, str(block))
        elif block.language == "console":
            for command, output in steps(block.text):
                self._compare(command, output, str(block))
        else:  # the shell ends at a command that fails, and that is told
            self._shell.run(f"set -e -o pipefail\n{text}\nset +e +o pipefail\n")

    def _use(self, port: int) -> None:
        self._port = port
        self._shell.run(f"export PLAYS_SERVER=http://localhost:{port}")

    def _here(self, text: str) -> str:
        text = re.sub(r"(?<=localhost:|127\.0\.0\.1:)8000\b", str(self._port), text)
        return re.sub(_ID, lambda found: self._ids.get(found[0], found[0]), text)

    def _compare(self, command: str, expected: str, where: str) -> None:
        command, expected = self._here(command), self._here(expected)
        _, output = self._shell.run(command)
        pattern, new = self._pattern(expected.strip())
        found = re.fullmatch(pattern, output.strip(), re.DOTALL)
        assert found, f"{where}: {command}\nsays\n{output}\nand not\n{expected}"
        self._ids |= {documented: found[name] for name, documented in new.items()}

    def _pattern(self, expected: str) -> tuple[str, dict[str, str]]:
        """A pattern of the output, and the ids in it that are new, by the names of their groups."""
        pattern = ""
        new: dict[str, str] = {}
        for part in re.split(f"({_ID}|{_TIME}|…)", expected):
            if part == "…":
                pattern += ".*"
            elif re.fullmatch(_TIME, part):
                pattern += _TIME
            elif re.fullmatch(_ID, part) and part not in self._ids.values():
                name = f"id{len(new)}"
                new[name] = part
                pattern += f"(?P<{name}>{_ID})"
            else:
                pattern += re.escape(part)
        return pattern, new

    def _python(self, code: str, where: str) -> None:
        """Run it, or save it where its first line is a comment with a file name."""
        if saved := re.match(r"# (\w+\.py)\n", code):
            (self._folder / saved[1]).write_text(code)
        else:
            exec(compile(code, where, "exec"), self._names)


def steps(text: str) -> Iterator[tuple[str, str]]:
    """The commands of a console, each with its output."""
    for step in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        found = re.match(r"(?:.*\\\n)*.*\n?", step)
        assert found is not None
        yield found[0], step[found.end() :]
