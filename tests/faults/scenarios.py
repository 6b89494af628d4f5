"""What a service does with its disk, each in a few small steps."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.conftest import EXAMPLE, EXAMPLE_RESULT, FILLER
from tests.faults.client import Client

__all__ = ["SCENARIOS", "Scenario"]

_HEADER: Final = b"Song,Date,Number of Plays\n"
_RESULT_HEADER: Final = b"Song,Date,Total Number of Plays for Date\n"
_KIB: Final = 1 << 10


def _rows(count: int, songs: int) -> tuple[bytes, bytes]:
    """A file of so many rows, and its result."""
    totals: dict[int, int] = {}
    for row in range(count):
        totals[row % songs] = totals.get(row % songs, 0) + row
    data = b"".join(b"Song %d,2020-01-01,%d\n" % (row % songs, row) for row in range(count))
    result = b"".join(b"Song %d,2020-01-01,%d\n" % one for one in totals.items())
    return _HEADER + data, _RESULT_HEADER + result


_FEW: Final = _rows(15_000, 50)  # 350 KB
_MANY: Final = _rows(15_000, 15_000)
_BAD: Final = (
    _HEADER + b"a,2020-01-01,many\n" + FILLER,
    b'line 2: Number of Plays: "many" is not a whole number',
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prepare`` happens on a disk that works; what it gives back, ``run`` takes."""

    name: str
    run: Callable[[Client, str], Awaitable[object]]
    prepare: Callable[[Client], Awaitable[str]] = field(default=lambda _: _nothing())
    flags: Mapping[str, object] = field(default_factory=dict)


async def _nothing() -> str:
    return ""


async def _tiny(client: Client, _: str) -> None:
    await client.upload(EXAMPLE, EXAMPLE_RESULT)


async def _few_groups(client: Client, _: str) -> None:
    await client.upload(*_FEW)


async def _many_groups(client: Client, _: str) -> None:
    await client.upload(*_MANY)


async def _packed(client: Client, _: str) -> None:
    await client.upload(gzip.compress(_FEW[0], 1), _FEW[1])


async def _bad_early(client: Client, _: str) -> None:
    """The verdict is there before the file is."""

    async def pieces() -> AsyncIterator[bytes]:
        yield _BAD[0] + FILLER + FILLER
        await asyncio.sleep(0.05)
        yield FILLER

    await client.upload(pieces(), _BAD[1])


async def _streamed(client: Client, _: str) -> None:
    """Segments are aggregated, and their partials combined, while the rest is on its way."""
    data, expected = _rows(100_000, 50)

    async def pieces() -> AsyncIterator[bytes]:
        yield data
        yield FILLER + FILLER + FILLER
        await asyncio.sleep(0.1)
        yield FILLER

    await client.upload(pieces(), expected)


async def _watched(client: Client, _: str) -> None:
    task_id = await client.upload(*_FEW)
    if task_id is not None:
        url = f"{client.server.url}/tasks/{task_id}"
        await client.task(task_id)
        async with client.http.get(f"{url}/events") as events:
            assert events.status == 200
            await client.task(task_id)


async def _cancelled(client: Client, _: str) -> None:
    task_id = await client.upload(*_MANY)
    if task_id is not None:
        await client.delete(task_id)


async def _ended(client: Client) -> str:
    task_id = await client.upload(EXAMPLE, EXAMPLE_RESULT)
    assert task_id is not None
    await client.outcome(task_id, wait=60)
    return task_id


async def _removed(client: Client, task_id: str) -> None:
    await client.delete(task_id)


_SEGMENTS: Final = {"segment_size": f"{64 * _KIB}"}

SCENARIOS: Final = (
    Scenario("one step", _tiny),
    Scenario("one call", _few_groups),
    Scenario("few groups", _few_groups, flags=_SEGMENTS),
    Scenario("many groups", _many_groups, flags=_SEGMENTS),
    Scenario("many groups, pure", _many_groups, flags=_SEGMENTS | {"engine": "pure"}),
    Scenario("packed", _packed, flags=_SEGMENTS),
    Scenario("streamed", _streamed, flags={"segment_size": f"{256 * _KIB}"}),
    Scenario("bad early", _bad_early, flags=_SEGMENTS),
    Scenario("watched", _watched, flags=_SEGMENTS),
    Scenario("cancelled", _cancelled, flags=_SEGMENTS),
    Scenario("removed", _removed, prepare=_ended),
)
