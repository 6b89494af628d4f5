"""Answers of workers elsewhere: one thread takes them from a queue of this process.

Celery's own client is not used for that: it waits in threads, and does not survive a broker that
starts anew.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from celery import Celery
from kombu import Connection, Consumer, Message, Producer, Queue, binding

from plays_service.executors.celery_broker import (
    EPOCH,
    HEARTBEAT,
    PARKED,
    PARKED_CALLS,
    RENEWED,
    SILENCE,
    SPENT,
)
from plays_service.executors.celery_calls import Calls, Link, LostError, SpentError
from plays_service.executors.celery_sender import Sender

if TYPE_CHECKING:
    from kombu.transport.base import StdChannel as Channel

__all__ = ["Listener", "reply_queue"]

_log = logging.getLogger(__name__)

#: Seconds.
_CONNECT_AGAIN: Final = 0.5
_COUNT_AGAIN: Final = 1.0  #: between two counts of the workers
_LISTEN: Final = 0.2  #: for answers, before anything else is looked at
_DEAD_AFTER: Final = 1.5 * SILENCE  #: without taking a call: the queue will not come back
#: Milliseconds that the broker keeps the answers for a service that is away.
_KEEP_ANSWERS: Final = 3600 * 1000


def reply_queue() -> Queue:
    """The queue of this process; it also gets what all are told."""
    return Queue(
        f"plays.replies.{uuid4()}",
        bindings=[binding(PARKED), binding(RENEWED)],
        queue_arguments={"x-expires": _KEEP_ANSWERS},
    )


class Listener:
    """Settles calls by what comes, and has them sent again where the broker may have lost them.

    That is whenever the broker is back. A broker that was killed may also come back with a quorum
    queue that has no leader, and never will have one: it takes nothing and gives nothing, and its
    messages are lost. It is then made anew.
    """

    def __init__(
        self,
        app: Celery,
        link: Link,
        calls: Calls,
        replies: Queue,
        sender: Sender,
        count: Callable[[int], None],
    ) -> None:
        """``count`` is told how many workers there are, again and again."""
        self._app = app
        self._link = link
        self._calls = calls
        self._replies = replies
        self._sender = sender
        self._count = count
        (self._requests,) = app.amqp.queues.values()
        self._is_renewing = False  # and not all have been told
        self._thread = threading.Thread(target=self._listen, name="celery answers", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, after the link is closed."""
        if self._thread.is_alive():
            self._thread.join()

    def _listen(self) -> None:
        while not self._link.is_closing.is_set():
            connection = self._app.connection_for_read(heartbeat=HEARTBEAT)
            try:
                connection.connect().transport.sock.settimeout(SILENCE)
                self._take_answers(connection)
                self._replies(connection.default_channel).delete()  # nobody waits any more
            except Exception as error:  # whatever it is, another connection may help
                self._link.lose(error)
                connection.collect()  # to close it would wait for the broker
                self._link.is_closing.wait(_CONNECT_AGAIN)
            else:
                connection.release()

    def _take_answers(self, connection: Connection) -> None:
        channel = connection.default_channel
        self._declare(channel)
        with Consumer(channel, [self._replies], callbacks=[self._take], accept=["json"]):
            _log.info("the broker is reached")
            self._count_workers(channel)
            self._link.is_up.set()
            self._sender.send_all_again()
            counted = time.monotonic()
            while not self._link.is_closing.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=_LISTEN)
                connection.heartbeat_check()
                if time.monotonic() > counted + _COUNT_AGAIN:
                    self._count_workers(channel)
                    counted = time.monotonic()
                if self._is_renewing or self._link.silent_for > _DEAD_AFTER:
                    self._renew(channel)

    def _declare(self, channel: Channel) -> None:
        RENEWED(channel).declare()
        for queue in (PARKED_CALLS, self._requests, self._replies):
            queue(channel).declare()

    def _renew(self, channel: Channel) -> None:
        """Make the queue of calls anew; all services, this one too, send their calls again.

        If that fails half-way, it is done as soon as the broker is back.
        """
        _log.error("the queue of calls does not come back to life: it is made anew")
        self._is_renewing = True
        self._requests(channel).delete()
        self._requests(channel).declare()
        Producer(channel).publish({}, exchange=RENEWED, routing_key="", serializer="json")
        self._is_renewing = False
        self._link.forget_silence()  # or it might be made anew again before this process is told

    def _count_workers(self, channel: Channel) -> None:
        self._count(self._requests(channel).queue_declare(passive=True).consumer_count)

    def _take(self, body: Any, message: Message) -> None:
        try:
            if message.delivery_info["exchange"] == RENEWED.name:
                self._link.begin_epoch()
                self._sender.send_all_again()
            elif "x-death" in message.headers:
                self._take_parked(message.headers["id"], message.headers[EPOCH])
            else:
                self._take_answer(body)
        except Exception:
            _log.exception("an answer that is none")
        message.ack()

    def _take_answer(self, body: Mapping[str, Any]) -> None:
        call_id, status, told = body["task_id"], body["status"], body["result"]
        if status == "SUCCESS":
            self._calls.answer(call_id, told)
        elif status == "REVOKED":
            self._calls.fail(call_id, LostError("was ended"))
        elif status == "FAILURE":
            self._calls.fail(call_id, _error_of(told["exc_type"]))

    def _take_parked(self, call_id: str, epoch: int) -> None:
        """A call was delivered too often, by its own fault, if the broker was there all the time.

        If it was not, the call has been sent again since.
        """
        message = self._calls.get(call_id)
        if message is not None and epoch == self._link.epoch:
            died = LostError("died (killed, or out of memory)", message.tries)
            self._calls.fail(call_id, died)


def _error_of(kind: str) -> Exception:
    """What Celery tells of a worker that has run no call: the errors of calls are answers."""
    if kind == "TimeLimitExceeded":
        return LostError("took longer than PLAYS_SEGMENT_TIMEOUT")
    if kind == SPENT:
        return SpentError()
    return LostError(f"failed ({kind})")  # by a fault of its own, or of ours
