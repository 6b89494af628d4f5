"""The real server behind a bad network."""

from __future__ import annotations

from tests.acceptance.conftest import http, start_server

__all__ = ["http", "start_server"]
