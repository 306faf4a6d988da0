"""Loss terms for torch that grow with the unfairness of the predictions."""

from fairsk.penalties import _registry  # noqa: F401  (fills PENALTIES)
from fairsk.penalties._base import PENALTIES, Penalty
from fairsk.penalties._combined import (
    EachFeaturePenalty,
    MemoryPenalty,
    PenaltySum,
    get_penalty,
)
from fairsk.penalties._definition import DefinitionPenalty
from fairsk.penalties._dependence import (
    CovariancePenalty,
    DistanceCorrelationPenalty,
    HSICPenalty,
    MutualInformationPenalty,
)
from fairsk.penalties._group_mean import GroupMeanPenalty
from fairsk.penalties._loss_gap import (
    CalibrationGapPenalty,
    ConfidencePenalty,
    LossGapPenalty,
    WorstLossPenalty,
)
from fairsk.penalties._score_distance import MMDPenalty, WassersteinPenalty

__all__ = [
    "PENALTIES",
    "CalibrationGapPenalty",
    "ConfidencePenalty",
    "CovariancePenalty",
    "DefinitionPenalty",
    "DistanceCorrelationPenalty",
    "EachFeaturePenalty",
    "GroupMeanPenalty",
    "HSICPenalty",
    "LossGapPenalty",
    "MMDPenalty",
    "MemoryPenalty",
    "MutualInformationPenalty",
    "Penalty",
    "PenaltySum",
    "WassersteinPenalty",
    "WorstLossPenalty",
    "get_penalty",
]
