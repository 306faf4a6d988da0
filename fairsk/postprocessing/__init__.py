"""Post-processing: meta-estimators that decide fairly from a model's scores."""

from fairsk.postprocessing._multicalibrated_classifier import (
    MulticalibratedClassifier,
)
from fairsk.postprocessing._threshold_optimizer import (
    RareGroupWarning,
    ThresholdOptimizer,
)

__all__ = [
    "MulticalibratedClassifier",
    "RareGroupWarning",
    "ThresholdOptimizer",
]
