"""The service's pipeline without the service: files here, one result there."""

from plays_service.offline.aggregate import STREAM, aggregate_offline
from plays_service.offline.inputs import InputError
from plays_service.offline.outcome import BadRecord, Outcome

__all__ = ["STREAM", "BadRecord", "InputError", "Outcome", "aggregate_offline"]
