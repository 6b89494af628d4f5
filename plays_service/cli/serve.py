"""``plays-service serve``."""

from __future__ import annotations

import sys

import click

from plays_service.cli.environment import load_settings
from plays_service.cli.options import settings_options

__all__ = ["serve"]


@click.command()
@settings_options()
def serve(**flags: str | None) -> None:
    """Start the service. Every flag is also an environment variable; the flag wins."""
    if sys.platform == "win32":
        raise click.ClickException(
            "the service needs Linux or macOS: run its image, or use WSL; "
            "`plays-service aggregate` works here"
        )
    import asyncio

    from plays_service.aggregation import EngineError
    from plays_service.api import REQUEST_ID
    from plays_service.app import AddressError
    from plays_service.app import serve as serve_app
    from plays_service.logs import configure_logging
    from plays_service.tasks import CURRENT_TASK, DataFolderError
    from plays_service.tls import TlsError
    from plays_service.tokens import TokensError

    settings = load_settings(flags)
    configure_logging(
        settings.log_level, settings.log_format, request_id=REQUEST_ID, task_id=CURRENT_TASK
    )
    try:
        asyncio.run(serve_app(settings))
    except (AddressError, DataFolderError, EngineError, TlsError, TokensError) as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"cannot serve: {error}") from error
