"""Group means of per-sample terms: losses, errors and what follows from their means."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fairsk.definitions._losses import absolute_error, squared_error
from fairsk.utils._namespace import as_float, is_torch, namespace


def _only(mean):
    return mean


@dataclass(frozen=True)
class GroupMean:
    """A function of group means of per-sample terms, such as a loss.

    Means add up from sums, so all groups take one pass, and what holds for all samples
    together follows from the same sums.

    Parameters
    ----------
    name : str
        Name, in the field's standard terms.
    terms : callable
        Maps (y_true, y_score) to a tuple of arrays of shape (n_samples,).
    combine : callable, default=None
        Maps the mean of each term to the value; None for the mean of the only term.
    formula : str, default=""
        The formula in LaTeX, for the documentation.
    response : {"predict", "predict_proba", "interval"} or None, default="predict"
        What `y_score` is: a number for each sample, probabilities, or two bounds; None
        where it is not used.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.definitions import GROUP_MEANS
    >>> y_true, y_score = np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 2.0])
    >>> GROUP_MEANS["mean_absolute_error"].per_group(
    ...     y_true, y_score, np.array([0, 1, 1]), n_groups=2
    ... )
    array([0. , 1.5])
    """

    name: str
    terms: Callable
    combine: Callable = _only
    formula: str = ""
    response: str | None = "predict"

    def per_group(self, y_true, y_score, group_codes, *, n_groups, sample_weight=None):
        """Value of every group.

        Parameters
        ----------
        y_true : array or tensor of shape (n_samples,)
            True values: numbers, or the index of the class.
        y_score : array or tensor of shape (n_samples,) or (n_samples, n_columns)
            Predicted values, scores, probabilities or intervals.
        group_codes : int array or tensor of shape (n_samples,)
            Group of each sample.
        n_groups : int
            Number of groups.
        sample_weight : array or tensor of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        values : array or tensor of shape (n_groups,)
            NaN where a group has no weight.
        """
        totals = self.totals(
            y_true, y_score, group_codes, n_groups=n_groups, sample_weight=sample_weight
        )
        return self.from_totals(*totals)

    def totals(self, y_true, y_score, group_codes, *, n_groups, sample_weight=None):
        """Weight of every group and the sums of its terms.

        Returns
        -------
        weights : array or tensor of shape (n_groups,)
            Sum of the weights.
        sums : list of array or tensor of shape (n_groups,)
            Weighted sum of each term.
        """
        terms = [as_float(term) for term in self.terms(y_true, y_score)]
        if sample_weight is not None:
            terms = [term * sample_weight for term in terms]
        weights = _group_sum(group_codes, sample_weight, n_groups, terms[0])
        return weights, [_group_sum(group_codes, t, n_groups, t) for t in terms]

    def from_totals(self, weights, sums):
        """Value of every group from what :meth:`totals` returned, or sums of it."""
        xp = namespace(weights)
        empty = weights <= 0
        safe = xp.where(empty, xp.ones_like(weights), weights)
        values = self.combine(*(total / safe for total in sums))
        return xp.where(empty, xp.full_like(values, float("nan")), values)


def _group_sum(group_codes, values, n_groups, like):
    if is_torch(like):
        values = like.new_ones(like.shape) if values is None else values.to(like.dtype)
        return like.new_zeros(n_groups).index_add(0, group_codes.long(), values)
    return np.bincount(group_codes, values, minlength=n_groups).astype(float)


def _error(y_true, y_score):
    return (y_score - y_true,)


def _absolute(y_true, y_score):
    return (absolute_error(y_true, y_score),)


def _squared(y_true, y_score):
    return (squared_error(y_true, y_score),)


def _explained(y_true, y_score):
    centred = y_true - as_float(y_true).mean()  # or the variance would cancel out
    return squared_error(y_true, y_score), centred, centred**2


def _r2(residual, mean, square):
    xp = namespace(residual)
    variance = square - mean**2
    # Rounding leaves a constant target some 1e-16 of variance.
    constant = variance <= 1e-12 * square
    # Divided by 1 there, as a gradient through NaN would be NaN everywhere.
    share = residual / xp.where(constant, xp.ones_like(variance), variance)
    return xp.where(constant, xp.full_like(variance, float("nan")), 1 - share)


def _probabilities(y_score):
    """Probability of every class, each row clipped away from 0."""
    xp = namespace(y_score)
    y_score = as_float(y_score)
    if y_score.ndim == 1:
        y_score = xp.stack([1 - y_score, y_score], axis=1)
    tiny = float(np.finfo(str(y_score.dtype).rpartition(".")[-1]).eps)
    return xp.clip(y_score, tiny, 1.0)


def _log_loss(y_true, y_score):
    xp = namespace(y_score)
    probabilities = _probabilities(y_score)
    classes = y_true.long() if is_torch(y_true) else np.asarray(y_true, dtype=np.intp)
    return (-xp.log(probabilities[xp.arange(len(classes)), classes]),)


def _brier(y_true, y_score):
    if y_score.ndim == 1:
        return (squared_error(y_true, y_score),)
    xp = namespace(y_score)
    hit = y_true[:, None] == xp.arange(y_score.shape[1])
    return (((y_score - as_float(hit)) ** 2).sum(1),)


def _entropy(y_true, y_score):
    probabilities = _probabilities(y_score)
    return (-(probabilities * namespace(y_score).log(probabilities)).sum(1),)


def _label(y_true, y_score):
    return (y_true,)


def _prediction(y_true, y_score):
    return (y_score,)


def _width(y_true, y_score):
    return (y_score[:, 1] - y_score[:, 0],)


def _covered(y_true, y_score):
    return ((y_score[:, 0] <= y_true) & (y_true <= y_score[:, 1]),)


def _root(mean):
    """Square root, with gradient 0 at 0."""
    xp = namespace(mean)
    zero = mean <= 0
    root = xp.where(zero, xp.ones_like(mean), mean) ** 0.5
    return xp.where(zero, xp.zeros_like(mean), root)


GROUP_MEANS = {
    mean.name: mean
    for mean in (
        GroupMean("mean_error", _error, formula=r"E[\hat Y - Y]"),
        GroupMean("mean_absolute_error", _absolute, formula=r"E|\hat Y - Y|"),
        GroupMean("mean_squared_error", _squared, formula=r"E[(\hat Y - Y)^2]"),
        GroupMean(
            "root_mean_squared_error",
            _squared,
            _root,
            formula=r"\sqrt{E[(\hat Y - Y)^2]}",
        ),
        GroupMean(
            "r2_score",
            _explained,
            _r2,
            formula=r"1 - E[(\hat Y - Y)^2] / \operatorname{Var} Y",
        ),
        GroupMean(
            "log_loss", _log_loss, formula=r"-E[\log S_Y]", response="predict_proba"
        ),
        GroupMean(
            "brier_score", _brier, formula=r"E[(S - Y)^2]", response="predict_proba"
        ),
        GroupMean(
            "predictive_entropy",
            _entropy,
            formula=r"-E[\sum_k S_k \log S_k]",
            response="predict_proba",
        ),
        GroupMean("mean_label", _label, formula="E[Y]", response=None),
        GroupMean("mean_prediction", _prediction, formula=r"E[\hat Y]"),
        GroupMean("interval_width", _width, formula=r"E[U - L]", response="interval"),
        GroupMean(
            "interval_coverage",
            _covered,
            formula=r"P(L \le Y \le U)",
            response="interval",
        ),
    )
}
