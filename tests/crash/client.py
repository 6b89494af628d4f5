"""A client that remembers what it was told, and notices when that is no longer true."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass, field
from random import Random
from typing import Final

import aiohttp

from tests.crash.plays import KINDS, Upload

__all__ = ["Client", "Promise"]

_RANKS: Final = {"PENDING": 0, "STARTED": 1, "SUCCESS": 2, "FAILURE": 2, "REVOKED": 2}
#: What shows that the service is dead, or about to be.
GONE: Final = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError)


@dataclass(slots=True)
class Promise:
    """A task whose id a client has received."""

    task_id: str
    upload: Upload = field(repr=False)
    state: str = "PENDING"  #: the last that was seen
    delete_sent: bool = False  #: so that it may be revoked, or gone
    is_revoked: bool = False  #: that was the answer
    is_removed: bool = False  #: that was

    @property
    def is_kept(self) -> bool:
        """Whether nothing more is to come."""
        return self.is_removed or _RANKS[self.state] == 2

    def see(self, state: str) -> None:
        """A state must not turn back, and the last one not change."""
        assert _RANKS[state] >= _RANKS[self.state], f"{self} is {state} again"
        assert _RANKS[self.state] < 2 or state == self.state, f"{self} has become {state}"
        assert state != "REVOKED" or self.delete_sent, f"{self} is REVOKED by nobody"
        assert state == "REVOKED" or not self.is_revoked, f"{self} was REVOKED"
        self.state = state


class Client:
    """Uploads, asks, cancels and deletes; everything may end in the middle."""

    def __init__(self, http: aiohttp.ClientSession, random: Random) -> None:
        self.url = ""
        self.promises: list[Promise] = []
        self._http = http
        self._random = random

    async def work(self) -> None:
        """One task from its upload to its end, and sometimes beyond. Raises one of `GONE`."""
        promise = await self.upload(KINDS[self._random.choice(list(KINDS))](self._random))
        if promise is None:
            return
        choice = self._random.random()
        if choice < 0.2:
            await self.delete(promise)
        await self.look(promise)
        await self.wait(promise)
        if choice > 0.7:
            await self.delete(promise)
            await self.look(promise)

    async def upload(self, upload: Upload) -> Promise | None:
        """Upload; None where the service does not take it now."""
        async with self._http.post(
            f"{self.url}/process_csv",
            params=upload.query,
            data=io.BytesIO(upload.body),
            headers={"Content-Type": "text/csv"},
        ) as answer:
            if answer.status == 503:
                return None
            assert answer.status == 200, await answer.text()
            promise = Promise((await answer.json())["task_id"], upload)
        self.promises.append(promise)
        return promise

    async def look(self, promise: Promise) -> None:
        """See the task as a whole."""
        async with self._http.get(f"{self.url}/tasks/{promise.task_id}") as answer:
            if answer.status == 404:
                self._see_nothing(promise)
                return
            assert answer.status == 200, await answer.text()
            assert not promise.is_removed, f"{promise} is there again"
            promise.see((await answer.json())["state"])

    async def wait(self, promise: Promise) -> None:
        """See the end of the task, and that it is what it must be."""
        while not promise.is_removed:
            async with self._http.get(f"{self.url}/result/{promise.task_id}?wait=20") as answer:
                if answer.status == 404:
                    self._see_nothing(promise)
                    return
                assert answer.status == 200, await answer.text()
                body = await answer.read()
                if answer.content_type == "text/csv":
                    promise.see("SUCCESS")
                    assert body == promise.upload.result, f"{promise} has a wrong result"
                    return
                fields = await answer.json()
            if fields["state"] != "PENDING":
                promise.see(fields["state"])
                if fields["state"] == "FAILURE":
                    assert fields["message"] == promise.upload.failure, f"{promise}: {fields}"
                return

    async def delete(self, promise: Promise) -> None:
        """Cancel the task or, when it has ended, delete it."""
        promise.delete_sent = True
        async with self._http.delete(f"{self.url}/tasks/{promise.task_id}") as answer:
            if answer.status in (204, 404):
                promise.is_removed = True
            else:
                assert answer.status == 200, await answer.text()
                promise.see("REVOKED")
                promise.is_revoked = True

    async def until_gone(self, promise: Promise) -> None:
        """Return when the service does not know the task any more."""
        async with asyncio.timeout(30):
            while True:
                async with self._http.get(f"{self.url}/tasks/{promise.task_id}") as answer:
                    if answer.status == 404:
                        return
                await asyncio.sleep(0.02)

    @staticmethod
    def _see_nothing(promise: Promise) -> None:
        assert promise.delete_sent, f"{promise} is lost"
        promise.is_removed = True

    async def check_all(self) -> None:
        """See all promises kept. Raises one of `GONE`."""
        await asyncio.gather(*(self._check(promise) for promise in self.promises))

    async def _check(self, promise: Promise) -> None:
        await self.look(promise)
        await self.wait(promise)
