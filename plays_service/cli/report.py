"""What is said of a result on standard error."""

from __future__ import annotations

from collections.abc import Iterable

import click

__all__ = ["as_flag", "report"]


def report(rows: int, groups: int, skipped: int, errors: Iterable[str]) -> None:
    """Tell what was found; ``errors`` are the first of the records that were skipped."""
    for error in errors:
        click.echo(as_flag(error), err=True)
    more = f", {skipped} bad records skipped" if skipped else ""
    click.echo(f"{rows} records in {groups} groups{more}", err=True)


def as_flag(message: str) -> str:
    """The message where encodings are named by a flag, not in a query."""
    return message.replace("?encoding=", "--encoding ")
