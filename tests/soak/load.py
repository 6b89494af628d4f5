"""Clients that do all that clients do, and check what they get."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

import aiohttp

from tests.soak.plays import Upload, bad_upload, large_upload, small_upload
from tests.soak.service import Service

__all__ = ["Load"]

#: What a client meets while the server is away, or is going away.
_TROUBLE: Final = (aiohttp.ClientError, TimeoutError, OSError)
#: Seconds between two uploads of a client, at most.
_PAUSE: Final = 1.0
#: Blocks of half a MiB in an upload, and how often.
_SIZES: Final = {2: 10, 10: 4, 40: 2, 100: 1}


class Load:
    """Clients of one service, and what became of their tasks."""

    def __init__(self, service: Service, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []  #: tasks that were lost, or whose outcome is wrong
        self._service = service
        self._choice = random.Random(seed)
        timeout = aiohttp.ClientTimeout(total=60, sock_connect=5)
        self._http = aiohttp.ClientSession(timeout=timeout)

    async def close(self) -> None:
        await self._http.close()

    async def run(self, over: asyncio.Event) -> None:
        """Be one client until the event is set and the last task has ended."""
        actions: dict[Callable[[], Awaitable[None]], int] = {
            self._tiny: 12, self._large: 3, self._packed: 1, self._bad: 2, self._cancelled: 2,
            self._aborted: 2, self._followed: 2,
        }  # fmt: skip
        while not over.is_set():
            (action,) = self._choice.choices(list(actions), list(actions.values()))
            try:
                await action()
            except _TROUBLE as error:
                raise AssertionError(f"{action.__name__} did not expect trouble") from error
            await asyncio.sleep(self._choice.uniform(0, _PAUSE))

    # ---- What clients do ----

    async def _tiny(self) -> None:
        await self._check(small_upload(self._choice))

    async def _large(self) -> None:
        (blocks,) = self._choice.choices(list(_SIZES), list(_SIZES.values()))
        task_id = await self._check(large_upload(blocks))
        if self._choice.random() < 0.5:
            await self._download_in_parts(task_id, large_upload(blocks))
        if self._choice.random() < 0.5:
            await self._remove(task_id)

    async def _packed(self) -> None:
        await self._check(large_upload(4, packed=True))

    async def _bad(self) -> None:
        await self._check(bad_upload(self._choice))

    async def _cancelled(self) -> None:
        upload = large_upload(10)
        task_id = await self._upload(upload)
        with suppress(*_TROUBLE):
            async with self._http.delete(self._url(f"/tasks/{task_id}")) as answer:
                await answer.read()
                if answer.status == 204:  # it had ended before, and is gone
                    self.counts["ended"] += 1
                    return
        self._judge(task_id, upload, await self._outcome(task_id), revoked=True)

    async def _aborted(self) -> None:
        """Send a part of an upload."""
        data = large_upload(4).data
        head = b"PUT /process_csv HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
        with suppress(*_TROUBLE):
            _, writer = await asyncio.open_connection("127.0.0.1", self._service.server.port)
            try:
                writer.write(head + data[: self._choice.randrange(len(data))])
                await writer.drain()
            finally:
                writer.close()
        self.counts["aborted"] += 1

    async def _followed(self) -> None:
        """Follow the events of a task."""
        upload = large_upload(10)
        task_id = await self._upload(upload)
        with suppress(*_TROUBLE):
            async with self._http.get(self._url(f"/tasks/{task_id}/events")) as answer:
                await answer.read()
        self._judge(task_id, upload, await self._outcome(task_id))

    # ---- The steps of it ----

    async def _check(self, upload: Upload) -> str:
        task_id = await self._upload(upload)
        self._judge(task_id, upload, await self._outcome(task_id))
        return task_id

    async def _upload(self, upload: Upload) -> str:
        """The task's id; tried until it is acknowledged."""
        while True:
            with suppress(*_TROUBLE):
                url = self._url("/process_csv")
                async with self._http.put(url, data=io.BytesIO(upload.data)) as answer:
                    fields: dict[str, Any] = await answer.json()
                    if answer.status == 200:
                        self.counts["acknowledged"] += 1
                        task_id: str = fields["task_id"]
                        return task_id
                    assert answer.status in (408, 503), fields  # too slow, or too busy
            self.counts["retried"] += 1
            await asyncio.sleep(0.2)

    async def _outcome(self, task_id: str) -> bytes | tuple[str, str] | None:
        """The result, or state and message, once the task has ended; None where it is unknown."""
        while True:
            with suppress(*_TROUBLE):
                async with self._http.get(self._url(f"/result/{task_id}?wait=20")) as answer:
                    body = await answer.read()
                    if answer.status == 404:
                        return None
                    assert answer.status == 200, body
                    if answer.content_type == "text/csv":
                        return body
                    fields = json.loads(body)
                    if fields["state"] != "PENDING":
                        return fields["state"], fields["message"]
                    continue
            await asyncio.sleep(0.2)

    def _judge(
        self,
        task_id: str,
        upload: Upload,
        outcome: bytes | tuple[str, str] | None,
        *,
        revoked: bool = False,
    ) -> None:
        """Count what became of a task."""
        expected = upload.result or ("FAILURE", upload.message)
        if outcome is None:
            self._complain("lost", task_id, "it is unknown")
        elif outcome == expected or (revoked and outcome[0] == "REVOKED"):
            self.counts["ended"] += 1
        else:
            self._complain("wrong", task_id, repr(outcome)[:200])

    def _complain(self, what: str, task_id: str, text: str) -> None:
        self.counts[what] += 1
        self.problems.append(f"{what}: {task_id}: {text}")

    async def _download_in_parts(self, task_id: str, upload: Upload) -> None:
        assert upload.result is not None
        middle = self._choice.randrange(1, len(upload.result))
        for part, expected in (
            (f"bytes=0-{middle - 1}", upload.result[:middle]),
            (f"bytes={middle}-", upload.result[middle:]),
        ):
            with suppress(*_TROUBLE):
                url = self._url(f"/result/{task_id}")
                async with self._http.get(url, headers={"Range": part}) as answer:
                    if answer.status == 404:
                        self._complain("lost", task_id, "its result is gone")
                    elif await answer.read() != expected:
                        self._complain("wrong", task_id, part)
                    self.counts["parts"] += 1

    async def _remove(self, task_id: str) -> None:
        with suppress(*_TROUBLE):
            async with self._http.delete(self._url(f"/tasks/{task_id}")) as answer:
                if answer.status != 204:
                    self._complain("lost", task_id, f"{answer.status} when it was removed")
            async with self._http.get(self._url(f"/tasks/{task_id}")) as answer:
                if answer.status != 404:
                    self._complain("wrong", task_id, f"{answer.status} after it was removed")
            self.counts["removed"] += 1

    def _url(self, path: str) -> str:
        return f"{self._service.url}{path}"
