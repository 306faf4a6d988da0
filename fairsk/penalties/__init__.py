"""Loss terms for torch that grow with the unfairness of the predictions."""

from fairsk.penalties._base import Penalty
from fairsk.penalties._combined import EachFeaturePenalty, MemoryPenalty, PenaltySum
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
from fairsk.penalties._registry import PENALTIES, get_penalty
from fairsk.penalties._score_distance import MMDPenalty, WassersteinPenalty

__all__ = [
    "PENALTIES",
    "CalibrationGapPenalty",
    "ConfidencePenalty",
    "CovariancePenalty",
    "DefinitionPenalty",
    "DistanceCorrelationPenalty",
    "EachFeaturePenalty",
    "HSICPenalty",
    "LossGapPenalty",
    "MMDPenalty",
    "MemoryPenalty",
    "MutualInformationPenalty",
    "Penalty",
    "PenaltySum",
    "WassersteinPenalty",
    "get_penalty",
]
