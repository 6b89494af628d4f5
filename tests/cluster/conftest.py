"""Services and workers as processes of their own, on one data folder and one broker."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import kombu
import pytest

from benchmarks.service.rabbitmq import RabbitMQ
from tests.acceptance.conftest import NO_VARIABLES, Server, StartServer, http, start_server
from tests.acceptance.long_file import SMALL_SEGMENTS
from tests.cluster.fixtures import SharedWorker
from tests.cluster.workers import Worker

__all__ = ["http", "start_server"]

StartWorker = Callable[..., Worker]
StartReplica = Callable[..., Awaitable[Server]]


@pytest.fixture
def start_replica(start_server: StartServer, broker: RabbitMQ) -> StartReplica:
    """Starts services for workers elsewhere, all on one data folder."""

    async def start(environment: Mapping[str, str] = NO_VARIABLES, /, **flags: object) -> Server:
        flags = {"segment_size": SMALL_SEGMENTS, "disk_margin": 0} | flags
        return await start_server(environment, executor="celery", broker_url=broker.url, **flags)

    return start


@pytest.fixture
def start_worker(broker: RabbitMQ, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers; what still runs at the end is killed."""
    workers: list[Worker] = []

    def start(kill_at: str = "", *, url: str = broker.url, **flags: object) -> Worker:
        workers.append(Worker(tmp_path / "data", url, kill_at=kill_at, **flags))
        return workers[-1]

    yield start
    for worker in workers:
        worker.kill()


@pytest.fixture(autouse=True)
def no_calls_of_others(broker: RabbitMQ, shared_worker: SharedWorker) -> None:
    """Nobody takes these tests' calls, and none is left from the test before."""
    shared_worker.kill()
    with kombu.Connection(broker.url) as connection:
        for name in ("plays.calls", "plays.parked"):
            with suppress(connection.channel_errors), connection.channel() as channel:
                while channel.queue_declare(name, passive=True).consumer_count:
                    time.sleep(0.05)  # the broker still counts the worker that was killed
                channel.queue_purge(name)
