"""What runs calls: worker processes here, or Celery workers anywhere (loaded only where wanted)."""

from plays_service.executors.executor import Executor
from plays_service.executors.fair_queue import FairQueue
from plays_service.executors.worker import WorkerLimits
from plays_service.executors.worker_pool import WorkerDiedError, WorkerPool

__all__ = ["Executor", "FairQueue", "WorkerDiedError", "WorkerLimits", "WorkerPool"]
