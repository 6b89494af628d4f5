"""Views and summaries of results that are larger than the memory they may use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from plays_service.aggregation import RowQuery
from plays_service.aggregation import engine as engines
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


@pytest.mark.skipif(sys.platform != "linux", reason="nothing else tells what a process writes")
@pytest.mark.usefixtures("engine")
def test_what_is_written_is_a_few_times_the_result(tmp_path: Path) -> None:
    """Long songs after short ones, for which the memory is divided otherwise."""
    rows = [(b"%d" % i, 2020_01_01, 1) for i in range(3000)]
    rows += [(b"%d%b" % (i * 37 % 601, b"x" * 60_000), 2020_01_01, 1) for i in range(600)]
    result = result_of(rows, tmp_path)
    before = _written()
    engines.build_view(result, RowQuery("song"), tmp_path / "x.view", 200_000)
    assert _written() - before < 4 * result.stat().st_size


def _written() -> int:
    """Bytes that this process has written so far."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["wchar"])
