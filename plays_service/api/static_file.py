"""What is the same for everybody as long as the service runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Self

from aiohttp import ETag, web

from plays_service.api.conditions import is_known

__all__ = ["StaticFile"]


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A body with its headers, which clients keep, but ask each time whether it still holds."""

    body: bytes
    headers: Mapping[str, str]
    tag: str  #: of the content: an upgrade may change a file and not its time

    @classmethod
    def of(cls, body: bytes, content_type: str, policy: str | None = None) -> Self:
        """The file; ``policy`` is its Content-Security-Policy, where it needs one of its own."""
        headers = {"Content-Type": content_type, "Cache-Control": "no-cache"}
        if policy is not None:
            headers["Content-Security-Policy"] = policy
        return cls(body, MappingProxyType(headers), sha256(body).hexdigest()[:32])

    def answer(self, request: web.Request) -> web.Response:
        """The file, or 304 where the client has it already."""
        if is_known(request, self.tag):
            answer = web.Response(status=304, headers=self.headers)
        else:
            answer = web.Response(body=self.body, headers=self.headers)
        answer.etag = ETag(self.tag)
        return answer
