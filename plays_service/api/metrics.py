"""``/metrics``: what the service does, in numbers, for Prometheus."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from plays_service import __version__
from plays_service.aggregation import engine_name
from plays_service.api.context import RUNNER, SETTINGS, UPLOADS
from plays_service.api.errors import ApiError
from plays_service.api.health import check_ready
from plays_service.tasks import BOUNDS, DataUsage, Durations, State

__all__ = ["METRICS", "HttpMetrics", "Metrics", "get_metrics"]

_OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_BOUNDS: Final = (*map(str, BOUNDS), "+Inf")


async def get_metrics(request: web.Request) -> web.Response:
    """All metrics, as OpenMetrics for who asks for that, else in Prometheus' own format."""
    metrics = request.app[METRICS]
    metrics.data_bytes = await metrics.usage.measure()
    if "application/openmetrics-text" in request.headers.get("Accept", "").lower():
        body, content_type = generate_openmetrics(metrics.registry), _OPENMETRICS
    else:
        body, content_type = generate_latest(metrics.registry), CONTENT_TYPE_PLAIN_0_0_4
    return web.Response(body=body, headers={"Content-Type": content_type})


class HttpMetrics:
    """How long requests took, by method, route and class of status."""

    def __init__(self) -> None:
        self._durations: defaultdict[tuple[str, str, str], Durations] = defaultdict(Durations)

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._durations[method, route, f"{status // 100}xx"].add(seconds)

    def collect(self) -> Iterator[Metric]:
        """The histogram."""
        family = HistogramMetricFamily(
            "plays_http_request_duration_seconds",
            "From a request's headers to the end of its answer.",
            labels=("method", "route", "status"),
        )
        for labels, durations in self._durations.items():
            family.add_metric(labels, _buckets(durations), durations.total)
        yield family


class Metrics(Collector):
    """The metrics of one application, read from its real state when they are asked for."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self.http = HttpMetrics()
        self.usage = DataUsage(app[SETTINGS].data_dir)
        self.data_bytes: int | None = None
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        self.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Everything that is ours."""
        build = {"version": __version__, "engine": engine_name()}
        yield InfoMetricFamily("plays_build", "The version, and what aggregates.", value=build)
        yield from self._tasks()
        yield from self._work()
        yield from self._disk()
        yield from self.http.collect()

    def _tasks(self) -> Iterator[Metric]:
        runner = self._app[RUNNER]
        known = runner.registry.count_by_state()
        tasks = GaugeMetricFamily("plays_tasks", "Tasks that are known.", labels=("state",))
        ended = CounterMetricFamily(
            "plays_tasks_ended", "Tasks that have ended since the start.", labels=("state",)
        )
        for state in State:
            tasks.add_metric((state.value,), known[state])
        for state in (State.SUCCESS, State.FAILURE, State.REVOKED):
            ended.add_metric((state.value,), runner.stats.ended[state])
        yield tasks
        yield ended
        yield _gauge("plays_tasks_unfinished", "Tasks that have not ended.", runner.unfinished)
        yield _gauge(
            "plays_tasks_unfinished_limit",
            "Unfinished tasks from which on uploads are refused.",
            self._app[SETTINGS].max_queued_tasks,
        )
        yield _histogram(
            "plays_task_duration_seconds", "From the upload's request to the task's end.",
            runner.stats.tasks,
        )  # fmt: skip

    def _work(self) -> Iterator[Metric]:
        calls, stats = self._app[RUNNER].calls, self._app[RUNNER].stats
        yield _gauge("plays_ready", "1 while uploads are taken.", _is_ready(self._app))
        yield _gauge("plays_uploads", "Uploads under way.", len(self._app[UPLOADS]))
        yield _histogram(
            "plays_upload_duration_seconds", "From the upload's request to its task.", stats.uploads
        )
        yield _counter(
            "plays_upload_bytes", "Bytes of uploads that became tasks.", stats.accepted_bytes
        )
        yield _counter("plays_rows", "Good records of tasks that have ended.", stats.rows)
        yield _counter("plays_rows_skipped", "Bad records that were dropped.", stats.skipped)
        yield _counter("plays_groups", "Rows of results.", stats.groups)
        yield _gauge("plays_calls_waiting", "Calls that wait for a worker.", calls.waiting)
        yield _gauge(
            "plays_calls_blocked",
            "1 while all calls wait for the broker, or for any worker to come.",
            calls.executor.problem is not None,
        )
        yield _gauge("plays_workers", "Worker processes that run.", calls.executor.alive)
        yield _counter("plays_worker_restarts", "Times that workers died.", calls.executor.restarts)

    def _disk(self) -> Iterator[Metric]:
        budget = self._app[RUNNER].disk
        yield _gauge("plays_disk_claimed_bytes", "What the tasks take, or may take.", budget.used)
        yield _gauge(
            "plays_disk_quota_bytes", "What they may take; 0: no limit.", budget.quota or 0
        )
        disk = os.statvfs(self._app[SETTINGS].data_dir)
        size, free = disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize
        yield _gauge("plays_disk_size_bytes", "Size of the disk with the data folder.", size)
        yield _gauge("plays_disk_free_bytes", "What is free of it for the service.", free)
        if self.data_bytes is not None:
            yield _gauge(
                "plays_data_bytes",
                "What the data folder takes, measured at times.",
                self.data_bytes,
            )


METRICS: Final = web.AppKey("metrics", Metrics)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _histogram(name: str, text: str, durations: Durations) -> Metric:
    return HistogramMetricFamily(name, text, buckets=_buckets(durations), sum_value=durations.total)


def _buckets(durations: Durations) -> list[tuple[str, float]]:
    """The counts as Prometheus has them: of all up to a bound."""
    return list(zip(_BOUNDS, accumulate(durations.counts), strict=True))


def _is_ready(app: web.Application) -> bool:
    try:
        check_ready(app)
    except ApiError:
        return False
    return True
