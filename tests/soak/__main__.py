"""``python -m tests.soak --minutes 30``: exits with 1 where a task was lost or something grew."""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tests.soak.chart import chart
from tests.soak.load import Load
from tests.soak.samples import Sample, sample, verdicts, write_csv
from tests.soak.service import Service, running

#: Seconds.
_EVERY: Final = 5.0
_RESULT_TTL: Final = 90.0
_SERVER_LIFE: Final = 90.0


@click.command()
@click.option("--minutes", type=float, default=30, show_default=True)
@click.option("--clients", type=int, default=4, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), default="build/soak")
def main(minutes: float, clients: int, seed: int, output: Path) -> None:
    """Soak a server, and write soak.csv and soak.svg into a folder."""
    output.mkdir(parents=True, exist_ok=True)
    seconds = minutes * 60
    # a short run has short lives, so that it shows the same things
    ttl, life = min(_RESULT_TTL, seconds / 4), min(_SERVER_LIFE, seconds / 3)
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        samples, load = asyncio.run(_soak(Path(folder) / "data", seconds, clients, seed, ttl, life))
    sys.exit(_report(samples, load, output, ttl + _EVERY))


async def _soak(
    data_dir: Path, seconds: float, clients: int, seed: int, ttl: float, life: float
) -> tuple[list[Sample], Load]:
    samples: list[Sample] = []
    over = asyncio.Event()
    async with running(data_dir, ttl) as service:
        load = Load(service, seed)
        killing = asyncio.create_task(service.kill_now_and_then(random.Random(seed), life))
        sampling = asyncio.create_task(_sample_again(service, load, samples))
        working = [asyncio.create_task(load.run(over)) for _ in range(clients)]
        await asyncio.wait(
            [killing, sampling, *working], timeout=seconds, return_when="FIRST_COMPLETED"
        )
        over.set()
        await asyncio.gather(*working)
        for one in (killing, sampling):
            one.cancel()
        ended = await asyncio.gather(killing, sampling, return_exceptions=True)
        await load.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error
    return samples, load


async def _sample_again(service: Service, load: Load, samples: list[Sample]) -> None:
    started = time.monotonic()
    while True:
        try:
            samples.append(await asyncio.to_thread(sample, service, load, started))
        except FileNotFoundError:
            pass  # it was being killed
        else:
            last = samples[-1]
            click.echo(
                f"{last.seconds:6.0f} s: {last.acknowledged} tasks, {last.ended} ended, "
                f"{last.lost} lost, {last.wrong} wrong, {last.kills} + {last.worker_kills} kills, "
                f"{last.server_memory >> 20} + {last.worker_memory >> 20} MiB, "
                f"{last.disk >> 20} MiB of disk"
            )
        await asyncio.sleep(_EVERY)


def _report(samples: Sequence[Sample], load: Load, output: Path, warm_up: float) -> int:
    """Write and tell it all; the exit code."""
    found = verdicts(samples, warm_up)
    last = samples[-1]
    title = (
        f"{last.seconds / 60:.0f} minutes, {load.counts['acknowledged']:,} tasks, "
        f"{last.kills} kills of the server and {last.worker_kills} of workers: "
        f"{load.counts['lost']} lost, {load.counts['wrong']} wrong"
    )
    write_csv(samples, output / "soak.csv")
    (output / "soak.svg").write_text(chart(samples, found, title), encoding="utf-8")
    click.echo(title)
    click.echo(dict(load.counts))
    for problem in load.problems:
        click.echo(problem, err=True)
    for one in found.values():
        state = "flat" if one.is_flat else "GROWS"
        click.echo(f"{state:6} {one.title}: {one.first:,.1f} → {one.last:,.1f}")
    return int(bool(load.problems) or not all(one.is_flat for one in found.values()))


if __name__ == "__main__":
    main()
