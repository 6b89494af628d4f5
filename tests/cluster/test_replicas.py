"""Several services on one data folder: each answers for all, and none is missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

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
from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER
from tests.integration.conftest import leftovers
from tests.waiting import LONG, eventually


@pytest.fixture
async def replicas(start_replica: StartReplica) -> tuple[Server, Server]:
    """Two of them."""
    first, second = await asyncio.gather(start_replica(), start_replica())
    return first, second


async def delete(http: aiohttp.ClientSession, server: Server, task_id: str) -> tuple[int, str]:
    async with http.delete(f"{server.url}/tasks/{task_id}") as answer:
        return answer.status, await answer.text()


async def status(http: aiohttp.ClientSession, server: Server, task_id: str) -> int:
    async with http.get(f"{server.url}/result/{task_id}") as answer:
        return answer.status


async def is_clean(data_dir: Path) -> None:
    await eventually(lambda: not leftovers(data_dir))
    await eventually(lambda: not list((data_dir / "replicas").glob("*/*")))


async def test_each_answers_for_every_task(
    replicas: tuple[Server, Server], start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    first, second = replicas
    task_id = await upload(http, first, LONG_FILE)
    small = [await upload(http, server, EXAMPLE) for server in replicas]
    assert (await task_of(http, second, task_id))["state"] == "PENDING"
    waiting = asyncio.create_task(has_the_long_result(http, second, task_id))
    start_worker()
    await until_started(http, second, task_id)
    states = []
    async with http.get(f"{second.url}/tasks/{task_id}/events") as events:
        async for line in events.content:
            if line.startswith(b"data:"):
                states.append(json.loads(line[5:])["state"])
    assert states[-1] == "SUCCESS"
    assert await waiting
    assert await has_the_long_result(http, first, task_id)
    for one in small:
        for server in replicas:
            assert await result(http, server, one) == EXAMPLE_RESULT
    assert await task_of(http, first, task_id) == await task_of(http, second, task_id)
    assert await status(http, second, "00000000-0000-4000-8000-000000000000") == 404
    await is_clean(first.data_dir)


async def test_each_cancels_and_deletes_what_another_took(
    replicas: tuple[Server, Server], start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    first, second = replicas
    start_worker(workers=1)
    long = await upload(http, first, LONG_FILE)
    await until_started(http, first, long)
    code, text = await delete(http, second, long)
    assert (code, json.loads(text)["state"]) == (200, "REVOKED")
    assert (await task_of(http, first, long))["state"] == "REVOKED"
    small = await upload(http, first, EXAMPLE)
    assert await result(http, second, small) == EXAMPLE_RESULT
    await is_clean(first.data_dir)
    for task_id in (long, small):
        assert (await delete(http, second, task_id))[0] == 204
        assert [await status(http, one, task_id) for one in replicas] == [404, 404]


@pytest.mark.parametrize("how", ["kill", "terminate"])
async def test_the_tasks_of_one_that_ends_are_taken_over(
    replicas: tuple[Server, Server],
    start_worker: StartWorker,
    http: aiohttp.ClientSession,
    how: str,
) -> None:
    first, second = replicas
    _, writer = await asyncio.open_connection("127.0.0.1", first.port)
    if how == "kill":
        writer.write(
            b"PUT /process_csv HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + FILLER
        )
    start_worker()
    long = await upload(http, first, LONG_FILE)
    small = [await upload(http, server, EXAMPLE) for server in replicas]
    waiting = asyncio.create_task(has_the_long_result(http, second, long))
    await until_started(http, second, long)
    await (first.kill() if how == "kill" else first.terminate())
    writer.close()
    assert await waiting
    for task_id in small:
        assert await result(http, second, task_id) == EXAMPLE_RESULT
    await is_clean(second.data_dir)
    assert len(list((second.data_dir / "replicas").glob("*.lock"))) == 1


async def test_one_that_starts_disturbs_no_upload_of_another(
    start_replica: StartReplica, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    first = await start_replica()
    start_worker()
    goes_on = asyncio.Event()

    async def rows() -> AsyncIterator[bytes]:
        yield FILLER + EXAMPLE[:50]
        await goes_on.wait()
        yield EXAMPLE[50:]

    uploading = asyncio.create_task(upload(http, first, rows()))
    await eventually(lambda: list((first.data_dir / "tasks").iterdir()))
    second = await start_replica()
    goes_on.set()
    assert await result(http, second, await uploading) == EXAMPLE_RESULT


async def test_what_expires_is_gone_at_each(
    start_replica: StartReplica, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    start_worker()
    first = await start_replica(result_ttl="2s")
    second = await start_replica(result_ttl="2s")
    task_id = await upload(http, first, EXAMPLE)
    assert await result(http, second, task_id) == EXAMPLE_RESULT
    async with asyncio.timeout(LONG):
        while [await status(http, one, task_id) for one in (first, second)] != [404, 404]:
            await asyncio.sleep(0.1)
    await eventually(lambda: not list((first.data_dir / "tasks").iterdir()))


async def test_a_task_that_nobody_has_is_found(
    start_replica: StartReplica, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    """A power cut may take the file that says whose it is."""
    first = await start_replica()
    task_id = await upload(http, first, EXAMPLE)
    (claim,) = (first.data_dir / "replicas").glob(f"*/{task_id}")
    await first.kill()
    claim.unlink()
    start_worker()
    second = await start_replica()
    assert await result(http, second, task_id) == EXAMPLE_RESULT
    await is_clean(second.data_dir)


async def test_what_a_dead_one_removed_is_deleted(
    start_replica: StartReplica, start_worker: StartWorker, http: aiohttp.ClientSession
) -> None:
    living = await start_replica(result_ttl="10s")  # and looks at all that is there each second
    mark = living.data_dir / "mark"
    dying = await start_replica({"PLAYS_TEST_KILL_AT": f"remove-renamed,1,self,{mark}"})
    start_worker()
    task_id = await upload(http, dying, EXAMPLE)
    assert await result(http, dying, task_id) == EXAMPLE_RESULT
    with pytest.raises(aiohttp.ClientError):
        await delete(http, dying, task_id)
    assert list((living.data_dir / "trash").iterdir())
    mark.unlink()
    await is_clean(living.data_dir)
    assert await status(http, living, task_id) == 404


async def test_one_with_processes_of_its_own_keeps_to_itself(start_replica: StartReplica) -> None:
    replica = await start_replica()
    code, _, text = await run(*command("serve", port=0, data_dir=replica.data_dir))
    assert (code, "another service uses the data folder" in text) == (1, True)
