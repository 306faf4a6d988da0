"""Losses of single samples and their means in groups, for regression."""

import numpy as np


def squared_error(y_true, y_pred):
    r""":math:`(y - \hat y)^2`."""
    return (y_true - y_pred) ** 2


def absolute_error(y_true, y_pred):
    r""":math:`|y - \hat y|`."""
    return abs(y_true - y_pred)


LOSSES = {"squared_error": squared_error, "absolute_error": absolute_error}


def group_losses(loss, group_codes, y_true, y_pred, n_groups, sample_weight):
    """Weighted mean loss of every group.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.
    group_codes : int ndarray of shape (n_samples,)
        Group of each sample.
    y_true, y_pred : ndarray of shape (n_samples,)
        Targets and predictions.
    n_groups : int
        Number of groups.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    losses : ndarray of shape (n_groups,)
        NaN where a group has no weight.
    """
    of_samples = LOSSES[loss](y_true, y_pred)
    mass = np.bincount(group_codes, sample_weight, minlength=n_groups)
    total = np.bincount(group_codes, sample_weight * of_samples, minlength=n_groups)
    return np.divide(total, mass, out=np.full(n_groups, np.nan), where=mass > 0)
