"""Penalties on gaps in what the scores say of the true labels."""

import torch

from fairsk.definitions import LOSSES, get_disparity
from fairsk.definitions._signed_measures import contrasts, kernel_matrix, normalise
from fairsk.penalties._base import Penalty, class_columns, mean_defined
from fairsk.penalties._running import WindowedPenalty, group_means
from fairsk.penalties._score_distance import _check_kernel


class _GroupLossPenalty(WindowedPenalty):
    """A penalty that is a function of the mean loss of each group."""

    takes_regression = True
    largest_weight = 10.0

    def __init__(self, loss=None, given=None, window=None):
        super().__init__(given, window)
        if loss is not None and loss not in _LOSSES:
            raise ValueError(
                f"{type(self).__name__} needs `loss` to be None or one of "
                f"{sorted(_LOSSES)}. Got {loss!r}."
            )
        self.loss = loss

    def _sums(self, y_score, y_true, attribute, sample_weight):
        losses = self._sample_losses(y_score, y_true)
        mass = attribute * sample_weight[..., None]
        return torch.stack((losses, torch.ones_like(losses)), dim=-2) @ mass

    def _of_sums(self, sums):
        means, defined = group_means(sums)
        value = self._of_means(torch.where(defined, means[..., 0, :], float("nan")))
        return torch.where(value.isnan(), 0.0, value)

    def _of_means(self, means):
        """Penalty of group losses of shape (..., n_groups); NaN where undefined."""
        raise NotImplementedError

    def _sample_losses(self, y_score, y_true):
        is_regression = y_true.is_floating_point()
        loss = self.loss or ("squared_error" if is_regression else "log")
        if is_regression != (loss in LOSSES):
            kind = "a continuous target" if is_regression else "classes"
            able = sorted(n for n in _LOSSES if (n in LOSSES) == is_regression)
            raise ValueError(
                f"{type(self).__name__} needs a loss of {kind}: one of {able}. "
                f"Got {loss!r}."
            )
        if is_regression:
            return LOSSES[loss](y_true, y_score[..., 0])
        return _LOSSES[loss](class_columns(y_score), y_true)


class LossGapPenalty(_GroupLossPenalty):
    r"""Gap between the mean losses of the groups ("max-diff").

    .. math:: \max_g L_g - \min_g L_g, \qquad
        L_g = \mathrm{E}[\ell(y, s) \mid a = g].

    It asks that the model serves all groups equally well, not that it predicts equal
    shares. It can also be met by serving the best group worse: to raise the worst group
    instead, use :class:`WorstLossPenalty`, or a minimax method.

    Parameters
    ----------
    disparity : str or Disparity, default="difference"
        How the losses of the groups become one number.
    loss : {"log", "brier", "squared_error", "absolute_error"}, default=None
        Cross-entropy or the squared error of the probabilities, for classes; the error
        of the prediction, for regression. None takes "log" and "squared_error".
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.
    window : int, default=None
        Number of batches that the sums reach back while training, as in
        :class:`DefinitionPenalty`.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import LossGapPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> y_true = torch.tensor([1, 1, 0, 1])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(LossGapPenalty()(y_score, y_true, groups).item(), 3)
    0.339
    """

    def __init__(self, disparity="difference", *, loss=None, given=None, window=None):
        super().__init__(loss, given, window)
        self.disparity = get_disparity(disparity)

    def _of_means(self, means):
        value = self.disparity(means[..., None, :])
        return 1 - value if self.disparity.greater_is_better else value


class WorstLossPenalty(_GroupLossPenalty):
    r"""Loss of the group that is served worst, as far as it is above a bound.

    .. math:: \max_g \; \max(0, L_g - \zeta), \qquad
        L_g = \mathrm{E}[\ell(y, s) \mid a = g].

    Unlike a gap it never gains by serving another group worse. The bound
    :math:`\zeta` is that of bounded group loss.

    Parameters
    ----------
    upper_bound : float, default=0.0
        Loss :math:`\zeta` that is good enough for every group. The networks
        standardise the target of a regression, and count in that unit.
    loss : {"log", "brier", "squared_error", "absolute_error"}, default=None
        Loss of a sample, as in :class:`LossGapPenalty`.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.
    window : int, default=None
        Number of batches that the sums reach back while training, as in
        :class:`DefinitionPenalty`.

    References
    ----------
    Agarwal, Dudík & Wu (2019), Fair regression: quantitative definitions and
    reduction-based algorithms.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import WorstLossPenalty
    >>> y_pred = torch.tensor([1.0, 2.0, 3.0, 5.0])
    >>> y_true = torch.tensor([1.0, 2.0, 2.0, 3.0])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> WorstLossPenalty(upper_bound=1.0)(y_pred, y_true, groups).item()
    1.5
    """

    def __init__(self, upper_bound=0.0, *, loss=None, given=None, window=None):
        super().__init__(loss, given, window)
        if not upper_bound >= 0:
            raise ValueError(
                f"WorstLossPenalty needs upper_bound >= 0. Got {upper_bound!r}."
            )
        self.upper_bound = upper_bound

    def _of_means(self, means):
        missing = means.isnan()
        worst = torch.where(missing, -torch.inf, means).amax(-1)
        return (worst - self.upper_bound).clamp(min=0)


