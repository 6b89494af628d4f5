"""DataFusion: types given; order by the first row of each group."""

from __future__ import annotations

import pyarrow as pa
from datafusion import SessionConfig, SessionContext

from benchmarks.aggregate.job import Job

__all__ = ["run"]

_SCHEMA = pa.schema(
    [("Song", pa.string_view()), ("Date", pa.string_view()), ("Number of Plays", pa.int64())]
)

_TOTALS = """SELECT "Song", "Date",
    sum("Number of Plays") AS "Total Number of Plays for Date" FROM plays GROUP BY 1, 2"""

_ORDERED = """SELECT "Song", "Date", "Total Number of Plays for Date" FROM (
    SELECT "Song", "Date", sum("Number of Plays") AS "Total Number of Plays for Date",
        min(number) AS first
    FROM (SELECT *, row_number() OVER () AS number FROM plays) GROUP BY 1, 2) ORDER BY first"""


def run(job: Job) -> None:
    config = SessionConfig().with_target_partitions(job.threads)
    if job.keep_order or job.multiline:  # parts of a file would be numbered out of their order
        config = config.set("datafusion.optimizer.repartition_file_scans", "false")
    context = SessionContext(config)
    context.sql(
        f"""CREATE EXTERNAL TABLE plays
        ("Song" VARCHAR, "Date" VARCHAR, "Number of Plays" BIGINT)
        STORED AS CSV LOCATION '{job.input}'
        OPTIONS ('format.has_header' 'true', 'format.delimiter' '{job.delimiter}',
                 'format.newlines_in_values' '{str(job.multiline).lower()}')"""
    ).collect()
    query = _ORDERED if job.keep_order else _TOTALS
    context.sql(
        f"COPY ({query}) TO '{job.output}' STORED AS CSV OPTIONS ('format.has_header' 'true')"
    ).collect()
