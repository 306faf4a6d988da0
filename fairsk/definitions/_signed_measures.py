r"""Differentiable distances between score distributions, for numpy and torch.

Every distance is a norm of a signed measure on the scores: of the difference of two
groups' distributions, which puts the mass :math:`u_i` with :math:`\sum_i u_i = 0` on
score :math:`s_i`. So each distance is written once, for weights, any number of groups
and any leading axes, and a penalty is the same distance with gradients.
"""

from fairsk.utils._namespace import is_torch, namespace


def group_mass(group_codes, n_groups, sample_weight):
    """Weight of every sample in every group.

    Parameters
    ----------
    group_codes : int array or tensor of shape (..., n_samples)
        Group of each sample, in [0, n_groups).
    n_groups : int
        Number of groups.
    sample_weight : array or tensor of shape (..., n_samples)
        Weights; they decide the dtype.

    Returns
    -------
    mass : array or tensor of shape (..., n_samples, n_groups)
        The weight in the column of the group, 0 elsewhere.
    """
    device = {"device": group_codes.device} if is_torch(group_codes) else {}
    columns = namespace(group_codes).arange(n_groups, **device)
    member = group_codes[..., None] == columns
    return member * sample_weight[..., None]


def normalise(mass):
    """`mass` with columns that sum to 1, and which columns were not empty.

    Parameters
    ----------
    mass : array or tensor of shape (..., n_samples, n_groups)
        Weight of every sample in every group.

    Returns
    -------
    distribution : array or tensor of shape (..., n_samples, n_groups)
        Each column sums to 1, or is 0 where the group has no weight.
    defined : bool array or tensor of shape (..., n_groups)
        Whether the group has weight.
    """
    total = mass.sum(-2)
    defined = total > 0
    return mass / namespace(mass).where(defined, total, 1.0)[..., None, :], defined


def contrasts(mass, reference="pairs"):
    """Differences between the distributions of the groups, as signed measures.

    Parameters
    ----------
    mass : array or tensor of shape (..., n_samples, n_groups)
        Weight of every sample in every group.
    reference : {"pairs", "overall"}, default="pairs"
        Compare every two groups, or each group with all samples.

    Returns
    -------
    contrasts : array or tensor of shape (..., n_samples, n_contrasts)
        Columns sum to 0.
    defined : bool array or tensor of shape (..., n_contrasts)
        Whether both sides have weight; other columns mean nothing.
    """
    distribution, defined = normalise(mass)
    if reference == "overall":
        overall, _ = normalise(mass.sum(-1)[..., None])
        # A group that is all there is has nothing to be compared with.
        return distribution - overall, defined & (defined.sum(-1) > 1)[..., None]
    n_groups = mass.shape[-1]
    first = [g for g in range(n_groups) for _ in range(g + 1, n_groups)]
    second = [h for g in range(n_groups) for h in range(g + 1, n_groups)]
    return (
        distribution[..., first] - distribution[..., second],
        defined[..., first] & defined[..., second],
    )


def wasserstein(y_score, measure):
    r"""Wasserstein-1 norm, :math:`\int |U(t)| \, dt` with :math:`U(t) = u(-\infty, t]`.

    Of the difference of two distributions it is the earth mover's distance, the mean
    shift of a score that turns the one into the other.

    Parameters
    ----------
    y_score : array or tensor of shape (..., n_samples)
        Scores.
    measure : array or tensor of shape (..., n_samples, n_contrasts)
        Signed measures, as :func:`contrasts` returns them.

    Returns
    -------
    norm : array or tensor of shape (..., n_contrasts)
        At least 0.
    """
    cumulative, gaps = _cumulative(y_score, measure)
    return (abs(cumulative) * gaps).sum(-2)


