"""Named metrics: one function for every definition, as a difference and as a ratio."""

import warnings

import numpy as np

from fairsk import definitions
from fairsk.definitions import get_definition, get_disparity
from fairsk.groups import SingleGroupWarning
from fairsk.metrics._inputs import code_outcomes, positive_index
from fairsk.utils._columns import as_array


def fairness_disparity(
    y_true,
    y_pred,
    *,
    sensitive_features,
    fairness="demographic_parity",
    disparity="difference",
    sample_weight=None,
    pos_label=None,
    labels=None,
):
    """Disparity between groups of any fairness definition.

    The predictions are counted once, into the table of true and predicted classes of
    each group. The rates of the definition are ratios of sums over that table, and the
    disparity turns the rates of all groups into one number. Where a definition has
    several rates, or the labels several classes, the least fair one counts.

    Parameters
    ----------
    y_true : array-like, Series or tensor of shape (n_samples,)
        True class labels.
    y_pred : array-like, Series or tensor of shape (n_samples,)
        Predicted class labels. Tensors are counted on their device.
    sensitive_features : Groups, array-like, Series, DataFrame, dict or tensor
        Sensitive features, one or several columns of length n_samples; several are
        crossed.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a key of `fairsk.definitions.DEFINITIONS`, or a
        definition.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number: a key of
        `fairsk.definitions.DISPARITIES`, or a disparity.
    sample_weight : array-like or tensor of shape (n_samples,), default=None
        Non-negative weights.
    pos_label : object, default=None
        The positive class. None takes 1 where the labels are {0, 1} or {-1, 1}, and
        each class against the rest where there are more than two. Other pairs of
        labels need it, unless no rate of the definition has a positive class.
    labels : array-like of shape (n_classes,), default=None
        Classes that there are, whether or not a sample has them. None takes those that
        occur.

    Returns
    -------
    disparity : float
        NaN where no rate is defined in two groups.

    Warns
    -----
    UndefinedRateWarning
        If a rate is undefined in a group because its denominator is 0. The group is
        left out.
    SingleGroupWarning
        If there is one group only.

    See Also
    --------
    fairsk.definitions.DEFINITIONS : All definitions, by name.
    make_fairness_scorer : The same as a scorer, for cross-validation.

    Examples
    --------
    >>> from fairsk.metrics import fairness_disparity
    >>> y_true = [0, 1, 1, 0, 0, 1, 1, 0]
    >>> y_pred = [0, 1, 1, 1, 0, 1, 0, 0]
    >>> sex = ["f", "f", "f", "f", "m", "m", "m", "m"]
    >>> fairness_disparity(
    ...     y_true, y_pred, sensitive_features=sex, fairness="equalized_odds"
    ... )
    0.5
    >>> fairness_disparity(
    ...     y_true, y_pred, sensitive_features=sex, disparity="variance"
    ... )
    0.0625
    """
    definition, disparity = get_definition(fairness), get_disparity(disparity)
    owner = f"{definition.name}_{disparity.name}"
    outcomes = code_outcomes(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        pos_label=pos_label,
        labels=labels,
        owner=owner,
    )
    pos_index = None
    if pos_label is not None or definition.has_positive_class:
        pos_index = positive_index(outcomes.classes, pos_label, owner=owner)
    # A table this small is worth no further work on a device.
    counts = as_array(outcomes.counts())
    group_labels = outcomes.groups.labels
    if len(group_labels) < 2:
        warnings.warn(
            f"{owner} needs two groups to compare. All samples are of the group "
            f"{group_labels[0]!r}: the result is NaN.",
            SingleGroupWarning,
            stacklevel=2,
        )
    values = definition.values(counts, pos_index)
    if np.isnan(values).any():
        definition.warn_undefined(counts, group_labels, pos_index)
    return float(disparity(values))


def _named_metric(definition, disparity, example):
    """The function ``<definition>_<disparity>``."""
    disparity = get_disparity(disparity)

    def metric(
        y_true, y_pred, *, sensitive_features, sample_weight=None, pos_label=None
    ):
        return fairness_disparity(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            fairness=definition,
            disparity=disparity,
            sample_weight=sample_weight,
            pos_label=pos_label,
        )

    metric.__name__ = metric.__qualname__ = f"{definition.name}_{disparity.name}"
    metric.__doc__ = _DOCSTRING.format(
        title=definition.name.replace("_", " ").capitalize(),
        name=metric.__name__,
        definition=definition,
        disparity=disparity,
        rates=" and ".join(rate.name.replace("_", " ") for rate in definition.rates),
        best="1 where it holds, less where not"
        if disparity.greater_is_better
        else "0 where it holds, more where not",
        scorer=("" if disparity.greater_is_better else "neg_") + metric.__name__,
        example=example,
    )
    # A scorer made of this function must know which way is better.
    metric.definition, metric.disparity = definition, disparity
    return metric


