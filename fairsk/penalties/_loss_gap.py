"""Penalties on gaps in what the scores say of the true labels."""

import torch

from fairsk.definitions import get_disparity
from fairsk.definitions._signed_measures import contrasts, kernel_matrix, normalise
from fairsk.penalties._base import Penalty, class_columns, mean_defined
from fairsk.penalties._score_distance import _check_kernel


class LossGapPenalty(Penalty):
    r"""Gap between the mean losses of the groups ("max-diff").

    .. math:: \max_g L_g - \min_g L_g, \qquad
        L_g = \mathrm{E}[-\log p_y \mid a = g].

    It asks that the model serves all groups equally well, not that it predicts equal
    shares. It can also be met by serving the best group worse: to raise the worst group
    instead, use a minimax method.

    Parameters
    ----------
    disparity : str or Disparity, default="difference"
        How the losses of the groups become one number.
    loss : {"log", "brier"}, default="log"
        Cross-entropy, or the squared error of the probabilities.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.

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

    def __init__(self, disparity="difference", *, loss="log", given=None):
        super().__init__(given)
        if loss not in _LOSSES:
            raise ValueError(
                f"LossGapPenalty needs `loss` to be one of {sorted(_LOSSES)}. "
                f"Got {loss!r}."
            )
        self.disparity = get_disparity(disparity)
        self.loss = loss

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        losses = _LOSSES[self.loss](class_columns(y_score), y_true)
        distribution, defined = normalise(attribute * sample_weight[..., None])
        means = (losses[..., None] * distribution).sum(-2)
        means = torch.where(defined, means, float("nan"))
        value = self.disparity(means[..., None, :])
        if self.disparity.greater_is_better:
            value = 1 - value
        return torch.where(value.isnan(), 0.0, value)


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


_LOSSES = {"log": _log_loss, "brier": _brier_loss}
