"""How well scores rank the texts that mention a group; a text may mention several."""

import warnings

import narwhals.stable.v1 as nw
import numpy as np

from fairsk.definitions import RATES, UndefinedRateWarning, group_counts
from fairsk.metrics._inputs import code_outcomes, positive_index
from fairsk.utils._columns import as_array, as_column
from fairsk.utils._frames import frame_kind, make_table


def identity_term_metrics(
    y_true, y_score, *, memberships, pos_label=None, sample_weight=None
):
    r"""Three AUCs for each identity that texts mention.

    With the positives :math:`D^+` and negatives :math:`D^-` of the subgroup that
    mentions an identity, and :math:`B^+`, :math:`B^-` of the background that does not,

    - the *subgroup* AUC is of :math:`D^- \cup D^+`: are these ranked well by
      themselves?
    - the *BPSN* AUC is of :math:`B^+ \cup D^-` (background positive, subgroup
      negative): low if harmless texts that mention the identity score like harmful ones
      that do not;
    - the *BNSP* AUC is of :math:`B^- \cup D^+`: low if harmful texts that mention the
      identity score like harmless ones.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels of two classes.
    y_score : array-like of shape (n_samples,)
        Scores, larger for the positive class.
    memberships : dict or DataFrame of bool columns of length n_samples
        Identity -> which texts mention it. A text may mention several.
    pos_label : object, default=None
        The positive class. None takes 1 where the labels are {0, 1} or {-1, 1}.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    table : DataFrame or dict
        One row for each identity: `n_samples`, `subgroup_auc`, `bpsn_auc`, `bnsp_auc`.
        An AUC without positives or without negatives is NaN, with a warning.

    See Also
    --------
    generalized_mean : One number of the AUCs of all identities.
    equality_difference : The same question, asked of decisions.

    References
    ----------
    Borkan, Dixon, Sorensen, Thain & Vasserman (2019). Nuanced metrics for measuring
    unintended bias with real data for text classification. WWW companion.

    Examples
    --------
    >>> from fairsk.metrics import identity_term_metrics
    >>> identity_term_metrics(
    ...     [0, 1, 0, 1], [0.6, 0.9, 0.1, 0.5], memberships={"deaf": [1, 1, 0, 0]}
    ... )
              n_samples  subgroup_auc  bpsn_auc  bnsp_auc
    identity
    deaf              2           1.0       0.0       1.0
    """
    owner = "identity_term_metrics"
    columns = _read_memberships(memberships, owner)
    scores = np.asarray(y_score, dtype=float)
    positive, weight = _read_truth(y_true, pos_label, sample_weight, owner)
    lengths = {len(scores), len(positive), *map(len, columns.values())}
    if len(lengths) != 1 or scores.ndim != 1:
        raise ValueError(
            f"{owner} needs one label, score and membership per sample. Got lengths "
            f"{sorted(lengths)}. Pass the score of the positive class only."
        )
    if np.isnan(scores).any():
        raise ValueError(
            f"{owner} needs a score for each sample. Got {np.isnan(scores).sum()} NaN "
            f"among {len(scores)}. Drop these samples."
        )
    rows, undefined = [], []
    for name, inside in columns.items():
        subsets = {
            "subgroup_auc": inside,
            "bpsn_auc": inside != positive,
            "bnsp_auc": inside == positive,
        }
        row = {
            key: _auc(positive[chosen], scores[chosen], weight[chosen])
            for key, chosen in subsets.items()
        }
        undefined += [f"{key} of {name!r}" for key in row if np.isnan(row[key])]
        rows.append({"n_samples": int(inside.sum())} | row)
    if undefined:
        warnings.warn(
            f"{owner}: undefined without positives or without negatives: "
            f"{', '.join(undefined[:6])}{', ...' * (len(undefined) > 6)}.",
            UndefinedRateWarning,
            stacklevel=2,
        )
    table = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    kind = frame_kind(memberships, y_true, y_score)
    return make_table(kind, {"identity": list(columns)}, table)


def generalized_mean(values, power=-5):
    r"""Power mean :math:`(\tfrac1n \sum_i v_i^p)^{1/p}` of the AUCs of all identities.

    A negative power follows the worst of them, and still notes the others; power 1 is
    the mean.

    Parameters
    ----------
    values : array-like of shape (n_values,)
        Positive numbers. NaN are left out.
    power : float, default=-5
        The power p; 0 gives the geometric mean.

    Returns
    -------
    mean : float
        NaN of nothing.

    See Also
    --------
    identity_term_metrics : The AUCs.

    Examples
    --------
    >>> from fairsk.metrics import generalized_mean
    >>> round(generalized_mean([0.9, 0.6]), 3), generalized_mean([0.9, 0.6], 1)
    (0.672, 0.75)
    """
    values = np.asarray(values, dtype=float).ravel()
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan")
    if (values < 0).any():
        raise ValueError(
            f"generalized_mean needs values of at least 0. Got {values.min()}."
        )
    if power <= 0 and (values == 0).any():
        return 0.0
    if power == 0:
        return float(np.exp(np.log(values).mean()))
    # In units of the value that weighs most, which no power overflows.
    unit = values.min() if power < 0 else values.max() or 1.0
    return float(unit * ((values / unit) ** power).mean() ** (1 / power))


