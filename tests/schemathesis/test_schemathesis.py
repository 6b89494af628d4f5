"""The described API against the real process, by schemathesis with all its checks.

A short run is in the suite; ``make schemathesis EXAMPLES=500 SEED=1`` is a long one.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

from tests.acceptance.conftest import StartServer, run
from tests.waiting import LONG

#: For each call, in each way to make them.
EXAMPLES: Final = os.environ.get("SCHEMATHESIS_EXAMPLES", "20")
SEED: Final = os.environ.get("SCHEMATHESIS_SEED", "1")
ROOT: Final = Path(__file__).parents[2]


async def test_schemathesis_finds_nothing(start_server: StartServer, tmp_path: Path) -> None:
    server = await start_server()
    code, output, errors = await run(
        *(sys.executable, "-m", "schemathesis.cli"),
        *("--config-file", str(Path(__file__).with_name("config.toml"))),
        *("run", f"{server.url}/openapi.json", "--checks=all", "--no-color"),
        *(f"--max-examples={EXAMPLES}", f"--seed={SEED}", "--generation-database=none"),
        cwd=tmp_path,
        seconds=30 * LONG,
        PYTHONPATH=str(ROOT),  # for the hooks
    )
    assert code == 0, output + errors
    assert re.search(r"[0-9]{3,} generated, [0-9]{3,} passed", output), output
    assert server.process.returncode is None
    assert "Traceback" not in "".join(server.log)
