"""Penalties by name."""

import copy
import difflib

import torch

from fairsk.definitions import DEFINITIONS, FairnessDefinition
from fairsk.penalties._combined import PenaltySum, split_weights
from fairsk.penalties._definition import DefinitionPenalty
from fairsk.penalties._dependence import (
    CovariancePenalty,
    DistanceCorrelationPenalty,
    HSICPenalty,
    MutualInformationPenalty,
)
from fairsk.penalties._loss_gap import (
    CalibrationGapPenalty,
    ConfidencePenalty,
    LossGapPenalty,
)
from fairsk.penalties._score_distance import MMDPenalty, WassersteinPenalty

#: Penalties that are not a definition on soft counts, by name.
PENALTIES = {
    "calibration_gap": CalibrationGapPenalty,
    "confidence": ConfidencePenalty,
    "covariance": CovariancePenalty,
    "distance_correlation": DistanceCorrelationPenalty,
    "hsic": HSICPenalty,
    "loss_gap": LossGapPenalty,
    "mmd": MMDPenalty,
    "mutual_information": MutualInformationPenalty,
    "wasserstein": WassersteinPenalty,
}


def get_penalty(fairness, disparity="difference"):
    """Penalty that `fairness` stands for.

    Parameters
    ----------
    fairness : str, FairnessDefinition, torch.nn.Module or list
        Name of a registered definition or penalty; a definition; a penalty, which is
        copied; or a list of these, each with or without a weight:
        ``["equalized_odds", ("hsic", 10.0)]``.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, for definitions.

    Returns
    -------
    penalty : torch.nn.Module
        The penalty.

    Examples
    --------
    >>> from fairsk.penalties import get_penalty
    >>> get_penalty("wasserstein")
    WassersteinPenalty()
    """
    if isinstance(fairness, torch.nn.Module):
        return copy.deepcopy(fairness)
    if isinstance(fairness, list):
        penalties, weights = split_weights(fairness)
        return PenaltySum([get_penalty(p, disparity) for p in penalties], weights)
    if isinstance(fairness, FairnessDefinition):
        return DefinitionPenalty(fairness, disparity)
    if isinstance(fairness, str):
        if fairness in DEFINITIONS:
            return DefinitionPenalty(fairness, disparity)
        if fairness in PENALTIES:
            return PENALTIES[fairness]()
    known = sorted([*DEFINITIONS, *PENALTIES])
    close = difflib.get_close_matches(str(fairness), known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        "`fairness` must be a FairnessDefinition, a penalty, a list of them, or one of "
        f"{known}. Got {fairness!r}.{hint}"
    )
