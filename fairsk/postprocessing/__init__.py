"""Post-processing: meta-estimators that decide fairly from a model's scores."""

from fairsk.postprocessing._calibrated_equalized_odds_classifier import (
    CalibratedEqualizedOddsClassifier,
)
from fairsk.postprocessing._certificate import Certificate
from fairsk.postprocessing._fixed_threshold import FixedThresholdClassifier
from fairsk.postprocessing._group_calibrated_classifier import (
    GroupCalibratedClassifier,
)
from fairsk.postprocessing._group_quantile_normalizer import (
    GroupQuantileNormalizer,
)
from fairsk.postprocessing._multicalibrated_classifier import (
    MulticalibratedClassifier,
)
from fairsk.postprocessing._multiclass_threshold_optimizer import (
    MulticlassThresholdOptimizer,
)
from fairsk.postprocessing._programme import Objective
from fairsk.postprocessing._reject_option import RejectOptionClassifier
from fairsk.postprocessing._threshold_optimizer import (
    RareGroupWarning,
    ThresholdOptimizer,
)
from fairsk.postprocessing._wasserstein_barycenter import (
    WassersteinBarycenterRegressor,
)

__all__ = [
    "CalibratedEqualizedOddsClassifier",
    "Certificate",
    "FixedThresholdClassifier",
    "GroupCalibratedClassifier",
    "GroupQuantileNormalizer",
    "MulticalibratedClassifier",
    "MulticlassThresholdOptimizer",
    "Objective",
    "RareGroupWarning",
    "RejectOptionClassifier",
    "ThresholdOptimizer",
    "WassersteinBarycenterRegressor",
]
