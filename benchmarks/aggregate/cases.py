"""The inputs that are worth measuring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.aggregate.contenders import OURS
from benchmarks.aggregate.generate import Plan, concatenate, generate
from benchmarks.aggregate.native import native_version

__all__ = ["CASES", "EXAMPLE", "Case", "Input", "make_input"]

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "docs" / "example.csv"


@dataclass(frozen=True, slots=True)
class Case:
    """A kind of input: what it is called, and how it differs from the plain one."""

    title: str
    differs: dict[str, Any]  #: fields of `Plan`
    source: str | None = None  #: not generated: ``example`` or ``hot100``
    base: str = OURS  #: which of ours the ratios are to


CASES: Final = {
    "few": Case("few groups", {}),
    "many": Case("nearly every row a group of its own", {"groups": None}),
    "quoted": Case("quoted strings, delimiters and quotes in some", {"quoted": True}),
    "crlf": Case("CRLF line ends", {"crlf": True}),
    "semicolon": Case("semicolons", {"delimiter": ";"}),
    "multiline": Case("quoted strings, line ends in some", {"quoted": True, "multiline": True}),
    "hot100": Case("real chart data, repeated", {}, "hot100"),
    "tiny": Case("the README's 7 rows, again and again in one process", {}, "example", "ours-call"),
}


@dataclass(frozen=True, slots=True)
class Input:
    """A file, and what a contender may know of it."""

    title: str
    path: Path
    delimiter: str = ","
    multiline: bool = False
    seconds: float = 0.0  #: repeat the job in one process for about this long; 0: run it once


def make_input(case: Case, plan: Plan, hot100: Path, cache: Path) -> Input:
    """The file of a case, kept in ``cache`` from one run to the next."""
    if case.source == "example":
        return Input(case.title, EXAMPLE, seconds=2.0)
    cache.mkdir(parents=True, exist_ok=True)
    if case.source == "hot100":
        path = cache / f"hot100-{plan.size}.csv"
        if not path.exists():
            concatenate(hot100, plan.size, path)
        return Input(case.title, path)
    path = cache / f"{plan.name}-{native_version()}.csv"
    if not path.exists():
        generate(plan, path, cache)
    return Input(case.title, path, plan.delimiter, plan.multiline)
