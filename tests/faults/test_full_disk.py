"""A real file system, and a small one, that fills up."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.acceptance.conftest import StartServer
from tests.conftest import EXAMPLE, EXAMPLE_RESULT
from tests.faults.client import Client
from tests.integration.conftest import leftovers
from tests.waiting import eventually

_MIB: Final = 1 << 20
_SIZE: Final = 24 * _MIB
_HEADER: Final = b"Song,Date,Number of Plays\n"
#: Few groups, whose file does not fit.
_BLOCK: Final = b"Umbrella,2020-01-01,1\n" * (_MIB // 22)
_TOO_LARGE: Final = _HEADER + _BLOCK * (_SIZE // _MIB + 4)
#: All rows distinct: it fits, but not together with its partials and its result.
_TOO_MANY: Final = _HEADER + b"".join(
    b"Song number %d of many,2020-01-01,1\n" % row for row in range(12 * _MIB // 36)
)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of `_SIZE` bytes."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a file system, on Linux")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def _stream(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _MIB):
        yield data[start : start + _MIB]


async def _refused(client: Client, data: bytes | AsyncIterator[bytes]) -> None:
    assert await client.upload(data, b"") is None
    assert client.refused.pop() == "The server's disk is full; try again later"


async def _works(client: Client) -> str:
    task_id = await client.upload(EXAMPLE, EXAMPLE_RESULT)
    assert task_id is not None
    assert await client.outcome(task_id, wait=60) == EXAMPLE_RESULT
    return task_id


async def _holds_only_ended_tasks(data_dir: Path) -> None:
    await eventually(lambda: not leftovers(data_dir), lambda: leftovers(data_dir))


async def test_what_does_not_fit_is_refused_and_the_rest_goes_on(
    start_server: StartServer, http: aiohttp.ClientSession, small_disk: Path
) -> None:
    server = await start_server(data_dir=small_disk, disk_margin=0, segment_size="1MiB")
    client = Client(http, server)
    first = await _works(client)
    await _refused(client, _TOO_LARGE)  # known at its first byte
    await _refused(client, _stream(_TOO_LARGE))  # known when the disk is full
    await _refused(client, gzip.compress(_TOO_LARGE, 1))
    await _holds_only_ended_tasks(small_disk)
    task_id = await client.upload(_stream(_TOO_MANY), b"")
    assert task_id is not None
    assert await client.outcome(task_id, wait=60) == (
        "FAILURE", "The server's disk is full; upload the file again later"
    )  # fmt: skip
    await _holds_only_ended_tasks(small_disk)
    assert await client.outcome(first) == EXAMPLE_RESULT
    await _works(client)


async def test_a_full_disk_keeps_what_it_has_and_works_when_it_has_room(
    start_server: StartServer, http: aiohttp.ClientSession, small_disk: Path
) -> None:
    server = await start_server(data_dir=small_disk, disk_margin=0)
    client = Client(http, server)
    kept, doomed = [await _works(client) for _ in range(2)]
    ballast = small_disk / "ballast"
    _fill(ballast)
    for restarts in range(2):
        await _refused(client, EXAMPLE)
        await _refused(client, _stream(EXAMPLE + b"\n" * _MIB))
        assert await client.outcome(kept) == EXAMPLE_RESULT
        assert (await client.task(kept))["state"] == "SUCCESS"
        if not restarts:  # it starts on a full disk, too
            await server.kill()
            server = await start_server(data_dir=small_disk, disk_margin=0)
            client.server = server
    await client.delete(doomed)
    assert doomed in client.deleted
    ballast.unlink()
    await _works(client)
    assert await client.outcome(kept) == EXAMPLE_RESULT
    await _holds_only_ended_tasks(small_disk)


def _fill(path: Path) -> None:
    """Write until there is no room for another byte."""
    with path.open("wb", buffering=0) as file:
        for size in (_MIB, 4096, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
