"""How connections are served: the options of aiohttp's server that the API relies on."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final

from aiohttp import web

from plays_service.api.access_log import access_logger
from plays_service.api.headers import add_headers
from plays_service.api.metrics import METRICS
from plays_service.api.requests import request_id
from plays_service.open_files import open_files_limit
from plays_service.settings import Settings

__all__ = ["ServiceRunner"]

_log = logging.getLogger(__name__)

#: Bytes that a connection may hold of an upload before the client is made to wait (about twice).
_READ_BUFFER_SIZE: Final = 256 << 10
#: Seconds for which what is left of a refused upload is read and dropped: a client that still sends
#: would take a connection that is closed at once for a broken one, and never see why.
_LINGERING_TIME: Final = 5.0
#: Files that the service has open for itself: its workers, its log, its data folder.
_OWN_FILES: Final = 64
#: Files that a connection takes: its own, and that of an upload or a result.
_FILES_EACH: Final = 2


class _Protocol(web.RequestHandler):
    """Answers with JSON also what is no HTTP at all, and so never reaches the middleware."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if isinstance(self._manager, _Server) and self._manager.is_overfull():
            assert isinstance(transport, asyncio.Transport)
            transport.abort()  # before those that are there find no file to write to
        else:
            _drop_when_stalled(transport.get_extra_info("socket"), self._keepalive_timeout)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        request_id(request)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if isinstance(exc, ConnectionError):
            raise exc  # nobody is there to be answered
        problem = " ".join((message or "").split())
        if status < 500:
            _log.info("%s sent no valid HTTP", request.remote)  # it may be any part of a file
            text = f"The request is not valid HTTP: {problem}"
        else:
            self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
            text = "The service failed at this request; its log says why"
        answer = web.json_response({"message": text}, status=status)
        answer.force_close()
        add_headers(request, answer)
        return answer


def _drop_when_stalled(connection: Any, seconds: float) -> None:
    """Let the system end the connection when the client takes nothing for so long (RFC 5482).

    Or a client that reads no further would hold a result, and memory, for ever.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(seconds * 1000))


class _Server(web.Server):
    def is_overfull(self) -> bool:
        """Whether there are more connections than files for them."""
        return len(self._connections) > max(1, (open_files_limit() - _OWN_FILES) // _FILES_EACH)

    def __call__(self) -> _Protocol:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class ServiceRunner(web.AppRunner):
    """Runs the application as the service does, within the limits of its settings."""

    def __init__(self, app: web.Application, settings: Settings) -> None:
        super().__init__(
            app,
            shutdown_timeout=settings.stop_timeout,
            # also what a client has for the headers of a request
            keepalive_timeout=settings.idle_timeout,
            max_line_size=settings.max_header_size,
            max_field_size=settings.max_header_size,
            access_log_class=access_logger(app[METRICS].http),
            lingering_time=_LINGERING_TIME,
            read_bufsize=_READ_BUFFER_SIZE,
            auto_decompress=False,  # it has no limit
        )

    def set_shutdown_timeout(self, seconds: float) -> None:
        """How long requests may go on when it is told to clean up."""
        self._shutdown_timeout = seconds

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = _Server  # aiohttp has no option for the protocol
        return server
