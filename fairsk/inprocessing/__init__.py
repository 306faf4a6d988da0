"""Classifiers, regressors and representations that are trained to be fair."""

from fairsk.inprocessing._adversarial_classifier import AdversarialClassifier
from fairsk.inprocessing._adversarial_regressor import AdversarialRegressor
from fairsk.inprocessing._adversarial_representation import AdversarialRepresentation
from fairsk.inprocessing._conditioned_fair_mlp_classifier import (
    ConditionedFairMLPClassifier,
)
from fairsk.inprocessing._fair_gradient_boosting_classifier import (
    FairGradientBoostingClassifier,
)
from fairsk.inprocessing._fair_logistic_regression import FairLogisticRegression
from fairsk.inprocessing._fair_mlp_classifier import FairMLPClassifier
from fairsk.inprocessing._fair_mlp_classifier_cv import FairMLPClassifierCV
from fairsk.inprocessing._fair_mlp_regressor import FairMLPRegressor
from fairsk.inprocessing._fair_net_classifier import FairNetClassifier
from fairsk.inprocessing._fair_net_classifier_cv import FairNetClassifierCV
from fairsk.inprocessing._fair_net_regressor import FairNetRegressor
from fairsk.inprocessing._group_dro_classifier import GroupDROClassifier
from fairsk.inprocessing._lagrangian_net_classifier import LagrangianNetClassifier
from fairsk.inprocessing._minimax_classifier import MinimaxClassifier
from fairsk.inprocessing._options import CounterfactualPairing, LipschitzPairing
from fairsk.inprocessing._reports import CollapseWarning

__all__ = [
    "AdversarialClassifier",
    "AdversarialRegressor",
    "AdversarialRepresentation",
    "CollapseWarning",
    "ConditionedFairMLPClassifier",
    "CounterfactualPairing",
    "FairGradientBoostingClassifier",
    "FairLogisticRegression",
    "FairMLPClassifier",
    "FairMLPClassifierCV",
    "FairMLPRegressor",
    "FairNetClassifier",
    "FairNetClassifierCV",
    "FairNetRegressor",
    "GroupDROClassifier",
    "LagrangianNetClassifier",
    "LipschitzPairing",
    "MinimaxClassifier",
]
