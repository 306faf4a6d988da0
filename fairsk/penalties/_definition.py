"""Any fairness definition as a differentiable loss term."""

import torch

from fairsk.definitions import get_definition, get_disparity, group_counts


class DefinitionPenalty(torch.nn.Module):
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
        :data:`fairsk.definitions.DISPARITIES` or an instance.

    See Also
    --------
    fairsk.inprocessing.FairNetClassifier : Trains a torch module with this penalty.

    Notes
    -----
    A rate that a group does not define in the batch, because no sample falls in its
    denominator, is left out. Where fewer than two groups are left there is nothing to
    compare: the penalty is 0 and so is its gradient.

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

    def __init__(self, fairness="demographic_parity", disparity="difference"):
        super().__init__()
        self.fairness = get_definition(fairness)
        self.disparity = get_disparity(disparity)

    def forward(self, y_score, y_true, groups, sample_weight=None, *, n_groups=None):
        """Penalty of a batch.

        Parameters
        ----------
        y_score : float tensor of shape (n_samples,) or (n_samples, n_classes)
            Probability of class 1, or of each class.
        y_true : int tensor of shape (n_samples,)
            Index of the true class of each sample.
        groups : int tensor of shape (n_samples,)
            Code of the group of each sample, in [0, n_groups).
        sample_weight : float tensor of shape (n_samples,), default=None
            Weights.
        n_groups : int, default=None
            Number of groups; None reads it off `groups`, for which a GPU must wait.

        Returns
        -------
        penalty : float tensor of shape ()
            At least 0.
        """
        if y_score.ndim == 1:
            y_score = torch.stack((1 - y_score, y_score), dim=1)
        if n_groups is None:
            n_groups = int(groups.max()) + 1
        counts = group_counts(
            groups,
            y_true,
            y_score,
            n_groups=n_groups,
            n_classes=y_score.shape[1],
            sample_weight=sample_weight,
        )
        value = self.fairness.disparity(counts, self.disparity)
        if self.disparity.greater_is_better:
            value = 1 - value
        return torch.where(value.isnan(), 0.0, value)

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

    def extra_repr(self):
        """Text that `repr` shows between the brackets."""
        return f"fairness={self.fairness.name!r}, disparity={self.disparity.name!r}"
