"""A broker for all tests, and a worker whose data folder can be any test's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.service.rabbitmq import RabbitMQ
from tests.cluster.workers import Worker

__all__ = ["SharedWorker", "broker", "shared_worker"]


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """A RabbitMQ, which is there when a test begins."""
    try:
        broker = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    except FileNotFoundError as error:
        pytest.skip(str(error))  # CI installs it
    broker.start()
    yield broker
    broker.stop()


class SharedWorker:
    """A worker that is started once; its data folder is a link to that of the test at hand."""

    def __init__(self, folder: Path, broker: RabbitMQ) -> None:
        self._link = folder / "data"
        self._broker = broker
        self._worker: Worker | None = None

    def work_in(self, data_dir: Path) -> None:
        """Be there, and work in that data folder from now on."""
        if self._worker is None:
            self._point_to(self._link.with_name("nowhere"))  # tests' folders do not last
            # As much memory as the services of these tests have: Parquet takes a good part of it.
            self._worker = Worker(self._link, self._broker.url, workers=1, worker_memory="512MiB")
            self._worker.await_ready()
        self._point_to(data_dir)

    def _point_to(self, data_dir: Path) -> None:
        (data_dir / "tasks").mkdir(parents=True, exist_ok=True)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(data_dir)

    def kill(self) -> None:
        """Be there no more, until a test wants it again."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None


@pytest.fixture(scope="session")
def shared_worker(
    broker: RabbitMQ, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SharedWorker]:
    """A worker for whatever test wants one."""
    worker = SharedWorker(tmp_path_factory.mktemp("worker"), broker)
    yield worker
    worker.kill()
