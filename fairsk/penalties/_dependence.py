"""Penalties on the statistical dependence of the scores on the sensitive attribute."""

import torch

from fairsk.definitions._signed_measures import distances, kernel_matrix
from fairsk.penalties._base import (
    Penalty,
    centred,
    class_columns,
    normalised,
    score_columns,
)
from fairsk.penalties._running import WindowedPenalty
from fairsk.penalties._score_distance import _check_kernel, default_length_scale


class CovariancePenalty(Penalty):
    r"""Covariance of the score with the sensitive attribute.

    .. math:: \sum_{g,k} |\mathrm{cov}(1[a = g], s_k)|^p

    over the groups g and the classes k (class 1 alone of binary labels); for a
    continuous attribute its value takes the place of the indicators. It is convex in
    the scores, cheap, and sees the means only: scores of equal mean and other spread
    are 0 apart.

    Parameters
    ----------
    power : {1, 2}, default=1
        The exponent p.
    normalise : bool, default=False
        Whether to take correlations. They are free of scale, so they cannot be lowered
        by scores that vary less; but scores that hardly vary make them noisy.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.

    References
    ----------
    Zafar et al. (2017), Fairness constraints: mechanisms for fair classification.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import CovariancePenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> age = torch.tensor([60.0, 50.0, 20.0, 30.0])
    >>> round(CovariancePenalty()(y_score, None, age).item(), 3)
    4.25
    """

    takes_continuous_groups = True
    takes_regression = True
    largest_weight = 10.0

    def __init__(self, power=1, *, normalise=False, given=None):
        super().__init__(given)
        if power not in (1, 2):
            raise ValueError(f"CovariancePenalty needs power 1 or 2. Got {power!r}.")
        self.power = power
        self.normalise = normalise

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        scores = score_columns(y_score)
        measure = centred(attribute, sample_weight)
        covariance = measure.transpose(-1, -2) @ scores
        if self.normalise:
            own, own_defined = _variance(attribute, sample_weight)
            other, other_defined = _variance(scores, sample_weight)
            defined = own_defined[..., :, None] & other_defined[..., None, :]
            scale = own[..., :, None] * other[..., None, :]
            scale = torch.where(defined, scale, 1.0).sqrt()
            covariance = torch.where(defined, covariance / scale, 0.0)
        return (covariance.abs() ** self.power).sum((-1, -2))


class HSICPenalty(Penalty):
    r"""Hilbert-Schmidt independence criterion of the scores and the attribute.

    .. math:: \mathrm{HSIC} = \sum_{ij} w_i w_j \tilde k(s_i, s_j)\, l(a_i, a_j)

    with the kernel k on the scores centred in both arguments, and l that is 1 for
    samples of one group, or a kernel on a continuous attribute. It is 0 only where
    scores and attribute are independent.

    Parameters
    ----------
    length_scale : float, default=None
        Width of the kernel on the scores, in units of the score. None takes 0.1 for
        probabilities and 1 for the predictions of a regression, which networks
        standardise.
    kernel : {"gaussian", "laplacian"}, default="gaussian"
        The kernel, on the scores and on a continuous attribute.
    attribute_length_scale : float, default=1.0
        Width of the kernel on a continuous attribute, in units of its standard
        deviation.
    normalise : bool, default=False
        Whether to divide by :math:`(\mathrm{HSIC}(s, s)\,\mathrm{HSIC}(a, a))^{1/2}`.
        The result is in [0, 1] and cannot be lowered by scores that vary less.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.

    References
    ----------
    Gretton et al. (2005), Measuring statistical dependence with Hilbert-Schmidt norms;
    Li et al. (2019), Kernel dependence regularizers and Gaussian processes with
    applications to algorithmic fairness.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import HSICPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(HSICPenalty()(y_score, None, groups).item(), 3)
    0.141
    """

    takes_continuous_groups = True
    takes_regression = True
    largest_weight = 30.0

    def __init__(
        self,
        length_scale=None,
        kernel="gaussian",
        *,
        attribute_length_scale=1.0,
        normalise=False,
        given=None,
    ):
        super().__init__(given)
        self.length_scale, self.kernel = _check_kernel(self, length_scale, kernel)
        _check_kernel(self, attribute_length_scale, kernel)
        self.attribute_length_scale = attribute_length_scale
        self.normalise = normalise
        self._continuous = False

    def _attribute(self, groups, n_groups, dtype):
        self._continuous = groups.is_floating_point()
        return super()._attribute(groups, n_groups, dtype)

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        scores = score_columns(y_score)
        weight = normalised(sample_weight)
        length_scale = self.length_scale or default_length_scale(y_true)
        similarity = kernel_matrix(scores, length_scale, self.kernel)
        same = self._attribute_kernel(attribute, weight)
        return _dependence(similarity, same, weight, self.normalise)

    def _attribute_kernel(self, attribute, weight):
        if not self._continuous:
            return attribute @ attribute.transpose(-1, -2)
        variance = (centred(attribute, weight) * attribute).sum((-2, -1))
        scale = torch.where(variance > 0, variance, 1.0).sqrt()
        return kernel_matrix(
            attribute / scale[..., None, None], self.attribute_length_scale, self.kernel
        )


