"""The standard library: what anyone would write first."""

from __future__ import annotations

import csv
from pathlib import Path

from benchmarks.aggregate.job import Job

__all__ = ["run"]


def run(job: Job) -> None:
    totals: dict[tuple[str, str], int] = {}
    with Path(job.input).open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter=job.delimiter)
        next(rows)
        for song, date, plays in rows:
            key = song, date
            totals[key] = totals.get(key, 0) + int(plays)
    with Path(job.output).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["Song", "Date", "Total Number of Plays for Date"])
        writer.writerows((*key, total) for key, total in totals.items())
