"""From a CSV of plays to its totals: bytes, files and the CSV contract, and nothing else.

The calls are pure functions on paths, made to run in a worker process::

    dialect_of → aggregate_segment (each) → merge_partitions (each share) → plan_result
        → write_ranges (each share)

with `combine_partials` where there are many partials of few groups, `merge_small` for all from the
merge on where there is little to merge, and `aggregate_small` alone for a small file.
"""

from plays_service.aggregation.calls import CALLS, CallError, CallWire
from plays_service.aggregation.dialect import Dialect, dialect_of, early_dialect_of, read_dialect
from plays_service.aggregation.engine import (
    ENGINES,
    EngineError,
    aggregate_file,
    aggregate_segment,
    combine_partials,
    engine_name,
    merge_partitions,
    plan_result,
    use_engine,
    write_ranges,
)
from plays_service.aggregation.errors import CsvError
from plays_service.aggregation.groupfile import DamagedFileError
from plays_service.aggregation.keys import PARTITIONS
from plays_service.aggregation.publish import publish_once, temporary_for
from plays_service.aggregation.small import aggregate_small, merge_small
from plays_service.aggregation.summary import ERRORS_KEPT, Reading, Segment, Source, Summary
from plays_service.aggregation.transcode import EncodingError, Transcoder

__all__ = [
    "CALLS",
    "ENGINES",
    "ERRORS_KEPT",
    "PARTITIONS",
    "CallError",
    "CallWire",
    "CsvError",
    "DamagedFileError",
    "Dialect",
    "EncodingError",
    "EngineError",
    "Reading",
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
    "merge_partitions",
    "merge_small",
    "plan_result",
    "publish_once",
    "read_dialect",
    "temporary_for",
    "use_engine",
    "write_ranges",
]
