"""Group counts: the sufficient statistic of every metric of hard predictions."""

import numpy as np

from fairsk.definitions._signed_measures import group_mass
from fairsk.utils._cells import combine_codes, count_cells
from fairsk.utils._namespace import constant_like, is_torch


def group_counts(
    group_codes, y_true, y_pred, *, n_groups, n_classes, sample_weight=None
):
    """Weighted confusion table of every group.

    Parameters
    ----------
    group_codes : int array or tensor of shape (n_samples,)
        Group of each sample, in [0, n_groups).
    y_true : int array or tensor of shape (n_samples,)
        Index of the true class of each sample, in [0, n_classes).
    y_pred : array or tensor of shape (n_samples,) or (..., n_samples, n_classes)
        Index of the predicted class (hard predictions, an integer dtype), or the
        probability of each class (soft predictions). Soft counts are expected counts
        under the probabilities, and in torch gradients flow through them. Soft
        predictions may have leading axes, such as those of several models; then the
        other arguments may have leading axes that broadcast against them.
    n_groups, n_classes : int
        Numbers of groups and classes.
    sample_weight : array or tensor of shape (n_samples,), default=None
        Weights; None counts every sample once.

    Returns
    -------
    counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
        ``counts[g, i, j]`` is the weight of the samples of group g whose true class is
        i and whose predicted class is j. Integers for unweighted hard predictions.
    """
    soft = y_pred.ndim >= 2
    shape = (n_groups, n_classes, n_classes)
    if y_pred.ndim > 2 or group_codes.ndim > 1:
        codes = combine_codes((group_codes, y_true), (n_groups, n_classes))
        cells = _stacked_cells(codes, y_pred, sample_weight, n_groups * n_classes)
        return cells.reshape(*cells.shape[:-2], *shape)
    if soft:
        cells = _soft_cells(
            combine_codes((group_codes, y_true), (n_groups, n_classes)),
            y_pred,
            sample_weight,
            n_groups * n_classes,
        )
    else:
        cells = count_cells((group_codes, y_true, y_pred), shape, sample_weight)
    return cells.reshape(shape)


def _soft_cells(codes, probabilities, sample_weight, n_rows):
    mass = probabilities
    if sample_weight is not None:
        mass = probabilities * sample_weight[:, None]
    if is_torch(mass):
        empty = mass.new_zeros((n_rows, mass.shape[1]))
        return empty.index_add(0, codes, mass)
    columns = [np.bincount(codes, column, minlength=n_rows) for column in mass.T]
    return np.stack(columns, axis=1)


def _stacked_cells(codes, probabilities, sample_weight, n_rows):
    """Soft cells of all leading axes in one matrix product."""
    if sample_weight is None:
        sample_weight = constant_like(1.0, probabilities)
    mass = group_mass(codes, n_rows, sample_weight)
    if mass.ndim != probabilities.ndim or mass.shape[-3] != 1:
        return mass.swapaxes(-1, -2) @ probabilities
    # The models of this axis share their samples: they are rows of one product, and
    # the mass is not repeated for each.
    rows = probabilities.swapaxes(-1, -2)
    rows = rows.reshape(*rows.shape[:-3], -1, rows.shape[-1])
    cells = rows @ mass[..., 0, :, :]
    shape = (*probabilities.shape[:-2], probabilities.shape[-1], n_rows)
    return cells.reshape(shape).swapaxes(-1, -2)
