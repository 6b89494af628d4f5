"""What can go wrong between a client and the service."""

from __future__ import annotations

__all__ = [
    "AccessDeniedError",
    "AnswerError",
    "PlaysError",
    "ServiceUnavailableError",
    "TaskFailedError",
    "TaskNotEndedError",
    "TaskNotFoundError",
    "TaskRevokedError",
    "TemporaryError",
    "UploadRefusedError",
    "WaitTimeoutError",
]


class PlaysError(Exception):
    """Whatever the client raises about the service or a task; ``str()`` is for people."""


class ServiceUnavailableError(PlaysError):
    """The service cannot be reached, or is too busy, however often it was asked."""


class AnswerError(PlaysError):
    """The service answered with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message


class AccessDeniedError(AnswerError):
    """The token is missing or wrong (status 401 or 403)."""


class UploadRefusedError(AnswerError):
    """The service does not take the file: too large, packed wrongly, an unknown encoding."""


class TaskNotFoundError(PlaysError):
    """There is no task with this id: it never was, was removed, or has expired."""


class TaskNotEndedError(PlaysError):
    """The task has no result yet: wait for it."""


class TaskRevokedError(PlaysError):
    """The task was cancelled."""


class TaskFailedError(PlaysError):
    """The task has ended without a result; mostly a bad record in the file, and this says where."""

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        super().__init__(message, line, column, value)
        self.message = message
        self.line = line  #: 1-based line of the file on which the record starts
        self.column = column
        self.value = value

    def __str__(self) -> str:
        return self.message


class WaitTimeoutError(PlaysError, TimeoutError):
    """The task has not ended within the time that was given to it."""


class TemporaryError(Exception):
    """One try came to nothing; another may not. Never leaves the client."""

    def __init__(self, message: str, *, pause: float = 0.0, sent: bool = True) -> None:
        super().__init__(message)
        self.pause = pause  #: seconds that the service asks for, at least
        self.sent = sent  #: whether the service may have acted on it
