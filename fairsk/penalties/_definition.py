"""Any fairness definition as a differentiable loss term."""

import torch

from fairsk.definitions import (
    Disparity,
    get_definition,
    get_disparity,
    group_counts,
)
from fairsk.penalties._base import class_columns, unmet_requirement
from fairsk.penalties._running import WindowedPenalty


class DefinitionPenalty(WindowedPenalty):
    r"""Disparity of a fairness definition on soft counts.

    The counts of the definition are taken in expectation under the predicted
    probabilities, so that gradients flow through them:

    .. math:: c_{gij} = \sum_{n:\, a_n = g,\, y_n = i} w_n \, p_{nj}.

    On probabilities of 0 and 1 these are the counts of the hard predictions, and the
    penalty is the metric of the same name. A disparity that is better when it is
    greater, such as a ratio, is subtracted from 1.

    Parameters
    ----------
    fairness : str or FairnessDefinition, default="demographic_parity"
        The definition: a key of :data:`fairsk.definitions.DEFINITIONS` or an instance.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number: a key of
        :data:`fairsk.definitions.DISPARITIES`, an instance, or "smooth_difference": a
        difference whose largest and smallest rate are soft, so that all groups have a
        gradient.
    power : {1, 2}, default=1
        1 for the disparity, 2 for its square, whose gradient vanishes where the groups
        agree.
    reference : {"groups", "overall"}, default="groups"
        Compare the groups with each other, or with all samples together.
    window : int, default=None
        Number of batches that the counts reach back while training. 1 takes those of
        the batch alone; otherwise they are an exponential average over batches with the
        weight 1 / `window` on the current one. None leaves it to :meth:`plan`: 10, or
        the number of batches of an epoch if that is smaller; without a plan, 1.

    See Also
    --------
    MemoryPenalty : A memory of scores, for penalties that are no function of sums.
    fairsk.inprocessing.FairNetClassifier : Trains a torch module with this penalty.

    Notes
    -----
    A rate that a group does not define, because no sample falls in its denominator, is
    left out. Where fewer than two groups are left there is nothing to compare: the
    penalty is 0 and so is its gradient.

    The disparity of a batch is larger than that of the data, by about the standard
    error of the rates. Minimising it also minimises this noise, at the cost of
    accuracy. Averaging the counts (not the rates) over a window of batches removes most
    of it, and a group that is missing from a batch keeps the rates that it had. The
    penalty is then that of the average :math:`\bar c`, and its gradient takes
    :math:`d\bar c = dc`, as if all of the window had moved with the batch. In
    evaluation mode the batch stands alone.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import DefinitionPenalty
    >>> penalty = DefinitionPenalty("demographic_parity")
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> y_true = torch.tensor([1, 1, 0, 1])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(penalty(y_score, y_true, groups).item(), 3)
    0.5
    """

    def __init__(
        self,
        fairness="demographic_parity",
        disparity="difference",
        *,
        power=1,
        reference="groups",
        window=None,
    ):
        super().__init__(window=window)
        if power not in (1, 2):
            raise ValueError(f"DefinitionPenalty needs power 1 or 2. Got {power!r}.")
        if reference not in ("groups", "overall"):
            raise ValueError(
                "DefinitionPenalty needs `reference` to be 'groups' or 'overall'. "
                f"Got {reference!r}."
            )
        self.fairness = get_definition(fairness)
        smooth = disparity == smooth_difference.name
        self.disparity = smooth_difference if smooth else get_disparity(disparity)
        self.power = power
        self.reference = reference

    @property
    def largest_weight(self):
        """Weight from which on little but the penalty is learnt."""
        # The gradient of a square is small where the gap is.
        return super().largest_weight * (1 if self.power == 1 else 10)

    @property
    def conditions_on_label(self):
        """Whether the definition compares samples of one class."""
        return self.fairness.conditions_on_label

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch.

        Parameters
        ----------
        y_score : float tensor of shape (n_samples,) or (..., n_samples, n_classes)
            Probability of class 1, or of each class. Leading axes are members, each
            with a penalty of its own.
        y_true : int tensor of shape (..., n_samples)
            Index of the true class of each sample. All shapes without scores may have
            leading axes that broadcast against those of `y_score`.
        groups : int tensor of shape (..., n_samples)
            Code of the group of each sample, in [0, n_groups).
        sample_weight : float tensor of shape (..., n_samples), default=None
            Weights.
        n_groups : int, default=None
            Number of groups; None reads it off `groups`, for which a GPU must wait.

        Returns
        -------
        penalty : float tensor of shape (...)
            At least 0.
        """
        if groups.is_floating_point():
            raise ValueError(unmet_requirement(self, "takes_continuous_groups"))
        y_score = class_columns(y_score[:, None] if y_score.ndim == 1 else y_score)
        if n_groups is None:
            n_groups = int(groups.max()) + 1
        counts = group_counts(
            groups,
            y_true,
            y_score,
            n_groups=n_groups,
            n_classes=y_score.shape[-1],
            sample_weight=sample_weight,
        )
        value = self._disparity(self._averaged(counts))
        if self.disparity.greater_is_better:
            value = 1 - value
        value = torch.where(value.isnan(), 0.0, value)
        return value if self.power == 1 else value**2

    def _disparity(self, counts):
        values = self.fairness.values(counts)
        if self.reference == "groups":
            return self.disparity(values)
        overall = self.fairness.values(counts.sum(-3, keepdim=True))[..., 0]
        per_rate = self.disparity.to_overall(values, overall)
        missing = per_rate.isnan()
        sign = -1.0 if self.disparity.greater_is_better else 1.0
        worst = torch.where(missing, -torch.inf, sign * per_rate).amax(-1)
        return torch.where(missing.all(-1), torch.nan, sign * worst)

    def undefined(self, strata):
        """Whether some rate is undefined that the samples of the strata could define.

        Parameters
        ----------
        strata : int ndarray of shape (..., n_groups, n_classes)
            Number of samples of each group and true class.

        Returns
        -------
        undefined : bool ndarray of shape (..., n_rates, n_groups)
            True where a rate has an empty denominator whatever the (soft) predictions.
        """
        # Any probabilities inside (0, 1) will do: these put 1 on every class.
        counts = strata[..., None].repeat(strata.shape[-1], axis=-1)
        values = self.fairness.values(counts)
        return values != values

    def warn_undefined(self, strata, group_labels):
        """Warn once, by name, of the rates that a group can never define.

        Parameters
        ----------
        strata : int ndarray of shape (n_groups, n_classes)
            Number of samples of each group and true class.
        group_labels : list of length n_groups
            Labels of the groups.
        """
        counts = strata[..., None].repeat(strata.shape[-1], axis=-1)
        self.fairness.warn_undefined(counts, group_labels)

    def extra_repr(self):
        """Text that `repr` shows between the brackets."""
        return f"fairness={self.fairness.name!r}, disparity={self.disparity.name!r}"


def _soft_largest(values, defined, axis=-1):
    """Mean of the defined values, weighted towards the largest (never above it)."""
    sharpness = 10.0
    logits = torch.where(defined, sharpness * values, -torch.inf)
    weights = torch.where(defined.any(axis, keepdim=True), logits, 0.0).softmax(axis)
    return (weights * torch.where(defined, values, 0.0)).sum(axis)


def _smooth_difference(values):
    defined = ~values.isnan()
    values = torch.where(defined, values, 0.0)
    gap = _soft_largest(values, defined) + _soft_largest(-values, defined)
    return torch.where(defined.sum(-1) < 2, torch.nan, gap)


def _smooth_to_overall(values, overall):
    deviation = abs(values - overall[..., None])
    defined = ~deviation.isnan()
    largest = _soft_largest(torch.where(defined, deviation, 0.0), defined)
    return torch.where(defined.any(-1), largest, torch.nan)


# A way to train, and no way to report: so it is no entry of DISPARITIES.
smooth_difference = Disparity(
    "smooth_difference",
    _smooth_difference,
    False,
    r"\sum_g \pi_g r_g - \sum_g \rho_g r_g,\; \pi \propto e^{10 r},"
    r"\; \rho \propto e^{-10 r}",
    _smooth_to_overall,
)
