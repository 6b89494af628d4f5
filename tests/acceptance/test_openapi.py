"""The described API against the real process."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from plays_service.api.openapi import document
from tests.acceptance.conftest import StartServer, result, run, upload
from tests.conftest import EXAMPLE

#: `make schemathesis` asks for more.
EXAMPLES: Final = os.environ.get("SCHEMATHESIS_EXAMPLES", "25")
SEED: Final = os.environ.get("SCHEMATHESIS_SEED", "1")
ROOT: Final = Path(__file__).parents[2]


async def test_schemathesis_finds_nothing(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server()
    code, output, errors = await run(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("schemathesis.toml"))),
        *("run", f"{server.url}/openapi.json", "--checks=all", "--no-color"),
        *(f"--max-examples={EXAMPLES}", f"--seed={SEED}", "--generation-database=none"),
        cwd=tmp_path,
        PYTHONPATH=str(ROOT),  # for the hooks
    )
    assert code == 0, output + errors
    assert re.search(r"[0-9]{3,} generated, [0-9]{3,} passed", output), output
    assert server.process.returncode is None
    assert "Traceback" not in "".join(server.log)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_commands_of_the_document_work(
    start_server: StartServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server()
    (tmp_path / "example.csv").write_bytes(EXAMPLE)
    task_id = await upload(http, server, EXAMPLE)
    await result(http, server, task_id)
    commands = [
        sample["source"]
        for item in document()["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict)
        for sample in operation["x-codeSamples"]
    ]
    assert len(commands) > 9
    for command in sorted(commands, key=lambda command: "DELETE" in command):
        ours = command.replace("localhost:8000", f"127.0.0.1:{server.port}")
        ours = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", task_id, ours)
        words = ours.replace("curl", "curl --silent --show-error --fail", 1)
        code, _, errors = await run("sh", "-c", words, cwd=tmp_path)
        assert (code, errors) == (0, ""), command
