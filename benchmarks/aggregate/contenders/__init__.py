"""Who takes part. One module for each way of doing it, with a function ``run(job)``."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from typing import Final

__all__ = ["ENTRIES", "OURS", "Entry"]

OURS: Final = "ours"


@dataclass(frozen=True, slots=True)
class Entry:
    """One contender."""

    name: str
    product: str
    variant: str  #: of several ways with one product
    module: str
    package: str  #: whose version is shown; none: the standard library
    keeps_order: bool  #: groups come in order of first appearance
    single: bool = False  #: one core, whatever there is
    cases: tuple[str, ...] = ()  #: only these, where it is not asked for by name

    @property
    def ours(self) -> bool:
        """Whether it is this project."""
        return self.package == _PACKAGE

    @property
    def version(self) -> str | None:
        """As installed; None where it is not."""
        if not self.package:
            return ""
        try:
            return metadata.version(self.package)
        except metadata.PackageNotFoundError:
            return None

    @property
    def title(self) -> str:
        """``DuckDB, ordered``."""
        return f"{self.product}, {self.variant}" if self.variant else self.product

    @property
    def full_title(self) -> str:
        """``DuckDB 2.0.0, ordered``."""
        if self.ours or not self.version:
            return self.title
        return self.title.replace(self.product, f"{self.product} {self.version}")


_PACKAGE: Final = "plays-service"
_OURS: Final = "plays_service"
_CLICKHOUSE: Final = "ClickHouse (chdb)"

_ALL: Final = (
    Entry(OURS, _OURS, "", "ours", _PACKAGE, True),
    Entry("ours-1", _OURS, "1 worker", "ours", _PACKAGE, True, single=True),
    Entry("ours-pool", _OURS, "pool already up", "ours_pool", _PACKAGE, True, cases=("tiny",)),
    Entry(
        "ours-call", _OURS, "in-process call", "ours_call", _PACKAGE, True,
        single=True, cases=("tiny",),
    ),
    Entry("duckdb", "DuckDB", "", "use_duckdb", "duckdb", False),
    Entry("duckdb-ordered", "DuckDB", "ordered", "use_duckdb", "duckdb", True),
    Entry("polars", "Polars", "streaming", "use_polars", "polars", False),
    Entry("polars-ordered", "Polars", "streaming, ordered", "use_polars", "polars", True),
    Entry("datafusion", "DataFusion", "", "use_datafusion", "datafusion", False),
    Entry("datafusion-ordered", "DataFusion", "ordered", "use_datafusion", "datafusion", True),
    Entry("chdb", _CLICKHOUSE, "", "use_chdb", "chdb", False),
    Entry("chdb-ordered", _CLICKHOUSE, "ordered", "use_chdb", "chdb", True),
    Entry("pyarrow", "PyArrow", "", "use_pyarrow", "pyarrow", False),
    Entry("pyarrow-ordered", "PyArrow", "ordered", "use_pyarrow", "pyarrow", True),
    Entry("pyarrow-stream", "PyArrow", "streaming", "use_pyarrow_stream", "pyarrow", False),
    Entry("pandas", "pandas", "", "use_pandas", "pandas", True),
    Entry("dask", "Dask", "", "use_dask", "dask", False),
    Entry("csv", "csv + dict", "", "use_csv", "", True, single=True),
)  # fmt: skip

#: All of them by name.
ENTRIES: Final = {entry.name: entry for entry in _ALL}