_DOCSTRING = r"""{title}, as the {disparity.name} between groups.

    The definition asks that

    .. math:: {definition.statement}

    for every group a. With :math:`r_g` the {rates} of group g, this is

    .. math:: {disparity.formula}

    which is {best}. Of several rates, or of several classes, the least fair one counts.

    Parameters
    ----------
    y_true : array-like, Series or tensor of shape (n_samples,)
        True class labels.
    y_pred : array-like, Series or tensor of shape (n_samples,)
        Predicted class labels. Tensors are counted on their device.
    sensitive_features : Groups, array-like, Series, DataFrame, dict or tensor
        Sensitive features, one or several columns of length n_samples; several are
        crossed.
    sample_weight : array-like or tensor of shape (n_samples,), default=None
        Non-negative weights.
    pos_label : object, default=None
        The positive class. None takes 1 where the labels are {{0, 1}} or {{-1, 1}}, and
        each class against the rest where there are more than two. Other pairs of
        labels need it, unless no rate of the definition has a positive class.

    Returns
    -------
    disparity : float
        NaN where no rate is defined in two groups.

    See Also
    --------
    fairness_disparity : The same for any definition and disparity.
    get_scorer : The scorer ``"{scorer}"``, for cross-validation.

    Notes
    -----
    A rate that is undefined in a group, because its denominator is 0, warns with
    `UndefinedRateWarning` and leaves the group out.

    References
    ----------
    .. [1] {definition.reference}.

    Examples
    --------
    >>> from fairsk.metrics import {name}
    >>> y_true = [0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1]
    >>> y_pred = [0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1]
    >>> sex = ["f"] * 6 + ["m"] * 6
    >>> round({name}(y_true, y_pred, sensitive_features=sex), 3)
    {example}
    """

demographic_parity_difference = _named_metric(
    definitions.demographic_parity, "difference", 0.333
)
demographic_parity_ratio = _named_metric(definitions.demographic_parity, "ratio", 0.5)
equal_opportunity_difference = _named_metric(
    definitions.equal_opportunity, "difference", 0.167
)
equal_opportunity_ratio = _named_metric(definitions.equal_opportunity, "ratio", 0.75)
predictive_equality_difference = _named_metric(
    definitions.predictive_equality, "difference", 0.417
)
predictive_equality_ratio = _named_metric(
    definitions.predictive_equality, "ratio", 0.375
)
equalized_odds_difference = _named_metric(
    definitions.equalized_odds, "difference", 0.417
)
equalized_odds_ratio = _named_metric(definitions.equalized_odds, "ratio", 0.375)
overall_accuracy_equality_difference = _named_metric(
    definitions.overall_accuracy_equality, "difference", 0.167
)
overall_accuracy_equality_ratio = _named_metric(
    definitions.overall_accuracy_equality, "ratio", 0.75
)
predictive_parity_difference = _named_metric(
    definitions.predictive_parity, "difference", 0.0
)
predictive_parity_ratio = _named_metric(definitions.predictive_parity, "ratio", 1.0)
false_negative_rate_parity_difference = _named_metric(
    definitions.false_negative_rate_parity, "difference", 0.167
)
false_negative_rate_parity_ratio = _named_metric(
    definitions.false_negative_rate_parity, "ratio", 0.667
)
false_omission_rate_parity_difference = _named_metric(
    definitions.false_omission_rate_parity, "difference", 0.25
)
false_omission_rate_parity_ratio = _named_metric(
    definitions.false_omission_rate_parity, "ratio", 0.5
)
false_discovery_rate_parity_difference = _named_metric(
    definitions.false_discovery_rate_parity, "difference", 0.0
)
false_discovery_rate_parity_ratio = _named_metric(
    definitions.false_discovery_rate_parity, "ratio", 1.0
)
treatment_equality_difference = _named_metric(
    definitions.treatment_equality, "difference", 0.5
)
treatment_equality_ratio = _named_metric(definitions.treatment_equality, "ratio", 0.5)
