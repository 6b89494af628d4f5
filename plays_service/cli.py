"""The command ``plays-service``.

Imports are inside the commands: every worker process imports this module anew, and must not load
a web server for it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plays_service import __version__
from plays_service.settings import Settings, SettingsError, settings_table

if TYPE_CHECKING:
    from plays_service.aggregation import Summary

__all__ = ["main"]


@click.group()
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, value: _show_version(context) if value else None,
    help="Show the version and the engine, and exit.",
)
def main() -> None:
    """Totals per song and date from CSV files of plays, of any size."""


def _show_version(context: click.Context) -> None:
    from plays_service.aggregation import EngineError, use_engine

    try:
        engine = use_engine(_load_settings({}).engine)
    except EngineError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"plays-service {__version__} ({engine} engine)")
    context.exit()


def _settings_options(*names: str) -> Callable[..., Any]:
    """Flags for these settings, or for all."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(settings_table()):
            if names and setting.name not in names:
                continue
            text = f"{setting.help}  [{setting.variable}; default: {setting.default}]"
            command = click.option(setting.flag, setting.name, metavar="VALUE", help=text)(command)
        return command

    return add


@main.command()
@_settings_options()
def serve(**flags: str | None) -> None:
    """Start the service. Every flag is also an environment variable; the flag wins."""
    if sys.platform == "win32":
        raise click.ClickException(
            "the service needs Linux or macOS: run its image, or use WSL; "
            "`plays-service aggregate` works here"
        )
    import asyncio

    from plays_service.aggregation import EngineError
    from plays_service.app import serve
    from plays_service.logs import configure_logging
    from plays_service.tasks import DataFolderError
    from plays_service.tls import TlsError
    from plays_service.tokens import TokensError

    settings = _load_settings(flags)
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(serve(settings))
    except (DataFolderError, EngineError, TlsError, TokensError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot serve on {settings.host}:{settings.port}: {error.strerror or error}; "
            "is another service there? PLAYS_PORT sets another port"
        ) from error


@main.command()
@click.argument("path", metavar="IN", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="Where the totals go.",
)
@click.option("--encoding", help="Encoding of IN, if it is not UTF-8 (or UTF-16 with a BOM).")
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="Whether a bad record ends the work or is dropped.",
)
def aggregate(path: Path, output: Path, encoding: str | None, on_error: str) -> None:
    """Aggregate a file here, without a service. Uses the settings for workers and memory."""
    from plays_service.aggregation import EncodingError, EngineError
    from plays_service.offline import aggregate_offline

    settings = _load_settings({})
    try:
        summary = aggregate_offline(
            path, output, settings, encoding=encoding, skip_errors=on_error == "skip"
        )
    except (EncodingError, EngineError, OSError) as error:
        raise click.ClickException(str(error)) from error
    _report(summary, path)


@main.command()
@_settings_options(
    "data_dir", "workers", "worker_memory", "segment_timeout", "engine", "broker_url", "log_level"
)
def worker(**flags: str | None) -> None:
    """Start a Celery worker for services with PLAYS_EXECUTOR=celery, on any machine.

    It needs their data folder, under any path, and their broker. SIGTERM ends it after the calls
    under way.
    """
    settings = _load_settings(flags)
    if not (settings.data_dir / "tasks").is_dir():
        raise click.ClickException(
            f"{settings.data_dir.absolute()} is not a service's data folder: mount that here and "
            "name it by PLAYS_DATA_DIR, and start the service first"
        )
    variables = {setting.name: setting.variable for setting in settings_table()}
    os.environ |= {variables[name]: text for name, text in flags.items() if text is not None}
    try:
        from plays_service.celery_app import app
    except ImportError as error:
        raise click.ClickException(f"{error}; install plays-service[celery]") from error
    name = f"--hostname=plays-{os.getpid()}@%h"
    app.worker_main(["worker", name, "--without-gossip", "--without-mingle"])


@main.command()
@click.argument("name")
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Add the line to this file (PLAYS_TOKENS_FILE of the service) instead of showing it.",
)
def token(name: str, path: Path | None) -> None:
    """Make an API token for NAME and show it, once: the service keeps only its hash.

    NAME is the owner of the tasks. A further token for the same NAME sees the same tasks: that is
    how one is replaced.
    """
    from plays_service.tokens import TokensError, add_token, make_token

    try:
        secret, line = make_token(name)
        if path is not None:
            add_token(path, line)
    except TokensError as error:
        raise click.ClickException(str(error)) from error
    click.echo(secret)
    if path is None:
        click.echo(f"The line for the file of tokens:\n{line}", err=True, nl=False)


def _report(summary: Summary, path: Path) -> None:
    if summary.error is not None:
        raise click.ClickException(f"{path}: {summary.error}")
    for error in summary.errors:
        click.echo(f"{path}: skipped: {error}", err=True)
    skipped = f", {summary.skipped} bad records skipped" if summary.skipped else ""
    click.echo(f"{summary.rows} records in {summary.groups} groups{skipped}", err=True)


def _load_settings(flags: dict[str, str | None]) -> Settings:
    try:
        return Settings.load(os.environ, flags)
    except SettingsError as error:
        raise click.ClickException(str(error)) from error
