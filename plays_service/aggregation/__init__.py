"""From a CSV of plays to its totals: bytes, files and the CSV contract, and nothing else.

The calls are pure functions on paths, made to run in a worker process::

    dialect_of → aggregate_segment (each) → merge_partitions (each share) → plan_result
        → write_ranges (each share)

with `combine_partials` where there are many partials of few groups, `merge_small` for all from the
merge on where there is little to merge, and `aggregate_small` alone for a small file. What is made
of a result, on demand: `make_view` for `read_page`, `make_summary`, `make_parquet`, `json_lines`.
"""

from plays_service.aggregation.calls import CALLS, CallError, CallWire
from plays_service.aggregation.derived import make_parquet, make_summary, make_view
from plays_service.aggregation.dialect import Dialect, dialect_of, early_dialect_of, read_dialect
from plays_service.aggregation.engine import (
    ENGINES,
    EngineError,
    aggregate_file,
    aggregate_segment,
    combine_partials,
    engine_name,
    json_lines,
    merge_partitions,
    plan_result,
    use_engine,
    write_ranges,
)
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.fields import parse_date
from plays_service.aggregation.groupfile import DamagedFileError
from plays_service.aggregation.json_lines import row_fields
from plays_service.aggregation.keys import PARTITIONS
from plays_service.aggregation.parquet import ParquetError
from plays_service.aggregation.publish import publish_once, temporary_for
from plays_service.aggregation.result_rows import DATE_MAX, DamagedResultError
from plays_service.aggregation.row_pages import Page, read_page
from plays_service.aggregation.row_query import SORTS, RowQuery
from plays_service.aggregation.small import aggregate_small, merge_small
from plays_service.aggregation.summary import ERRORS_KEPT, Reading, Segment, Source, Summary
from plays_service.aggregation.transcode import EncodingError, Transcoder

__all__ = [
    "CALLS",
    "DATE_MAX",
    "ENGINES",
    "ERRORS_KEPT",
    "PARTITIONS",
    "SORTS",
    "CallError",
    "CallWire",
    "CsvError",
    "DamagedFileError",
    "DamagedResultError",
    "Dialect",
    "EncodingError",
    "EngineError",
    "Page",
    "ParquetError",
    "Reading",
    "RowQuery",
    "Segment",
    "Source",
    "Summary",
    "Transcoder",
    "aggregate_file",
    "aggregate_segment",
    "aggregate_small",
    "combine_partials",
    "dialect_of",
    "early_dialect_of",
    "engine_name",
    "json_lines",
    "make_parquet",
    "make_summary",
    "make_view",
    "merge_partitions",
    "merge_small",
    "parse_date",
    "plan_result",
    "publish_once",
    "read_dialect",
    "read_page",
    "row_fields",
    "temporary_for",
    "use_engine",
    "write_ranges",
]
