"""Tasks: what is to be done, how far it is, and how it survives; nothing of HTTP."""

from plays_service.tasks.current import CURRENT_TASK
from plays_service.tasks.data_usage import DataUsage
from plays_service.tasks.disk import disk_problem
from plays_service.tasks.disk_budget import DiskBudget, QuotaError
from plays_service.tasks.fair_queue import FairQueue
from plays_service.tasks.growth import Growth
from plays_service.tasks.intake import Intake
from plays_service.tasks.joint import Input, JointPipeline
from plays_service.tasks.pipeline import Pipeline
from plays_service.tasks.registry import TaskRegistry
from plays_service.tasks.result_reader import BusyError, ResultReader
from plays_service.tasks.runner import TaskRunner
from plays_service.tasks.stats import BOUNDS, Durations, Stats
from plays_service.tasks.store import DataFolderError, TaskStore
from plays_service.tasks.task import ENDED, State, Task
from plays_service.tasks.work import Work
from plays_service.tasks.worker import WorkerLimits
from plays_service.tasks.worker_pool import WorkerDiedError, WorkerPool

__all__ = [
    "BOUNDS",
    "CURRENT_TASK",
    "ENDED",
    "BusyError",
    "DataFolderError",
    "DataUsage",
    "DiskBudget",
    "Durations",
    "FairQueue",
    "Growth",
    "Input",
    "Intake",
    "JointPipeline",
    "Pipeline",
    "QuotaError",
    "ResultReader",
    "State",
    "Stats",
    "Task",
    "TaskRegistry",
    "TaskRunner",
    "TaskStore",
    "Work",
    "WorkerDiedError",
    "WorkerLimits",
    "WorkerPool",
    "disk_problem",
]
