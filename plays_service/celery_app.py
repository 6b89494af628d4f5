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

from celery.exceptions import Reject
from celery.signals import setup_logging, worker_process_init

from plays_service.aggregation import CallWire
from plays_service.settings import Settings
from plays_service.tasks.celery_broker import DELIVERIES, RUN_CALLS, TRIES, make_celery
from plays_service.tasks.worker import limit_worker

__all__ = ["app"]

#: They show what tasks give back, in which there may be values of a client's file.
_QUOTING_LOGS: Final = ("celery.app.trace", "celery.worker.strategy")

_settings: Final = Settings.load(os.environ)
_wire: Final = CallWire(_settings.data_dir.absolute())
app: Final = make_celery(_settings)


def _run_calls(task: Any, calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The outcomes of the calls; a call that has cost too many workers is parked."""
    deliveries, tries = (task.request.get(name) for name in (DELIVERIES, TRIES))
    if deliveries and tries and deliveries >= tries:
        raise Reject(f"delivered {deliveries} times without an answer", requeue=False)
    return [_wire.run(call) for call in calls]


def _limit_process(**_: Any) -> None:
    limit_worker(_settings.engine, _settings.worker_memory)


def _set_up_logging(**_: Any) -> None:
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=_settings.log_level.upper(), format=form)
    for name in _QUOTING_LOGS:
        logging.getLogger(name).setLevel(logging.WARNING)


app.task(_run_calls, name=RUN_CALLS, bind=True)
worker_process_init.connect(_limit_process)
setup_logging.connect(_set_up_logging)
