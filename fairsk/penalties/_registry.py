"""Which penalty has which name."""

from functools import partial

from fairsk.definitions import GROUP_MEANS
from fairsk.penalties._base import PENALTIES
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

PENALTIES |= {
    "calibration_gap": CalibrationGapPenalty,
    "confidence": ConfidencePenalty,
    "covariance": CovariancePenalty,
    "distance_correlation": DistanceCorrelationPenalty,
    "hsic": HSICPenalty,
    "loss_gap": LossGapPenalty,
    "mmd": MMDPenalty,
    "mutual_information": MutualInformationPenalty,
    "wasserstein": WassersteinPenalty,
    "worst_loss": WorstLossPenalty,
    **{
        name: partial(GroupMeanPenalty, name)
        for name, mean in GROUP_MEANS.items()
        if mean.response == "predict"
    },
}
