"""Samplers that balance labels within groups, and say whose rows they return."""

from fairsk.resampling._counterfactual_augmenter import CounterfactualAugmenter
from fairsk.resampling._fair_smote import FairSMOTE
from fairsk.resampling._group_mixup import GroupMixup
from fairsk.resampling._group_over_sampler import GroupOverSampler
from fairsk.resampling._group_sampler import GroupSampler
from fairsk.resampling._group_under_sampler import GroupUnderSampler
from fairsk.resampling._massaging import Massaging
from fairsk.resampling._preferential_sampler import PreferentialSampler

__all__ = [
    "CounterfactualAugmenter",
    "FairSMOTE",
    "GroupMixup",
    "GroupOverSampler",
    "GroupSampler",
    "GroupUnderSampler",
    "Massaging",
    "PreferentialSampler",
]
