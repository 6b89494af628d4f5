"""What can go wrong with reading a result, as answers."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from plays_service.aggregation import DamagedResultError, ParquetError
from plays_service.api.errors import ApiError, gone, no_room
from plays_service.executors import WorkerDiedError
from plays_service.tasks import BusyError

__all__ = ["reading"]

_log = logging.getLogger(__name__)


@asynccontextmanager
async def reading() -> AsyncIterator[None]:
    """Turn what can go wrong with reading a result into `ApiError`."""
    try:
        yield
    except FileNotFoundError:
        raise gone() from None
    except BusyError:
        raise ApiError(
            503,
            "The service is busy with questions about results; try again in a moment",
            {"Retry-After": "2"},
        ) from None
    except WorkerDiedError as error:
        _log.error("a question about a result came to nothing: %s", error)
        raise ApiError(
            503,
            "The service could not answer this: its workers have died of it, or are away; "
            "try again in a moment",
            {"Retry-After": "10"},
        ) from None
    except DamagedResultError as error:
        _log.error("a result on disk is damaged: %s", error)
        raise ApiError(
            500, "The result is damaged on the server's disk; upload the file again"
        ) from error
    except MemoryError:
        raise ApiError(
            503,
            "This takes more memory than a worker may use: take the result as CSV or JSON lines, "
            "or have PLAYS_WORKER_MEMORY raised",
        ) from None
    except ParquetError as error:
        raise ApiError(406, str(error)) from None
    except OSError as error:
        raise no_room(error) from error
