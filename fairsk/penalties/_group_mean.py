"""Penalties on gaps between group means, such as those of the predictions."""

import torch

from fairsk.definitions import GROUP_MEANS, GroupMean, get_disparity
from fairsk.penalties._base import score_columns
from fairsk.penalties._running import WindowedPenalty, group_means


class GroupMeanPenalty(WindowedPenalty):
    r"""Disparity of a group mean of predictions or errors.

    .. math:: \max_g m_g - \min_g m_g, \qquad m_g = \mathrm{E}[t(y, s) \mid a = g]

    with the term t of a :data:`fairsk.definitions.GROUP_MEANS`: the prediction itself
    (demographic parity of means), its error (equal bias) or its squared error (equal
    service). On classes it is taken of the probability of class 1 and the indicator of
    that class, or of each class, where the least fair one counts. A disparity that is
    better when it is greater is subtracted from 1.

    Parameters
    ----------
    mean : str or GroupMean, default="mean_prediction"
        A key of :data:`fairsk.definitions.GROUP_MEANS` that takes a number for each
        sample, or an instance.
    disparity : str or Disparity, default="difference"
        How the means of the groups become one number.
    power : {1, 2}, default=1
        1 for the disparity, 2 for its square, whose gradient vanishes where the groups
        agree.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.
    window : int, default=None
        Number of batches that the sums reach back while training, as in
        :class:`DefinitionPenalty`.

    See Also
    --------
    DefinitionPenalty : Rates of classes, averaged over batches.
    WassersteinPenalty : Whole distributions instead of means.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import GroupMeanPenalty
    >>> penalty = GroupMeanPenalty("mean_prediction")
    >>> wage = torch.tensor([30.0, 34.0, 25.0, 27.0])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> penalty(wage, torch.zeros(4), groups).item()
    6.0
    """

    takes_regression = True

    def __init__(
        self,
        mean="mean_prediction",
        disparity="difference",
        *,
        power=1,
        given=None,
        window=None,
    ):
        super().__init__(given, window)
        if power not in (1, 2):
            raise ValueError(f"GroupMeanPenalty needs power 1 or 2. Got {power!r}.")
        self.mean = GROUP_MEANS.get(mean, mean) if isinstance(mean, str) else mean
        if not isinstance(self.mean, GroupMean) or self.mean.response != "predict":
            known = sorted(n for n, m in GROUP_MEANS.items() if m.response == "predict")
            raise ValueError(
                "GroupMeanPenalty needs the mean of a term of the prediction: a "
                f"GroupMean, or one of {known}. Got {mean!r}."
            )
        self.disparity = get_disparity(disparity)
        self.power = power

    def _sums(self, y_score, y_true, attribute, sample_weight):
        mass = attribute * sample_weight[..., None]
        columns = score_columns(y_score)
        first = 1 if y_score.shape[-1] <= 2 else 0
        sums = []
        for k, column in enumerate(columns.unbind(-1), start=first):
            terms = self.mean.terms(_target(y_true, k, column), column)
            terms = torch.broadcast_tensors(*terms, torch.ones_like(column))
            sums.append(torch.stack(terms, dim=-2) @ mass)
        return torch.stack(sums, dim=-3)

    def _of_sums(self, sums):
        means, defined = group_means(sums)
        values = self.mean.combine(*means.unbind(-2))
        value = self.disparity(torch.where(defined, values, float("nan")))
        if self.disparity.greater_is_better:
            value = 1 - value
        value = torch.where(value.isnan(), 0.0, value)
        return value if self.power == 1 else value**2

    def extra_repr(self):
        """Text that `repr` shows between the brackets."""
        return f"mean={self.mean.name!r}, disparity={self.disparity.name!r}"


def _target(y_true, k, like):
    """Target values, or the indicator of a class."""
    if y_true is None or y_true.is_floating_point():
        return y_true
    return (y_true == k).to(like.dtype)
