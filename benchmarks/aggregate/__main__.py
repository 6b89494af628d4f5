"""``python -m benchmarks.aggregate``: see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks.aggregate.cases import CASES, ROOT, Input, make_input
from benchmarks.aggregate.chart import chart, panel_of
from benchmarks.aggregate.contenders import ENTRIES, Entry
from benchmarks.aggregate.generate import Plan
from benchmarks.aggregate.growth import GROWING, growth_panels, growth_table
from benchmarks.aggregate.measure import Limits
from benchmarks.aggregate.report import machine, summary, table, to_json
from benchmarks.aggregate.run import Results, run_all
from benchmarks.aggregate.units import size_text
from plays_service.settings import parse_duration, parse_size

__all__ = ["main"]

#: Seconds for which a job is repeated in one process, to see how time grows: short ones vary.
_REPEATED: Final = 2.0
_LEGEND: Final = (
    ("ours", "plays_service (keeps the order)"),
    ("kept", "keeps the order of first appearance"),
    ("free", "does not"),
)


def main(args: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 if our results are confirmed."""
    options = _parser().parse_args(args)
    limits = Limits(
        timeout=options.timeout,
        patience=options.patience,
        memory=options.memory_limit,
        threads=options.threads,
    )
    output: Path = options.output
    output.mkdir(parents=True, exist_ok=True)
    here = machine()
    print(
        f"{here['cpu']}, {here['cores']} cores, {size_text(here['memory'])} of memory, "
        f"Python {here['python']}, {here['engine']} engine\n"
    )
    if options.growth:
        results = _growth(options, limits)
        text = growth_table(results)
        picture = chart(growth_panels(results), ())
        print(text)
    else:
        results = _cases(options, limits)
        text = "\n\n".join(f"### {one.title}\n\n{summary(one)}\n\n{table(one)}" for one in results)
        picture = chart([panel_of(one) for one in results], _LEGEND)
    name = "growth" if options.growth else "aggregate"
    (output / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    (output / f"{name}.svg").write_text(picture, encoding="utf-8")
    raw = {"machine": here, "results": [to_json(one) for one in results]}
    (output / f"{name}.json").write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    print(f"\n{name}.md, {name}.svg and {name}.json are in {output}")
    return 0 if all(one.confirmed for one in results) else 1


def _cases(options: argparse.Namespace, limits: Limits) -> list[Results]:
    found = []
    for name in options.case:
        plan = replace(_plan(options, options.size), **_not_given(options, name))
        source = _input(options, name, plan)
        if source is None:
            continue
        entries = _entries(options.engines, name)
        results = run_all(name, source, entries, options.runs, limits, options.work)
        found.append(results)
        print(f"### {results.title}\n\n{summary(results)}\n\n{table(results)}\n", flush=True)
    return found


def _growth(options: argparse.Namespace, limits: Limits) -> list[Results]:
    name = options.case[0]
    found = []
    for size in options.growth:
        plan = replace(_plan(options, size), **_not_given(options, name))
        source = _input(options, name, plan)
        if source is not None:
            source = replace(source, seconds=_REPEATED)
            entries = [ENTRIES[entry] for entry in GROWING]
            found.append(run_all(name, source, entries, options.runs, limits, options.work))
    return found


def _plan(options: argparse.Namespace, size: int) -> Plan:
    plan = Plan(
        size=size,
        quoted=options.quoted,
        multiline=options.multiline,
        crlf=options.crlf,
        seed=options.seed,
    )
    if options.groups is not None:
        plan = replace(plan, groups=options.groups)
    return replace(plan, delimiter=options.delimiter) if options.delimiter else plan


def _not_given(options: argparse.Namespace, name: str) -> dict[str, Any]:
    """What the case says, except where an option says otherwise."""
    given = {key for key in ("groups", "delimiter") if getattr(options, key) is not None}
    return {key: value for key, value in CASES[name].differs.items() if key not in given}


def _input(options: argparse.Namespace, name: str, plan: Plan) -> Input | None:
    case = CASES[name]
    if case.source == "hot100" and not options.hot100.is_file():
        print(f"{name}: there is no {options.hot100}; --hot100 says where it is\n")
        return None
    return make_input(case, plan, options.hot100, options.work)


def _entries(asked: Sequence[str] | None, case: str) -> list[Entry]:
    """Ours first: it is what the others are compared with."""
    entries = [
        entry
        for entry in ENTRIES.values()
        if (entry.name in asked if asked else not entry.cases or case in entry.cases)
    ]
    for entry in entries:
        if entry.version is None:
            print(f"{entry.title}: {entry.package} is not installed")
    return [entry for entry in entries if entry.version is not None]


def _names(known: Sequence[str], text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: not among {', '.join(known)}")
    return names


def _case_names(text: str) -> list[str]:
    return list(CASES) if text == "all" else _names(list(CASES), text)


def _engine_names(text: str) -> list[str]:
    return list(ENTRIES) if text == "all" else _names(list(ENTRIES), text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _size(text: str) -> int:
    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} {error}") from None


def _sizes(text: str) -> list[int]:
    return [_size(part) for part in text.split(",")]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.aggregate",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--case", type=_case_names, default="few,many,tiny", help="all, or: " + ", ".join(CASES))
    add("--engines", type=_engine_names, help="all, or: " + ", ".join(ENTRIES))
    add("--size", type=_size, default="1GiB", help="of the generated files")
    add("--runs", type=_count, default=5, help="timed rounds, after one that measures memory")
    add("--groups", type=_count, help="different pairs of song and date")
    add("--quoted", action="store_true", help="strings in quotes")
    add("--multiline", action="store_true", help="and line ends in some of them")
    add("--crlf", action="store_true", help="CRLF line ends")
    add("--delimiter", help="between the columns")
    add("--seed", type=int, default=1, help="of the generated data")
    add("--growth", type=_sizes, metavar="SIZES", help="ours alone, at these sizes")
    add("--threads", type=_count, default=len(os.sched_getaffinity(0)), help="of everybody")
    add("--timeout", type=parse_duration, default="120s", help="of a contender's process")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * 3 // 4
    add("--patience", type=parse_duration, default="60s", help="after it no more runs")
    add("--memory-limit", type=_size, default=str(memory), help="of all its processes together")
    add("--hot100", type=Path, default=ROOT.parent / "shared/data/hot100.csv", help="real data")
    add("--work", type=Path, default=ROOT / "build/benchmarks/work", help="folder for data")
    add("--output", type=Path, default=ROOT / "build/benchmarks", help="folder for the reports")
    return parser


if __name__ == "__main__":
    sys.exit(main())
