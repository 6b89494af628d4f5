"""Ports of loopback: one that is free, and whether somebody listens."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Final

__all__ = ["START_TIMEOUT", "await_port", "free_port"]

#: Seconds that a server may take until it listens.
START_TIMEOUT: Final = 60.0


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int, log: Path) -> None:
    """Return when something listens on the port. Raises `TimeoutError`, with the log's end."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on {port}:\n{log.read_text(errors='replace')[-2000:]}")
