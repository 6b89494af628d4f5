"""One exchange with the service: a request out; an answer, or the exception for it, back."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

import aiohttp
from yarl import URL

from plays_service import __version__
from plays_service.client.errors import (
    AccessDeniedError,
    AnswerError,
    PlaysError,
    ServiceUnavailableError,
    TaskNotFoundError,
    TemporaryError,
)

__all__ = ["Connection", "read_json", "retry_after"]

R = TypeVar("R")

#: Statuses that say nothing of the request itself: a gateway, too busy, stopping, the disk full.
_TEMPORARY: Final = frozenset({429, 502, 503, 504, 507})
#: Of these, those with which the service, or what is before it, says that it did nothing.
_NOT_DONE: Final = frozenset({429, 503, 507})
#: Seconds; more than the longest pause of a service that lives.
_CONNECT_TIMEOUT: Final = 15.0
_READ_TIMEOUT: Final = 90.0
#: Bytes of an answer that are kept for whoever reads it.
_READ_BUFFER_SIZE: Final = 1 << 20


class Connection:
    """A session with one service."""

    def __init__(self, url: str, token: str | None) -> None:
        """``url`` is where the service is, perhaps below a path; raises `ValueError`."""
        self.url = URL(url if "://" in url else f"http://{url}")
        if self.url.scheme not in ("http", "https") or not self.url.host:
            raise ValueError(f"{url!r} is not the address of a service such as http://host:8000")
        headers = {"User-Agent": f"plays-service/{__version__}", "Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=_READ_TIMEOUT
            ),
            read_bufsize=_READ_BUFFER_SIZE,
            middlewares=[_send_once],
        )

    async def close(self) -> None:
        """End the session."""
        await self._session.close()

    @asynccontextmanager
    async def answer(
        self,
        method: str,
        *path: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, its body not read yet.

        Raises `TemporaryError`, also in the block where the answer breaks off; `AnswerError` and
        its kin for a status of 300 or more; `TaskNotFoundError` for 404.
        """
        url = self.url.joinpath(*path).with_query(query)
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as answer:
                if answer.status >= 300:
                    raise await _error_of(answer)
                yield answer
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise ServiceUnavailableError(f"cannot trust {self.url.origin()}: {error}") from error
        except aiohttp.ClientConnectorError as error:
            message = f"cannot reach {self.url.origin()}: {_reason(error.os_error)}"
            raise TemporaryError(message, sent=False) from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            problem = str(error) or type(error).__name__
            message = f"the connection to {self.url.origin()} broke: {problem}"
            raise TemporaryError(message) from error


class _BrokenError(aiohttp.ClientError):
    """The connection broke; not known to aiohttp."""


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending again, by itself, what it knows to be idempotent.

    A DELETE is not: the first cancels a task, the second removes it.
    """
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenError(str(error)) from error


def _reason(error: OSError) -> str:
    """In the words of the system: asyncio's name a function."""
    if error.errno is None or error.errno < 0:  # of the resolver
        return str(error.strerror or error)
    return os.strerror(error.errno)


async def _error_of(answer: aiohttp.ClientResponse) -> Exception:
    """The exception for a status of 300 or more."""
    status, message = answer.status, await _message_of(answer)
    if "Location" in answer.headers and status < 400:
        where = answer.headers["Location"]
        return PlaysError(f"the service is somewhere else now; use its new address: {where}")
    if status in _TEMPORARY:
        sent = status not in _NOT_DONE
        return TemporaryError(message, pause=retry_after(answer), sent=sent)
    if status in (401, 403):
        return AccessDeniedError(status, message)
    return TaskNotFoundError(message) if status == 404 else AnswerError(status, message)


async def _message_of(answer: aiohttp.ClientResponse) -> str:
    try:
        body: Any = await answer.json(content_type=None)
        message = body["message"]
    except (ValueError, TypeError, KeyError):  # of a proxy
        message = None
    if isinstance(message, str):
        return message
    return f"{answer.url.origin()} answers {answer.status} {answer.reason}"


async def read_json(answer: aiohttp.ClientResponse, build: Callable[[Any], R]) -> R:
    """What ``build`` makes of an answer. Raises `PlaysError` where it is of something else."""
    text = await answer.read()
    try:
        return build(json.loads(text))
    except (ValueError, LookupError, TypeError) as error:
        raise PlaysError(
            f"{answer.url.origin()} does not answer as this service does; is that its address?"
        ) from error


def retry_after(answer: aiohttp.ClientResponse) -> float:
    """Seconds (RFC 9110, section 10.2.3; a date there is taken for none)."""
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else 0.0
