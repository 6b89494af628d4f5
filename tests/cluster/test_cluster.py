"""A service with Celery workers: workers, the broker and calls that come to harm."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import kombu
import pytest

from benchmarks.service.rabbitmq import RabbitMQ
from tests.acceptance.conftest import (
    Server,
    command,
    result,
    run,
    task_of,
    until_started,
    upload,
)
from tests.acceptance.long_file import LONG_FILE, has_the_long_result
from tests.cluster.conftest import StartReplica, StartWorker
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.integration.conftest import leftovers
from tests.network.proxy import Event, Proxy, Trouble
from tests.waiting import LONG, eventually

#: Steps of a worker at which it is killed: while segments are read, and in each part of the merge.
STEPS: Final = (
    "segment-read", "partials-combined", "partitions-merged", "result-planned", "ranges-written",
    "publish-renamed",
)  # fmt: skip
#: A service that takes the broker for dead sooner.
IMPATIENT: Final = "tests.cluster.impatient_service"
#: What a client of AMQP says when it has greeted the broker: class 20, method 10.
CHANNEL_OPEN: Final = b"\x00\x14\x00\x0a"


@pytest.fixture
async def server(start_replica: StartReplica) -> Server:
    """A service for workers elsewhere."""
    return await start_replica()


def kills(tmp_path: Path, *orders: str) -> str:
    """Orders to kill processes that reach a step, each once, whichever process it is."""
    return ";".join(f"{order},{tmp_path / f'mark{n}'}" for n, order in enumerate(orders))


async def ready(http: aiohttp.ClientSession, server: Server) -> tuple[int, dict[str, Any]]:
    async with http.get(f"{server.url}/ready") as answer:
        return answer.status, await answer.json()


async def until_waiting(http: aiohttp.ClientSession, server: Server, for_what: str) -> None:
    async with asyncio.timeout(LONG):
        while for_what not in (await ready(http, server))[1].get("waiting", ""):
            await asyncio.sleep(0.05)


async def until_ready(http: aiohttp.ClientSession, server: Server) -> None:
    """Return when the broker takes calls, and a worker is there."""
    async with asyncio.timeout(LONG):
        while "waiting" in (await ready(http, server))[1]:
            await asyncio.sleep(0.05)


async def until_queued(broker: RabbitMQ, calls: int) -> None:
    """Return when so many calls wait for a worker."""
    with kombu.Connection(broker.url) as connection:
        channel = connection.default_channel
        async with asyncio.timeout(LONG):
            while channel.queue_declare("plays.calls", passive=True).message_count != calls:
                await asyncio.sleep(0.05)


@contextmanager
def no_memory(broker: RabbitMQ) -> Iterator[None]:
    """The broker takes nothing meanwhile, and says so."""
    broker.control("set_vm_memory_high_watermark", "absolute", "1")
    try:
        yield
    finally:
        broker.control("set_vm_memory_high_watermark", "0.4")


@contextmanager
def no_answers(broker: RabbitMQ) -> Iterator[None]:
    """The broker refuses those of workers meanwhile: they go to the exchange without a name."""
    rights = ("set_permissions", "guest", ".*")
    broker.control(*rights, r"^plays\..*", ".*")
    try:
        yield
    finally:
        broker.control(*rights, ".*", ".*")


async def upload_endless(http: aiohttp.ClientSession, server: Server) -> str:
    """Upload a file that no worker reads to its end, while there is none yet: its task."""
    task_id = await upload(http, server, EXAMPLE)
    path = server.data_dir / "tasks" / task_id / "input.csv"
    path.unlink()
    os.mkfifo(path)  # which nobody writes to
    return task_id


def parked_calls(broker: RabbitMQ) -> int:
    """Calls that are parked for people to look at."""
    with kombu.Connection(broker.url) as connection:
        queue = connection.default_channel.queue_declare("plays.parked", passive=True)
        return int(queue.message_count)


# Workers


async def test_one_large_file_is_spread_over_all_workers(
    server: Server, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    await until_waiting(http, server, "no worker is there")
    workers = [start_worker(workers=1) for _ in range(2)]
    task_id = await upload(http, server, LONG_FILE)
    small = await upload(http, server, EXAMPLE)
    assert await result(http, server, small) == EXAMPLE_RESULT
    assert await has_the_long_result(http, server, task_id)
    assert all(cpu_ticks(worker.processes[0]) > 10 for worker in workers)
    assert (await ready(http, server)) == (200, {"status": "ready"})
    assert [worker.terminate() for worker in workers] == [0, 0]


def cpu_ticks(pid: int) -> int:
    """What the process has used (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_workers_killed_at_every_step_cost_no_row(
    server: Server, start_worker: StartWorker, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    start_worker(kill_at=kills(tmp_path, *(f"{step},1,self" for step in STEPS)))
    task_id = await upload(http, server, LONG_FILE)
    small = [await upload(http, server, EXAMPLE) for _ in range(20)]
    assert await has_the_long_result(http, server, task_id)
    for one in small:
        assert await result(http, server, one) == EXAMPLE_RESULT
    assert len(list(tmp_path.glob("mark*"))) >= 4


async def test_a_file_that_kills_its_worker_every_time_fails_alone(
    server: Server,
    start_worker: StartWorker,
    broker: RabbitMQ,
    http: aiohttp.ClientSession,
    tmp_path: Path,
) -> None:
    start_worker(kill_at=kills(tmp_path, *["result-written,1,self"] * 3), workers=1)
    bad = await upload(http, server, EXAMPLE)
    answer = await result(http, server, bad)
    assert b"its worker died (killed, or out of memory), 3 times in a row" in answer
    await eventually(lambda: parked_calls(broker) == 1)
    good = await upload(http, server, EXAMPLE)
    assert await result(http, server, good) == EXAMPLE_RESULT


async def test_a_call_that_takes_too_long_is_ended(
    start_replica: StartReplica, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    server = await start_replica(max_tries=2)
    task_id = await upload_endless(http, server)
    start_worker(segment_timeout="1s", workers=1)
    answer = await result(http, server, task_id)
    assert b"its worker took longer than PLAYS_SEGMENT_TIMEOUT, 2 times in a row" in answer


@pytest.mark.parametrize("size", ["16MiB", "64MiB"])  # pyarrow fails in another way with each
async def test_a_process_that_has_little_memory_left_is_replaced(
    start_replica: StartReplica,
    start_worker: StartWorker,
    http: aiohttp.ClientSession,
    size: str,
) -> None:
    memory = {"worker_memory": size, "workers": 1}
    server = await start_replica(segment_size="64MiB", **memory)
    start_worker(**memory)
    rows = (
        b"Song %d of many,2020-01-01,%d\n" % (row * 7919 % 600_011, row) for row in range(600_000)
    )
    task_id = await upload(http, server, b"Song,Date,Number of Plays\n" + b"".join(rows))
    await result(http, server, task_id)
    async with http.get(f"{server.url}/result/{task_id}.parquet") as answer:
        assert answer.status in (200, 503)  # so much memory pyarrow needs, and keeps most of it
    for query in ("sort=date&song=many", "sort=plays&song=song"):
        async with http.get(f"{server.url}/tasks/{task_id}/rows?{query}") as answer:
            assert answer.status == 200, await answer.text()
            assert (await answer.json())["total"] == 600_000


async def test_a_worker_that_cannot_answer_is_not_waited_for(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    with no_answers(broker):
        start_worker(workers=1)
        task_id = await upload(http, server, EXAMPLE)
        assert b"FAILURE" in await result(http, server, task_id)
    task_id = await upload(http, server, EXAMPLE)
    assert await result(http, server, task_id) == EXAMPLE_RESULT


async def test_a_worker_that_cannot_tell_of_a_call_that_took_too_long_is_not_waited_for(
    start_replica: StartReplica,
    start_worker: StartWorker,
    broker: RabbitMQ,
    http: aiohttp.ClientSession,
) -> None:
    server = await start_replica(max_tries=1)
    task_id = await upload_endless(http, server)
    with no_answers(broker):
        start_worker(segment_timeout="1s", workers=1)
        assert b"FAILURE" in await result(http, server, task_id)


async def test_an_answer_that_does_not_reach_the_broker_is_no_failure_of_its_call(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    """As if the broker were killed, came back, and was killed again before it took the answer.

    Then the answer is given up, and the next thing that the process says is taken.
    """
    async with Proxy(broker.port) as proxy:
        start_worker(url=f"amqp://guest:guest@127.0.0.1:{proxy.port}//", workers=1)
        await until_ready(http, server)
        proxy.next_up.extend([Trouble(Event.RESET, at=CHANNEL_OPEN)] * 2)
        task_id = await upload(http, server, EXAMPLE)
        assert await result(http, server, task_id) == EXAMPLE_RESULT
        assert not proxy.next_up
    assert "its worker" not in "".join(server.log)


async def test_a_worker_with_a_fault_fails_a_task_and_is_not_asked_for_ever(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    worker = start_worker(program="tests.cluster.faulty_worker", workers=1)
    task_id = await upload(http, server, EXAMPLE)
    assert b"its worker failed (KeyError), 3 times in a row" in await result(http, server, task_id)
    await asyncio.sleep(2)  # the last call is acknowledged after its answer
    assert worker.terminate() == 0
    await until_queued(broker, 0)
    assert not parked_calls(broker)
    start_worker()
    task_id = await upload(http, server, EXAMPLE)
    assert await result(http, server, task_id) == EXAMPLE_RESULT


async def test_the_log_of_a_worker_is_as_that_of_a_service(
    start_worker: StartWorker, capfd: pytest.CaptureFixture[str]
) -> None:
    worker = start_worker(workers=1, log_format="json", log_level="info")
    worker.await_ready()
    assert worker.terminate() == 0
    written = capfd.readouterr()
    lines = [json.loads(line) for line in written.err.splitlines() if line.startswith("{")]
    assert any(line["message"].endswith("ready.") for line in lines)
    assert all({"time", "level", "logger"} <= line.keys() for line in lines)


async def test_a_worker_without_the_data_folder_says_so(broker: RabbitMQ, tmp_path: Path) -> None:
    code, _, text = await run(*command("worker", data_dir=tmp_path, broker_url=broker.url))
    assert code == 1
    assert f"{tmp_path} is not a service's data folder" in text


# The broker


async def test_while_the_broker_is_away_uploads_are_kept(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    start_worker()
    running = await upload(http, server, LONG_FILE)
    await until_started(http, server, running)
    broker.kill()
    await until_waiting(http, server, "broker cannot be reached")
    status, _ = await ready(http, server)
    assert status == 200
    async with http.get(f"{server.url}/metrics") as answer:
        assert "plays_calls_blocked 1.0" in await answer.text()
    taken = [await upload(http, server, EXAMPLE) for _ in range(3)]
    broker.start()
    for task_id in taken:
        assert await result(http, server, task_id) == EXAMPLE_RESULT
    assert await has_the_long_result(http, server, running)
    assert "Traceback" not in "".join(server.log)


async def test_a_broker_that_lost_everything_costs_no_task(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    await until_waiting(http, server, "no worker is there")
    taken = [await upload(http, server, content) for content in (EXAMPLE, LONG_FILE)]
    broker.kill()
    broker.forget()
    broker.start()
    start_worker()
    assert await result(http, server, taken[0]) == EXAMPLE_RESULT
    assert await has_the_long_result(http, server, taken[1])


async def test_a_broker_that_lost_only_the_calls_costs_no_task(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    await until_waiting(http, server, "no worker is there")
    taken = await upload(http, server, EXAMPLE)
    await until_queued(broker, 1)
    broker.control("purge_queue", "plays.calls")
    broker.kill()
    broker.start()
    start_worker()
    assert await result(http, server, taken) == EXAMPLE_RESULT


async def test_a_queue_that_does_not_come_back_is_made_anew(
    start_replica: StartReplica,
    start_worker: StartWorker,
    broker: RabbitMQ,
    http: aiohttp.ClientSession,
) -> None:
    one, other = [await start_replica(program=IMPATIENT) for _ in range(2)]
    await until_waiting(http, one, "no worker is there")
    waiting = await upload(http, other, EXAMPLE)
    await until_queued(broker, 1)
    broker.control("eval", 'sys:suspend(list_to_atom("%2F_plays.calls")).')
    taken = await upload(http, one, EXAMPLE)
    await until_waiting(http, one, "the broker takes no calls")
    start_worker()
    assert await result(http, one, taken) == EXAMPLE_RESULT
    assert await result(http, other, waiting) == EXAMPLE_RESULT  # though it sent nothing meanwhile
    await until_ready(http, one)


async def test_a_broker_without_memory_says_so_and_costs_only_time(
    server: Server, start_worker: StartWorker, broker: RabbitMQ, http: aiohttp.ClientSession
) -> None:
    start_worker().await_ready()
    with no_memory(broker):
        taken = await upload(http, server, EXAMPLE)
        await until_waiting(http, server, "the broker takes no calls (")
    assert await result(http, server, taken) == EXAMPLE_RESULT
    assert "made anew" not in "".join(server.log)


async def test_nothing_waits_for_a_broker_any_more_once_the_task_is_cancelled(
    start_replica: StartReplica,
    start_worker: StartWorker,
    broker: RabbitMQ,
    http: aiohttp.ClientSession,
) -> None:
    server = await start_replica(program=IMPATIENT)
    start_worker().await_ready()
    with no_memory(broker):
        taken = await upload(http, server, LONG_FILE)
        await until_waiting(http, server, "the broker takes no calls (")
        async with http.delete(f"{server.url}/tasks/{taken}") as answer:
            assert answer.status == 200
        await until_ready(http, server)


async def test_a_task_that_is_cancelled_leaves_nothing(
    server: Server, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    start_worker()
    task_id = await upload(http, server, LONG_FILE)
    await until_started(http, server, task_id)
    async with http.delete(f"{server.url}/tasks/{task_id}") as answer:
        assert (await answer.json())["state"] == "REVOKED"
    small = await upload(http, server, EXAMPLE)
    assert await result(http, server, small) == EXAMPLE_RESULT
    async with asyncio.timeout(LONG):
        while leftovers(server.data_dir):
            await asyncio.sleep(0.05)
    assert (await task_of(http, server, task_id))["state"] == "REVOKED"


async def test_without_workers_nobody_waits_for_what_is_cancelled(
    server: Server, http: aiohttp.ClientSession
) -> None:
    await until_waiting(http, server, "no worker is there")
    task_id = await upload(http, server, EXAMPLE)
    for expected in (200, 204):
        async with http.delete(f"{server.url}/tasks/{task_id}") as answer:
            assert answer.status == expected
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = b"\n" * (12 << 20)  # more than is aggregated in one call
    head = b"PUT /process_csv HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (1 << 25)
    writer.write(head + body)
    await writer.drain()
    await eventually(lambda: list((server.data_dir / "tasks").glob("*/input.csv")))
    writer.close()
    await eventually(lambda: not list((server.data_dir / "tasks").iterdir()))
