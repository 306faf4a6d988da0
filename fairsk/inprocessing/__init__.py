"""Classifiers that are trained to be fair: torch modules with a penalty."""

from fairsk.inprocessing._fair_mlp_classifier import FairMLPClassifier
from fairsk.inprocessing._fair_net_classifier import FairNetClassifier

__all__ = ["FairMLPClassifier", "FairNetClassifier"]
