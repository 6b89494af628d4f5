"""What a user of the image relies on, done to a real container."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.image.conftest import PROJECT, ROOT, Project, report, run

pytestmark = pytest.mark.timeout(1800)

HEADER: Final = b"Song,Date,Number of Plays\n"
RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
MIB: Final = 1 << 20
#: A container with a quarter of what it gets by default per worker.
SMALL: Final = {"PLAYS_MEMORY_LIMIT": "512m", "PLAYS_WORKER_MEMORY": "128MiB"}


def block_of(rows: int) -> bytes:
    return b"".join(
        b"Song %d,2020-01-%02d,%d\n" % (row % 1000, row % 28 + 1, row) for row in range(rows)
    )


def few_groups(blocks: int) -> tuple[Iterator[bytes], bytes]:
    """An upload, and its result."""
    block = block_of(40_000)
    totals: Counter[tuple[bytes, bytes]] = Counter()
    for line in block.splitlines():
        song, date, plays = line.split(b",")
        totals[song, date] += int(plays) * blocks
    rows = (b"%b,%b,%d\n" % (*key, total) for key, total in totals.items())
    return iter([HEADER, *[block] * blocks]), RESULT_HEADER + b"".join(rows)


def distinct(rows: int) -> Iterator[bytes]:
    """An upload that is its own result, but for the header."""
    yield HEADER
    for start in range(0, rows, 20_000):
        yield distinct_rows(start, start + 20_000)


def distinct_rows(start: int, stop: int) -> bytes:
    return b"".join(b"Another song %d,2020-01-01,1\n" % row for row in range(start, stop))


def is_distinct(result: bytes, rows: int) -> bool:
    return result == RESULT_HEADER + distinct_rows(0, rows)


def test_the_example_of_the_readme(service: Project) -> None:
    url = str(service.http.base_url.join("/process_csv"))
    answer = run("curl", "--silent", "--location", url, "--form", "file=@docs/example.csv")
    assert re.fullmatch(r'\{"task_id": "[0-9a-f-]{36}"\}', answer)
    assert service.result(json.loads(answer)["task_id"]) == EXAMPLE_RESULT


def test_it_is_healthy_soon_and_small(project: Project) -> None:
    seconds = [project.up()]
    for _ in range(4):
        project.down()
        seconds.append(project.up())
    report(f"`up` to healthy: {sorted(seconds)[2]:.1f} s (median of 5)")
    project.result(project.upload(EXAMPLE))
    time.sleep(1)
    used = run("docker", "stats", "--no-stream", "--format", "{{.MemUsage}}", project.container)
    report(f"idle, two workers: {used}")
    sizes = [
        int(run("docker", "image", "inspect", "--format", "{{.Size}}", image))
        for image in ("plays-service", base_image())
    ]
    added = (sizes[0] - sizes[1]) / 1e6
    report(f"image: {sizes[0] / 1e6:.1f} MB, of which {added:.1f} MB on top of its base")
    assert added < 60
    layers = run("docker", "history", "--format", "{{.Size}}\t{{.CreatedBy}}", "plays-service")
    for layer in (line for line in layers.splitlines() if not line.startswith("0B")):
        report(f"  layer {layer[:90]}")


def base_image() -> str:
    found = re.search(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found is not None
    return found[1]


def test_it_may_do_next_to_nothing(service: Project) -> None:
    assert service.inside("id", "-u") == "10001"
    status = service.inside("cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s*0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s*1$", status, re.MULTILINE)
    for path in ("/x", "/opt/plays/x", "/home/x"):
        assert "Read-only file system" in service.inside("touch", path, check=False)
    assert service.inside("sh", "-c", "command -v gcc cc clang || true") == ""


def test_uploads_larger_than_the_memory(project: Project) -> None:
    project.up(**SMALL)
    content, expected = few_groups(1100)
    size, begin = 1100 * len(block_of(40_000)), time.monotonic()
    assert size > 1 << 30
    assert project.result(project.upload(content)) == expected
    report(f"{size / 2**30:.2f} GiB of few groups at 512 MiB: {time.monotonic() - begin:.1f} s")
    rows, begin = 20_000_000, time.monotonic()
    result = project.result(project.upload(distinct(rows)))
    report(f"{len(result) / MIB:.0f} MiB of distinct rows: {time.monotonic() - begin:.1f} s")
    assert is_distinct(result, rows)
    assert project.inspect("{{.State.OOMKilled}} {{.RestartCount}}") == "false 0"
    assert "worker died" not in project.compose("logs", "plays")


def test_a_kill_in_the_middle_of_a_task_costs_nothing(service: Project) -> None:
    rows = 10_000_000
    done = service.upload(EXAMPLE)
    assert service.result(done) == EXAMPLE_RESULT
    task_id = service.upload(distinct(rows))
    run("docker", "kill", "--signal", "KILL", service.container)
    service.up()
    assert "1 to go on" in service.compose("logs", "plays")
    assert is_distinct(service.result(task_id), rows)
    assert service.result(done) == EXAMPLE_RESULT


def test_sigterm_ends_it_in_time_and_the_task_goes_on(service: Project) -> None:
    rows = 10_000_000
    task_id = service.upload(distinct(rows))
    begin = time.monotonic()
    service.compose("stop")
    seconds = time.monotonic() - begin
    assert service.inspect("{{.State.ExitCode}}") == "0"
    assert seconds < 30
    report(f"`stop` in the middle of a task: {seconds:.1f} s")
    service.up()
    assert is_distinct(service.result(task_id), rows)


def test_data_survive_down_but_not_down_v(service: Project) -> None:
    task_id = service.upload(EXAMPLE)
    assert service.result(task_id) == EXAMPLE_RESULT
    service.down()
    service.up()
    assert service.result(task_id) == EXAMPLE_RESULT
    service.down("--volumes")
    service.up()
    assert service.http.get(f"/result/{task_id}").status_code == 404


@pytest.mark.parametrize("user", ["12345:0", "1000770000:1000770000"])
def test_any_user_will_do(project: Project, user: str) -> None:
    name = f"{PROJECT}-user"
    run("docker", "rm", "--force", "--volumes", name, check=False)
    options = ["--user", user, "--read-only", "--cap-drop", "ALL", "--publish", "127.0.0.1::8000"]
    run("docker", "run", "--detach", "--name", name, *options, "plays-service")
    try:
        project.http.base_url = f"http://{run('docker', 'port', name, '8000')}"
        until_ready(project)
        assert project.result(project.upload(EXAMPLE)) == EXAMPLE_RESULT
    finally:
        run("docker", "rm", "--force", "--volumes", name)


def until_ready(project: Project) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if project.http.get("/ready").status_code == 200:
                return
        time.sleep(0.1)
    pytest.fail("the service does not get ready")


def test_the_test_suite_passes_inside(project: Project) -> None:
    begin = time.monotonic()
    summary = project.compose("run", "--rm", "tests", "--quiet", "--numprocesses=auto").splitlines()
    report(f"`docker compose run --rm tests`: {summary[-1]} ({time.monotonic() - begin:.0f} s)")
