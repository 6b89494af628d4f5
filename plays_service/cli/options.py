"""Options that commands have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

__all__ = [
    "STREAM",
    "csv_options",
    "output_option",
    "refuse_json_on_stdout",
    "report_options",
    "shows_progress",
]

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Stands for standard input and standard output.
STREAM: Final = Path("-")


def _all_of(*options: Callable[[_Command], _Command]) -> Callable[[_Command], _Command]:
    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


output_option = click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="Where the totals go; a file appears whole or not at all.  [default: standard output]",
)

csv_options = _all_of(
    click.option("--encoding", help="Encoding of IN, if it is not UTF-8 (or UTF-16 with a BOM)."),
    click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="Whether a bad record ends the work or is dropped.",
    ),
)

report_options = _all_of(
    click.option("--json", "as_json", is_flag=True, help="Report to standard output, as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but what goes wrong."),
    click.option(
        "--progress", is_flag=True, help="Draw a progress bar even where there is no terminal."
    ),
)


def shows_progress(*, quiet: bool, progress: bool) -> bool:
    """Whether bars are drawn: on a terminal, where nothing else was said."""
    return progress or (sys.stderr.isatty() and not quiet)


def refuse_json_on_stdout(output: Path, *, as_json: bool) -> None:
    """Raise `click.UsageError` where report and totals would go to the same place."""
    if as_json and output == STREAM:
        raise click.UsageError("with --json standard output is taken; name a file with -o OUT")
