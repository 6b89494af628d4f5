"""``plays-service aggregate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plays_service.cli.environment import load_settings
from plays_service.cli.exits import Exit, as_documented, give_up
from plays_service.cli.options import (
    STREAM,
    Reporting,
    csv_options,
    output_option,
    report_options,
)
from plays_service.cli.progress import Bar
from plays_service.cli.report import as_flag, report

if TYPE_CHECKING:
    from plays_service.offline import Outcome

__all__ = ["aggregate"]

_EPILOG = """\b
Examples:
  plays-service aggregate plays.csv -o totals.csv
  plays-service aggregate 2024.csv.gz 2025.csv.zst -o totals.csv
  zcat plays.csv.gz | plays-service aggregate - | head

The settings for workers, memory, segments and engine (PLAYS_WORKERS and so on) hold here too.
"""


@click.command(epilog=_EPILOG)
@click.argument(
    "inputs",
    metavar="IN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True),
)
@output_option
@csv_options
@report_options
def aggregate(
    inputs: tuple[Path, ...],
    output: Path,
    encoding: str | None,
    on_error: str,
    reporting: Reporting,
) -> None:
    """Aggregate files here, without a service.

    Several files IN give the totals over all of them, in order of first appearance. Each may have
    its own header, delimiter and order of columns, and may be packed with gzip or zstd; - is
    standard input.
    """
    reporting.check(output)
    if inputs.count(STREAM) > 1:
        raise click.UsageError("standard input (-) can be read only once")
    with as_documented():
        from plays_service.aggregation import EncodingError, EngineError
        from plays_service.offline import InputError, aggregate_offline

        bar = Bar("Aggregating", shown=reporting.bars)
        settings = load_settings({})
        try:
            with bar:
                outcome = aggregate_offline(
                    inputs,
                    output,
                    settings,
                    encoding=encoding,
                    skip_errors=on_error == "skip",
                    progress=bar.to,
                )
        except BrokenPipeError:
            raise
        except EncodingError as error:
            give_up(str(error), Exit.USAGE)
        except (EngineError, InputError, OSError) as error:
            give_up(str(error), Exit.FAILED)
        _report(outcome, reporting)


def _report(outcome: Outcome, reporting: Reporting) -> None:
    if reporting.as_json:
        click.echo(json.dumps(outcome.to_json()))
    if outcome.error is not None:
        give_up(as_flag(str(outcome.error)), Exit.FAILED)
    if not (reporting.quiet or reporting.as_json):
        skipped = [f"{one.input}: skipped: {one.error}" for one in outcome.errors]
        report(outcome.rows, outcome.groups, outcome.skipped, skipped)
