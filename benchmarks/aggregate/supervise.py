"""Runs one command and measures it: ``python -m benchmarks.aggregate.supervise SPEC``.

A process of its own, because it adopts whatever its child leaves behind: a pool's processes are
children of children that nobody waits for, and their CPU time would be lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.aggregate.processes import Memory, descendants, memory, private_memory

__all__ = ["Command", "Usage"]

_PR_SET_CHILD_SUBREAPER: Final = 36
#: Between two looks at the memory, where it is measured; and where it is only held in bounds.
_SAMPLE_SECONDS: Final = 0.02
_GUARD_SECONDS: Final = 0.1
_LAST_WORDS_BYTES: Final = 4000
#: How long what a command left behind may take to end.
_ORPHANS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to run, and how far it may go."""

    args: list[str]
    folder: str
    timeout: float
    memory_limit: int
    sample: bool  #: measure the memory, which costs a bit of time


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a command took."""

    spawned: float  #: when, by the monotonic clock
    seconds: float
    cpu: float  #: of it and all its descendants
    peak: int  #: resident bytes of them together; 0 where not sampled
    peak_anonymous: int
    max_rss: int  #: of the largest process, as the kernel saw it
    stopped: str  #: ``timeout`` or ``memory`` where it went too far
    exit_code: int
    stderr: str  #: the end of it


def main() -> None:
    """Run the command of the first argument, and print its `Usage`."""
    command = Command(**json.loads(sys.argv[1]))
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print(json.dumps(asdict(_run(command))))


class _Watched(NamedTuple):
    stopped: str
    peak: Memory


def _run(command: Command) -> Usage:
    with Path(command.folder, "stderr").open("w+b") as log:
        spawned = time.monotonic()
        child = subprocess.Popen(
            command.args, cwd=command.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            watched = _watch(child.pid, command, spawned)
        except BaseException:
            _kill_descendants()
            raise
        seconds = time.monotonic() - spawned
        if watched.stopped:
            _kill_descendants()
        _, status, usage = os.wait4(child.pid, 0)
        usages = [usage, *_reap_orphans()]
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
        return Usage(
            spawned=spawned,
            seconds=seconds,
            cpu=sum(one.ru_utime + one.ru_stime for one in usages),
            peak=watched.peak.total,
            peak_anonymous=watched.peak.anonymous,
            max_rss=max(one.ru_maxrss for one in usages) << 10,
            stopped=watched.stopped,
            exit_code=os.waitstatus_to_exitcode(status),
            stderr=log.read().decode("utf-8", "replace"),
        )


def _watch(pid: int, command: Command, spawned: float) -> _Watched:
    """Until the process has ended, or gone too far."""
    interval = _SAMPLE_SECONDS if command.sample else _GUARD_SECONDS
    total = anonymous = 0
    ended = select.poll()
    pidfd = os.pidfd_open(pid)
    try:
        ended.register(pidfd, select.POLLIN)
        while not ended.poll(interval * 1000):
            pids = descendants(pid)
            if command.sample:
                now = memory(pids)
                total, anonymous = max(total, now.total), max(anonymous, now.anonymous)
            peak = Memory(total, anonymous)
            if private_memory(pids) > command.memory_limit:
                return _Watched("memory", peak)
            if time.monotonic() - spawned > command.timeout:
                return _Watched("timeout", peak)
        return _Watched("", Memory(total, anonymous))
    finally:
        os.close(pidfd)


def _reap_orphans() -> list[resource.struct_rusage]:
    """What the command left behind, once it has ended too; in the end by force."""
    usages: list[resource.struct_rusage] = []
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while True:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return usages
        if pid:
            usages.append(usage)
        elif time.monotonic() > deadline:
            _kill_descendants()
        else:
            time.sleep(0.002)


def _kill_descendants() -> None:
    for pid in descendants(os.getpid())[1:]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
