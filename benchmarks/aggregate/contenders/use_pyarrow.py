"""PyArrow: the whole file as a table, then its group-by.

For the order it numbers the rows: on one thread the groups nearly keep it, but not quite.
"""

from __future__ import annotations

import pyarrow as pa
from pyarrow import csv

from benchmarks.aggregate.job import Job

__all__ = ["run"]

_TYPES = {"Song": pa.string(), "Date": pa.string(), "Number of Plays": pa.int64()}
_NAMES = ["Song", "Date", "Total Number of Plays for Date"]


def run(job: Job) -> None:
    pa.set_cpu_count(job.threads)
    table = csv.read_csv(
        job.input,
        parse_options=csv.ParseOptions(delimiter=job.delimiter, newlines_in_values=job.multiline),
        convert_options=csv.ConvertOptions(column_types=_TYPES),
    )
    totals = [("Number of Plays", "sum")]
    if job.keep_order:
        table = table.append_column("row", pa.arange(0, table.num_rows))
        groups = table.group_by(["Song", "Date"]).aggregate([*totals, ("row", "min")])
        groups = groups.sort_by("row_min").drop_columns(["row_min"])
    else:
        groups = table.group_by(["Song", "Date"]).aggregate(totals)
    csv.write_csv(
        groups.rename_columns(_NAMES), job.output, csv.WriteOptions(quoting_style="needed")
    )
