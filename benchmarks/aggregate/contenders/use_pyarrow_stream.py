"""PyArrow's streaming reader into its aggregation node: slower than a table, in less memory."""

from __future__ import annotations

import pyarrow as pa
from pyarrow import acero, csv

from benchmarks.aggregate.job import Job

__all__ = ["run"]

_BLOCK_BYTES = 8 << 20


def run(job: Job) -> None:
    pa.set_cpu_count(job.threads)
    reader = csv.open_csv(
        job.input,
        read_options=csv.ReadOptions(block_size=_BLOCK_BYTES),
        parse_options=csv.ParseOptions(delimiter=job.delimiter, newlines_in_values=job.multiline),
        convert_options=csv.ConvertOptions(
            column_types={"Song": pa.string(), "Date": pa.string(), "Number of Plays": pa.int64()}
        ),
    )
    total = ("Number of Plays", "hash_sum", None, "Total Number of Plays for Date")
    plan = acero.Declaration.from_sequence(
        [
            acero.Declaration(
                "record_batch_reader_source", acero.RecordBatchReaderSourceNodeOptions(reader)
            ),
            acero.Declaration(
                "aggregate", acero.AggregateNodeOptions([total], keys=["Song", "Date"])
            ),
        ]
    )
    csv.write_csv(
        plan.to_table(use_threads=True), job.output, csv.WriteOptions(quoting_style="needed")
    )
