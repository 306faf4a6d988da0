"""Tests of fairness: of no disparity, and of a mitigated model against its baseline."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import false_discovery_control

from fairsk.definitions import get_definition, get_disparity, group_counts
from fairsk.metrics._catalogue import CountMetric, resolve_metrics
from fairsk.metrics._confidence import count_statistics, null_blocks
from fairsk.metrics._inputs import code_outcomes, positive_index
from fairsk.metrics._intervals import percentile
from fairsk.metrics._outcome_counts import OutcomeCounts
from fairsk.metrics._resampling import bootstrap_cells, permute_groups
from fairsk.utils._frames import feature_names, frame_kind, make_table
from fairsk.utils._namespace import as_numpy

_CORRECTIONS = ("holm", "fdr_bh", None)


@dataclass(frozen=True, eq=False)
class DisparityTestResult:
    """Outcome of :func:`disparity_test`.

    Parameters
    ----------
    statistic : float
        The disparity of the data.
    pvalue : float
        Share of the permutations with a disparity at least as unfair.
    null_distribution : ndarray of shape (n_resamples,)
        Disparities of the permutations.
    by_group : DataFrame or dict
        For each group, its largest distance to the overall rates (`statistic`), the
        p-value of it and the p-value after the correction for many groups.
    """

    statistic: float
    pvalue: float
    null_distribution: np.ndarray
    by_group: object

    @property
    def noise_floor(self):
        """Mean of the null distribution: what a perfectly fair predictor shows."""
        return float(np.nanmean(self.null_distribution))

    def __repr__(self):
        return (
            f"DisparityTestResult(statistic={self.statistic:.4g}, "
            f"pvalue={self.pvalue:.4g}, noise_floor={self.noise_floor:.4g})"
        )


def disparity_test(
    y_true,
    y_pred=None,
    *,
    sensitive_features=None,
    fairness="demographic_parity",
    disparity="difference",
    method="permutation",
    multiplicity="holm",
    control_features=None,
    sample_weight=None,
    pos_label=None,
    labels=None,
    n_resamples=9999,
    random_state=None,
):
    r"""Permutation test of "there is no disparity between groups".

    If the predictions are fair, the group says nothing about who gets which, given
    what the definition conditions on: the true label for equalized odds, the predicted
    label for predictive parity, nothing for demographic parity. So the groups are
    permuted among the samples alike in that, and the p-value is
    :math:`(1 + \#\{T^* \ge T\}) / (1 + B)` of the disparity T. Permuting samples is a
    draw of the cells of the table of counts, which costs nothing in their number.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or OutcomeCounts
        True class labels, or the counts of everything.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a key of `fairsk.definitions.DEFINITIONS`, or a
        definition.
    disparity : str or Disparity, default="difference"
        The test statistic: a key of `fairsk.definitions.DISPARITIES`, or a disparity.
        Over strata it is averaged by their numbers of samples.
    method : {"permutation"}, default="permutation"
        How the null distribution is found.
    multiplicity : {"holm", "fdr_bh", None}, default="holm"
        Correction of the p-values of the groups: Holm's, which bounds the chance of any
        false alarm, or Benjamini and Hochberg's, which bounds the share of false ones.
    control_features : array-like, Series, DataFrame or dict, default=None
        Columns within whose combinations the groups are permuted.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights, which stay with the outcomes of the samples.
    pos_label : object, default=None
        The positive class, as in :func:`group_metrics`.
    labels : array-like, default=None
        All classes that may occur.
    n_resamples : int, default=9999
        Permutations.
    random_state : int, Generator, RandomState or None, default=None
        Source of randomness.

    Returns
    -------
    result : DisparityTestResult
        With `statistic`, `pvalue`, `null_distribution` and `by_group`.

    See Also
    --------
    non_inferiority : Compares two predictors on the same samples.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import disparity_test
    >>> y_pred = np.repeat([1, 1, 0, 1, 0, 0], 10)
    >>> result = disparity_test(
    ...     y_pred, y_pred, sensitive_features=np.repeat(["f", "m"], 30), random_state=0
    ... )
    >>> round(result.statistic, 3), result.pvalue < 0.05
    (0.333, True)
    """
    owner = "disparity_test"
    _check_choice(method, ("permutation",), "method", owner)
    _check_choice(multiplicity, _CORRECTIONS, "multiplicity", owner)
    definition, disparity = get_definition(fairness), get_disparity(disparity)
    kind = frame_kind(sensitive_features, y_true, y_pred)
    counts = y_true
    if not isinstance(counts, OutcomeCounts):
        counts = OutcomeCounts.from_arrays(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            control_features=control_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            labels=labels,
            owner=owner,
        )
    pos_index = None
    if definition.has_positive_class:
        pos_index = positive_index(counts.classes, pos_label, owner=owner)
    statistic = _test_statistic(definition, disparity, counts, pos_index)
    gap, distances = (part[..., 0] for part in statistic(counts.counts[None]))
    null, null_distances = permute_groups(
        statistic,
        counts,
        null_blocks(definition.rates, counts, definition),
        n_resamples,
        random_state,
    )
    sign = -1 if disparity.greater_is_better else 1
    pvalues = _pvalue(distances, null_distances)
    by_group = {
        "statistic": distances,
        "pvalue": pvalues,
        "adjusted_pvalue": adjust_pvalues(pvalues, multiplicity),
    }
    names = feature_names(counts.group_names, "sensitive_feature")
    labels = counts.group_labels
    index = zip(*labels) if len(names) > 1 else [labels]
    index = {name: list(column) for name, column in zip(names, index)}
    return DisparityTestResult(
        float(gap),
        float(_pvalue(sign * gap, sign * null)),
        null,
        make_table(kind, index, by_group),
    )


def mean_null_disparity(counts, definition, disparity, pos_index, n_resamples):
    """Noise floor of :func:`disparity_test`, of a definition and a disparity.

    Parameters
    ----------
    counts : OutcomeCounts
        The counts.
    definition : FairnessDefinition
        What is compared.
    disparity : Disparity
        How the groups become one number.
    pos_index : int or None
        Class that counts as positive.
    n_resamples : int
        Permutations, which are the same in every call.

    Returns
    -------
    floor : float
        Mean over the permutations; NaN where none has a disparity.
    """
    null, _ = permute_groups(
        _test_statistic(definition, disparity, counts, pos_index),
        counts,
        null_blocks(definition.rates, counts, definition),
        n_resamples,
        0,
    )
    return float(_weighted_mean(null, np.ones(len(null)), axis=0))


def _check_choice(value, choices, name, owner):
    if value not in choices:
        raise ValueError(
            f"{owner} needs `{name}` to be one of {choices}. Got {value!r}."
        )


def _test_statistic(definition, disparity, counts, pos_index):
    """Disparity (size,) and distance of each group to the overall rates."""
    metrics = [CountMetric(rate.name, rate) for rate in definition.rates]
    measure = count_statistics(metrics, pos_index)
    sizes = counts.group_sizes
    shares = sizes.sum(1) / sizes.sum()
    within = sizes / np.maximum(sizes.sum(0), 1)

    def statistic(tables):
        values, overall = measure(tables)
        by_replicate = np.moveaxis(values, -1, 0)
        # A stratum where the disparity is undefined has no say.
        gap = _weighted_mean(disparity(by_replicate), shares, axis=1)
        distance = np.fmax.reduce(abs(values - overall[:, :, None]), axis=1)
        return gap, _weighted_mean(distance, within[..., None], axis=0)

    return statistic


def _weighted_mean(values, weights, axis):
    """Mean over what is defined; NaN where nothing is."""
    weights = np.where(np.isnan(values), 0.0, weights)
    total = weights.sum(axis)
    mean = (np.nan_to_num(values) * weights).sum(axis) / np.where(total > 0, total, 1)
    return np.where(total > 0, mean, np.nan)


def _pvalue(statistic, null):
    """Share of replicates (last axis) at least as large, the data counted among them.

    Equal tables may differ by rounding, so a hair below counts as equal.
    """
    defined = ~np.isnan(null)
    reached = null >= np.expand_dims(statistic, -1) - 1e-12
    share = (1 + (reached & defined).sum(-1)) / (1 + defined.sum(-1))
    return np.where(np.isnan(statistic), np.nan, share)


def adjust_pvalues(pvalues, method):
    """P-values corrected for there being several.

    Parameters
    ----------
    pvalues : ndarray of shape (n_tests,)
        P-values; NaN is no test.
    method : {"holm", "fdr_bh", None}
        Holm's step-down procedure, that of Benjamini and Hochberg, or none.

    Returns
    -------
    adjusted : ndarray of shape (n_tests,)
        Corrected p-values.
    """
    adjusted = np.array(pvalues, dtype=float)
    tested = ~np.isnan(adjusted)
    n_tests = int(tested.sum())
    if method is None or not n_tests:
        return adjusted
    if method == "fdr_bh":
        adjusted[tested] = false_discovery_control(adjusted[tested])
        return adjusted
    own = adjusted[tested]
    order = np.argsort(own, kind="stable")
    stepped = np.maximum.accumulate(own[order] * np.arange(n_tests, 0, -1))
    own[order] = np.minimum(stepped, 1.0)
    adjusted[tested] = own
    return adjusted


@dataclass(frozen=True, eq=False)
class NonInferiorityResult:
    """Outcome of :func:`non_inferiority`.

    Parameters
    ----------
    unfairness_change : float
        Unfairness of the new predictions minus that of the baseline.
    unfairness_interval : tuple of float
        Its percentile interval.
    score_change : float
        Score of the new predictions minus that of the baseline.
    score_interval : tuple of float
        Its percentile interval.
    pvalue_fairness : float
        Of "the new predictions are not less unfair".
    pvalue_score : float
        Of "the new predictions are worse by the margin or more".
    pvalue : float
        Of either; small if the new predictions are fairer and not inferior.
    """

    unfairness_change: float
    unfairness_interval: tuple
    score_change: float
    score_interval: tuple
    pvalue_fairness: float
    pvalue_score: float
    pvalue: float


def non_inferiority(
    y_true,
    y_pred,
    y_pred_baseline,
    *,
    sensitive_features,
    fairness="demographic_parity",
    disparity="difference",
    score="accuracy",
    margin=0.01,
    confidence_level=0.95,
    sample_weight=None,
    pos_label=None,
    labels=None,
    n_resamples=9999,
    random_state=None,
):
    """Test whether a predictor is fairer than a baseline, and not worse by a margin.

    Both are measured on the same samples, so the samples are resampled with both of
    their predictions: a draw of the cells of the table of group, true label and both
    predicted labels. The claim "less unfair and not inferior" is made where both parts
    of it are, so its p-value is the larger of the two (intersection-union test).

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels.
    y_pred, y_pred_baseline : array-like of shape (n_samples,)
        Labels that the new predictor and the baseline predict.
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns of length n_samples.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a key of `fairsk.definitions.DEFINITIONS`, or a
        definition.
    disparity : str or Disparity, default="difference"
        How unfair: a key of `fairsk.definitions.DISPARITIES`, or a disparity. One whose
        larger values are the fairer ones is taken negative.
    score : str, Rate or CountFunction, default="accuracy"
        A metric of hard predictions, larger being better. With one value for each
        class, their mean.
    margin : float, default=0.01
        Loss of score that would be too much.
    confidence_level : float, default=0.95
        Of the intervals.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.
    pos_label : object, default=None
        The positive class, as in :func:`group_metrics`.
    labels : array-like, default=None
        All classes that may occur.
    n_resamples : int, default=9999
        Bootstrap replicates.
    random_state : int, Generator, RandomState or None, default=None
        Source of randomness.

    Returns
    -------
    result : NonInferiorityResult
        Changes with intervals, and p-values.

    Notes
    -----
    The largest gap between groups is biased upwards by noise, for both predictors
    alike. With many small groups the test is conservative for the fairer one.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.metrics import non_inferiority
    >>> rng = np.random.default_rng(0)
    >>> group, y_true = rng.integers(2, size=2000), rng.integers(2, size=2000)
    >>> baseline = np.where(rng.random(2000) < 0.2, group, y_true)
    >>> fairer = np.where(rng.random(2000) < 0.1, 1 - y_true, y_true)
    >>> result = non_inferiority(
    ...     y_true, fairer, baseline, sensitive_features=group, margin=0.03,
    ...     random_state=0,
    ... )
    >>> result.pvalue < 0.05
    True
    """
    owner = "non_inferiority"
    if not margin >= 0:
        raise ValueError(f"{owner} needs a `margin` of at least 0. Got {margin!r}.")
    definition, disparity = get_definition(fairness), get_disparity(disparity)
    (metric,) = resolve_metrics(score).values()
    if not metric.on_counts:
        raise ValueError(
            f"{owner} needs a `score` of hard predictions. Got {score!r}, which needs "
            "the samples themselves."
        )
    tables, classes = _paired_counts(
        y_true,
        (y_pred, y_pred_baseline),
        sensitive_features,
        sample_weight,
        pos_label,
        labels,
        owner,
    )
    pos_index = None
    if definition.has_positive_class or metric.statistic.per_class:
        pos_index = positive_index(classes, pos_label, owner=owner)
    statistic = _paired_statistic(definition, disparity, metric.statistic, pos_index)
    unfairness, change = (part[..., 0] for part in statistic(tables[0][None]))
    drawn = bootstrap_cells(statistic, *tables, n_resamples, random_state)
    of_fairness, of_score = drawn
    pvalue_fairness = float(_tail_share(of_fairness >= 0, of_fairness))
    pvalue_score = float(_tail_share(of_score <= -margin, of_score))
    return NonInferiorityResult(
        float(unfairness),
        tuple(map(float, percentile(of_fairness, confidence_level))),
        float(change),
        tuple(map(float, percentile(of_score, confidence_level))),
        pvalue_fairness,
        pvalue_score,
        max(pvalue_fairness, pvalue_score),
    )


def _tail_share(against, draws):
    defined = ~np.isnan(draws)
    return (1 + (against & defined).sum()) / (1 + defined.sum())


def _paired_counts(
    y_true, predictions, sensitive_features, sample_weight, pos_label, labels, owner
):
    """Sums of weights, rows, squared weights by group, label and both predictions."""
    if labels is None:
        seen = [np.unique(as_numpy(values)) for values in (y_true, *predictions)]
        labels = np.unique(np.concatenate(seen))
        if set(labels.tolist()) <= {0, 1} or set(labels.tolist()) <= {-1, 1}:
            labels = None
    new, old = (
        code_outcomes(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            labels=labels,
            owner=owner,
        )
        for y_pred in predictions
    )
    n_groups, n_classes = new.groups.n_groups, len(new.classes)
    cells = as_numpy(new.groups.codes).astype(np.intp) * n_classes
    cells = cells + as_numpy(new.y_true)
    weights = new.sample_weight
    weights = [None] if weights is None else [weights, None, weights**2]
    tables = [
        group_counts(
            cells,
            as_numpy(new.y_pred),
            as_numpy(old.y_pred),
            n_groups=n_groups * n_classes,
            n_classes=n_classes,
            sample_weight=None if w is None else as_numpy(w),
        ).reshape(n_groups, n_classes, n_classes, n_classes)
        for w in weights
    ]
    return tables * (3 // len(tables)), new.classes


def _paired_statistic(definition, disparity, score, pos_index):
    """Change of unfairness and of score, from tables of shape (size, G, K, K, K)."""
    sign = -1 if disparity.greater_is_better else 1

    def measure(tables):
        unfairness = sign * definition.disparity(tables, disparity, pos_index)
        values = score.values(tables.sum(1, keepdims=True), pos_index)[..., 0]
        return unfairness, values.mean(-1)

    def statistic(tables):
        (new_gap, new_score), (old_gap, old_score) = (
            measure(tables.sum(axis)) for axis in (-1, -2)
        )
        return new_gap - old_gap, new_score - old_score

    return statistic
