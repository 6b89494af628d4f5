"""Views and summaries of results that are larger than the memory they may use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plays_service.aggregation.rows import RESULT_HEADER, format_row
from tests.unit.test_views import result_of

#: Run alone, to see how much memory it takes at most. Prints bytes beyond those at the start.
SCRIPT = r"""
import resource, sys
from pathlib import Path
from plays_service.aggregation import RowQuery, engine
engine.use_engine(sys.argv[2])
result, memory = Path(sys.argv[1]), int(sys.argv[3])
engine.build_view(result, RowQuery("song"), result.with_name("warm.view"), 1)
result = result.with_name("large.csv")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
engine.build_view(result, RowQuery("song", song="g"), result.with_name("x.view"), memory)
engine.summarize(result, memory, 1)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere")
def test_memory_is_bounded(tmp_path: Path, engine: str) -> None:
    rows = {"native": 600_000, "pure": 100_000}[engine]
    result = result_of([(b"song", 2020_01_01, 1)], tmp_path)
    with (tmp_path / "large.csv").open("wb") as file:
        file.write(RESULT_HEADER)
        file.writelines(format_row(b"song number %d" % i, 2020_01_01, i) for i in range(rows))
    memory = 16 << 20
    command = [sys.executable, "-c", SCRIPT, str(result), engine, str(memory)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(output) < 1.25 * memory
