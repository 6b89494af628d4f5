"""Tasks: what is to be done, how far it is, and how it survives; nothing of HTTP."""

from plays_service.tasks.current import CURRENT_TASK
from plays_service.tasks.data_usage import DataUsage
from plays_service.tasks.disk import TOO_MANY_OPEN, disk_problem
from plays_service.tasks.disk_budget import DiskBudget, QuotaError
from plays_service.tasks.intake import Intake
from plays_service.tasks.registry import TaskRegistry
from plays_service.tasks.result_reader import BusyError, ResultReader
from plays_service.tasks.runner import TaskRunner
from plays_service.tasks.stats import BOUNDS, Durations, Stats
from plays_service.tasks.store import DataFolderError, TaskStore
from plays_service.tasks.task import ENDED, State, Task

__all__ = [
    "BOUNDS",
    "CURRENT_TASK",
    "ENDED",
    "TOO_MANY_OPEN",
    "BusyError",
    "DataFolderError",
    "DataUsage",
    "DiskBudget",
    "Durations",
    "Intake",
    "QuotaError",
    "ResultReader",
    "State",
    "Stats",
    "Task",
    "TaskRegistry",
    "TaskRunner",
    "TaskStore",
    "disk_problem",
]
