"""All contenders on one input: round robin, and every result checked."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.aggregate.cases import CASES, Input
from benchmarks.aggregate.check import Agreement, Digest, compare, digest_of
from benchmarks.aggregate.contenders import Entry
from benchmarks.aggregate.measure import Limits, Run, measure

__all__ = ["Outcome", "Results", "run_all"]

#: The order of rounds is shuffled, and the same every time.
_SEED: Final = 1


@dataclass(slots=True)
class Outcome:
    """All that one contender did with one input."""

    entry: Entry
    runs: list[Run] = field(default_factory=list)
    agreement: Agreement | None = None  #: with the reference; the worst of all runs
    failure: str = ""

    @property
    def timed(self) -> list[Run]:
        """The runs whose times count."""
        return [run for run in self.runs if not run.sampled]

    def goes_on(self, patience: float) -> bool:
        """Whether another run could tell anything."""
        if self.failure or self.agreement is Agreement.WRONG:
            return False
        return sum(run.process for run in self.timed) < patience

    @property
    def correct(self) -> bool:
        """It came to an end, with the right result, in the order it claims."""
        good: tuple[Agreement, ...] = (Agreement.BYTES, Agreement.ORDER)
        if not self.entry.keeps_order:
            good += (Agreement.ROWS,)
        return not self.failure and self.agreement in good

    @property
    def verdict(self) -> str:
        """How its result compares, in words."""
        if self.failure:
            return self.failure
        if self.agreement is Agreement.ROWS and self.entry.keeps_order:
            return "wrong order"
        return str(self.agreement)

    @property
    def seconds(self) -> float:
        """Of the job, the median."""
        return median(run.job for run in self.timed)

    @property
    def cpu(self) -> float:
        """Seconds, the median."""
        return median(run.cpu for run in self.timed)

    @property
    def start(self) -> float:
        """Seconds from the start of the process to that of the job, the median."""
        return median(run.start for run in self.timed)

    @property
    def process(self) -> float:
        """Seconds of the whole process, the median."""
        return median(run.process for run in self.timed)

    @property
    def peak(self) -> int:
        """Bytes."""
        return max(run.peak for run in self.runs)


@dataclass(slots=True)
class Results:
    """One input, and what everybody made of it."""

    title: str
    name: str
    base: str  #: name of the contender that the ratios are to
    bytes: int
    reference: Digest | None  #: of the first result there was: ours, if we take part
    outcomes: list[Outcome]

    @property
    def confirmed(self) -> bool:
        """We have a result, and whoever else has one mostly has the same."""
        ours = [one for one in self.outcomes if one.entry.ours]
        others = [one for one in self.outcomes if not one.entry.ours and not one.failure]
        agreeing = sum(one.correct for one in others)
        return all(one.correct for one in ours) and agreeing * 2 >= len(others)


def run_all(
    name: str, source: Input, entries: Sequence[Entry], runs: int, limits: Limits, work: Path
) -> Results:
    """One round that measures memory, then ``runs`` rounds that measure time.

    A contender that failed, or has taken long enough, is not asked again. The result of every run
    is checked.
    """
    results = Results(
        source.title,
        name,
        CASES[name].base,
        source.path.stat().st_size,
        None,
        [Outcome(entry) for entry in entries],
    )
    order = list(results.outcomes)
    shuffle = random.Random(_SEED).shuffle
    for number in range(runs + 1):
        for outcome in order:
            if outcome.goes_on(limits.patience):
                _progress(f"{name}: round {number} of {runs}: {outcome.entry.title}")
                run = measure(outcome.entry, source, work / "run", limits, sample=number == 0)
                _note(results, outcome, run, work)
        shuffle(order)
    _progress("")
    return results


def _note(results: Results, outcome: Outcome, run: Run, work: Path) -> None:
    outcome.runs.append(run)
    outcome.failure = run.failure
    if run.failure:
        return
    digest = digest_of(work / "run" / "result.csv", work)
    if results.reference is None:
        results.reference = digest
    agreement = compare(digest, results.reference)
    ranks = list(Agreement)
    known = outcome.agreement or agreement
    outcome.agreement = max(known, agreement, key=ranks.index)


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()
