"""The cluster as ``compose.cluster.yml`` starts it, in real containers that are killed."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Final

import httpx
import pytest

from benchmarks.ports import free_port
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.image.check_image import distinct, few_groups, is_distinct
from tests.image.conftest import LONG, Project, engine, report, run

pytestmark = pytest.mark.timeout(1800)

_NAME: Final = "plays-cluster-test"
_WORKERS: Final = 4
_ROWS: Final = 2_000_000
#: Seconds after which a replica has started, and the gateway has asked anew which there are.
_FORGETS: Final = 8.0


class Cluster(Project):
    """Two replicas, workers, the broker and the gateway."""

    def compose(self, *arguments: str, check: bool = True) -> str:
        """``docker compose`` on this project."""
        name = ("--file", "compose.cluster.yml", "--project-name", _NAME)
        return run("docker", "compose", *name, *arguments, check=check, **self.environment)

    def up(self, **environment: str) -> float:
        """Start what does not run; the seconds until the gateway says that all goes on."""
        self.environment |= environment
        begin = time.monotonic()
        self.compose("up", "--detach", "--no-build", "--scale", f"worker={_WORKERS}")
        while not self.is_ready():
            if time.monotonic() - begin > LONG:
                pytest.fail(f"the cluster is not ready:\n{self.compose('logs', '--tail', '30')}")
            time.sleep(0.1)
        return time.monotonic() - begin

    def is_ready(self) -> bool:
        """Whether a replica takes uploads, and waits for nothing."""
        with contextlib.suppress(httpx.TransportError, json.JSONDecodeError):
            return bool(self.http.get("/ready").json() == {"status": "ready"})
        return False

    def kill(self, service: str, number: int) -> None:
        """End a container as a power cut does; it stays down until the next `up`."""
        run("docker", "kill", f"{_NAME}-{service}-{number}")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Started once, with an image of the code as it is; nothing of it stays."""
    engine()
    port = str(free_port())
    cluster = Cluster(PLAYS_PORT=port, PLAYS_WORKERS="1", PLAYS_SEGMENT_SIZE="4MiB")
    cluster.http.base_url = f"http://127.0.0.1:{port}"
    cluster.down("--volumes")
    try:
        cluster.compose("build")
        report(f"cluster: `up` to ready: {cluster.up():.1f} s")
        yield cluster
    finally:
        cluster.http.close()
        cluster.down("--volumes")


def test_the_example_of_the_readme(cluster: Cluster) -> None:
    url = str(cluster.http.base_url.join("/process_csv"))
    answer = run("curl", "--silent", "--location", url, "--form", "file=@docs/example.csv")
    assert re.fullmatch(r'\{"task_id": "[0-9a-f-]{36}"\}', answer)
    assert cluster.result(json.loads(answer)["task_id"]) == EXAMPLE_RESULT


def test_a_large_file_is_spread_over_the_workers(cluster: Cluster) -> None:
    content, expected = few_groups(200)
    assert cluster.result(cluster.upload(content)) == expected
    used = run("docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}")
    for line in sorted(used.splitlines()):
        if _NAME in line:
            report(f"cluster, after 170 MiB: {line}")


@pytest.mark.parametrize(
    ("service", "number"), [("worker", 2), ("plays", 1), ("plays", 2), ("broker", 1)]
)
def test_a_container_that_is_killed_costs_nothing(
    cluster: Cluster, service: str, number: int
) -> None:
    task_id = cluster.upload(distinct(_ROWS))
    cluster.kill(service, number)
    small = [cluster.upload(EXAMPLE) for _ in range(5)]
    if service == "broker":
        assert "broker cannot be reached" in until_waiting(cluster)
        cluster.up()
    for one in small:
        assert cluster.result(one) == EXAMPLE_RESULT
    assert is_distinct(cluster.result(task_id), _ROWS)
    cluster.up()
    time.sleep(_FORGETS)  # or it might know only one replica, which is the next to be killed
    for one in small:
        assert cluster.result(one) == EXAMPLE_RESULT


def until_waiting(cluster: Cluster) -> str:
    """What a replica waits for, once it does."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        if waiting := cluster.http.get("/ready").json().get("waiting"):
            return str(waiting)
        time.sleep(0.1)
    pytest.fail("no replica waits")
