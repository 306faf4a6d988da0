"""Meta-estimators that make any learner of weighted samples fair."""

from fairsk.reductions._deep_feature_reweighting_classifier import (
    DeepFeatureReweightingClassifier,
)
from fairsk.reductions._exponentiated_gradient_classifier import (
    ExponentiatedGradientClassifier,
)
from fairsk.reductions._exponentiated_gradient_regressor import (
    ExponentiatedGradientRegressor,
)
from fairsk.reductions._just_train_twice_classifier import JustTrainTwiceClassifier
from fairsk.reductions._lagrangian_grid_classifier import LagrangianGridClassifier
from fairsk.reductions._lagrangian_grid_regressor import LagrangianGridRegressor
from fairsk.reductions._reweighing_classifier import ReweighingClassifier
from fairsk.reductions._weights import compute_fairness_weight

__all__ = [
    "DeepFeatureReweightingClassifier",
    "ExponentiatedGradientClassifier",
    "ExponentiatedGradientRegressor",
    "JustTrainTwiceClassifier",
    "LagrangianGridClassifier",
    "LagrangianGridRegressor",
    "ReweighingClassifier",
    "compute_fairness_weight",
]
