"""The routes, all of them."""

from __future__ import annotations

from aiohttp import web

from plays_service.api.events import get_events
from plays_service.api.health import get_health, get_ready
from plays_service.api.metrics import get_metrics
from plays_service.api.openapi import get_docs, get_openapi
from plays_service.api.page import get_page, get_static
from plays_service.api.results import get_result
from plays_service.api.rows import get_rows, get_summary
from plays_service.api.session import delete_session, post_session
from plays_service.api.tasks import delete_task, get_task
from plays_service.api.uploads import answer_expectation, process_csv

__all__ = ["add_routes"]


def add_routes(app: web.Application) -> None:
    """Make ``app`` answer the API."""
    expect = {"expect_handler": answer_expectation}
    app.add_routes(
        [
            web.post("/process_csv", process_csv, **expect),
            web.put("/process_csv", process_csv, **expect),  # what `curl -T` sends
            web.put("/process_csv/{filename}", process_csv, **expect),  # where the URL ends in /
            web.get("/result/{task_id}.{suffix:csv|csv[.]gz|jsonl|parquet}", get_result),
            web.get("/result/{task_id}", get_result),
            web.get("/tasks/{task_id}", get_task),
            web.get("/tasks/{task_id}/events", get_events),
            web.get("/tasks/{task_id}/rows", get_rows),
            web.get("/tasks/{task_id}/summary", get_summary),
            web.delete("/tasks/{task_id}", delete_task),
            web.get("/", get_page),
            web.get("/static/{file}", get_static),
            web.post("/session", post_session),
            web.delete("/session", delete_session),
            web.get("/metrics", get_metrics),
            web.get("/health", get_health),
            web.get("/ready", get_ready),
            web.get("/openapi.json", get_openapi),
            web.get("/docs", get_docs),
        ]
    )
