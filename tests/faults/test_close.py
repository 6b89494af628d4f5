"""A close that fails is an error of what was written: NFS may tell only then."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import EXAMPLE_RESULT
from tests.faults.faults import Faults, Kind

_BUILD_VIEW: Final = """
import sys
from pathlib import Path
from plays_service.aggregation.engine import build_view, use_engine
from plays_service.aggregation.row_query import RowQuery
use_engine(sys.argv[1])
build_view(Path(sys.argv[2]), RowQuery(sort="plays"), Path(sys.argv[3]), 1 << 20)
"""


@pytest.mark.parametrize("engine", ["pure", "native"])
def test_a_view_whose_close_fails_does_not_appear(shim: Path, tmp_path: Path, engine: str) -> None:
    if engine == "native":
        pytest.importorskip("plays_service.aggregation._kernel")
    folder = (tmp_path / "data").resolve()
    folder.mkdir()
    result, view = folder / "result.csv", folder / "plays.view"
    result.write_bytes(EXAMPLE_RESULT)
    faults = Faults(tmp_path / "faults")
    environment = os.environ | {
        "LD_PRELOAD": str(shim),
        "PLAYS_FAULT_DIR": str(folder),
        "PLAYS_FAULT_CONTROL": str(tmp_path / "faults"),
    }
    faults.arm(Kind("a close fails", errno.EIO, ("close",)), 1)
    built = subprocess.run(
        [sys.executable, "-c", _BUILD_VIEW, engine, result, view],
        check=False, capture_output=True, env=environment, text=True,
    )  # fmt: skip
    assert faults.hits == 1
    assert built.returncode != 0
    assert os.strerror(errno.EIO) in built.stderr
    assert sorted(folder.iterdir()) == [result]
