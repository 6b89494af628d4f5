"""An input, or several, on the way to a result: which calls to a worker, in which order."""

from plays_service.pipeline.growth import Growth
from plays_service.pipeline.joint import Input, JointPipeline
from plays_service.pipeline.pipeline import Pipeline, Progress
from plays_service.pipeline.work import SMALL, Call, Work

__all__ = ["SMALL", "Call", "Growth", "Input", "JointPipeline", "Pipeline", "Progress", "Work"]
