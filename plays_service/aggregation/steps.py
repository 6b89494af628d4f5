"""The steps between which a crash must lose nothing, by name.

Tests end processes at any of them, for real (SIGKILL): ``PLAYS_TEST_KILL_AT`` is
``<step>,<time>,<whom>,<mark>``, or several of these with semicolons between. The process that
reaches the step for the so-manieth time ends itself (``self``) or its whole process group, the
service with all its workers (``all``); and only the first one does, which makes the file ``mark``.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path
from typing import Final

__all__ = ["Step", "reached"]


class Step(StrEnum):
    """What has just been done."""

    UPLOAD_BEGUN = "upload-begun"  #: the folder of the task to be is there
    UPLOAD_WRITTEN = "upload-written"  #: some bytes of the input are on disk
    UPLOAD_WHOLE = "upload-whole"  #: all of them are
    UPLOAD_SYNCED = "upload-synced"  #: and survive a power cut, where they must
    STATE_WRITTEN = "state-written"  #: beside the state that is in force
    STATE_SAVED = "state-saved"  #: it is in force; the client is not told yet
    STARTED_MARKED = "started-marked"
    SEGMENT_READ = "segment-read"  #: its partial is there
    PARTIALS_COMBINED = "partials-combined"
    PARTITIONS_MERGED = "partitions-merged"  #: a run is there
    RESULT_PLANNED = "result-planned"  #: its file is there, with nothing in it but the header
    RANGES_WRITTEN = "ranges-written"  #: some of its rows are
    RESULT_WRITTEN = "result-written"  #: all of it is, beside its place
    PUBLISH_SYNCED = "publish-synced"  #: a file's bytes survive a power cut, where they must
    PUBLISH_RENAMED = "publish-renamed"  #: it is in its place
    CLEAN_BEGUN = "clean-begun"  #: a task has ended; what it needed no more is still there
    CLEAN_DELETED = "clean-deleted"  #: one thing of that is gone
    REMOVE_RENAMED = "remove-renamed"  #: a task is in the trash
    REMOVE_DELETED = "remove-deleted"


class _Killer:
    """Ends this process, or its group, when a step is reached for the so-manieth time."""

    def __init__(self, order: str) -> None:
        step, time, self._whom, mark = order.split(",", 3)
        self.step = Step(step)
        self._left = int(time)
        self._mark = Path(mark)

    def count(self) -> None:
        self._left -= 1
        if self._left == 0 and self._is_first():
            if self._whom == "all":
                os.killpg(0, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    def _is_first(self) -> bool:
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


_orders: Final = os.environ.get("PLAYS_TEST_KILL_AT", "")
_killers: Final = tuple(_Killer(order) for order in _orders.split(";") if order)


def reached(step: Step) -> None:
    """Say that the step is done: nothing happens, but for a test that wants the end here."""
    for killer in _killers:
        if step is killer.step:
            killer.count()
