"""``plays-service status`` and ``cancel``: what becomes of a task."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import click

from plays_service.cli.exits import Exit, as_documented
from plays_service.cli.report import as_flag
from plays_service.cli.server import Server, ask, server_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plays_service.client import Task

__all__ = ["cancel", "status"]

_EXITS = {"FAILURE": Exit.FAILED, "REVOKED": Exit.NO_TASK}


@click.command(
    epilog="""\b
Example:
  plays-service status 0b9e5c0e-5f0c-4f3e-9a55-0f8b7a0c1d2e --json | jq .progress

The exit code is 1 for a task that failed, 4 for one that was cancelled or is unknown.
"""
)
@click.argument("task_id", metavar="ID")
@server_options
@click.option("--json", "as_json", is_flag=True, help="Show the task as JSON, with all there is.")
def status(task_id: str, server: Server, as_json: bool) -> None:
    """Show how far the task ID is."""
    with as_documented():
        task = ask(server, lambda client: client.task(task_id))
        if as_json:
            click.echo(json.dumps(dict(task.fields)))
        else:
            for name, text in _lines(task):
                click.echo(f"{name:<9} {text}")
        if task.state in _EXITS:
            sys.exit(_EXITS[task.state])


def _lines(task: Task) -> Iterator[tuple[str, str]]:
    yield "task", task.id
    yield "state", task.state
    yield "file", f"{task.filename} ({task.bytes} bytes)"
    if not task.has_ended:
        left = "" if task.seconds_left is None else f", about {task.seconds_left:.0f} s left"
        yield "progress", f"{task.progress:.0%}{left}"
    yield "records", f"{task.rows} in {task.groups} groups"
    if task.skipped:
        yield "skipped", f"{task.skipped} bad records"
    for error in task.errors:
        yield "", as_flag(str(error))
    yield "created", f"{task.created:%Y-%m-%d %H:%M:%S} UTC"
    if task.finished is not None:
        yield "finished", f"{task.finished:%Y-%m-%d %H:%M:%S} UTC"
    if task.state == "FAILURE":
        yield "message", as_flag(task.message)


@click.command(
    epilog="""\b
Example:
  plays-service cancel 0b9e5c0e-5f0c-4f3e-9a55-0f8b7a0c1d2e

A task that has ended already stays as it is, with its result; that is no error.
"""
)
@click.argument("task_id", metavar="ID")
@server_options
@click.option("--json", "as_json", is_flag=True, help="Show the task as JSON, with all there is.")
def cancel(task_id: str, server: Server, as_json: bool) -> None:
    """End the task ID, wherever it is, if it has not ended."""
    with as_documented():
        task = ask(server, lambda client: client.cancel(task_id))
        if as_json:
            click.echo(json.dumps(dict(task.fields)))
        elif task.state == "REVOKED":
            click.echo("cancelled")
        else:
            click.echo(f"had ended already: {task.state}")
