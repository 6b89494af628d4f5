"""``python -m benchmarks.scale``: see docs/scaling.md."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.aggregate.cases import EXAMPLE, ROOT
from benchmarks.aggregate.generate import Plan as DataPlan
from benchmarks.aggregate.generate import generate
from benchmarks.scale.cluster import Plan, cluster
from benchmarks.service.client import Load, small_tasks, upload_large
from benchmarks.service.rabbitmq import RabbitMQ
from benchmarks.service.stacks import STACKS, Stack
from plays_service.settings import parse_size

#: Of a core, that each worker may use where many pass for machines.
_SHARE: Final = 0.2
_SMALL_SECONDS: Final = 4.0


class _Bench:
    """One broker, one folder, one run after the other."""

    def __init__(self, work: Path, broker: RabbitMQ, runs: int) -> None:
        self._work = work
        self._broker = broker
        self._runs = runs

    def scaling(self, path: Path) -> None:
        """Throughput by number of workers, of which each may use a share of a core."""
        print(f"\nOne file of {path.stat().st_size >> 20} MiB, pure engine, {_SHARE:g} core each:")
        first = 0.0
        for workers in (1, 2, 4):
            plan = Plan(workers=workers, share=_SHARE, engine="pure", segment_size="512KiB")
            seconds = self._measure(plan, lambda stack: upload_large(stack, path).ready)
            first = first or seconds
            print(
                f"  {workers} workers: {seconds:6.2f} s, {first / seconds:.2f} times as fast as 1"
            )

    def segments(self, path: Path) -> None:
        """What a segment costs more than in a process of the service."""
        size = 256 << 10
        count = path.stat().st_size // size
        took = {}
        for elsewhere in (False, True):
            plan = Plan(workers=2, elsewhere=elsewhere, segment_size=str(size))
            took[elsewhere] = self._measure(plan, lambda stack: upload_large(stack, path).ready)
            print(f"\n{count} segments of 256 KiB, 2 workers, {plan.name}: {took[elsewhere]:.2f} s")
        print(f"  more, for each segment: {(took[True] - took[False]) / count * 1000:.2f} ms")

    def tasks(self) -> None:
        """Small tasks: processes, Celery, and the prototype on the same broker's machine."""
        plans = [Plan(workers=2, elsewhere=elsewhere) for elsewhere in (False, True)]
        for plan in plans:
            self._measure(plan, lambda stack: _show(stack, clients=1) + _show(stack, clients=16))
        with ExitStack() as exits:
            folder = Path(exits.enter_context(tempfile.TemporaryDirectory(dir=self._work)))
            stack = exits.enter_context(STACKS["prototype"](folder))
            small_tasks(stack, EXAMPLE.read_bytes(), 4, 2.0)
            for clients in (1, 16):
                _show(stack, clients=clients)

    def _measure(self, plan: Plan, run: Callable[[Stack], float]) -> float:
        with (
            tempfile.TemporaryDirectory(dir=self._work) as folder,
            cluster(Path(folder), self._broker, plan) as stack,
        ):
            small_tasks(stack, EXAMPLE.read_bytes(), 2, 1.0)  # the first find nothing ready
            return median(run(stack) for _ in range(self._runs))


def _show(stack: Stack, *, clients: int) -> float:
    load: Load = small_tasks(stack, EXAMPLE.read_bytes(), clients, _SMALL_SECONDS)
    milliseconds = [round(load.percentile(share) * 1000, 1) for share in (0.5, 0.99)]
    print(
        f"  {stack.name}, {clients} clients: {load.rate:,.0f} tasks/s, "
        f"p50 {milliseconds[0]} ms, p99 {milliseconds[1]} ms"
    )
    return load.rate


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=parse_size, default="16MiB", help="of the large file")
    parser.add_argument("--runs", type=int, default=3, help="of which the median counts")
    parser.add_argument("--work", type=Path, default=ROOT / "build/benchmarks/work")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / f"scale-{options.size}.csv"
    if not path.exists():
        generate(DataPlan(size=options.size), path, options.work)
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        broker = RabbitMQ(Path(folder))
        broker.start()
        try:
            bench = _Bench(options.work, broker, options.runs)
            bench.tasks()
            bench.segments(path)
            bench.scaling(path)
        finally:
            broker.stop()


if __name__ == "__main__":
    main()
