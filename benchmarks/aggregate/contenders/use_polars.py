"""Polars with its streaming engine, from file to file.

For the order it numbers the rows: with many groups that is faster than its ``maintain_order``.
"""

from __future__ import annotations

import polars as pl

from benchmarks.aggregate.job import Job

__all__ = ["run"]


def run(job: Job) -> None:
    rows = pl.scan_csv(
        job.input,
        separator=job.delimiter,
        schema={"Song": pl.String, "Date": pl.String, "Number of Plays": pl.Int64},
        row_index_name="row" if job.keep_order else None,
    )
    groups = rows.group_by("Song", "Date")
    total = pl.col("Number of Plays").sum().alias("Total Number of Plays for Date")
    if job.keep_order:
        totals = groups.agg(total, pl.col("row").min()).sort("row").drop("row")
    else:
        totals = groups.agg(total)
    totals.sink_csv(job.output, engine="streaming")
