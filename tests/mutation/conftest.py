"""The real server, as the acceptance tests start it."""

from tests.acceptance.conftest import start_server

__all__ = ["start_server"]
