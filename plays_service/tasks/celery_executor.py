"""Calls to Celery workers, which may be on any machine that has the data folder."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from kombu import Connection, Consumer, Message, Queue
from kombu.exceptions import OperationalError

from plays_service import aggregation
from plays_service.aggregation import CallError, CallWire
from plays_service.settings import Settings
from plays_service.tasks.batcher import Outcome, run_all
from plays_service.tasks.celery_broker import (
    HEARTBEAT,
    PARKED,
    PARKED_CALLS,
    RUN_CALLS,
    TRIES,
    make_celery,
)
from plays_service.tasks.executor import WorkersChanged
from plays_service.tasks.worker_pool import WorkerDiedError

if TYPE_CHECKING:
    from kombu.transport.base import StdChannel as Channel

__all__ = ["CeleryExecutor"]

_log = logging.getLogger(__name__)
R = TypeVar("R")

_ENDING: Final = "the workers are being ended"
#: Seconds.
_CONNECT_AGAIN: Final = 0.5
_COUNT_AGAIN: Final = 1.0  #: between two counts of the workers
_LISTEN: Final = 0.2  #: for answers, before anything else is looked at
_SILENCE: Final = 20.0  #: after which a broker that is asked is taken for dead
#: Messages that are sent at the same time: each waits for the broker's disk.
_SENDERS: Final = 4
#: Milliseconds that the broker keeps the answers for a service that is away.
_KEEP_ANSWERS: Final = 3600 * 1000


class _LostError(RuntimeError):
    """A call's worker was lost, so many times."""

    def __init__(self, how: str, times: int = 1) -> None:
        super().__init__(how)
        self.times = times


@dataclass(slots=True)
class _Sent:
    """A message with calls, until it is answered."""

    calls: Sequence[dict[str, Any]]
    growing: Path | None  #: the input that is still being written
    answer: Future[list[dict[str, Any]]]
    result: Future[Any]  #: what the answer comes to
    tries: int
    outages: int = -1  #: that there had been when it was sent last


