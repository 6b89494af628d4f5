"""What the service and its Celery workers agree on: the names and the queues of the broker.

Calls lie in a quorum queue, which counts how often a message was delivered (``x-delivery-count``)
and keeps it when the broker stops. A worker acknowledges a call when its answer is safe with the
broker. A call that costs its worker's life too often is parked: it goes to the exchange `PARKED`,
which tells every service and keeps the last of them for people to look at.
"""

from __future__ import annotations

from typing import Any, Final

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError

from plays_service.settings import Settings

__all__ = [
    "DELIVERIES",
    "EPOCH",
    "HEARTBEAT",
    "PARKED",
    "PARKED_CALLS",
    "RENEWED",
    "RUN_CALLS",
    "SILENCE",
    "SPENT",
    "TRIES",
    "connection_errors",
    "make_celery",
]

#: The one task of the workers: runs a list of calls.
RUN_CALLS: Final = "plays.run_calls"
#: Header in which the broker counts the deliveries of a call that failed.
DELIVERIES: Final = "x-delivery-count"
#: Header that says how many there may be.
TRIES: Final = "plays-tries"
#: Header that says in which epoch of its sender it was sent.
EPOCH: Final = "plays-epoch"
#: Name of the worker's error where earlier calls have left too little memory for this one.
SPENT: Final = "SpentProcess"

#: Where the broker sends calls that no worker survives.
PARKED: Final = Exchange("plays.parked", type="fanout")
PARKED_CALLS: Final = Queue(
    "plays.parked", PARKED, queue_arguments={"x-max-length": 1000, "x-overflow": "drop-head"}
)
#: Where a service says to all that it has made the queue of calls anew.
RENEWED: Final = Exchange("plays.renewed", type="fanout")

#: Deliveries after which the broker parks a call by itself: its workers do not even get to count.
_MOST_DELIVERIES: Final = 20
#: Milliseconds that a worker may have a call. Its own limit is shorter (PLAYS_SEGMENT_TIMEOUT); the
#: broker's is half an hour where a queue sets none. Brokers before RabbitMQ 3.12 do not look at it.
_LONGEST_CALL: Final = 24 * 3600 * 1000
#: Seconds after which a silent connection is taken for dead.
HEARTBEAT: Final = 10
#: Seconds after which a broker that is asked is taken for dead.
SILENCE: Final = 20.0


def make_celery(settings: Settings, **transport_options: Any) -> Celery:
    """The Celery application of a service or a worker."""
    calls = Queue(
        "plays.calls",
        Exchange("plays.calls", type="topic"),
        routing_key="plays.calls",
        queue_arguments={
            "x-queue-type": "quorum",
            "x-delivery-limit": _MOST_DELIVERIES,
            "x-consumer-timeout": _LONGEST_CALL,
            "x-dead-letter-exchange": PARKED.name,
        },
    )
    app = Celery(
        "plays_service", broker=settings.broker_url, backend="rpc://", set_as_current=False
    )
    app.conf.update(
        task_queues=[calls],
        task_default_queue=calls.name,
        task_create_missing_queues=False,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        result_persistent=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=settings.segment_timeout,
        worker_concurrency=settings.workers,
        worker_prefetch_multiplier=1,  # or a call would wait behind a long one
        worker_hijack_root_logger=False,
        # Nobody needs it, and its queue is one connection's: a worker that is back from a partition
        # sooner than the broker misses it would find it locked, and end.
        worker_enable_remote_control=False,
        worker_cancel_long_running_tasks_on_connection_loss=True,  # others run them then
        worker_proc_alive_timeout=60,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_heartbeat=HEARTBEAT,
        # a message counts as sent when the broker says that it has it
        broker_transport_options={"confirm_publish": True} | transport_options,
    )
    return app


def connection_errors(app: Celery) -> tuple[type[Exception], ...]:
    """What talking to the broker may raise for no fault of what is said."""
    connection = app.connection_for_read()
    return (OperationalError, *connection.connection_errors, *connection.channel_errors)
