"""The command ``plays-service``: a group, and a module for each kind of command.

Imports are inside the commands: every worker process imports this package anew, and must not load
a web server for it.
"""

from __future__ import annotations

import click

from plays_service import __version__
from plays_service.cli.aggregate import aggregate
from plays_service.cli.environment import load_settings
from plays_service.cli.serve import serve
from plays_service.cli.submit import result, submit
from plays_service.cli.tasks import cancel, status
from plays_service.cli.token import token
from plays_service.cli.worker import worker

__all__ = ["main"]

_EPILOG = """\b
Exit codes:
    0  it is done
    1  it failed: the file is bad, or cannot be read or written
    2  the command line or a setting is wrong
    3  the service cannot be reached, or refused
    4  the task was cancelled, or there is none with this id
  130  interrupted (Ctrl-C); 143 terminated, 129 the terminal was closed
  141  whoever read the output went away

\b
Completion for bash, zsh or fish, in the file that your shell starts with:
  eval "$(_PLAYS_SERVICE_COMPLETE=bash_source plays-service)"

Each command says more: plays-service aggregate --help
"""


@click.group(epilog=_EPILOG)
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
        engine = use_engine(load_settings({}).engine)
    except EngineError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"plays-service {__version__} ({engine} engine)")
    context.exit()


for _command in (serve, worker, aggregate, submit, result, status, cancel, token):
    main.add_command(_command)
