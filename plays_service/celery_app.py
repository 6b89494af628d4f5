"""A worker on any machine.

``plays-service worker`` starts it, or ``celery -A plays_service.celery_app worker``.

It takes its settings from the environment, needs the service's data folder and the broker, and
loads no web server. Celery starts processes, replaces those that die, and ends those that take
longer than ``PLAYS_SEGMENT_TIMEOUT``; a call is run again, by any worker, until it is answered.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from celery.backends.rpc import RPCBackend
from celery.exceptions import Reject, Terminated, TimeLimitExceeded, WorkerLostError
from celery.signals import setup_logging, worker_process_init
from celery.worker.request import Request

from plays_service.aggregation import CallWire
from plays_service.executors.celery_broker import DELIVERIES, RUN_CALLS, TRIES, make_celery
from plays_service.executors.worker import limit_worker
from plays_service.logs import configure_logging
from plays_service.settings import Settings

__all__ = ["SpentProcess", "app"]

_log = logging.getLogger(__name__)

#: They show what calls are given and give back, in which there may be what a client has sent.
_QUOTING_LOGS: Final = ("celery.app.trace", "celery.worker.strategy")

#: What ends a call with its process.
_LOST: Final = (WorkerLostError, Terminated, SystemExit, KeyboardInterrupt)

_settings: Final = Settings.load(os.environ)
app: Final = make_celery(_settings)


class SpentProcess(SystemExit):
    """Ends a process in which earlier calls have left too little memory for this one.

    What they leave is above all what a library loads when it is first used.
    """


class _Answers(RPCBackend):  # type: ignore[misc]  # Celery has no types
    """Tells what calls came to."""

    def store_result(self, *args: Any, **kwargs: Any) -> None:
        """Tell it, or raise `Reject`: Celery would tell any other error as the call's failure.

        And it does that whenever the broker is back by then.
        """
        try:
            super().store_result(*args, **kwargs)
        except Exception as error:  # many kinds: the broker is away, comes back, or refuses
            raise Reject(f"{type(error).__name__}: {error}", requeue=True) from error


class _Request(Request):  # type: ignore[misc]  # Celery has no types
    """A message, in the worker's main process, until it is answered."""

    def on_failure(self, exc_info: Any, *args: Any, return_ok: bool = False, **kwargs: Any) -> None:
        """Answer, or give back, what a process could not: Celery would acknowledge it."""
        error = exc_info.exception
        error = getattr(error, "exc", error)  # which Celery may have wrapped, with its traceback
        if isinstance(error, (SpentProcess, TimeLimitExceeded)):
            self._answer(error)
        elif isinstance(error, Reject) and error.requeue:
            self._give_back(error)
        elif isinstance(error, Reject):
            self.reject(requeue=False)  # the broker parks it, and by that tells the service
        elif isinstance(error, _LOST):
            super().on_failure(exc_info, *args, return_ok=return_ok, **kwargs)
        elif return_ok:  # a fault of ours, which the process has told
            self.acknowledge()
        else:
            _log.error("a call is given back, its process failed", exc_info=error)
            self.reject(requeue=True)

    def _answer(self, error: BaseException) -> None:
        try:
            self.task.backend.mark_as_failure(self.id, error, request=self._context)
        except Reject as refused:
            self._give_back(refused)
        else:
            self.acknowledge()

    def _give_back(self, refused: Reject) -> None:
        _log.error("a call is given back, its answer was not taken: %s", refused.reason)
        self.reject(requeue=True)


class _Process:
    """Runs calls; one that is fresh has run none."""

    def __init__(self, wire: CallWire) -> None:
        self._wire = wire
        self._is_fresh = True

    def run(self, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The outcomes. Raises `SpentProcess`."""
        outcomes = [self._wire.run(call) for call in calls]
        if not self._is_fresh and any("MemoryError" in one.get("error", ()) for one in outcomes):
            raise SpentProcess
        self._is_fresh = False
        return outcomes


def _run_calls(task: Any, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes of the calls; a call that has cost too many workers is parked."""
    deliveries, tries = (task.request.get(name) for name in (DELIVERIES, TRIES))
    if deliveries and tries and deliveries >= tries:
        raise Reject(f"delivered {deliveries} times without an answer", requeue=False)
    return _process.run(calls)


def _limit_process(**_: Any) -> None:
    limit_worker(_settings.engine, _settings.worker_memory)


def _set_up_logging(**_: Any) -> None:
    configure_logging(_settings.log_level, _settings.log_format)
    for name in _QUOTING_LOGS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.addFilter(_message_alone)


def _message_alone(record: logging.LogRecord) -> bool:
    """A filter that lets everything pass, but without the fields that its message does not show."""
    record.msg, record.args = record.getMessage(), ()
    return True


_process: Final = _Process(CallWire(_settings.data_dir.absolute()))
app.task(_run_calls, name=RUN_CALLS, bind=True, Request=_Request, backend=_Answers(app))
worker_process_init.connect(_limit_process)
setup_logging.connect(_set_up_logging)
