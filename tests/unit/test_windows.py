"""`aggregate` where the system has nothing of what Windows lacks: as near as other systems get.

Files of one segment, that is: the workers' side of multiprocessing is another one there.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import EXAMPLE, EXAMPLE_RESULT

SCRIPT = """
import asyncio, ctypes, logging, multiprocessing, os, pathlib, sys, tempfile, uuid
import concurrent.futures.process
import click
for name in ("fork", "fdatasync", "fstatvfs", "posix_fallocate", "pread", "pwrite", "writev",
             "O_CLOEXEC", "O_DIRECTORY", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules |= dict.fromkeys(("fcntl", "resource", "plays_service.aggregation.native"))
sys.platform = "win32"
from plays_service.cli import main
main(sys.argv[1:])
"""


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_a_file_is_aggregated(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(EXAMPLE)
    done = run("aggregate", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.csv").read_bytes() == EXAMPLE_RESULT


def test_the_service_says_what_to_do_instead() -> None:
    done = run("serve")
    assert done.returncode == 1
    assert "WSL" in done.stderr
