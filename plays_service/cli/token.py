"""``plays-service token``."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["token"]


@click.command(short_help="Make an API token for NAME, and show it.")
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
