"""A service with workers elsewhere, all of them on this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.aggregate.processes import descendants
from benchmarks.beside import beside
from benchmarks.ports import await_port, free_port
from benchmarks.service.rabbitmq import RabbitMQ
from benchmarks.service.stacks import Stack, running

__all__ = ["Plan", "cluster"]

_PLAYS: Final = (sys.executable, "-m", "plays_service")
#: Seconds of one turn in which a process may run for its share.
_TURN: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is started. Without workers elsewhere, the service has as many processes of its own."""

    workers: int
    elsewhere: bool = True
    share: float = 1.0  #: of a core, that each worker elsewhere may use
    engine: str = "native"
    segment_size: str = "64MiB"

    @property
    def name(self) -> str:
        """For the tables."""
        return "Celery" if self.elsewhere else "processes"


@contextmanager
def cluster(folder: Path, broker: RabbitMQ, plan: Plan) -> Iterator[Stack]:
    """Start it all but the broker; return when all workers are there."""
    environment = {
        "PLAYS_DATA_DIR": str(folder / "data"),
        "PLAYS_BROKER_URL": broker.url,
        "PLAYS_ENGINE": plan.engine,
        "PLAYS_SEGMENT_SIZE": plan.segment_size,
        "PLAYS_LOG_LEVEL": "warning",
        "PLAYS_EXECUTOR": "celery" if plan.elsewhere else "process",
        "PLAYS_WORKERS": "1" if plan.elsewhere else str(plan.workers),
    }
    port, log = free_port(), folder / "serve.log"
    with ExitStack() as stack:
        command = [*_PLAYS, "serve", "--port", str(port)]
        pids = [stack.enter_context(running(command, log, environment))]
        await_port(port, log)
        for number in range(plan.workers if plan.elsewhere else 0):
            one = folder / f"worker{number}.log"
            pids.append(stack.enter_context(running([*_PLAYS, "worker"], one, environment)))
        if plan.elsewhere:
            _await_workers(pids[1:])
            if plan.share < 1:
                stack.enter_context(_braked(pids[1:], plan.share))
        yield Stack(plan.name, port, pids, waits=True)


def _await_workers(pids: Sequence[int]) -> None:
    """Return when each has started its process, and has had time to say so to the broker."""
    while not all(len(descendants(pid)) > 1 for pid in pids):
        time.sleep(0.1)
    time.sleep(3.0)


@contextmanager
def _braked(roots: Sequence[int], share: float) -> Iterator[None]:
    """Let processes run for a share of the time only, so that many pass for machines."""

    def brake(over: threading.Event) -> None:
        while not over.is_set():
            _signal(roots, signal.SIGSTOP)
            over.wait(_TURN * (1 - share))
            _signal(roots, signal.SIGCONT)
            over.wait(_TURN * share)

    with beside(brake):
        yield


def _signal(roots: Sequence[int], number: int) -> None:
    for root in roots:
        for pid in descendants(root)[1:]:  # what aggregates
            with suppress(ProcessLookupError):
                os.kill(pid, number)