def squared_energy(y_score, measure):
    r"""Squared energy norm, :math:`2 \int U(t)^2 \, dt`, differentiable everywhere.

    Parameters
    ----------
    y_score : array or tensor of shape (..., n_samples)
        Scores.
    measure : array or tensor of shape (..., n_samples, n_contrasts)
        Signed measures, as :func:`contrasts` returns them.

    Returns
    -------
    squared_norm : array or tensor of shape (..., n_contrasts)
        At least 0.
    """
    cumulative, gaps = _cumulative(y_score, measure)
    return 2 * (cumulative**2 * gaps).sum(-2)


def squared_mmd(y_score, measure, length_scale=0.1, kernel="gaussian"):
    r"""Squared maximum mean discrepancy, :math:`\sum_{ij} u_i u_j k(s_i, s_j)`.

    Parameters
    ----------
    y_score : array or tensor of shape (..., n_samples, n_scores)
        Scores, such as the probability of each class.
    measure : array or tensor of shape (..., n_samples, n_contrasts)
        Signed measures.
    length_scale : float, default=0.1
        Width of the kernel, in units of the score.
    kernel : {"gaussian", "laplacian"}, default="gaussian"
        :math:`\exp(-d^2 / 2\ell^2)` or :math:`\exp(-d / \ell)` of the distance d.

    Returns
    -------
    squared_norm : array or tensor of shape (..., n_contrasts)
        At least 0 up to rounding.
    """
    matrix = kernel_matrix(y_score, length_scale, kernel)
    return ((matrix @ measure) * measure).sum(-2)


def kernel_matrix(y_score, length_scale=0.1, kernel="gaussian"):
    """Similarity of every two samples.

    Parameters
    ----------
    y_score : array or tensor of shape (..., n_samples, n_scores)
        Scores.
    length_scale : float, default=0.1
        Width of the kernel, in units of the score.
    kernel : {"gaussian", "laplacian"}, default="gaussian"
        The kernel, as in :func:`squared_mmd`.

    Returns
    -------
    matrix : array or tensor of shape (..., n_samples, n_samples)
        In (0, 1], with ones on the diagonal.
    """
    if kernel == "gaussian":
        squared = _squared_distances(y_score)
        return namespace(squared).exp(squared * (-0.5 / length_scale**2))
    distance = distances(y_score)
    return namespace(distance).exp(distance * (-1 / length_scale))


def distances(y_score):
    """Euclidean distance of every two samples' scores.

    Parameters
    ----------
    y_score : array or tensor of shape (..., n_samples, n_scores)
        Scores.

    Returns
    -------
    matrix : array or tensor of shape (..., n_samples, n_samples)
        Distances.
    """
    if y_score.shape[-1] == 1:
        return abs(y_score - y_score.swapaxes(-1, -2))
    return _safe_sqrt(_squared_distances(y_score))


def _squared_distances(y_score):
    if y_score.shape[-1] == 1:
        return (y_score - y_score.swapaxes(-1, -2)) ** 2
    difference = y_score[..., :, None, :] - y_score[..., None, :, :]
    return (difference**2).sum(-1)


def _cumulative(y_score, measure):
    """U at the sorted scores, and the gaps to the next score, each (..., n, 1 or p)."""
    xp = namespace(y_score)
    take = xp.take_along_dim if is_torch(y_score) else xp.take_along_axis
    order = y_score.argsort(-1)
    ordered = take(y_score, order, -1)
    measure = xp.broadcast_to(measure, (*y_score.shape, measure.shape[-1]))
    cumulative = take(measure, order[..., None], -2).cumsum(-2)
    # After the last score U is 0 for good.
    gaps = ordered[..., 1:] - ordered[..., :-1]
    return cumulative[..., :-1, :], gaps[..., None]


def _safe_sqrt(squared):
    """Square root with gradient 0, not infinite, at 0 (and below, by rounding)."""
    xp = namespace(squared)
    positive = squared > 0
    return xp.where(positive, xp.where(positive, squared, 1.0) ** 0.5, 0.0)
