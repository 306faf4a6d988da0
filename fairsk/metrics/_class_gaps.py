"""Gaps of a rate between groups in each of many classes, such as occupations."""

import warnings

import numpy as np

from fairsk.definitions import RATES, UndefinedRateWarning
from fairsk.metrics._inputs import code_outcomes
from fairsk.utils._frames import frame_kind, make_table


def class_gaps(
    y_true,
    y_pred,
    *,
    sensitive_features,
    group,
    rate="true_positive_rate",
    sample_weight=None,
):
    r"""Gap of a rate between a group and the others, in each class.

    For the class c of many, such as an occupation, it is

    .. math:: \mathrm{Gap}_{g,c} = P(\hat y = c \mid y = c, A = g) - P(\hat y = c \mid y
        = c, A \ne g).

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    group : object
        The label of the group that is compared with the others.
    rate : str, default="true_positive_rate"
        Which rate, by a key of `fairsk.definitions.RATES`.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    table : DataFrame or dict
        One row for each class: `gap`, `group_share` (the part of the class that is of
        the group), `n_samples`. A gap is NaN where a side has nobody to count.

    See Also
    --------
    rms_class_gap : One number of all gaps.
    gap_share_correlation : Whether the gaps compound who is in which class.

    References
    ----------
    De-Arteaga, Romanov, Wallach, Chayes, Borgs, Chouldechova, Geyik, Kenthapadi & Kalai
    (2019). Bias in bios: a case study of semantic representation bias in a high-stakes
    setting. FAT*.

    Examples
    --------
    >>> from fairsk.metrics import class_gaps
    >>> class_gaps(
    ...     ["nurse", "nurse", "judge", "judge"], ["nurse", "judge", "judge", "judge"],
    ...     sensitive_features=["f", "m", "f", "m"], group="f",
    ... )
           gap  group_share  n_samples
    class
    judge  0.0          0.5        2.0
    nurse  1.0          0.5        2.0
    """
    classes, gaps, shares, sizes = _gaps(
        y_true, y_pred, sensitive_features, group, rate, sample_weight, "class_gaps"
    )
    kind = frame_kind(sensitive_features, y_true, y_pred)
    columns = {"gap": gaps, "group_share": shares, "n_samples": sizes}
    return make_table(kind, {"class": classes}, columns)


def rms_class_gap(
    y_true,
    y_pred,
    *,
    sensitive_features,
    group,
    rate="true_positive_rate",
    sample_weight=None,
):
    r"""Root mean square of the gaps of all classes.

    It is :math:`\sqrt{\tfrac1C \sum_c \mathrm{Gap}_{g,c}^2}`, each class counting
    alike.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    group : object
        The label of the group that is compared with the others.
    rate : str, default="true_positive_rate"
        Which rate, by a key of `fairsk.definitions.RATES`.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    gap : float
        0 is fair. Classes whose gap is undefined are left out, with a warning.

    See Also
    --------
    class_gaps : The gaps.

    Notes
    -----
    ``make_fairness_scorer(rms_class_gap, greater_is_better=False, group="f")`` makes it
    a scorer.

    Examples
    --------
    >>> from fairsk.metrics import rms_class_gap
    >>> round(rms_class_gap(
    ...     ["nurse", "nurse", "judge", "judge"], ["nurse", "judge", "judge", "judge"],
    ...     sensitive_features=["f", "m", "f", "m"], group="f",
    ... ), 3)
    0.707
    """
    _, gaps, _, _ = _gaps(
        y_true, y_pred, sensitive_features, group, rate, sample_weight, "rms_class_gap"
    )
    defined = gaps[~np.isnan(gaps)]
    return float(np.sqrt(np.mean(defined**2))) if len(defined) else float("nan")


def gap_share_correlation(
    y_true,
    y_pred,
    *,
    sensitive_features,
    group,
    rate="true_positive_rate",
    sample_weight=None,
):
    """Correlation, over classes, of the gap with the group's share of the class.

    Where it is positive, the model is better at finding the group where it is the
    majority already: its use would compound who does what.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted classes.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    group : object
        The label of the group that is compared with the others.
    rate : str, default="true_positive_rate"
        Which rate, by a key of `fairsk.definitions.RATES`.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    correlation : float
        Pearson's, in [-1, 1]; NaN if fewer than two classes are left, or one of the
        two does not vary.

    See Also
    --------
    class_gaps : The gaps and the shares.

    Examples
    --------
    >>> from fairsk.metrics import gap_share_correlation
    >>> correlation = gap_share_correlation(
    ...     ["a", "a", "a", "b", "b", "b"], ["a", "a", "b", "b", "b", "a"],
    ...     sensitive_features=["f", "f", "m", "m", "m", "f"], group="f",
    ... )
    >>> round(correlation, 3)
    1.0
    """
    owner = "gap_share_correlation"
    _, gaps, shares, _ = _gaps(
        y_true, y_pred, sensitive_features, group, rate, sample_weight, owner
    )
    defined = ~np.isnan(gaps)
    gaps, shares = gaps[defined], shares[defined]
    if len(gaps) < 2 or np.ptp(gaps) == 0 or np.ptp(shares) == 0:
        return float("nan")
    return float(np.corrcoef(gaps, shares)[0, 1])


def _gaps(y_true, y_pred, sensitive_features, group, rate, sample_weight, owner):
    """Classes, and of each the gap, the share of the group, and its samples."""
    if rate not in RATES:
        raise ValueError(f"{owner} needs `rate` among {sorted(RATES)}. Got {rate!r}.")
    outcomes = code_outcomes(
        y_true,
        y_pred,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        owner=owner,
    )
    labels = outcomes.groups.labels
    if group not in labels:
        raise ValueError(
            f"{owner} needs `group` to be one of the groups {labels[:10]}. Got "
            f"{group!r}."
        )
    counts = outcomes.counts().astype(float)
    own = labels.index(group)
    sides = np.stack([counts[own], counts.sum(axis=0) - counts[own]])
    values = np.stack(
        [
            RATES[rate].values(sides, pos_index)[0]
            for pos_index in range(len(outcomes.classes))
        ]
    )
    gaps = values[:, 0] - values[:, 1]
    if np.isnan(gaps).any():
        lost = [outcomes.classes[c] for c in np.flatnonzero(np.isnan(gaps))]
        warnings.warn(
            f"{owner}: the gap is undefined in {len(lost)} of {len(gaps)} classes "
            f"({lost[:5]}), where one side has nobody to count. They are left out.",
            UndefinedRateWarning,
            stacklevel=3,
        )
    of_class = sides.sum(axis=2)
    sizes = of_class.sum(axis=0)
    shares = np.divide(of_class[0], sizes, out=np.zeros_like(sizes), where=sizes > 0)
    return outcomes.classes, gaps, shares, sizes