class DistanceCorrelationPenalty(Penalty):
    r"""Squared distance correlation of the scores and the attribute.

    .. math:: \mathrm{dCor}^2 = \frac{\mathrm{dCov}^2(s, a)}
        {(\mathrm{dCov}^2(s, s)\, \mathrm{dCov}^2(a, a))^{1/2}}, \quad
        \mathrm{dCov}^2(s, a) = \sum_{ij} w_i w_j \tilde d(s_i, s_j) \tilde d(a_i, a_j)

    with distances d centred in both arguments; two groups are 1 apart. It is 0 only
    where scores and attribute are independent, and needs no kernel width.

    Parameters
    ----------
    normalise : bool, default=True
        Whether to divide, as above. False gives the squared distance covariance.
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.

    References
    ----------
    Székely, Rizzo & Bakirov (2007), Measuring and testing dependence by correlation of
    distances; Liu et al. (2022), Fair representation learning: an alternative to mutual
    information.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import DistanceCorrelationPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> age = torch.tensor([60.0, 50.0, 20.0, 30.0])
    >>> round(DistanceCorrelationPenalty()(y_score, None, age).item(), 3)
    0.997
    """

    takes_continuous_groups = True
    takes_regression = True
    largest_weight = 10.0

    def __init__(self, *, normalise=True, given=None):
        super().__init__(given)
        self.normalise = normalise

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        weight = normalised(sample_weight)
        # Indicators of two groups are sqrt(2) apart.
        scale = 1.0 if attribute.shape[-1] == 1 else 0.5**0.5
        apart = scale * distances(attribute)
        return _dependence(
            distances(score_columns(y_score)), apart, weight, self.normalise
        )


class MutualInformationPenalty(WindowedPenalty):
    r"""Mutual information of the predicted class and the group (prejudice remover).

    .. math:: \sum_g P(a = g) \sum_k P(\hat y = k \mid g)
        \log \frac{P(\hat y = k \mid g)}{P(\hat y = k)}

    with the probabilities of predictions in expectation under the scores. It is 0 where
    the groups' mean scores agree; like covariance it sees means only.

    Parameters
    ----------
    given : {"y_true"}, int or None, default=None
        Take all samples, those of each class, or those of one class.
    window : int, default=None
        Number of batches that the sums reach back while training, as in
        :class:`DefinitionPenalty`.

    References
    ----------
    Kamishima et al. (2012), Fairness-aware classifier with prejudice remover
    regularizer.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import MutualInformationPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(MutualInformationPenalty()(y_score, None, groups).item(), 3)
    0.133
    """

    largest_weight = 100.0

    def __init__(self, *, given=None, window=None):
        super().__init__(given, window)

    def _sums(self, y_score, y_true, attribute, sample_weight):
        mass = attribute * sample_weight[..., None]
        return mass.transpose(-1, -2) @ class_columns(y_score)

    def _of_sums(self, sums):
        total = sums.sum((-1, -2), keepdim=True)
        joint = sums / torch.where(total > 0, total, 1.0)
        independent = joint.sum(-1, keepdim=True) * joint.sum(-2, keepdim=True)
        defined = joint > 0
        safe = torch.where(defined, joint, 1.0)
        ratio = safe / torch.where(defined, independent, 1.0)
        return torch.where(defined, safe * ratio.log(), 0.0).sum((-1, -2))


def _variance(columns, sample_weight):
    """Variance of each column, and whether it is more than rounding."""
    variance = (centred(columns, sample_weight) * columns).sum(-2)
    square = (normalised(sample_weight)[..., None] * columns**2).sum(-2)
    return variance, variance > 10 * torch.finfo(columns.dtype).eps * square


def _dependence(first, second, weight, normalise):
    """Weighted inner product of two doubly centred matrices."""
    pair = weight[..., :, None] * weight[..., None, :]
    first = _double_centred(first, weight)
    if not normalise:
        return (pair * first * second).sum((-1, -2))
    second = _double_centred(second, weight)
    inner = (pair * first * second).sum((-1, -2))
    norms = (pair * first**2).sum((-1, -2)) * (pair * second**2).sum((-1, -2))
    defined = norms > 0
    return torch.where(defined, inner / torch.where(defined, norms, 1.0).sqrt(), 0.0)


def _double_centred(matrix, weight):
    mean = (matrix @ weight[..., None])[..., 0]
    overall = (mean * weight).sum(-1)[..., None, None]
    return matrix - mean[..., :, None] - mean[..., None, :] + overall
