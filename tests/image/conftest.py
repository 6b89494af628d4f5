"""A compose project of its own, on a free port, and the figures for the report."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from benchmarks.ports import free_port

ROOT: Final = Path(__file__).parents[2]
PROJECT: Final = "plays-image-test"
#: Seconds that anything may take which is not told otherwise.
LONG: Final = 120.0

_figures: list[str] = []


def run(*command: str, check: bool = True, **environment: str) -> str:
    """What the command prints."""
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
    )
    if check and done.returncode:
        pytest.fail(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout.strip()


class Project:
    """The service as ``compose.yml`` starts it."""

    def __init__(self, **environment: str) -> None:
        self.environment = {"PLAYS_WORKERS": "2"} | environment
        self.http = httpx.Client(timeout=LONG)

    @property
    def container(self) -> str:
        """Its id."""
        return self.compose("ps", "--all", "--quiet", "plays")

    def compose(self, *arguments: str, check: bool = True) -> str:
        """``docker compose`` on this project."""
        command = ("docker", "compose", "--project-name", PROJECT, *arguments)
        return run(*command, check=check, **self.environment)

    def up(self, **environment: str) -> float:
        """Start it; the seconds until it is healthy."""
        self.environment |= environment
        if "PLAYS_PORT" not in self.environment:
            self.environment["PLAYS_PORT"] = str(free_port())
        self.http.base_url = f"http://127.0.0.1:{self.environment['PLAYS_PORT']}"
        begin = time.monotonic()
        self.compose("up", "--detach", "--no-build", "plays")
        while (health := self.inspect("{{.State.Health.Status}}")) != "healthy":
            if health == "unhealthy" or time.monotonic() - begin > LONG:
                pytest.fail(f"the container is {health}:\n{self.compose('logs', 'plays')}")
            time.sleep(0.05)
        return time.monotonic() - begin

    def down(self, *options: str) -> None:
        """Remove the container; with ``-v`` the volume, too."""
        self.compose("down", "--timeout", "30", *options)

    def inspect(self, template: str) -> str:
        """What the engine knows of the container."""
        return run("docker", "inspect", "--format", template, self.container)

    def inside(self, *command: str, check: bool = True) -> str:
        """Run a command in the container."""
        return self.compose("exec", "--no-TTY", "plays", *command, check=check)

    def upload(self, content: Any) -> str:
        """The id of the new task."""
        answer = self.http.put("/process_csv", content=content)
        assert answer.status_code == 200, answer.text
        task_id: str = answer.json()["task_id"]
        return task_id

    def task(self, task_id: str) -> dict[str, Any]:
        """The task as the API shows it."""
        fields: dict[str, Any] = self.http.get(f"/tasks/{task_id}").json()
        return fields

    def result(self, task_id: str) -> bytes:
        """The result, whenever it is there."""
        while True:
            answer = self.http.get(f"/result/{task_id}", params={"wait": "60"})
            assert answer.status_code == 200, answer.text
            if answer.headers["content-type"].startswith("text/csv"):
                return answer.content
            assert answer.json()["state"] == "PENDING", answer.text


def engine() -> None:
    """Skip the test where there is no engine."""
    if shutil.which("docker") is None or "Server" not in run("docker", "version", check=False):
        pytest.skip("no Docker engine answers here; start one, or set DOCKER_HOST")


@pytest.fixture(scope="session")
def images() -> None:
    """Both images, built."""
    engine()
    begin = time.monotonic()
    run("make", "image", "ARGS=")  # not those of `make image-test`
    report(f"build, with what is cached: {time.monotonic() - begin:.1f} s")


@pytest.fixture
def project(images: None) -> Iterator[Project]:
    """Not started yet; nothing of it stays."""
    project = Project()
    project.down("--volumes")
    yield project
    project.http.close()
    project.down("--volumes")


@pytest.fixture
def service(project: Project) -> Project:
    """Started, with two workers."""
    project.up()
    return project


def report(line: str) -> None:
    """Show a figure at the end of the run."""
    _figures.append(line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the figures."""
    if _figures:
        terminalreporter.section("figures")
        for line in _figures:
            terminalreporter.write_line(line)
