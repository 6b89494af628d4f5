"""The tasks that there are, in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from plays_service.tasks.task import State, Task

__all__ = ["TaskRegistry"]


class TaskRegistry:
    """Tasks by id. What is on disk is the store's affair."""

    def __init__(self) -> None:
        self._tasks: dict[UUID, Task] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(tuple(self._tasks.values()))

    def get(self, task_id: UUID) -> Task | None:
        """The task, or None where it is unknown or expired."""
        return self._tasks.get(task_id)

    def add(self, task: Task) -> None:
        """Make the task known."""
        self._tasks[task.id] = task

    def remove(self, task: Task) -> None:
        """Forget the task, if it is known."""
        self._tasks.pop(task.id, None)

    def count_by_state(self) -> Counter[State]:
        """How many tasks there are in each state, STARTED as soon as a worker begins."""
        return Counter(_state_of(task) for task in self._tasks.values())


def _state_of(task: Task) -> State:
    """The state that `TaskRunner.reveal` would show."""
    begun = task.state is State.PENDING and task.started is not None
    return State.STARTED if begun else task.state
