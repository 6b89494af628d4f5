"""The service's pipeline without the service: files here, one result there."""

from plays_service.offline.aggregate import aggregate_offline
from plays_service.offline.inputs import InputError
from plays_service.offline.outcome import BadRecord, Outcome
from plays_service.offline.target import STREAM, Target

__all__ = ["STREAM", "BadRecord", "InputError", "Outcome", "Target", "aggregate_offline"]
