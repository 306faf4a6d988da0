"""Classifiers that are trained to be fair: torch modules with a penalty."""

from fairsk.inprocessing._fair_mlp_classifier import FairMLPClassifier
from fairsk.inprocessing._fair_mlp_classifier_cv import FairMLPClassifierCV
from fairsk.inprocessing._fair_net_classifier import FairNetClassifier
from fairsk.inprocessing._fair_net_classifier_cv import FairNetClassifierCV

__all__ = [
    "FairMLPClassifier",
    "FairMLPClassifierCV",
    "FairNetClassifier",
    "FairNetClassifierCV",
]
