"""The service from Python: an asyncio client.

::

    async with Client("http://localhost:8000") as client:
        await client.aggregate("plays.csv", to="totals.csv")

Nothing of the service is loaded with it.
"""

from plays_service.client.client import Client
from plays_service.client.errors import (
    AccessDeniedError,
    AnswerError,
    PlaysError,
    ServiceUnavailableError,
    TaskFailedError,
    TaskNotEndedError,
    TaskNotFoundError,
    TaskRevokedError,
    UploadRefusedError,
    WaitTimeoutError,
)
from plays_service.client.rows import Row
from plays_service.client.task import BadRecord, Task

__all__ = [
    "AccessDeniedError",
    "AnswerError",
    "BadRecord",
    "Client",
    "PlaysError",
    "Row",
    "ServiceUnavailableError",
    "Task",
    "TaskFailedError",
    "TaskNotEndedError",
    "TaskNotFoundError",
    "TaskRevokedError",
    "UploadRefusedError",
    "WaitTimeoutError",
]
