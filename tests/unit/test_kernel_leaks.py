"""The kernel gives its memory back: many runs must not make the process larger."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("plays_service.aggregation._kernel")

#: Run alone, so that nothing else makes the process larger. Prints bytes per round, of those
#: rounds that added the least: a leak is in all of them, what the interpreter does is not.
SCRIPT = r"""
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from plays_service.aggregation import PARTITIONS, RowQuery, Segment, Source, dialect_of, native

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def work(folder):
    path = folder / "input.csv"
    source = Source(path, dialect_of(path), skip_errors=True)
    partial, combined, run = folder / "partial", folder / "combined", folder / "run"
    result = folder / "result"
    for memory in (1 << 14, 1 << 24):
        partial.unlink(missing_ok=True)
        native.aggregate_file(source, result, folder / "scratch", 1, memory)
        segment = Segment(source.dialect.data_start, path.stat().st_size)
        native.aggregate_segment(source, segment, partial, 1, memory)
        native.combine_partials([partial], combined, 1, memory)
        native.merge_file([partial], result, 1, memory)
        native.merge_partitions([combined], range(PARTITIONS), run, 1, memory)
        for ranges, offset in native.plan_result([run], result, 1000):
            native.write_ranges([run], ranges, result, offset)
        native.build_view(result, RowQuery("song", song="ü"), folder / "view", memory)
        native.summarize(result, max(memory, 1 << 18), 1)
        native.json_lines(result, 0, 1 << 20)

with TemporaryDirectory() as name:
    folder = Path(name)
    rows = [f'"song ""{i}"" {"x" * (i % 60)}",2020-01-{i % 28 + 1:02},{i}' for i in range(1000)]
    rows += ["bad", '"never closed', "a,2020-02-30,1"] * 40
    (folder / "input.csv").write_text("\n".join(["Song,Date,Number of Plays", *rows, ""]))
    native.SAMPLE_ROWS = 1000
    for _ in range(30):
        work(folder)
    sizes = [resident()]
    for _ in range(4):
        for _ in range(ROUNDS):
            work(folder)
        sizes.append(resident())
    print(min(after - before for before, after in zip(sizes, sizes[1:])) // ROUNDS)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_runs_leave_the_process_as_large_as_it_was() -> None:
    rounds = 40
    grown = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("ROUNDS", str(rounds))],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    # The smallest block that any round allocates is larger than this.
    assert int(grown) < 64


#: A call has some MiB for long songs, which the next one cannot use for many; there is hardly more.
LIMITED = r"""
import re, resource
from pathlib import Path
from tempfile import TemporaryDirectory
from plays_service.aggregation import Segment, Source, dialect_of, native

def input_of(folder, count, length):
    path = folder / f"{count}.csv"
    rows = "".join(f"{i:0{length}},2020-01-01,1\n" for i in range(count))
    path.write_text("Song,Date,Number of Plays\n" + rows)
    return Source(path, dialect_of(path), skip_errors=False)

with TemporaryDirectory() as name:
    folder = Path(name)
    partial, result = folder / "partial", folder / "result"
    long, many = input_of(folder, 3_000, 1_000), input_of(folder, 60_000, 6)
    segment = Segment(long.dialect.data_start, long.path.stat().st_size)
    native.aggregate_segment(long, segment, partial, 1, 1 << 29)
    native.merge_file([partial], result, 1, 1 << 29)
    data = re.search(r"VmData:\s+([0-9]+) kB", Path("/proc/self/status").read_text())
    limit = (int(data[1]) << 10) + (4 << 20)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    print(native.aggregate_file(many, result, folder, 1, 1 << 29).groups)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_that_is_kept_goes_back_before_any_is_refused() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIMITED], check=True, capture_output=True, text=True
    ).stdout
    assert int(found) == 60_000
