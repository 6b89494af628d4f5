"""Talking to a service: where it is, and what its answers mean for the exit code."""

from __future__ import annotations

import functools
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from plays_service.cli.exits import Exit, give_up
from plays_service.cli.report import as_flag
from plays_service.settings import parse_duration

if TYPE_CHECKING:
    from plays_service.client import Client

__all__ = ["Server", "ask", "server_options"]

_VARIABLE: Final = "PLAYS_TOKEN"

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Server:
    """Where the service is, and how to talk to it."""

    url: str
    token: str | None
    retry_for: float  #: seconds


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that talk to a service, which get them as ``server``."""

    @click.option(
        "--server",
        metavar="URL",
        envvar="PLAYS_SERVER",
        show_envvar=True,
        default="http://localhost:8000",
        show_default=True,
        help="Where the service is.",
    )
    @click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help=f"A file with the access token, if {_VARIABLE} has none.",
    )
    @click.option(
        "--retry-for",
        metavar="TIME",
        default="60s",
        show_default=True,
        callback=lambda _context, _option, text: _duration(text),
        help="How long a service that is away or busy is asked again; 0: not at all.",
    )
    @functools.wraps(command)
    def with_server(
        *args: Any, server: str, token_file: Path | None, retry_for: float, **kwargs: Any
    ) -> Any:
        there = Server(server, _token(token_file), retry_for)
        return command(*args, server=there, **kwargs)

    return with_server


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def _token(file: Path | None) -> str | None:
    """The token; never from the command line, which every user of the machine can read."""
    token = os.environ.get(_VARIABLE) if file is None else file.read_text("utf-8", "replace")
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise click.UsageError("the access token has characters that no token has")
    return token or None


def ask(server: Server, talk: Callable[[Client], Awaitable[R]], *, quiet: bool = False) -> R:
    """What ``talk`` gives back; where it raises, the end of the command."""
    import asyncio

    from plays_service import client

    async def run() -> R:
        async with client.Client(server.url, token=server.token, retry_for=server.retry_for) as one:
            return await talk(one)

    if not quiet:
        _show_log(client.__name__)
    try:
        return asyncio.run(run())
    except BrokenPipeError:
        raise
    except client.TaskFailedError as error:
        give_up(as_flag(str(error)), Exit.FAILED)
    except (client.TaskNotFoundError, client.TaskRevokedError) as error:
        give_up(str(error), Exit.NO_TASK)
    except client.AccessDeniedError as error:
        give_up(f"{error} (here: {_VARIABLE} or --token-file)", Exit.UNAVAILABLE)
    except client.PlaysError as error:
        give_up(str(error), Exit.UNAVAILABLE)
    except ValueError as error:
        give_up(str(error), Exit.USAGE)
    except OSError as error:
        give_up(str(error), Exit.FAILED)


def _show_log(name: str) -> None:
    """Tell what the client has to say while it works."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.getLogger(name).addHandler(handler)
