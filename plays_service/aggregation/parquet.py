"""A result as Parquet, by pyarrow, which is an extra: nothing else needs it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ParquetError", "write_parquet"]


class ParquetError(ValueError):
    """A result that Parquet cannot hold; the text says why."""


def write_parquet(result: Path, target: Path) -> None:
    """Write the rows to ``target``: song (string), date (date32), plays (int64).

    Where totals take more than 64 bits, plays are decimal128(38, 0). Raises `ParquetError` beyond
    that, `MemoryError`, and `ImportError` without pyarrow.
    """
    from plays_service.aggregation import arrow  # noqa: PLC0415 -- pyarrow is not always installed

    arrow.write(result, target)
