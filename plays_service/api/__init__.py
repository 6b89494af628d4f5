"""HTTP: routes, reading uploads, writing answers. What a task is, the layer below knows."""

from plays_service.api.access import require_token
from plays_service.api.context import (
    READER,
    RUNNER,
    SETTINGS,
    STOPPING,
    TOKENS,
    UPLOADS,
    find_task,
)
from plays_service.api.errors import errors_as_json
from plays_service.api.headers import finish_answer
from plays_service.api.metrics import METRICS, Metrics
from plays_service.api.requests import REQUEST_ID, name_requests
from plays_service.api.routes import add_routes
from plays_service.api.server import ServiceRunner

__all__ = [
    "METRICS",
    "READER",
    "REQUEST_ID",
    "RUNNER",
    "SETTINGS",
    "STOPPING",
    "TOKENS",
    "UPLOADS",
    "Metrics",
    "ServiceRunner",
    "add_routes",
    "errors_as_json",
    "find_task",
    "finish_answer",
    "name_requests",
    "require_token",
]
