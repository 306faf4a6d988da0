"""Penalties on the distance between the score distributions of the groups."""

import torch

from fairsk.definitions import _signed_measures
from fairsk.penalties._base import Penalty, mean_defined, score_columns

_REFERENCES = ("pairs", "overall")


class _ScoreDistancePenalty(Penalty):
    """Mean of a distance over the pairs of groups."""

    takes_regression = True

    def __init__(self, *, reference="pairs", given=None):
        super().__init__(given)
        if reference not in _REFERENCES:
            raise ValueError(
                f"{type(self).__name__} needs `reference` to be one of "
                f"{list(_REFERENCES)}. Got {reference!r}."
            )
        self.reference = reference

    def _dependence(self, y_score, y_true, attribute, sample_weight):
        measure, defined = _signed_measures.contrasts(
            attribute * sample_weight[..., None], self.reference
        )
        distance = self._distance(score_columns(y_score), y_true, measure)
        return mean_defined(distance, defined)

    def _distance(self, y_score, y_true, measure):
        raise NotImplementedError


class MMDPenalty(_ScoreDistancePenalty):
    r"""Maximum mean discrepancy between the groups' scores ("MinDiff").

    .. math:: \mathrm{MMD}^2(P_g, P_h) = \mathrm{E}\,k(s, s') + \mathrm{E}\,k(t, t')
        - 2\,\mathrm{E}\,k(s, t), \qquad s, s' \sim P_g,\; t, t' \sim P_h,

    averaged over the pairs of groups that have samples. With a characteristic kernel it
    is 0 only where the distributions are equal, so it holds at every threshold. MinDiff
    compares the samples of one class (``given=0`` for false positive rates).

    Parameters
    ----------
    length_scale : float, default=None
        Width of the kernel, in units of the score. None takes 0.1 for probabilities and
        1 for the predictions of a regression, which networks standardise.
    kernel : {"gaussian", "laplacian"}, default="gaussian"
        The kernel.
    reference : {"pairs", "overall"}, default="pairs"
        Compare every two groups, or (cheaper with many groups) each with all samples.
    given : {"y_true"}, int or None, default=None
        Compare all samples, those of each class, or those of one class.

    References
    ----------
    Prost et al. (2019), Toward a better trade-off between performance and fairness with
    kernel-based distribution matching.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import MMDPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(MMDPenalty()(y_score, None, groups).item(), 3)
    1.13
    """

    largest_weight = 10.0

    def __init__(
        self, length_scale=None, kernel="gaussian", *, reference="pairs", given=None
    ):
        super().__init__(reference=reference, given=given)
        self.length_scale, self.kernel = _check_kernel(self, length_scale, kernel)

    def _distance(self, y_score, y_true, measure):
        length_scale = self.length_scale or default_length_scale(y_true)
        return _signed_measures.squared_mmd(y_score, measure, length_scale, self.kernel)


class WassersteinPenalty(_ScoreDistancePenalty):
    r"""Wasserstein distance between the groups' scores, by sorting.

    .. math:: W_1(P_g, P_h) = \int |F_g(t) - F_h(t)| \, dt,

    the mean of the gap in selection rates over all thresholds, averaged over the pairs
    of groups that have samples and, with several classes, over the classes. One sort a
    batch, so it is cheaper than kernels on large batches.

    Parameters
    ----------
    power : {1, 2}, default=1
        1 for the Wasserstein distance; 2 for :math:`2 \int (F_g - F_h)^2`, the squared
        energy (Cramér) distance, whose gradient vanishes where the groups agree.
    reference : {"pairs", "overall"}, default="pairs"
        Compare every two groups, or (cheaper with many groups) each with all samples.
    given : {"y_true"}, int or None, default=None
        Compare all samples, those of each class, or those of one class.

    References
    ----------
    Jiang et al. (2020), Wasserstein fair classification.

    Examples
    --------
    >>> import torch
    >>> from fairsk.penalties import WassersteinPenalty
    >>> y_score = torch.tensor([0.9, 0.7, 0.2, 0.4])
    >>> groups = torch.tensor([0, 0, 1, 1])
    >>> round(WassersteinPenalty()(y_score, None, groups).item(), 3)
    0.5
    """

    def __init__(self, power=1, *, reference="pairs", given=None):
        super().__init__(reference=reference, given=given)
        if power not in (1, 2):
            raise ValueError(f"WassersteinPenalty needs power 1 or 2. Got {power!r}.")
        self.power = power

    def _distance(self, y_score, y_true, measure):
        norm = (
            _signed_measures.wasserstein
            if self.power == 1
            else _signed_measures.squared_energy
        )
        columns = [norm(column, measure) for column in y_score.unbind(-1)]
        return torch.stack(columns).mean(0)


def default_length_scale(y_true):
    """Width of a kernel on probabilities, or on predictions of a continuous target."""
    return 1.0 if y_true is not None and y_true.is_floating_point() else 0.1


def _check_kernel(penalty, length_scale, kernel):
    owner = type(penalty).__name__
    if length_scale is not None and not length_scale > 0:
        raise ValueError(f"{owner} needs length_scale > 0. Got {length_scale!r}.")
    if kernel not in ("gaussian", "laplacian"):
        raise ValueError(
            f"{owner} needs `kernel` to be 'gaussian' or 'laplacian'. Got {kernel!r}."
        )
    return length_scale, kernel
