"""Individual fairness: like samples alike, and inequality between samples."""

import numpy as np

from fairsk.utils._namespace import as_numpy


def consistency(X, y_pred, *, n_neighbors=5, n_jobs=None):
    r"""Agreement of each prediction with those of similar samples.

    :math:`1 - \frac1n \sum_i |\hat y_i - \frac1k \sum_{j \in N_k(i)} \hat y_j|`, where
    :math:`N_k(i)` are the k nearest neighbours of sample i, itself left out.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        What makes samples similar, scaled as it should count; usually without the
        sensitive features.
    y_pred : array-like of shape (n_samples,)
        Predictions or scores in [0, 1].
    n_neighbors : int, default=5
        Neighbours of each sample.
    n_jobs : int, default=None
        Jobs of the neighbour search.

    Returns
    -------
    consistency : float
        In [0, 1]; 1 if similar samples are predicted alike.

    References
    ----------
    Zemel et al. (2013), Learning fair representations.

    Examples
    --------
    >>> from fairsk.definitions import consistency
    >>> consistency([[0.0], [0.1], [5.0], [5.1]], [1, 1, 0, 0], n_neighbors=1)
    1.0
    """
    from sklearn.neighbors import NearestNeighbors

    y_pred = np.asarray(as_numpy(y_pred), dtype=np.float64)
    neighbours = NearestNeighbors(n_neighbors=n_neighbors, n_jobs=n_jobs).fit(X)
    indices = neighbours.kneighbors(return_distance=False)
    if len(indices) != len(y_pred):
        raise ValueError(
            "consistency needs one prediction for each row of X. Got "
            f"{len(y_pred)} predictions for {len(indices)} rows."
        )
    return float(1 - abs(y_pred - y_pred[indices].mean(1)).mean())


def generalized_entropy(benefits, *, alpha=2.0, group_codes=None, sample_weight=None):
    r"""Inequality of a benefit between samples.

    .. math:: \mathrm{GE}_\alpha = \frac{1}{\alpha(\alpha - 1)}
              \left(E\left[(b / \bar b)^\alpha\right] - 1\right)

    with the limits :math:`E[\frac{b}{\bar b} \log \frac{b}{\bar b}]` (Theil) at
    :math:`\alpha = 1` and :math:`-E[\log \frac{b}{\bar b}]` at 0. It splits exactly
    into the part between groups, which is that of every sample having the mean benefit
    of its group, and the part within them.

    Parameters
    ----------
    benefits : array-like of shape (n_samples,)
        Benefit of each sample, at least 0; of a decision for instance
        ``1 + y_pred - y_true``.
    alpha : float, default=2.0
        Weight of large benefits.
    group_codes : int array-like of shape (n_samples,), default=None
        Group of each sample. If given, the part between groups is returned.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    entropy : float
        At least 0; 0 if all benefits (or all means of groups) are equal. NaN where the
        mean benefit is 0.

    References
    ----------
    Speicher et al. (2018), A unified approach to quantifying algorithmic unfairness.

    Examples
    --------
    >>> from fairsk.definitions import generalized_entropy
    >>> generalized_entropy([1, 1, 2, 0])
    0.25
    >>> generalized_entropy([1, 1, 2, 0], group_codes=[0, 0, 1, 1])
    0.0
    """
    benefits = np.asarray(as_numpy(benefits), dtype=np.float64)
    if benefits.ndim != 1 or not (benefits >= 0).all():
        raise ValueError(
            "generalized_entropy needs benefits of at least 0, of shape (n_samples,). "
            f"Got shape {benefits.shape} and a minimum of {benefits.min(initial=0)}."
        )
    weights = np.ones(len(benefits)) if sample_weight is None else sample_weight
    weights = np.asarray(as_numpy(weights), dtype=np.float64)
    if group_codes is not None:
        codes = np.unique(as_numpy(group_codes), return_inverse=True)[1]
        weights, totals = (
            np.bincount(codes, weights),
            np.bincount(codes, weights * benefits),
        )
        present = weights > 0
        benefits, weights = totals[present] / weights[present], weights[present]
    mean = np.average(benefits, weights=weights) if weights.sum() > 0 else 0.0
    if not mean > 0:
        return float("nan")
    return float(np.average(_entropy_terms(benefits / mean, alpha), weights=weights))


def _entropy_terms(relative, alpha):
    with np.errstate(divide="ignore"):
        if alpha == 0:
            return -np.log(relative)
        if alpha == 1:
            return relative * np.log(np.where(relative > 0, relative, 1.0))
        # Below 0 a benefit of 0 makes the inequality infinite, and so it is given.
        return (relative**alpha - 1) / (alpha * (alpha - 1))