def equality_difference(
    y_true,
    y_pred,
    *,
    memberships,
    rate="false_positive_rate",
    pos_label=None,
    sample_weight=None,
):
    r"""Sum over identities of how far their rate is from the overall one.

    Of false positive rates it is the FPED :math:`\sum_t |FPR - FPR_t|`, of false
    negative rates the FNED.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_samples,)
        True and predicted labels of two classes.
    memberships : dict or DataFrame of bool columns of length n_samples
        Identity -> which texts mention it. A text may mention several.
    rate : str, default="false_positive_rate"
        Which rate, by a key of `fairsk.definitions.RATES`.
    pos_label : object, default=None
        The positive class. None takes 1 where the labels are {0, 1} or {-1, 1}.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    difference : float
        0 is fair. Identities whose rate is undefined are left out, with a warning; NaN
        if none is left.

    See Also
    --------
    identity_term_metrics : The same question, asked of scores.

    References
    ----------
    Dixon, Li, Sorensen, Thain & Vasserman (2018). Measuring and mitigating unintended
    bias in text classification. AIES.

    Examples
    --------
    >>> from fairsk.metrics import equality_difference
    >>> equality_difference(
    ...     [0, 0, 0, 0], [1, 0, 0, 0], memberships={"deaf": [1, 1, 0, 0]}
    ... )
    0.25
    """
    owner = "equality_difference"
    if rate not in RATES:
        raise ValueError(f"{owner} needs `rate` among {sorted(RATES)}. Got {rate!r}.")
    columns = _read_memberships(memberships, owner)
    overall = None
    distances = {}
    for name, inside in columns.items():
        outcomes = code_outcomes(
            y_true,
            y_pred,
            sensitive_features=inside,
            sample_weight=sample_weight,
            pos_label=pos_label,
            owner=owner,
        )
        positive = _positive_of_two(outcomes.classes, pos_label, owner)
        counts = group_counts(
            inside.astype(int),
            outcomes.y_true,
            outcomes.y_pred,
            n_groups=2,
            n_classes=len(outcomes.classes),
            sample_weight=outcomes.sample_weight,
        )
        if overall is None:
            total = counts.sum(axis=0, keepdims=True)
            overall = RATES[rate].values(total, positive)[0, 0]
        distances[name] = abs(RATES[rate].values(counts, positive)[0, 1] - overall)
    undefined = [name for name, value in distances.items() if np.isnan(value)]
    if undefined:
        warnings.warn(
            f"{owner}: the {rate} is undefined for {undefined[:6]}, left out.",
            UndefinedRateWarning,
            stacklevel=2,
        )
        if len(undefined) == len(distances):
            return float("nan")
    return float(np.nansum(list(distances.values())))


def _read_memberships(memberships, owner):
    """Identity -> bool array."""
    frame = nw.from_native(memberships, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        memberships = {column.name: column for column in frame.iter_columns()}
    if not isinstance(memberships, dict) or not memberships:
        raise TypeError(
            f"{owner} needs `memberships` to be a dict or DataFrame with a column of "
            f"bool for each identity. Got {type(memberships).__name__}."
        )
    columns = {}
    for name, values in memberships.items():
        column = as_column(values)
        column = column.to_numpy() if hasattr(column, "to_numpy") else as_array(column)
        if not np.isin(column, [0, 1]).all():
            raise ValueError(
                f"{owner} needs True or False in the membership {name!r}. Got other "
                "values. A missing value may stand for False: fill it."
            )
        columns[name] = column.astype(bool)
    return columns


def _read_truth(y_true, pos_label, sample_weight, owner):
    outcomes = code_outcomes(
        y_true,
        y_true,
        sensitive_features=np.zeros(len(y_true), dtype=int),
        sample_weight=sample_weight,
        pos_label=pos_label,
        owner=owner,
    )
    positive = _positive_of_two(outcomes.classes, pos_label, owner)
    weight = outcomes.sample_weight
    weight = np.ones(len(y_true)) if weight is None else weight
    return outcomes.y_true == positive, weight


def _positive_of_two(classes, pos_label, owner):
    positive = positive_index(classes, pos_label, owner=owner)
    if positive is None:
        raise ValueError(
            f"{owner} needs labels of two classes. Got {classes}. Compare one class "
            "with the rest: pass `y_true == label`, and what belongs to it."
        )
    return positive


def _auc(positive, scores, weight):
    """Area under the ROC curve, ties counted half; NaN without one of the classes."""
    order = np.argsort(scores, kind="stable")
    positive, scores, weight = positive[order], scores[order], weight[order]
    total = (positive * weight).sum() * (~positive * weight).sum()
    if total == 0:
        return np.nan
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    up = np.add.reduceat(positive * weight, starts)
    down = np.add.reduceat(~positive * weight, starts)
    return float((up * (np.cumsum(down) - down / 2)).sum() / total)
