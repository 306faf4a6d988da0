"""What the displays share: matplotlib, predictions with groups, scores by group."""

import numpy as np

from fairsk.groups import Groups
from fairsk.metrics._bound import bind_predictor
from fairsk.metrics._inputs import code_outcomes, positive_index


def import_pyplot(owner):
    """Pyplot of matplotlib, or an error that says what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{owner} needs matplotlib to plot. It is not installed. Install it, or "
            "`fairsk[plot]`."
        ) from error
    return plt


def response(estimator, X, sensitive_features, methods):
    """What the first of `methods` that the estimator has returns.

    Parameters
    ----------
    estimator : estimator
        Fitted estimator; it is handed the groups where it wants them.
    X : array-like of shape (n_samples, n_features)
        Samples.
    sensitive_features : array-like, Series, DataFrame or dict
        Their groups.
    methods : tuple of str
        Names of response methods.

    Returns
    -------
    response : ndarray
        Predictions; of probabilities all columns.
    """
    bound, _ = bind_predictor(estimator, sensitive_features)
    method = next((name for name in methods if hasattr(bound, name)), None)
    if method is None:
        raise ValueError(
            f"{type(estimator).__name__} needs one of the methods {methods} to be "
            "displayed. It has none of them."
        )
    return getattr(bound, method)(X)


def scores_by_group(
    y_true, y_score, sensitive_features, sample_weight, pos_label, owner
):
    """Binary labels, scores and weights of each group.

    Returns
    -------
    parts : dict of {str: tuple of ndarray}
        `y_true` (0 or 1), `y_score` and weights or None, by the label of the group.
    """
    groups = Groups.from_columns(sensitive_features, owner=owner)
    outcomes = code_outcomes(
        y_true,
        y_true,
        sensitive_features=groups,
        sample_weight=sample_weight,
        pos_label=pos_label,
        owner=owner,
    )
    if len(outcomes.classes) != 2:
        raise ValueError(
            f"{owner} needs labels of two classes. Got {outcomes.classes}. Compare one "
            "class with the rest."
        )
    positive = positive_index(outcomes.classes, pos_label, owner=owner)
    y_score = np.asarray(y_score, dtype=float)
    if y_score.ndim == 2 and y_score.shape[1] == 2:
        y_score = y_score[:, positive]
    if y_score.shape != (len(groups),):
        raise ValueError(
            f"{owner} needs one score for each of the {len(groups)} samples. Got shape "
            f"{y_score.shape}."
        )
    hit, weights = (outcomes.y_true == positive).astype(int), outcomes.sample_weight
    return {
        label: (
            hit[own],
            y_score[own],
            None if weights is None else weights[own],
        )
        for label, own in zip(
            map(group_name, groups.labels),
            (groups.codes == code for code in range(groups.n_groups)),
        )
    }


def group_name(label):
    """Label of a group as text; crossed labels joined."""
    return ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
