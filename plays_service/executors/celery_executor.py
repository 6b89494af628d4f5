"""Calls to Celery workers, which may be on any machine that has the data folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from plays_service import aggregation
from plays_service.aggregation import CallWire
from plays_service.executors.batcher import Outcome, run_all
from plays_service.executors.celery_answers import Listener, reply_queue
from plays_service.executors.celery_broker import make_celery
from plays_service.executors.celery_calls import Answer, Calls, Link, LostError, Message, SpentError
from plays_service.executors.celery_sender import ENDING, Sender
from plays_service.executors.executor import WorkersChanged
from plays_service.executors.worker_pool import WorkerDiedError
from plays_service.settings import Settings

__all__ = ["CeleryExecutor"]

_log = logging.getLogger(__name__)
R = TypeVar("R")


class CeleryExecutor(Executor):
    """Sends calls to workers through the broker, and takes their answers.

    A call is answered once, however often it is sent, delivered or run: the first answer counts.
    It is sent again where the broker has lost it, or its worker was lost and it has tries left.
    While the broker is away, calls wait. Nothing here blocks the event loop: there are threads for
    sending (`Sender`), and one for the answers (`Listener`).
    """

    def __init__(self, settings: Settings, changed: WorkersChanged) -> None:
        self.workers = settings.workers
        self.alive = 0
        self.restarts = 0
        self._changed = changed
        self._processes = settings.workers
        self._tries = settings.max_tries
        self._wire = CallWire(settings.data_dir.absolute())
        self._link = Link()
        self._app = make_celery(settings, max_retries=0, on_blocked=self._link.note_blocked)
        self._calls = Calls()
        replies = reply_queue()
        self._sender = Sender(self._app, self._link, self._calls, replies.name)
        self._listener = Listener(
            self._app, self._link, self._calls, replies, self._sender, self._count
        )

    @property
    def problem(self) -> str | None:
        """Why calls wait, where it is not for want of free workers."""
        if (problem := self._link.problem) is not None:
            return f"{problem}; tasks are kept, and go on when that is over"
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
        most, tried, spent = tries or self._tries, 0, 0
        while True:
            try:
                result: R = await asyncio.wrap_future(self._submit(partial(function, *args), most))
            except LostError as lost:
                tried += lost.times
                self.restarts += lost.times
                _log.warning("a call: its worker %s; try %d", lost, tried)
                if tried >= most:
                    raise WorkerDiedError(f"its worker {lost}, {tried} times in a row") from None
            except SpentError:  # no fault of the call: there are fewer such workers each time
                spent += 1
                self.restarts += 1
                if spent > self.workers:
                    raise
            else:
                return result

    def submit(self, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        """Send a call, or those of `run_all` in one message; its result, some time.

        Raises `ValueError` where the call cannot travel.
        """
        return self._submit(partial(function, *args, **kwargs), self._tries)

    def _submit(self, function: partial[R], tries: int) -> Future[R]:
        answer: Future[Answer] = Future()
        answer.set_running_or_notify_cancel()  # it cannot be called back
        result: Future[R] = Future()
        if function.func is run_all:
            calls = [self._wire.call_to_json(one) for one in function.args[0]]
            read: Callable[..., Any] = self._read_all
        else:
            calls = [self._wire.call_to_json(function)]
            read = self._read_one
        answer.add_done_callback(partial(_pass_on, read, result))
        self._sender.send(Message(calls, _growing_input(function), answer, result, tries))
        return result

    async def close(self, seconds: float | None = None) -> None:
        """End when the calls under way are answered, or after so many seconds."""
        answers = [asyncio.wrap_future(message.answer) for _, message in self._calls.all()]
        if answers and self.problem is None:
            await asyncio.wait(answers, timeout=seconds)
        for one in answers:
            one.cancel()  # or each would log that nobody awaits the error that is set now
        self._link.close()
        self._sender.stop()
        for call_id, _ in self._calls.all():
            self._calls.fail(call_id, WorkerDiedError(ENDING))
        await asyncio.to_thread(self._join)

    def _join(self) -> None:
        self._sender.join()
        self._listener.join()
        self._app.close()

    def _read_one(self, outcomes: Sequence[Mapping[str, Any]]) -> Any:
        return self._wire.result_of(outcomes[0])

    def _read_all(self, outcomes: Sequence[Mapping[str, Any]]) -> list[Outcome]:
        return run_all([partial(self._wire.result_of, outcome) for outcome in outcomes])

    def _count(self, workers: int) -> None:
        """Take each worker to have as many processes as the setting for this service says."""
        self.alive = workers * self._processes
        if self.alive not in (0, self.workers):
            self.workers = self.alive
            _log.info("%d Celery workers are there", workers)
            self._loop.call_soon_threadsafe(self._changed, self.workers)


def _pass_on(read: Callable[[Answer], Any], result: Future[Any], answer: Future[Answer]) -> None:
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
