"""Post-processing: meta-estimators that decide fairly from a model's scores."""

from fairsk.postprocessing._threshold_optimizer import (
    RareGroupWarning,
    ThresholdOptimizer,
)

__all__ = ["RareGroupWarning", "ThresholdOptimizer"]