class CeleryExecutor(Executor):
    """Sends calls to workers through the broker, and takes their answers.

    A call is answered once, however often it is sent, delivered or run: the first answer counts.
    It is sent again where the broker has lost it, or its worker was lost and it has tries left.
    While the broker is away, calls wait. Nothing here blocks the event loop: there are threads for
    sending, and one for the answers.
    """

    def __init__(self, settings: Settings, changed: WorkersChanged) -> None:
        self.workers = settings.workers
        self.alive = 0
        self.restarts = 0
        self._changed = changed
        self._processes = settings.workers
        self._tries = settings.max_tries
        self._wire = CallWire(settings.data_dir.absolute())
        self._app = make_celery(settings, max_retries=0)
        self._replies = Queue(
            f"plays.replies.{uuid4()}", PARKED, queue_arguments={"x-expires": _KEEP_ANSWERS}
        )
        (self._calls,) = self._app.amqp.queues.values()
        self._sent: dict[str, _Sent] = {}
        self._outages = 0
        self._connected = threading.Event()
        self._closing = threading.Event()
        self._connections: SimpleQueue[Connection] = SimpleQueue()  # of the senders, free
        self._senders = ThreadPoolExecutor(_SENDERS, "celery send")
        self._listener = threading.Thread(target=self._listen, name="celery answers", daemon=True)
        connection = self._app.connection_for_read()
        self._errors = (
            OperationalError, *connection.connection_errors, *connection.channel_errors,
        )  # fmt: skip

    @property
    def problem(self) -> str | None:
        """Why calls wait, where it is not for want of free workers."""
        if not self._connected.is_set():
            return "the broker cannot be reached; tasks are kept, and go on when it is back"
        if not self.alive:
            return "no worker is there; tasks are kept, and go on when one comes"
        return None

    async def start(self) -> None:
        """Begin to connect; calls may come from now on."""
        self._loop = asyncio.get_running_loop()
        self._listener.start()

    async def call(self, function: Callable[..., R], *args: Any, tries: int | None = None) -> R:
        """The result of ``function(*args)`` in a worker, which may cost so many their lives.

        Raises what the function raises, and `WorkerDiedError`.
        """
        most, tried = tries or self._tries, 0
        while True:
            try:
                result: R = await asyncio.wrap_future(self._submit(partial(function, *args), most))
            except _LostError as lost:
                tried += lost.times
                self.restarts += lost.times
                _log.warning("a call: its worker %s; try %d", lost, tried)
                if tried >= most:
                    raise WorkerDiedError(f"its worker {lost}, {tried} times in a row") from None
            else:
                return result

    def submit(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Send a call, or those of `run_all` in one message; its result, some time.

        Raises `ValueError` where the call cannot travel.
        """
        return self._submit(partial(function, *args, **kwargs), self._tries)

    def _submit(self, function: partial[R], tries: int) -> Future[R]:
        answer: Future[list[dict[str, Any]]] = Future()
        answer.set_running_or_notify_cancel()  # it cannot be called back
        result: Future[R] = Future()
        if function.func is run_all:
            calls = [self._wire.call_to_json(one) for one in function.args[0]]
            read: Callable[..., Any] = self._read_all
        else:
            calls = [self._wire.call_to_json(function)]
            read = self._read_one
        answer.add_done_callback(partial(_pass_on, read, result))
        growing = _growing_input(function)
        self._begin(_Sent(calls, growing, answer, result, tries))
        return result

    async def close(self, seconds: float | None = None) -> None:
        """End when the calls under way are answered, or after so many seconds."""
        answers = [asyncio.wrap_future(sent.answer) for sent in tuple(self._sent.values())]
        if answers and self.problem is None:
            await asyncio.wait(answers, timeout=seconds)
        self._closing.set()
        self._connected.set()  # nobody waits for it any more
        self._senders.shutdown(wait=False, cancel_futures=True)
        for call_id in tuple(self._sent):
            self._fail(call_id, WorkerDiedError(_ENDING))
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._senders.shutdown()
        self._listener.join()
        while not self._connections.empty():
            self._connections.get().close()
        self._app.close()

    # ---- Sending ----

    def _begin(self, sent: _Sent) -> None:
        """Send it under a new id: what comes of an earlier one counts no more."""
        call_id = str(uuid4())
        self._sent[call_id] = sent
        self._send_soon(call_id)

    def _send_soon(self, call_id: str) -> None:
        try:
            self._senders.submit(self._send, call_id)
        except RuntimeError:  # it has been shut down
            self._fail(call_id, WorkerDiedError(_ENDING))

    def _send(self, call_id: str) -> None:
        self._connected.wait()
        sent = self._sent.get(call_id)
        if sent is None or self._closing.is_set():
            return
        if sent.result.cancelled() or not self._flush(call_id, sent):
            self._sent.pop(call_id, None)
            return
        try:
            sent.outages = self._outages
            self._publish(call_id, sent)
        except self._errors as error:
            _log.info("cannot send a call, will try again: %s", error)
            self._closing.wait(_CONNECT_AGAIN)
            self._send_soon(call_id)
        except Exception as error:
            self._fail(call_id, error)

    def _flush(self, call_id: str, sent: _Sent) -> bool:
        """Let other machines see what is read; False where it is not there any more."""
        try:
            if sent.growing is not None:
                _sync(sent.growing)
        except OSError as error:
            self._fail(call_id, error)
            return False
        return True

    def _publish(self, call_id: str, sent: _Sent) -> None:
        """Send a message; when this returns, the broker has it."""
        try:
            connection = self._connections.get_nowait()
        except Empty:
            connection = self._app.connection_for_write()
        try:
            self._app.send_task(
                RUN_CALLS,
                (sent.calls,),
                task_id=call_id,
                reply_to=self._replies.name,
                headers={TRIES: sent.tries},
                retry=False,
                connection=connection,
                confirm_timeout=_SILENCE,
            )
        except BaseException:
            connection.collect()  # a confirmation that comes late must not pass for another's
            raise
        self._connections.put(connection)

    # ---- Answers ----

    def _listen(self) -> None:
        while not self._closing.is_set():
            connection = self._app.connection_for_read(heartbeat=HEARTBEAT)
            try:
                connection.connect().transport.sock.settimeout(_SILENCE)
                self._take_answers(connection)
            except Exception as error:  # whatever it is, another connection may help
                self._lose_connection(error)
                connection.collect()  # to close it would wait for the broker
                self._closing.wait(_CONNECT_AGAIN)
            else:
                connection.release()

    def _lose_connection(self, error: Exception) -> None:
        if self._connected.is_set() or not self._outages:
            _log.error("the broker cannot be reached, will try again: %s", error)
            self._outages += 1
        if not self._closing.is_set():
            self._connected.clear()

    def _take_answers(self, connection: Connection) -> None:
        kept, channel = self._declare(connection), connection.default_channel
        with Consumer(channel, [self._replies], callbacks=[self._take], accept=["json"]):
            _log.info("the broker is reached")
            self._count_workers(channel)
            self._connected.set()
            if not kept:
                self._send_all_again()
            counted = time.monotonic()
            while not self._closing.is_set():
                with suppress(TimeoutError):
                    connection.drain_events(timeout=_LISTEN)
                connection.heartbeat_check()
                if time.monotonic() > counted + _COUNT_AGAIN:
                    self._count_workers(channel)
                    counted = time.monotonic()

    def _send_all_again(self) -> None:
        for call_id, sent in tuple(self._sent.items()):
            if sent.outages >= 0:  # else it is about to be sent for the first time
                self._send_soon(call_id)

    def _declare(self, connection: Connection) -> bool:
        """Make the queues; whether the broker still had what was sent before."""
        channel = connection.default_channel
        PARKED_CALLS(channel).declare()
        self._calls(channel).declare()
        try:
            with connection.channel() as trial:
                self._replies(trial).queue_declare(passive=True)
        except connection.channel_errors:
            self._replies(channel).declare()
            return False
        return True

    def _take(self, body: Any, message: Message) -> None:
        try:
            if "x-death" in message.headers:
                self._take_parked(message.headers["id"])
            else:
                self._take_answer(body)
        except Exception:
            _log.exception("an answer that is none")
        message.ack()

    def _take_answer(self, body: Mapping[str, Any]) -> None:
        call_id, status, told = body["task_id"], body["status"], body["result"]
        if status == "SUCCESS":
            if (sent := self._sent.pop(call_id, None)) is not None:
                sent.answer.set_result(told)
        elif status == "FAILURE":
            kind = told["exc_type"]
            if kind == "Reject":
                self._take_parked(call_id)
            elif kind == "TimeLimitExceeded":
                self._fail(call_id, _LostError("took longer than PLAYS_SEGMENT_TIMEOUT"))
            else:
                self._fail(call_id, CallError(f"{kind}: {told['exc_message']}"))
        elif status == "REVOKED":
            self._fail(call_id, _LostError("was ended"))

    def _take_parked(self, call_id: str) -> None:
        """A call was delivered too often: for the fault of its own, or of the broker."""
        sent = self._sent.pop(call_id, None)
        if sent is None:
            return
        if sent.outages != self._outages:
            self._begin(sent)
        else:
            sent.answer.set_exception(_LostError("died (killed, or out of memory)", sent.tries))

    def _fail(self, call_id: str, error: Exception) -> None:
        if (sent := self._sent.pop(call_id, None)) is not None:
            sent.answer.set_exception(error)

    def _read_one(self, outcomes: Sequence[Mapping[str, Any]]) -> Any:
        return self._wire.result_of(outcomes[0])

    def _read_all(self, outcomes: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        return run_all([partial(self._wire.result_of, outcome) for outcome in outcomes])

    # ---- Workers ----

    def _count_workers(self, channel: Channel) -> None:
        """Take each worker to have as many processes as the setting for this service says."""
        consumers = self._calls(channel).queue_declare(passive=True).consumer_count
        self.alive = consumers * self._processes
        if self.alive not in (0, self.workers):
            self.workers = self.alive
            _log.info("%d Celery workers are there", consumers)
            self._loop.call_soon_threadsafe(self._changed, self.workers)


def _pass_on(
    read: Callable[[Any], Any], result: Future[Any], answer: Future[list[dict[str, Any]]]
) -> None:
    if not result.set_running_or_notify_cancel():
        return  # nobody wants it any more
    try:
        result.set_result(read(answer.result()))
    except Exception as error:
        result.set_exception(error)


def _growing_input(call: partial[Any]) -> Path | None:
    """The input that a call reads while it is still being written."""
    if call.func is aggregation.early_dialect_of:
        path: Path = call.args[0]
        return path
    if call.func is aggregation.aggregate_segment and call.args[1].growing:
        source: aggregation.Source = call.args[0]
        return source.path
    return None


def _sync(path: Path) -> None:
    """Have all that was written seen elsewhere: a file that stays open need not show it.

    NFS promises only that whoever opens a file sees what was synced, or closed, before.
    """
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
