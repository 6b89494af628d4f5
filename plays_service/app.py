"""The application, wired: settings → store and runner → routes; and the server around it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections.abc import AsyncIterator

from aiohttp import web

from plays_service import __version__
from plays_service.aggregation import use_engine
from plays_service.api import (
    METRICS,
    READER,
    RUNNER,
    SETTINGS,
    STOPPING,
    TOKENS,
    UPLOADS,
    Metrics,
    ServiceRunner,
    add_routes,
    errors_as_json,
    find_task,
    finish_answer,
    name_requests,
    require_token,
)
from plays_service.logs import log_loop_error
from plays_service.open_files import raise_open_files_limit
from plays_service.settings import Settings
from plays_service.tasks import ResultReader, TaskRunner, TaskStore
from plays_service.tls import Certificate
from plays_service.tokens import TokenFile

__all__ = ["AddressError", "create_app", "serve"]

_log = logging.getLogger(__name__)


class AddressError(RuntimeError):
    """The service cannot listen where it is told to; the text says why."""


def create_app(settings: Settings) -> web.Application:
    """The whole service as an aiohttp application. Raises `TokensError`."""
    app = web.Application(middlewares=[name_requests, errors_as_json, require_token, find_task])
    app[SETTINGS] = settings
    app[UPLOADS] = set()
    app[METRICS] = Metrics(app)
    if settings.tokens_file is not None:
        app[TOKENS] = TokenFile(settings.tokens_file)
    app.on_response_prepare.append(finish_answer)
    app.cleanup_ctx.append(_run_tasks)
    app.on_shutdown.append(_stop_waiting)
    add_routes(app)
    return app


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Then: not ready, no new connections, no new uploads; what is being uploaded or sent may finish,
    and then the segments under way (for ``stop_timeout`` seconds each); the rest goes on at the
    next start.
    A second signal ends it at once, which loses nothing either.
    Raises `AddressError` where the address is taken, `DataFolderError` where the data folder is,
    `EngineError` where the engine is not built, `TokensError` and `TlsError` where their files are
    no use.
    """
    asyncio.get_running_loop().set_exception_handler(log_loop_error)
    raise_open_files_limit()
    engine = use_engine(settings.engine)
    certificate = _certificate(settings)
    app = create_app(settings)
    runner = ServiceRunner(app, settings)
    stop = _stop_signal()
    await runner.setup()
    try:
        tls = certificate.context if certificate else None
        site = web.TCPSite(runner, settings.host, settings.port, backlog=128, ssl_context=tls)
        await _listen(site, settings)
        _log.info(
            "plays_service %s (%s engine) on %s",
            __version__,
            engine,
            _addresses(runner, "https" if tls else "http"),
        )
        await stop.wait()
        _log.info("stopping")
        app[STOPPING].set()
        await site.stop()
        begun, uploads = time.monotonic(), app[UPLOADS]
        if uploads:  # while aiohttp shuts down, it takes in no more bytes
            await asyncio.wait(uploads, timeout=settings.stop_timeout)
        left = settings.stop_timeout - (time.monotonic() - begun)
        runner.set_shutdown_timeout(max(left / 2, 1.0))  # it waits twice
    finally:
        await runner.cleanup()


async def _listen(site: web.TCPSite, settings: Settings) -> None:
    try:
        await site.start()
    except OSError as error:
        raise AddressError(
            f"cannot serve on {settings.host}:{settings.port}: {error.strerror or error}; "
            "is another service there? PLAYS_PORT sets another port"
        ) from error


async def _run_tasks(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[STOPPING] = asyncio.Event()
    shared = settings.executor == "celery"
    store = TaskStore(settings.data_dir, fsync=settings.fsync, shared=shared)
    await asyncio.to_thread(store.open)
    try:
        app[RUNNER] = TaskRunner(store, settings)
        app[READER] = ResultReader(
            app[RUNNER], workers=settings.workers, memory=settings.worker_memory
        )
        await app[RUNNER].start()
        yield
        await asyncio.gather(app[READER].stop(), app[RUNNER].stop(settings.stop_timeout))
    finally:
        store.close()


async def _stop_waiting(app: web.Application) -> None:
    app[STOPPING].set()


def _stop_signal() -> asyncio.Event:
    """Set by SIGTERM and SIGINT, from now on."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def set_or_end(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, set_or_end, number)
    return stop


def _certificate(settings: Settings) -> Certificate | None:
    """The certificate, if there is to be one; SIGHUP has it read again."""
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    certificate = Certificate(settings.tls_cert, settings.tls_key)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload)
    return certificate


def _addresses(runner: web.AppRunner, scheme: str) -> str:
    return ", ".join(f"{scheme}://{address[0]}:{address[1]}" for address in runner.addresses)
