"""HTTP: routes, reading uploads, writing answers. What a task is, the layer below knows."""

from plays_service.api.context import READER, RUNNER, SETTINGS, STOPPING, UPLOADS
from plays_service.api.errors import errors_as_json
from plays_service.api.routes import add_routes
from plays_service.api.server import ServiceRunner

__all__ = [
    "READER",
    "RUNNER",
    "SETTINGS",
    "STOPPING",
    "UPLOADS",
    "ServiceRunner",
    "add_routes",
    "errors_as_json",
]
