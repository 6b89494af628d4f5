"""The half of `parquet` that needs pyarrow, which only it may load."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from pyarrow import csv, parquet

from plays_service.aggregation.parquet import ParquetError
from plays_service.aggregation.rows import RESULT_HEADER

__all__ = ["write"]

#: Bytes of the result that are in memory at once, about; a row takes 2 MiB at most.
_BLOCK_SIZE: Final = 4 << 20

#: What pyarrow says where there is no memory left for a thread: an error of no kind of its own.
_NO_THREAD: Final = "Failed to launch worker thread"


def write(result: Path, target: Path) -> None:
    """See `parquet.write_parquet`."""
    for plays in (pa.int64(), pa.decimal128(38, 0)):
        try:
            _write(result, target, plays)
        except pa.ArrowInvalid:
            continue
        except MemoryError as error:  # as one that others can read who do not have pyarrow
            raise MemoryError(str(error)) from None
        except pa.ArrowException as error:
            if _NO_THREAD not in str(error):
                raise
            raise MemoryError(str(error)) from None
        finally:
            pa.default_memory_pool().release_unused()
        return
    raise ParquetError(
        "A total of this result has more than 38 digits, which Parquet cannot hold; "
        "take it as CSV or JSON lines"
    )


def _write(result: Path, target: Path, plays: Any) -> None:
    schema = pa.schema({"song": pa.string(), "date": pa.date32(), "plays": plays})
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        if result.stat().st_size > len(RESULT_HEADER):  # of no rows pyarrow makes an error
            for batch in _batches(result, schema):
                writer.write_batch(batch)


def _batches(result: Path, schema: Any) -> Iterator[Any]:
    with csv.open_csv(
        result,
        csv.ReadOptions(
            use_threads=False, block_size=_BLOCK_SIZE, column_names=schema.names, skip_rows=1
        ),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=schema, strings_can_be_null=False),
    ) as reader:
        yield from reader
