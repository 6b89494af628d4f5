"""Calls that are described already, and are being built at the same time in other places."""

from __future__ import annotations

from typing import Final

__all__ = ["COMING", "COMING_ANSWERS"]

COMING: Final = frozenset(
    {
        ("GET", "/result/{task_id}.{suffix}"),
        ("GET", "/tasks/{task_id}/rows"),
        ("GET", "/tasks/{task_id}/summary"),
    }
)
#: The calls, and the shared answers, whose examples nothing answers yet.
COMING_ANSWERS: Final = frozenset(
    {"getResultAs", "getRows", "getSummary", "NoRows", "Busy", "NoParquet"}
)
