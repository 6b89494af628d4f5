"""What is said of a result on standard error."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["as_flag", "counted", "report"]


def report(rows: int, groups: int, skipped: int, errors: Iterable[str]) -> None:
    """Tell what was found; ``errors`` are the first of the records that were skipped."""
    for error in errors:
        click.echo(as_flag(error), err=True)
    more = f", {counted(skipped, 'bad record')} skipped" if skipped else ""
    click.echo(f"{counted(rows, 'record')} in {counted(groups, 'group')}{more}", err=True)


def counted(number: int, noun: str) -> str:
    """So many of them, in the singular where it is one."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_flag(message: str) -> str:
    """The message where encodings are named by a flag, not in a query."""
    return message.replace("?encoding=", "--encoding ")
