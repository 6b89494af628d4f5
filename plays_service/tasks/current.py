"""The task that the code at hand works for, so that the log can name it."""

from __future__ import annotations

from contextvars import Context, ContextVar, copy_context
from typing import Final
from uuid import UUID

__all__ = ["CURRENT_TASK", "context_of"]

CURRENT_TASK: Final[ContextVar[UUID | None]] = ContextVar("current task", default=None)


def context_of(task_id: UUID) -> Context:
    """The present context, but for that task."""
    context = copy_context()
    context.run(CURRENT_TASK.set, task_id)
    return context
