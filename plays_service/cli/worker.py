"""``plays-service worker``."""

from __future__ import annotations

import os

import click

from plays_service.cli.environment import load_settings
from plays_service.cli.options import settings_options
from plays_service.settings import settings_table

__all__ = ["worker"]


@click.command(short_help="Start a Celery worker, on any machine.")
@settings_options(
    "data_dir", "workers", "worker_memory", "segment_timeout", "engine", "broker_url", "log_level"
)
def worker(**flags: str | None) -> None:
    """Start a Celery worker for services with PLAYS_EXECUTOR=celery, on any machine.

    It needs their data folder, under any path, and their broker. SIGTERM ends it after the calls
    under way.
    """
    settings = load_settings(flags)
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
