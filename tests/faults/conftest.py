"""The real server on a disk whose faults the test decides."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Server, StartServer, http, start_server
from tests.faults.faults import Faults

__all__ = ["StartFaulty", "http", "shim", "start_faulty", "start_server"]

#: Starts a server on the test's data folder; one after the other.
StartFaulty = Callable[..., Awaitable[tuple[Server, Faults]]]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("faults are injected on Linux, where there is a C compiler")
    library = tmp_path_factory.mktemp("shim") / "shim.so"
    source = Path(__file__).with_name("shim.c")
    flags = ("-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC")
    subprocess.run([compiler, *flags, "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def start_faulty(start_server: StartServer, shim: Path, tmp_path: Path) -> StartFaulty:
    """Starts servers with the shim, in all of their processes."""
    data_dir = (tmp_path / "data").resolve()

    async def start(**flags: object) -> tuple[Server, Faults]:
        faults = Faults(tmp_path / "faults")
        environment = {
            "LD_PRELOAD": str(shim),
            "PLAYS_FAULT_DIR": str(data_dir),
            "PLAYS_FAULT_CONTROL": str(tmp_path / "faults"),
        }
        server = await start_server(environment, data_dir=data_dir, **flags)
        return server, faults

    return start
