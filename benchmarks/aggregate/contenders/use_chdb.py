"""ClickHouse inside the process; order by the first row of each group."""

from __future__ import annotations

from chdb import session

from benchmarks.aggregate.job import Job

__all__ = ["run"]

_session = session.Session()

_ROWS = """file('{input}', 'CSVWithNames',
    'Song String, Date String, `Number of Plays` Int64')"""

_TOTALS = """SELECT Song, Date, sum(`Number of Plays`) AS `Total Number of Plays for Date`
    FROM {rows} GROUP BY Song, Date"""

_ORDERED = """SELECT Song, Date, `Total Number of Plays for Date` FROM (
    SELECT Song, Date, sum(`Number of Plays`) AS `Total Number of Plays for Date`,
        min(_row_number) AS first FROM {rows} GROUP BY Song, Date ORDER BY first)"""


def run(job: Job) -> None:
    query = (_ORDERED if job.keep_order else _TOTALS).format(rows=_ROWS.format(input=job.input))
    # The delimiter is a setting of the query that reads; the one that writes keeps its comma.
    _session.query(
        f"""INSERT INTO FUNCTION file('{job.output}', 'CSVWithNames')
        SELECT * FROM ({query} SETTINGS format_csv_delimiter = '{job.delimiter}')
        SETTINGS max_threads = {job.threads}"""
    )
