"""Weights that take the link between label and group out of the data."""

import numpy as np
from sklearn.utils.validation import column_or_1d

from fairsk.groups import Groups
from fairsk.utils._cells import (
    WEIGHT_TARGETS,
    count_cells,
    take_cells,
    warn_empty_cells,
)
from fairsk.utils._factorize import factorize


def compute_fairness_weight(
    y, sensitive_features, *, strategy="independence", sample_weight=None
):
    r"""Weights under which the label x group table is as a fair one would be.

    With :math:`m_{ay}` the weight of the samples of group a and label y, each of them
    gets :math:`t_{ay} / m_{ay}`, where t is the table that `strategy` aims for. The
    weights keep the total.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        Labels.
    sensitive_features : Groups, array-like, Series, DataFrame or dict
        Groups, in one or several columns.
    strategy : {"independence", "fair_balance", "equal_cells"}, default="independence"
        The table to aim for:

        - "independence": group and label are independent, both margins stay [1]_;
        - "fair_balance": all labels weigh the same within a group, groups keep their
          weight [2]_;
        - "equal_cells": all cells weigh the same.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights to start from. The result is their product with the fairness weights.

    Returns
    -------
    weight : ndarray of shape (n_samples,)
        The weights.

    See Also
    --------
    ReweighingClassifier : Fits any classifier with these weights.
    sklearn.utils.class_weight.compute_sample_weight : Weights by label alone.

    References
    ----------
    .. [1] Kamiran & Calders (2012). Data preprocessing techniques for classification
       without discrimination. Knowledge and Information Systems 33.
    .. [2] Yu, Chakraborty & Menzies (2024). FairBalance: how to achieve equalized odds
       with data pre-processing. IEEE Transactions on Software Engineering 50.

    Examples
    --------
    >>> from fairsk.reductions import compute_fairness_weight
    >>> y, group = [1, 1, 0, 1, 0, 0], ["m", "m", "m", "f", "f", "f"]
    >>> compute_fairness_weight(y, group)
    array([0.75, 0.75, 1.5 , 1.5 , 0.75, 0.75])
    """
    if strategy not in WEIGHT_TARGETS:
        raise ValueError(
            f"compute_fairness_weight needs `strategy` to be one of "
            f"{sorted(WEIGHT_TARGETS)}. Got {strategy!r}."
        )
    groups = Groups.from_columns(sensitive_features, owner="compute_fairness_weight")
    classes, y_codes = factorize(column_or_1d(y))
    if len(y_codes) != len(groups):
        raise ValueError(
            "compute_fairness_weight needs one group per label. Got "
            f"{len(groups)} groups for {len(y_codes)} labels."
        )
    if sample_weight is not None:
        sample_weight = column_or_1d(sample_weight)
    table = cell_weights(groups, y_codes, classes, strategy, sample_weight)
    weight = take_cells(table, groups.codes, y_codes)
    return weight if sample_weight is None else weight * sample_weight


def cell_weights(groups, y_codes, classes, strategy, sample_weight=None):
    """Weight of each cell of the (group, class) table, 0 where it is empty.

    Parameters
    ----------
    groups : Groups
        The groups.
    y_codes : int ndarray of shape (n_samples,)
        Label of each sample.
    classes : sequence
        The labels.
    strategy : str
        Name of the table to aim for.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights to start from.

    Returns
    -------
    table : ndarray of shape (n_groups, n_classes)
        The weights.
    """
    shape = (groups.n_groups, len(classes))
    mass = count_cells((groups.codes, y_codes), shape, sample_weight).astype(float)
    warn_empty_cells(mass, groups.labels, classes, "Fairness weighting")
    return np.divide(
        WEIGHT_TARGETS[strategy](mass), mass, out=np.zeros(shape), where=mass > 0
    )
