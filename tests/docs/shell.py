"""A shell that is told one thing after the other, as a reader of a document would."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

from tests.acceptance.conftest import clean_environment, command
from tests.waiting import LONG

#: What comes after each step, before its exit code. Nothing else writes this byte.
_END: Final = "\0"


class Shell:
    """One bash: folder and variables last from step to step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._servers: list[subprocess.Popen[bytes]] = []
        (folder / ".venv").symlink_to(sys.prefix)  # as `make run` leaves it
        (folder / ".curlrc").write_text("silent\nshow-error\n")
        self._process = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=clean_environment(HOME=str(folder), PYTHONWARNINGS="error"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End the shell, and the services, which must end well."""
        self._process.communicate()
        for server in self._servers:
            server.terminate()
        assert [server.wait(LONG) for server in self._servers] == [0] * len(self._servers)

    def run(self, script: str) -> tuple[int, str]:
        """Run a script in the shell; exit code and output, both kinds of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        step = self._folder / ".step"
        step.write_text(script)
        self._process.stdin.write(f". {step} < /dev/null; printf '\\n\\0%s\\n' $?\n")
        self._process.stdin.flush()
        output = ""
        for line in self._process.stdout:
            if line.startswith(_END):
                return int(line[1:]), output.removesuffix("\n")
            output += line
        raise AssertionError(f"the shell has ended:\n{script}\n{output}")

    def serve(self, settings: dict[str, str]) -> int:
        """Start a service beside the shell, in its folder; the port that it has chosen."""
        folder = self._folder
        log = folder / f".log{len(self._servers)}"
        data = folder / f".data{len(self._servers)}"
        words = command("serve", port=0, workers=1, data_dir=data)
        with log.open("w") as errors:
            env = clean_environment(**settings)
            self._servers.append(subprocess.Popen(words, cwd=folder, env=env, stderr=errors))
        until = time.monotonic() + LONG
        while time.monotonic() < until:
            if found := re.search(r" on http://127\.0\.0\.1:([0-9]+)", log.read_text()):
                return int(found[1])
            time.sleep(0.02)
        raise AssertionError(f"the service does not start:\n{log.read_text()}")
