"""Options that commands have in common."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from plays_service.settings import settings_table

__all__ = [
    "STREAM",
    "Reporting",
    "csv_options",
    "output_option",
    "report_options",
    "settings_options",
]

#: Stands for standard input and standard output.
STREAM: Final = Path("-")


output_option = click.option(
    "-o",
    "--output",
    metavar="OUT",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    help="Where the totals go; a file appears whole or not at all.  [default: standard output]",
)


def csv_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that take files."""
    command = click.option(
        "--on-error",
        type=click.Choice(["fail", "skip"]),
        default="fail",
        show_default=True,
        help="Whether a bad record ends the work or is dropped.",
    )(command)
    return click.option(
        "--encoding", help="Encoding of the input, if it is not UTF-8 (or UTF-16 with a BOM)."
    )(command)


@dataclass(frozen=True, slots=True)
class Reporting:
    """What is said besides the result, and how."""

    as_json: bool
    quiet: bool
    progress: bool  #: bars are drawn, wherever they go

    @property
    def bars(self) -> bool:
        """Whether bars are drawn: on a terminal, where nothing else was said."""
        return self.progress or (sys.stderr.isatty() and not self.quiet)

    def check(self, output: Path) -> None:
        """Raise `click.UsageError` where report and totals would go to the same place."""
        if self.as_json and output == STREAM:
            raise click.UsageError("with --json standard output is taken; name a file with -o OUT")


def report_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the commands that work for a while, which get them as ``reporting``."""

    @click.option("--json", "as_json", is_flag=True, help="Report to standard output, as JSON.")
    @click.option("-q", "--quiet", is_flag=True, help="Say nothing but what goes wrong.")
    @click.option(
        "--progress", is_flag=True, help="Draw a progress bar even where there is no terminal."
    )
    @functools.wraps(command)
    def with_reporting(
        *args: Any, as_json: bool, quiet: bool, progress: bool, **kwargs: Any
    ) -> Any:
        return command(*args, reporting=Reporting(as_json, quiet, progress), **kwargs)

    return with_reporting


def settings_options(*names: str) -> Callable[..., Any]:
    """Flags for these settings, or for all."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for setting in reversed(settings_table()):
            if not names or setting.name in names:
                text = f"{setting.help}  [{setting.variable}; default: {setting.default}]"
                option = click.option(setting.flag, setting.name, metavar="VALUE", help=text)
                command = option(command)
        return command

    return add
