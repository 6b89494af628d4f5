"""``plays-service submit`` and ``result``: to the service and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from plays_service.cli.exits import Exit, as_documented, give_up
from plays_service.cli.options import (
    STREAM,
    Reporting,
    csv_options,
    output_option,
    report_options,
)
from plays_service.cli.progress import Bar
from plays_service.cli.report import report
from plays_service.cli.server import Server, ask, server_options

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from plays_service.client import Client, Task

__all__ = ["result", "submit"]


@click.command(
    short_help="Have a service aggregate FILE, and write the totals here.",
    epilog="""\b
Examples:
  plays-service submit plays.csv.gz -o totals.csv --server https://plays.example.com
  mysql ... | plays-service submit - --on-error skip > totals.csv
  id=$(plays-service submit plays.csv --no-wait); plays-service result $id -o totals.csv

Ctrl-C during the upload leaves nothing on the server. After it, the task goes on there, and the
command tells its id, as it does when anything else comes between.
""",
)
@click.argument(
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
)
@output_option
@click.option(
    "--wait/--no-wait", default=True, help="Wait for the totals, or print the task's id at once."
)
@csv_options
@server_options
@report_options
def submit(
    path: Path,
    output: Path,
    wait: bool,
    encoding: str | None,
    on_error: Literal["fail", "skip"],
    server: Server,
    reporting: Reporting,
) -> None:
    """Have a service aggregate FILE (- is standard input), and write the totals here."""
    if wait:
        reporting.check(output)
    elif output != STREAM:
        raise click.UsageError("with --no-wait there are no totals to write to OUT")

    async def upload(client: Client) -> str:
        with Bar("Uploading", shown=reporting.bars, counts=not _is_file(path)) as bar:
            return await client.submit(
                _standard_input() if path == STREAM else path,
                filename=None if path != STREAM else "stdin.csv",
                on_error=on_error,
                encoding=encoding,
                progress=bar.count,
            )

    with as_documented():
        if wait:
            _fetch(upload, output, server, reporting)
            return
        task_id = ask(server, upload, quiet=reporting.quiet)
        click.echo(json.dumps({"task_id": task_id}) if reporting.as_json else task_id)


@click.command(
    epilog="""\b
Example:
  plays-service result 0b9e5c0e-5f0c-4f3e-9a55-0f8b7a0c1d2e -o totals.csv
"""
)
@click.argument("task_id", metavar="ID")
@output_option
@server_options
@report_options
def result(task_id: str, output: Path, server: Server, reporting: Reporting) -> None:
    """Wait for the task ID and write its totals here."""
    reporting.check(output)

    async def known(_: Client) -> str:
        return task_id

    with as_documented():
        _fetch(known, output, server, reporting)


def _fetch(
    begin: Callable[[Client], Awaitable[str]],
    output: Path,
    server: Server,
    reporting: Reporting,
) -> None:
    """Begin a task, or find it, and bring its totals to ``output``."""
    from plays_service.offline import Target

    async def talk(client: Client) -> Task:
        task_id = await begin(client)
        with _told_unless_done(task_id):
            task = await _end_of(client, task_id, reporting)
            with Bar("Downloading", shown=reporting.bars) as bar:
                await client.result(task_id, to=totals, progress=bar.count)
        return task

    try:
        target = Target(output)
        with target.scratch() as folder:
            totals = folder / "result.csv"
            task = ask(server, talk, quiet=reporting.quiet)
            target.deliver(totals)
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up(str(error), Exit.FAILED)
    if reporting.as_json:
        click.echo(json.dumps(dict(task.fields)))
    elif not reporting.quiet:
        skipped = [f"{task.filename}: skipped: {one}" for one in task.errors]
        report(task.rows, task.groups, task.skipped, skipped)


async def _end_of(client: Client, task_id: str, reporting: Reporting) -> Task:
    """The task when it has succeeded; with ``--json`` it is shown where it has not."""
    from plays_service.client import TaskFailedError, TaskRevokedError

    try:
        with Bar("Aggregating", shown=reporting.bars) as bar:
            watch = (lambda task: bar.to(task.progress)) if reporting.bars else None
            task = await client.wait(task_id, progress=watch)
            bar.to(1.0)
            return task
    except (TaskFailedError, TaskRevokedError) as error:
        task = await client.task(task_id)
        if reporting.as_json:
            click.echo(json.dumps(dict(task.fields)))
        if isinstance(error, TaskFailedError):
            raise TaskFailedError(f"{task.filename}: {error}") from None
        raise


@contextmanager
def _told_unless_done(task_id: str) -> Iterator[None]:
    """Where something else ends first than the task, say how to come back to it."""
    from plays_service.client import TaskFailedError, TaskNotFoundError, TaskRevokedError

    try:
        yield
    except (TaskFailedError, TaskNotFoundError, TaskRevokedError):
        raise
    except BaseException:
        click.echo(
            f"The service keeps the task: plays-service result {task_id} -o OUT brings its totals, "
            f"plays-service cancel {task_id} ends it.",
            err=True,
        )
        raise


def _is_file(path: Path) -> bool:
    """Whether it is known how much there is."""
    return path != STREAM and path.is_file()


def _standard_input() -> AsyncIterator[bytes]:
    from plays_service.client.pipes import read_pipe

    return read_pipe(lambda: open(0, "rb", buffering=0, closefd=False))
