"""DuckDB: types given, so that nothing is sniffed; order by the first row of each group."""

from __future__ import annotations

import duckdb

from benchmarks.aggregate.job import Job

__all__ = ["run"]

_connection = duckdb.connect()

_READ = """read_csv('{input}', header=true, delim='{delimiter}', quote='"', escape='"',
    columns={{'Song': 'VARCHAR', 'Date': 'VARCHAR', 'Number of Plays': 'BIGINT'}})"""

_TOTALS = """SELECT "Song", "Date",
    sum("Number of Plays") AS "Total Number of Plays for Date" FROM {rows} GROUP BY 1, 2"""

_ORDERED = """SELECT * EXCLUDE (first) FROM (
    SELECT "Song", "Date", sum("Number of Plays") AS "Total Number of Plays for Date",
        min(number) AS first
    FROM (SELECT *, row_number() OVER () AS number FROM {rows}) GROUP BY 1, 2) ORDER BY first"""


def run(job: Job) -> None:
    rows = _READ.format(input=job.input, delimiter=job.delimiter)
    query = (_ORDERED if job.keep_order else _TOTALS).format(rows=rows)
    _connection.execute(f"SET threads = {job.threads}")
    _connection.execute(f"SET preserve_insertion_order = {job.keep_order}")
    _connection.execute(f"COPY ({query}) TO '{job.output}' (FORMAT csv, HEADER)")
