"""Sending calls to workers elsewhere: by threads, because each waits for the broker's disk."""

from __future__ import annotations

import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from celery import Celery
from kombu import Connection

from plays_service.executors.celery_broker import (
    EPOCH,
    RUN_CALLS,
    SILENCE,
    TRIES,
    connection_errors,
)
from plays_service.executors.celery_calls import Calls, Link, Message
from plays_service.executors.worker_pool import WorkerDiedError

__all__ = ["ENDING", "Sender"]

_log = logging.getLogger(__name__)

ENDING: Final = "the workers are being ended"
#: Messages that are sent at the same time.
_THREADS: Final = 4
#: Seconds.
_SEND_AGAIN: Final = 0.5


class Sender:
    """Sends each message until the broker has it; while the broker is away, messages wait."""

    def __init__(self, app: Celery, link: Link, calls: Calls, reply_to: str) -> None:
        self._app = app
        self._link = link
        self._calls = calls
        self._reply_to = reply_to
        self._errors = connection_errors(app)
        self._connections: SimpleQueue[Connection] = SimpleQueue()  # that are free
        self._threads = ThreadPoolExecutor(_THREADS, "celery send")

    def send(self, message: Message) -> None:
        """Send it soon, under a new id: what comes of an earlier one counts no more."""
        self._send_soon(self._calls.add(message))

    def send_all_again(self) -> None:
        """The broker may have lost what was sent in an earlier epoch."""
        for call_id, message in self._calls.all():
            if message.is_sent:  # else it is about to be
                self._send_again(call_id, message)

    def stop(self) -> None:
        """Send no more; what has not been sent is failed by whoever stops this."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def join(self) -> None:
        """Wait until nothing is being sent any more."""
        self._threads.shutdown()
        while not self._connections.empty():
            self._connections.get().collect()  # to close it might wait for the broker

    def _send_again(self, call_id: str, message: Message) -> None:
        message.is_sent = False
        self._send_soon(call_id)

    def _send_soon(self, call_id: str) -> None:
        try:
            self._threads.submit(self._send, call_id)
        except RuntimeError:  # it has been shut down
            self._calls.fail(call_id, WorkerDiedError(ENDING))

    def _send(self, call_id: str) -> None:
        self._link.is_up.wait()
        message = self._calls.get(call_id)
        if message is None or message.result.cancelled():
            self._calls.take(call_id)
            self._link.forget_silence()
            return
        if self._link.is_closing.is_set():
            return
        try:
            if message.growing is not None:
                _sync(message.growing)
        except OSError as error:  # above all: the input is not there any more
            self._calls.fail(call_id, error)
            self._link.forget_silence()
            return
        epoch, now = self._link.epoch, time.monotonic()
        try:
            self._publish(call_id, message, epoch)
        except self._errors as error:
            _log.info("cannot send a call, will try again: %s", error)
            if epoch == self._link.epoch:
                self._link.note_silence(now)
            self._link.is_closing.wait(_SEND_AGAIN)
            self._send_soon(call_id)
        except Exception as error:
            self._calls.fail(call_id, error)
        else:
            self._link.note_taken()
            message.is_sent = True
            if epoch != self._link.epoch:  # `send_all_again` may have left it out
                self._send_again(call_id, message)

    def _publish(self, call_id: str, message: Message, epoch: int) -> None:
        """When this returns, the broker has it."""
        try:
            connection = self._connections.get_nowait()
        except Empty:
            connection = self._app.connection_for_write()
        try:
            self._app.send_task(
                RUN_CALLS,
                (message.calls,),
                task_id=call_id,
                reply_to=self._reply_to,
                headers={TRIES: message.tries, EPOCH: epoch},
                retry=False,
                connection=connection,
                confirm_timeout=SILENCE,
            )
        except BaseException:
            connection.collect()  # a confirmation that comes late must not pass for another's
            raise
        self._connections.put(connection)


def _sync(path: Path) -> None:
    """Have all that was written seen elsewhere: a file that stays open need not show it.

    NFS promises only that whoever opens a file sees what was synced, or closed, before.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
