"""``python -m benchmarks.service``: see docs/benchmarks.md."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.aggregate.cases import EXAMPLE, ROOT
from benchmarks.aggregate.chart import Bar, Panel, chart
from benchmarks.aggregate.generate import Plan, generate
from benchmarks.aggregate.units import ratio_text, seconds_text, size_text
from benchmarks.beside import beside
from benchmarks.service.client import Load, small_tasks, upload_large
from benchmarks.service.stacks import STACKS, Stack
from plays_service.settings import parse_size

__all__ = ["main"]

_GIGABIT: Final = 125e6  #: bytes a second
_SMALL_SECONDS: Final = 5.0


def main(args: Sequence[str] | None = None) -> int:
    """Measure what is asked for and print it as a table."""
    options = _parser().parse_args(args)
    options.work.mkdir(parents=True, exist_ok=True)
    path: Path = options.work / f"service-{options.size}.csv"
    if not path.exists():
        generate(Plan(size=options.size), path, options.work)
    with ExitStack() as exits:
        stacks = []
        for name in options.stacks.split(","):
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(dir=options.work)))
            stacks.append(exits.enter_context(STACKS[name](folder)))
        for stack in stacks:  # the first tasks find nothing ready
            small_tasks(stack, EXAMPLE.read_bytes(), 4, 2.0)
        rows = [*_small(stacks, options.runs), *_large(stacks, path, options.runs)]
        rows += _beside(stacks, path)
    names = [stack.name for stack in stacks]
    print(_table(rows, names))
    if options.output is not None:
        options.output.write_text(_chart(rows, names))
    copies = [_copy_seconds(path) for _ in range(options.runs)]
    print(f"\ncp of the same file to the same disk: {seconds_text(median(copies))}")
    return 0


class _Row:
    """One figure of every stack; the lower the better, but for ``higher``."""

    def __init__(
        self,
        title: str,
        show: Callable[[float], str],
        values: list[float],
        *,
        higher: bool = False,
        charted: bool = False,
    ) -> None:
        self.title = title
        self.show = show
        self.values = values
        self.higher = higher
        self.charted = charted

    def cells(self) -> list[str]:
        cells = [self.title, *map(self.show, self.values)]
        if len(self.values) > 1:
            ratio = self.values[1] / self.values[0]
            cells.append(ratio_text(1 / ratio if self.higher else ratio))
        return cells


def _small(stacks: Sequence[Stack], runs: int) -> list[_Row]:
    rows = []
    content = EXAMPLE.read_bytes()
    for clients in (1, 16, 128):
        loads: list[list[Load]] = [[] for _ in stacks]
        for _ in range(runs):
            for stack, found in zip(stacks, loads, strict=True):
                found.append(small_tasks(stack, content, clients, _SMALL_SECONDS))
        name = f"7 rows, {clients} client{'s' * (clients > 1)}"
        rates = [median(load.rate for load in found) for found in loads]
        charted = clients == 16
        rate_row = _Row(
            f"{name}: tasks a second",
            lambda rate: f"{rate:,.0f}",
            rates,
            higher=True,
            charted=charted,
        )
        rows.append(rate_row)
        for label, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)):
            values = [median(load.percentile(share) for load in found) for found in loads]
            in_chart = charted and label == "p99"
            rows.append(_Row(f"{name}: {label}", seconds_text, values, charted=in_chart))
    return rows


def _large(stacks: Sequence[Stack], path: Path, runs: int) -> list[_Row]:
    size = path.stat().st_size
    total: list[list[float]] = [[] for _ in stacks]
    upload: list[list[float]] = [[] for _ in stacks]
    tail: list[list[float]] = [[] for _ in stacks]
    slow: list[list[float]] = [[] for _ in stacks]
    cpu: list[list[float]] = [[] for _ in stacks]
    peak: list[list[float]] = [[] for _ in stacks]
    for _ in range(runs):
        for i, stack in enumerate(stacks):
            before = stack.cpu()
            with _memory_of(stack) as seen:
                one = upload_large(stack, path)
            cpu[i].append((stack.cpu() - before) / size * 2**30)
            peak[i].append(max(seen))
            total[i].append(one.ready)
            upload[i].append(size / 1e6 / one.sent)
            tail[i].append(one.ready - one.sent)
            limited = upload_large(stack, path, _GIGABIT)
            slow[i].append(limited.ready - limited.sent)
    name = size_text(size)
    return [
        _Row(f"{name}: first byte to result", seconds_text, list(map(median, total)), charted=True),
        _Row(f"{name}: last byte to result", seconds_text, list(map(median, tail))),
        _Row(f"{name} at 1 Gbit/s: last byte to result", seconds_text, list(map(median, slow))),
        _Row(f"{name}: upload", lambda v: f"{v:,.0f} MB/s", list(map(median, upload)), higher=True),
        _Row(
            "CPU per GiB, all server processes", seconds_text, list(map(median, cpu)), charted=True
        ),
        _Row(
            "memory at most, all of them",
            lambda v: size_text(int(v)),
            list(map(max, peak)),
            charted=True,
        ),
    ]


def _beside(stacks: Sequence[Stack], path: Path) -> list[_Row]:
    """Small tasks while large ones are being worked on all the time."""
    loads = []
    for stack in stacks:
        stop = threading.Event()

        def keep_busy(stack: Stack = stack, stop: threading.Event = stop) -> None:
            while not stop.is_set():
                upload_large(stack, path)

        busy = threading.Thread(target=keep_busy)
        busy.start()
        time.sleep(1.0)
        loads.append(small_tasks(stack, EXAMPLE.read_bytes(), 4, 10.0))
        stop.set()
        busy.join()
    return [
        _Row(
            f"7 rows beside large uploads, 4 clients: {label}",
            seconds_text,
            values,
            charted=label == "p99",
        )
        for label, values in (
            ("p50", [load.percentile(0.5) for load in loads]),
            ("p99", [load.percentile(0.99) for load in loads]),
        )
    ]


@contextmanager
def _memory_of(stack: Stack) -> Iterator[list[int]]:
    """What a stack uses within the block, in bytes, again and again."""
    seen = [0]

    def watch(over: threading.Event) -> None:
        while not over.wait(0.2):
            seen.append(stack.memory())

    with beside(watch):
        yield seen


def _copy_seconds(path: Path) -> float:
    target = path.with_suffix(".copy")
    begin = time.perf_counter()
    shutil.copyfile(path, target)
    seconds = time.perf_counter() - begin
    target.unlink()
    return seconds


def _table(rows: Sequence[_Row], names: Sequence[str]) -> str:
    head = ["", *names, *(["ratio"] if len(names) > 1 else [])]
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _chart(rows: Sequence[_Row], names: Sequence[str]) -> str:
    kinds = ["ours", *["kept"] * (len(names) - 1)]
    panels = [
        Panel(
            row.title[:1].upper() + row.title[1:],
            "more is better" if row.higher else "less is better",
            [
                Bar(name.partition(" (")[0], kind, value, row.show(value))
                for name, kind, value in zip(names, kinds, row.values, strict=True)
            ],
        )
        for row in rows
        if row.charted
    ]
    return chart(panels, [])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service")
    parser.add_argument("--stacks", default="ours,prototype", help="ours first")
    parser.add_argument("--size", type=parse_size, default=1 << 30, help="of the large file")
    parser.add_argument("--runs", type=int, default=3, help="of each figure, interleaved")
    parser.add_argument("--work", type=Path, default=ROOT / "build/benchmarks/work")
    parser.add_argument("--output", type=Path, help="an SVG file for the chart")
    return parser


if __name__ == "__main__":
    sys.exit(main())
