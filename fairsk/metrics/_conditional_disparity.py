"""Conditional demographic disparity."""

import warnings

import numpy as np

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics._inputs import positive_index
from fairsk.metrics._outcome_counts import OutcomeCounts
from fairsk.utils._frames import feature_names, frame_kind, make_table


def conditional_demographic_disparity(
    y_pred,
    *,
    sensitive_features,
    control_features=None,
    sample_weight=None,
    pos_label=None,
):
    r"""Share of each group among the rejected, minus that among the accepted.

    In a stratum c it is :math:`\mathrm{DD}_{gc} = P(A = g \mid \hat Y = 0, c) - P(A = g
    \mid \hat Y = 1, c)`, positive if the group is rejected more often than accepted.
    Over strata, weighted by their samples, it is
    :math:`\mathrm{CDD}_g = \sum_c n_c \mathrm{DD}_{gc} / n`, which a Simpson's paradox
    does not fool. Of labels rather than predictions it measures the data themselves.

    Parameters
    ----------
    y_pred : array-like of shape (n_samples,)
        Predicted (or true) labels of two classes.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    control_features : array-like, Series, DataFrame or dict, default=None
        Columns whose combinations are the strata; None for one stratum.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    pos_label : object, default=None
        The label of acceptance. None takes 1 where the labels are {0, 1} or {-1, 1}.

    Returns
    -------
    disparity : Series, DataFrame or dict
        Of every group, in [-1, 1]; 0 is fair. Strata where nobody is accepted, or
        nobody rejected, are left out with a warning.

    References
    ----------
    Wachter, Mittelstadt & Russell (2021), Why fairness cannot be automated.

    Examples
    --------
    >>> from fairsk.metrics import conditional_demographic_disparity
    >>> sex = {"sex": ["f", "f", "f", "m", "m", "m"]}
    >>> conditional_demographic_disparity(
    ...     [1, 0, 0, 1, 1, 0], sensitive_features=sex
    ... ).round(3)
    sex
    f    0.333
    m   -0.333
    Name: conditional_demographic_disparity, dtype: float64
    """
    owner = "conditional_demographic_disparity"
    counts = OutcomeCounts.from_arrays(
        y_pred,
        y_pred,
        sensitive_features=sensitive_features,
        control_features=control_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        owner=owner,
    )
    if len(counts.classes) != 2:
        raise ValueError(
            f"{owner} needs labels of two classes. Got {counts.classes}. Compare one "
            "class with the rest: pass `y_pred == label`."
        )
    positive = positive_index(counts.classes, pos_label, owner=owner)
    outcomes = counts.counts.sum(axis=-2)
    accepted, rejected = outcomes[..., positive], outcomes[..., 1 - positive]
    weight = outcomes.sum(axis=(1, 2))
    defined = (accepted.sum(1) > 0) & (rejected.sum(1) > 0)
    if not defined.all():
        lost = [counts.stratum_labels[c] for c in np.flatnonzero(~defined)]
        warnings.warn(
            f"{owner}: undefined in {len(lost)} of {len(defined)} strata "
            f"({lost[:5]}), where nobody is accepted or nobody rejected. They are left "
            "out.",
            UndefinedRateWarning,
            stacklevel=2,
        )
    values = np.full(len(counts.group_labels), np.nan)
    if defined.any():
        shares = [part[defined] / part[defined].sum(1, keepdims=True)
                  for part in (rejected, accepted)]  # fmt: skip
        values = np.average(shares[0] - shares[1], axis=0, weights=weight[defined])
    names = feature_names(counts.group_names, "sensitive_feature")
    columns = zip(*counts.group_labels) if len(names) > 1 else [counts.group_labels]
    index = {name: list(column) for name, column in zip(names, columns)}
    kind = frame_kind(sensitive_features, y_pred)
    return make_table(kind, index, {owner: values}, name=owner)
