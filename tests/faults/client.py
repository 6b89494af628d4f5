"""A client that remembers what it was promised."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterable
from typing import Any, Final

import aiohttp

from tests.acceptance.conftest import Server

__all__ = ["Client", "Outcome"]

#: State and message, or the bytes of the result; None: there is no such task.
Outcome = tuple[str, str] | bytes | None

_GONE: Final = None


class Client:
    """Talks to a service whose disk may fail; each answer is either an error that says so, or true.

    What it was told is kept: ids with the results that they must have, which of them may have been
    cancelled, and which were deleted.
    """

    def __init__(self, http: aiohttp.ClientSession, server: Server) -> None:
        self.http = http
        self.server = server
        self.expected: dict[str, bytes] = {}
        self.revoked: set[str] = set()  #: a cancellation was asked for; it may have come to be
        self.deleted: set[str] = set()
        self.refused: list[str] = []

    async def upload(
        self, data: bytes | io.BytesIO | AsyncIterable[bytes], expected: bytes, **params: str
    ) -> str | None:
        """The task's id; None where the upload was refused."""
        url = f"{self.server.url}/process_csv"
        if isinstance(data, bytes):
            data = io.BytesIO(data)
        async with self.http.put(url, data=data, params=params) as answer:
            fields = await self._fields(answer)
        if fields is None:
            return None
        task_id: str = fields["task_id"]
        self.expected[task_id] = expected
        return task_id

    async def delete(self, task_id: str) -> None:
        """Cancel the task, or remove it where it has ended."""
        self.revoked.add(task_id)
        async with self.http.delete(f"{self.server.url}/tasks/{task_id}") as answer:
            if answer.status == 204:
                self.deleted.add(task_id)
            else:
                await self._fields(answer)

    async def task(self, task_id: str) -> dict[str, Any]:
        """The task as the API shows it, which it does whatever the disk does."""
        async with self.http.get(f"{self.server.url}/tasks/{task_id}") as answer:
            assert answer.status == 200, await answer.text()
            fields: dict[str, Any] = await answer.json()
            return fields

    async def outcome(self, task_id: str, wait: float = 0) -> Outcome:
        """What became of a task so far."""
        url = f"{self.server.url}/result/{task_id}"
        async with self.http.get(url, params={"wait": str(wait)}) as answer:
            body = await answer.read()
            if answer.status == 404:
                return _GONE
            assert answer.status == 200, body
            if answer.content_type == "text/csv":
                return body
            fields = json.loads(body)
            return fields["state"], fields["message"]

    async def have_ended(self) -> bool:
        """Whether all tasks have."""
        outcomes = [await self.outcome(one, wait=0.2) for one in self.expected]
        return ("PENDING", "None") not in outcomes

    async def final_outcomes(self) -> dict[str, Outcome]:
        """What became of each task, when all have ended."""
        while not await self.have_ended():
            await asyncio.sleep(0.01)
        return {one: await self.outcome(one) for one in self.expected}

    def check(self, outcomes: dict[str, Outcome]) -> None:
        """Assert that none of them is a lie."""
        for task_id, expected in self.expected.items():
            found = outcomes[task_id]
            if task_id in self.deleted or isinstance(found, bytes) or found is None:
                wanted = _GONE if task_id in self.deleted else expected
                assert found == wanted, (task_id, found)
            elif found[0] == "REVOKED":
                assert task_id in self.revoked
            else:
                assert found[0] == "FAILURE"
                assert found[1].encode() == expected or "disk" in found[1], found

    async def _fields(self, answer: aiohttp.ClientResponse) -> dict[str, Any] | None:
        """The JSON of a good answer; None where it says that the disk is in the way."""
        fields: dict[str, Any] = await answer.json()
        if answer.status == 200:
            return fields
        assert answer.status == 507, (answer.status, fields)
        assert "disk" in fields["message"]
        self.refused.append(fields["message"])
        return None
