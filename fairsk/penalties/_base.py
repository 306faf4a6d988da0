"""What all penalties share: one way to call them, and what they say they can take."""

import warnings
from numbers import Integral

import numpy as np
import torch

from fairsk.definitions import UndefinedRateWarning
from fairsk.definitions._signed_measures import group_mass

#: Penalties that are not a definition on soft counts: name -> what makes one.
PENALTIES = {}


class Penalty(torch.nn.Module):
    """Base class of fairness penalties.

    A subclass writes `_dependence`, and says by class attributes what it can take.

    Parameters
    ----------
    given : {"y_true"}, int or None, default=None
        What to condition on. None asks for scores that do not depend on the group
        (independence); "y_true" for such scores within each class, averaged over the
        classes (separation); a class index for such scores within that class alone.
    """

    #: Whether the groups may be a continuous attribute (a floating tensor).
    takes_continuous_groups = False
    #: Whether it can do without classes, so that it also works for regression.
    takes_regression = False
    #: Weight beside a mean log loss from which on little but the penalty is learnt:
    #: where a path of weights ends. It is measured, on a few data sets.
    largest_weight = 3.0

    def __init__(self, given=None):
        super().__init__()
        if given not in (None, "y_true") and not isinstance(given, Integral):
            raise ValueError(
                f"{type(self).__name__} needs `given` to be None, 'y_true' or the "
                f"index of a class. Got {given!r}."
            )
        self.given = given

    @property
    def conditions_on_label(self):
        """Whether it compares samples of one class."""
        return self.given is not None

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch.

        Parameters
        ----------
        y_score : float tensor of shape (n_samples,) or (..., n_samples, n_scores)
            Probability of class 1, or of each class; for regression the prediction.
            Leading axes are members, each with a penalty of its own.
        y_true : int tensor of shape (..., n_samples)
            Index of the true class of each sample. All shapes without scores may have
            leading axes that broadcast against those of `y_score`.
        groups : int or float tensor of shape (..., n_samples)
            Code of the group of each sample, in [0, n_groups); of a floating dtype the
            value of a continuous attribute, where the penalty takes one.
        sample_weight : float tensor of shape (..., n_samples), default=None
            Weights.
        n_groups : int, default=None
            Number of groups; None reads it off `groups`, for which a GPU must wait.

        Returns
        -------
        penalty : float tensor of shape (...)
            0 where nothing is to be compared, such as groups without samples.
        """
        if y_score.ndim == 1:
            y_score = y_score[:, None]
        if sample_weight is None:
            sample_weight = y_score.new_ones(y_score.shape[-2])
        sample_weight = sample_weight.to(y_score.dtype)
        attribute = self._attribute(groups, n_groups, y_score.dtype)
        weights = [
            sample_weight if within is None else sample_weight * within
            for within in self._strata(y_score, y_true)
        ]
        values = self._values(y_score, y_true, attribute, weights)
        return values[0] if len(values) == 1 else sum(values) / len(values)

    def _values(self, y_score, y_true, attribute, weights):
        """Penalty within each stratum, by the weights of the samples in it."""
        return [self._dependence(y_score, y_true, attribute, w) for w in weights]

    def _attribute(self, groups, n_groups, dtype):
        """Indicators of the groups, or the values of a continuous attribute."""
        if groups.is_floating_point():
            if not self.takes_continuous_groups:
                raise ValueError(unmet_requirement(self, "takes_continuous_groups"))
            return groups.to(dtype)[..., None]
        if n_groups is None:
            n_groups = int(groups.max()) + 1
        return group_mass(groups, n_groups, groups.new_ones((), dtype=dtype))

    def _strata(self, y_score, y_true):
        if self.given is None:
            return [None]
        if y_true.is_floating_point():
            raise ValueError(
                f"{type(self).__name__} needs classes for given={self.given!r}. Got a "
                "continuous target. Set given=None."
            )
        n_classes = max(y_score.shape[-1], 2)
        classes = range(n_classes) if self.given == "y_true" else [self.given]
        return [(y_true == k).to(y_score.dtype) for k in classes]

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        """How much scores of shape (..., n_samples, n_scores) depend on the attribute.

        `attribute` has shape (..., n_samples, n_groups or 1).
        """
        raise NotImplementedError

    def undefined(self, strata):
        """Whether a group lacks the samples that the penalty compares.

        Parameters
        ----------
        strata : int ndarray of shape (..., n_groups, n_classes)
            Number of samples of each group and true class.

        Returns
        -------
        undefined : bool ndarray of shape (..., n_rates, n_groups)
            True where a group is left out of the penalty.
        """
        if self.given is None:
            return strata.sum(axis=-1)[..., None, :] == 0
        empty = np.swapaxes(strata, -1, -2) == 0
        return empty if self.given == "y_true" else empty[..., [self.given], :]

    def warn_undefined(self, strata, group_labels):
        """Warn once, by name, of what a group can never define.

        Parameters
        ----------
        strata : int ndarray of shape (n_groups, n_classes)
            Number of samples of each group and true class.
        group_labels : list of length n_groups
            Labels of the groups.
        """
        rows = self.undefined(strata).any(axis=-2)
        missing = [label for label, row in zip(group_labels, rows) if row]
        if missing:
            warnings.warn(
                f"{type(self).__name__} needs samples of each group"
                f"{'' if self.given is None else ' and class'}. Group(s) {missing} "
                "lack some and are left out of the penalty there.",
                UndefinedRateWarning,
                stacklevel=3,
            )

    def plan(self, n_batches):
        """Say how many batches an epoch has, before it begins.

        Parameters
        ----------
        n_batches : int
            Number of batches.

        Returns
        -------
        self : Penalty
            The same object.
        """
        return self

    def bind(self, group_labels):
        """Tell the penalty the labels of the groups, in the order of their codes.

        Parameters
        ----------
        group_labels : list of length n_groups
            Labels, tuples where several sensitive features are crossed.

        Returns
        -------
        self : Penalty
            The same object.
        """
        return self


def score_columns(y_score):
    """Scores without the column that the others determine: class 1 of binary ones."""
    return y_score[..., 1:] if y_score.shape[-1] == 2 else y_score


def class_columns(y_score):
    """Probability of each class, from that of class 1 alone where it is alone."""
    if y_score.shape[-1] > 1:
        return y_score
    return torch.cat((1 - y_score, y_score), dim=-1)


def mean_defined(values, defined):
    """Mean over the last axis of the values that are defined; 0 where there is none."""
    total = torch.where(defined, values, 0.0).sum(-1)
    return total / defined.sum(-1).clamp(min=1)


def centred(attribute, sample_weight):
    """Weighted signed measures of the centred attribute, (..., n_samples, n_columns).

    With weights that sum to 1, u_i = w_i (a_i - mean of a); 0 where nothing has weight.
    """
    weight = normalised(sample_weight)[..., None]
    return weight * (attribute - (weight * attribute).sum(-2, keepdim=True))


def normalised(sample_weight):
    """Weights that sum to 1, or are all 0."""
    total = sample_weight.sum(-1, keepdim=True)
    return sample_weight / torch.where(total > 0, total, 1.0)


def unmet_requirement(penalty, requirement):
    """Message that a penalty cannot take the data, with those that can."""
    kinds = {
        "takes_continuous_groups": (
            "a continuous sensitive attribute",
            "Take one, or cut the attribute into intervals, whose labels are groups.",
        ),
        "takes_regression": ("a continuous target", "Take one as `fairness`."),
    }
    able = sorted(n for n, make in PENALTIES.items() if getattr(make(), requirement))
    what, remedy = kinds[requirement]
    return (
        f"{type(penalty).__name__} cannot take {what}. These penalties can: {able}. "
        f"{remedy}"
    )