class CalibrationGapPenalty(Penalty):
    r"""Kernel distance between the calibration errors of the groups.

    A score p is calibrated in group g where :math:`\mathrm{E}[y - p \mid p, g] = 0`.
    The witness :math:`\varphi_g = \mathrm{E}[(y - p)\, k(p, \cdot) \mid a = g]` is 0 in
    exactly that case, and :math:`\|\varphi_g\|^2` is the maximum mean calibration
    error. The penalty is

    .. math:: \|\varphi_g - \varphi_h\|^2 = \sum_{ij} u_i u_j\, k(p_i, p_j)

    averaged over the pairs of groups: a score must err alike in all groups.

    Parameters
    ----------
    length_scale : float, default=0.2
        Width of the kernel, in units of the score.
    kernel : {"gaussian", "laplacian"}, default="laplacian"
        The kernel.
    reference : {"pairs", "calibrated"}, default="pairs"
        Compare the errors of every two groups, or those of each group with 0.

    References
    ----------
    Kumar, Sarawagi & Jain (2018), Trainable calibration measures for neural networks
    from kernel mean embeddings.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import CalibrationGapPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> y_true = torch.tensor([1, 1, 0, 1])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(CalibrationGapPenalty()(y_score, y_true, groups).item(), 3)
    0.089
    """

    def __init__(self, length_scale=0.2, kernel="laplacian", *, reference="pairs"):
        super().__init__()
        self.length_scale, self.kernel = _check_kernel(self, length_scale, kernel)
        if reference not in ("pairs", "calibrated"):
            raise ValueError(
                "CalibrationGapPenalty needs `reference` to be 'pairs' or "
                f"'calibrated'. Got {reference!r}."
            )
        self.reference = reference

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        mass = attribute * sample_weight[..., None]
        measure, defined = (
            contrasts(mass) if self.reference == "pairs" else normalise(mass)
        )
        probabilities = class_columns(y_score)
        n_classes = probabilities.shape[-1]
        values = [
            self._witness_norm(probabilities[..., k], y_true == k, measure)
            for k in range(1 if n_classes == 2 else 0, n_classes)
        ]
        return mean_defined(torch.stack(values).mean(0), defined)

    def _witness_norm(self, probability, is_class, measure):
        errors = (is_class.to(probability.dtype) - probability)[..., None] * measure
        matrix = kernel_matrix(probability[..., None], self.length_scale, self.kernel)
        return ((matrix @ errors) * errors).sum(-2)


class ConfidencePenalty(Penalty):
    r"""Mean confidence, :math:`\mathrm{E}\,|p_1 - p_0|`: no fairness term.

    Some tutorials take the absolute difference of the two columns of a network's output
    for a demographic parity penalty. It compares the classes of each sample, and no
    groups: it makes a model less sure of everyone, and leaves the gaps to chance. It is
    here to reproduce such results and to show what they are.

    With more than two classes it is the mean over all pairs of classes.

    See Also
    --------
    DefinitionPenalty : The penalty that such tutorials mean.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import ConfidencePenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(ConfidencePenalty()(y_score, None, groups).item(), 3)
    0.5
    """

    takes_continuous_groups = True

    def __init__(self):
        super().__init__()

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        p = class_columns(y_score)
        n_classes = p.shape[-1]
        apart = (p[..., :, None] - p[..., None, :]).abs().sum((-1, -2))
        mean = apart / (n_classes * (n_classes - 1))
        return (mean * sample_weight).sum(-1) / sample_weight.sum(-1)


def _log_loss(probabilities, y_true):
    picked = _of_true_class(probabilities, y_true)
    # The same floor as that of torch's own binary cross-entropy, log p >= -100.
    return -picked.clamp(min=torch.finfo(picked.dtype).tiny).log().clamp(min=-100)


def _brier_loss(probabilities, y_true):
    picked = _of_true_class(probabilities, y_true)
    return (probabilities**2).sum(-1) - 2 * picked + 1


def _of_true_class(probabilities, y_true):
    shape = probabilities.shape[:-1]
    index = y_true.expand(shape)[..., None]
    return torch.take_along_dim(probabilities, index, -1)[..., 0]


_LOSSES = {"log": _log_loss, "brier": _brier_loss, **LOSSES}
