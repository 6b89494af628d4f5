"""The commands of the API's description."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import aiohttp
import pytest

from plays_service.api.openapi import document
from tests.acceptance.conftest import StartServer, result, run, upload
from tests.conftest import EXAMPLE


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
        for path, item in document()["paths"].items()
        for method, operation in item.items()
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
