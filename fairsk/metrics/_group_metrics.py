"""The report: metrics of every group, their disparities and how sure they are."""

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import narwhals as nw
import numpy as np

from fairsk.definitions import UndefinedRateWarning, get_disparity
from fairsk.metrics._catalogue import resolve_metrics
from fairsk.metrics._confidence import (
    compare_groups,
    confidence_interval,
    null_draws,
)
from fairsk.metrics._inputs import code_groups, code_outcomes, positive_index
from fairsk.metrics._intervals import GroupIntervals, nan_quantile
from fairsk.metrics._outcome_counts import OutcomeCounts
from fairsk.metrics._report import report_tables, to_html, to_text
from fairsk.metrics._rows import Rows
from fairsk.utils._columns import as_column
from fairsk.utils._frames import feature_names, frame_kind, make_table
from fairsk.utils._namespace import as_numpy, is_torch


def group_metrics(
    metrics,
    y_true,
    y_pred,
    *,
    sensitive_features,
    control_features=None,
    sample_weight=None,
    y_score=None,
    pos_label=None,
    labels=None,
    sample_params=None,
):
    """Measure any metrics of every group.

    Metrics of hard predictions are read off the confusion tables of the groups, which
    take one pass over the samples however many metrics there are; their intervals and
    tests then cost nothing in the number of samples. Any other metric is called on the
    samples of each group.

    Parameters
    ----------
    metrics : str, callable, list or dict of {str: str or callable}
        Names from the catalogue in the user guide, or functions of ``(y_true, y_pred)``
        that return a number. A function whose second parameter is called `y_score`,
        `y_proba` or `y_prob` gets `y_score` where that is given.
    y_true : array-like, Series or tensor of shape (n_samples,)
        True labels or values.
    y_pred : array-like, Series or tensor of shape (n_samples,) or (n_samples, 2)
        Predicted labels or values, or lower and upper ends of intervals. None where no
        metric needs it.
    sensitive_features : array-like, Series, DataFrame, dict or tensor
        One or several columns of length n_samples; several are crossed.
    control_features : array-like, Series, DataFrame or dict, default=None
        Columns whose combinations are the strata; groups are compared within each.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights, which also go to every function.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
        Scores or probabilities: of the positive class, or of each class in the order
        of the sorted labels.
    pos_label : object, default=None
        The positive class. None takes 1 where the labels are {0, 1} or {-1, 1}, and
        each class against the rest where there are more than two.
    labels : array-like, default=None
        All classes that may occur; None takes those that do.
    sample_params : dict of {str: dict of {str: array-like}}, default=None
        Further arguments per sample for functions, by the name of the metric.

    Returns
    -------
    result : GroupMetrics
        The values, with disparities, intervals and noise floor.

    See Also
    --------
    disparity_test : Test of a fairness definition.
    OutcomeCounts : Counts from any engine, for data that do not fit in memory.

    Examples
    --------
    >>> from fairsk.metrics import group_metrics
    >>> result = group_metrics(
    ...     ["selection_rate", "true_positive_rate"],
    ...     y_true=[0, 1, 1, 0, 1, 1],
    ...     y_pred=[0, 1, 1, 0, 0, 1],
    ...     sensitive_features={"sex": ["f", "f", "f", "m", "m", "m"]},
    ... )
    >>> result.by_group.round(3)
         selection_rate  true_positive_rate
    sex
    f             0.667                 1.0
    m             0.333                 0.5
    >>> print(result.difference()["true_positive_rate"])
    0.5
    """
    owner = "group_metrics"
    metrics = resolve_metrics(
        metrics, has_score=y_score is not None, has_weight=sample_weight is not None
    )
    device = next((v.device for v in (y_true, y_pred) if is_torch(v)), None)
    groups = code_groups(sensitive_features, device, owner)
    counts = rows = None
    if any(metric.on_counts for metric in metrics.values()):
        counts = OutcomeCounts.from_arrays(
            y_true,
            y_pred,
            sensitive_features=groups,
            control_features=control_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            labels=labels,
            owner=owner,
        )
    strata = None
    if not all(metric.on_counts for metric in metrics.values()):
        if control_features is not None:
            strata = code_groups(control_features, None, owner)
        columns = _host_columns(
            metrics, y_true, y_pred, y_score, sample_weight, pos_label, labels, owner
        )
        rows = _make_rows(columns, groups, strata, sample_params, metrics, owner)
    kind = frame_kind(sensitive_features, y_true, y_pred)
    pos_index = _positive(metrics, counts, pos_label, owner)
    return GroupMetrics._measure(metrics, counts, rows, groups, strata, pos_index, kind)


def _positive(metrics, counts, pos_label, owner):
    """Index of the positive class, asked for only where a metric depends on it."""
    if counts is None:
        return None
    per_class = any(m.on_counts and m.statistic.per_class for m in metrics.values())
    if not per_class:
        return None
    return positive_index(counts.classes, pos_label, owner=owner)


def _host(values):
    """Values as an ndarray in host memory."""
    native = nw.from_native(
        values, eager_only=True, allow_series=True, pass_through=True
    )
    if isinstance(native, (nw.Series, nw.DataFrame)):
        return native.to_numpy()
    return as_numpy(values)


def _host_columns(
    metrics, y_true, y_pred, y_score, sample_weight, pos_label, labels, owner
):
    given = {"y_true": y_true, "y_pred": y_pred, "y_score": y_score}
    on_rows = {name: m for name, m in metrics.items() if not m.on_counts}
    for name, metric in on_rows.items():
        if given[metric.prediction] is None:
            raise ValueError(
                f"{owner} needs `{metric.prediction}` for the metric {name!r}. Got "
                "None."
            )
    columns = {name: _host(v) for name, v in given.items() if v is not None}
    if sample_weight is not None:
        columns["sample_weight"] = _checked_weights(_host(sample_weight), owner)
    if any(metric.target == "y_class" for metric in on_rows.values()):
        classes, codes = _coded_classes(y_true, pos_label, labels, owner)
        _add_classes(columns, classes, codes, pos_label, owner)
    return columns


def _checked_weights(weights, owner):
    weights = weights.astype(np.float64, copy=False)
    if len(weights) and not (weights.min() >= 0 and weights.max() < np.inf):
        raise ValueError(
            f"{owner} needs finite `sample_weight` of at least 0. Got values from "
            f"{weights.min()} to {weights.max()}."
        )
    return weights


def _coded_classes(y_true, pos_label, labels, owner):
    y_true = as_column(y_true)
    everyone = np.zeros(len(y_true), dtype=np.int8)
    outcomes = code_outcomes(
        y_true,
        y_true,
        sensitive_features=everyone,
        pos_label=pos_label,
        labels=labels,
        owner=owner,
    )
    return outcomes.classes, as_numpy(outcomes.y_true)


def _add_classes(columns, classes, codes, pos_label, owner):
    """Add the class index, and reduce the scores of two classes to the positive one."""
    score = columns.get("y_score", columns.get("y_pred"))
    positive = positive_index(classes, pos_label, owner=owner)
    if score.ndim == 2 and score.shape[1] != len(classes):
        raise ValueError(
            f"{owner} needs one column of `y_score` for each of the classes {classes}. "
            f"Got shape {score.shape}."
        )
    if score.ndim == 1 and positive is None:
        raise ValueError(
            f"{owner} needs scores of shape (n_samples, {len(classes)}) for the "
            f"classes {classes}. Got one score per sample. Pass all columns, or "
            "`pos_label`."
        )
    if positive is None:
        columns["y_class"] = codes
        return
    columns["y_class"] = (codes == positive).astype(np.int8)
    if score.ndim == 2:
        columns["y_score"] = np.ascontiguousarray(score[:, positive])


def _make_rows(columns, groups, strata, sample_params, metrics, owner):
    params = {
        name: {key: _host(values) for key, values in own.items()}
        for name, own in (sample_params or {}).items()
    }
    unknown = [name for name in params if name not in metrics]
    if unknown:
        raise ValueError(
            f"{owner} needs `sample_params` by the names of the metrics "
            f"{list(metrics)}. Got also {unknown}."
        )
    codes, n_strata = as_numpy(groups.codes).astype(np.intp, copy=False), 1
    lengths = {name: len(column) for name, column in columns.items()}
    lengths["sensitive_features"] = len(codes)
    if strata is not None:
        n_strata = strata.n_groups
        lengths["control_features"] = len(strata)
    for name, own in params.items():
        lengths |= {f"{name}: {key}": len(values) for key, values in own.items()}
    if len(set(lengths.values())) > 1 or not len(codes):
        raise ValueError(
            f"{owner} needs one entry per sample in every argument, and a sample. Got "
            "the lengths "
            + ", ".join(f"{name}: {length}" for name, length in lengths.items())
            + "."
        )
    if strata is not None:
        codes = codes + strata.codes.astype(np.intp) * groups.n_groups
    return Rows(columns, codes, n_strata, groups.n_groups, params)


@dataclass(frozen=True, eq=False, repr=False)
class GroupMetrics:
    """Metrics of every group, with their disparities, intervals and noise floor.

    Made by :func:`group_metrics`, or from counts by :meth:`from_counts`. Tables are of
    the library that the sensitive features came from.

    Parameters
    ----------
    names : list of length n_columns
        Name of each column: the metric, with the class where there is one for each.
    values : ndarray of shape (n_strata, n_columns, n_groups)
        The values, NaN where undefined.
    overall_values : ndarray of shape (n_strata, n_columns)
        The values of all samples of a stratum together.
    sizes : int ndarray of shape (n_strata, n_groups)
        Numbers of samples.
    group_labels, group_names : list
        Label of each group, and name of each sensitive feature.
    stratum_labels, stratum_names : list
        Label of each stratum, and name of each control feature.
    kind : str or None
        Library of the tables.
    counts : OutcomeCounts or None
        What the metrics of hard predictions were read off.

    See Also
    --------
    group_metrics : Measures arrays.
    """

    names: list
    values: np.ndarray
    overall_values: np.ndarray
    sizes: np.ndarray
    group_labels: list
    group_names: list
    stratum_labels: list
    stratum_names: list
    kind: str | None
    counts: OutcomeCounts | None
    _metrics: dict
    _rows: Rows | None
    _pos_index: int | None

    @classmethod
    def from_counts(cls, metrics, counts, *, pos_label=None, kind=None):
        """Report on counts that came from anywhere.

        Parameters
        ----------
        metrics : str, Rate, CountFunction, or list or dict of them
            Metrics that the confusion tables are enough for.
        counts : OutcomeCounts
            The counts.
        pos_label : object, default=None
            The positive class, as in :func:`group_metrics`.
        kind : str, default=None
            Library of the tables, such as "polars". None takes pandas if it is
            installed, else a dict of columns.

        Returns
        -------
        result : GroupMetrics
            The values, with disparities, intervals and noise floor.
        """
        owner = "GroupMetrics.from_counts"
        metrics = resolve_metrics(metrics)
        rowwise = [name for name, metric in metrics.items() if not metric.on_counts]
        if rowwise:
            raise ValueError(
                f"{owner} needs metrics of hard predictions. Got {rowwise}, which need "
                "the samples themselves. Use group_metrics for them."
            )
        pos_index = _positive(metrics, counts, pos_label, owner)
        kind = kind or frame_kind()
        return cls._measure(metrics, counts, None, None, None, pos_index, kind)

    @classmethod
    def _measure(cls, metrics, counts, rows, groups, strata, pos_index, kind):
        names, values, overall = [], [], []
        for name, metric in metrics.items():
            if metric.on_counts:
                table = metric.statistic.values(counts.counts, pos_index)
                whole = counts.counts.sum(1, keepdims=True)
                whole = metric.statistic.values(whole, pos_index)[..., 0]
            else:
                table, whole = metric.evaluate(rows)
                table, whole = table[:, None, :], whole[:, None]
            classes = counts.classes if table.shape[1] > 1 else []
            names += [f"{name} (class {label!r})" for label in classes] or [name]
            values.append(table)
            overall.append(whole)
        if counts is not None:
            sizes, about = counts.group_sizes, counts
            who = about.group_labels, about.group_names
            where = about.stratum_labels, about.stratum_names
        else:
            sizes = np.diff(rows.offsets).reshape(rows.n_strata, rows.n_groups)
            who = groups.labels, groups.names
            where = _strata_of(strata)
        result = cls(
            names,
            np.concatenate(values, axis=1),
            np.concatenate(overall, axis=1),
            sizes,
            *who,
            *where,
            kind,
            counts,
            metrics,
            rows,
            pos_index,
        )
        result._warn_undefined()
        return result

    @property
    def by_group(self):
        """Table of the values: a row for each group (of each stratum)."""
        flat = self.values.transpose(0, 2, 1).reshape(-1, len(self.names))
        return make_table(self.kind, self._group_index(), self._columns(flat))

    @property
    def overall(self):
        """The values of all samples together (of each stratum)."""
        return self._stratum_table(self.overall_values)

    @property
    def group_sizes(self):
        """Number of samples of each group (of each stratum)."""
        columns = {"size": self.sizes.ravel()}
        return make_table(self.kind, self._group_index(), columns, name="size")

    def disparity(self, disparity="difference", *, to="groups"):
        """One number for all groups, of every metric.

        Parameters
        ----------
        disparity : str or Disparity, default="difference"
            How the values become one number: a key of
            `fairsk.definitions.DISPARITIES`, or a disparity.
        to : {"groups", "overall"}, default="groups"
            Whether groups are compared with each other, or each with all samples
            together, in which case the worst counts.

        Returns
        -------
        table : Series, DataFrame or dict
            An entry for each metric (and stratum).
        """
        return self._stratum_table(self._compare(disparity, to))

    def _compare(self, disparity, to="groups"):
        return compare_groups(self.values, self.overall_values, disparity, to)

    def difference(self, *, to="groups"):
        """Largest minus smallest value, or largest distance to the overall value.

        Parameters
        ----------
        to : {"groups", "overall"}, default="groups"
            What each group is compared with.

        Returns
        -------
        table : Series, DataFrame or dict
            An entry for each metric (and stratum).
        """
        return self.disparity("difference", to=to)

    def ratio(self, *, to="groups"):
        """Smallest divided by largest value, or smallest ratio to the overall value.

        Parameters
        ----------
        to : {"groups", "overall"}, default="groups"
            What each group is compared with. The smaller of a ratio and its inverse
            counts, so 1 is equal and below is not.

        Returns
        -------
        table : Series, DataFrame or dict
            An entry for each metric (and stratum).
        """
        return self.disparity("ratio", to=to)

    def group_min(self):
        """Smallest value of a group, of every metric (and stratum)."""
        return self._stratum_table(_nan_reduce(np.fmin, self.values))

    def group_max(self):
        """Largest value of a group, of every metric (and stratum)."""
        return self._stratum_table(_nan_reduce(np.fmax, self.values))

    def confidence_interval(
        self,
        method="percentile",
        disparity=None,
        *,
        to="groups",
        confidence_level=0.95,
        n_resamples=9999,
        random_state=None,
        n_jobs=None,
    ):
        """Confidence intervals of the values, or of one number of the groups.

        Metrics of hard predictions are resampled by drawing the cells of their table,
        which costs nothing in the number of samples. Other metrics are called on rows
        drawn with replacement within each group.

        Parameters
        ----------
        method : str, default="percentile"
            - "percentile", "bca": bootstrap. The bias-corrected and accelerated one is
              for metrics of hard predictions.
            - "max_t": intervals that hold for all groups together; with
              ``disparity="difference"`` for all pairs, and so for the largest.
            - "wilson": score interval of each rate that is a share of samples.
            - "newcombe": interval of the difference or ratio of the two extreme groups
              from their Wilson intervals.
            - "delta": linear expansion of any metric of hard predictions.

            The user guide says which one to use when.
        disparity : None, str or Disparity, default=None
            None for the values of the groups, "overall", "group_min" or "group_max"
            for these, else the disparity.
        to : {"groups", "overall"}, default="groups"
            What a disparity compares the groups with.
        confidence_level : float, default=0.95
            Nominal coverage.
        n_resamples : int, default=9999
            Bootstrap replicates.
        random_state : int, Generator, RandomState or None, default=None
            Source of randomness.
        n_jobs : int, default=None
            Jobs for metrics that are called on rows.

        Returns
        -------
        intervals : GroupIntervals
            With tables `low` and `high`, and `undefined`, the share of replicates in
            which a value was undefined; these are left out.

        Examples
        --------
        >>> import numpy as np
        >>> from fairsk.metrics import group_metrics
        >>> y = np.tile([0, 1], 50)
        >>> result = group_metrics(
        ...     "selection_rate", y, y, sensitive_features={"sex": ["f", "m"] * 50}
        ... )
        >>> intervals = result.confidence_interval("wilson")
        >>> intervals.high["selection_rate"].round(3).tolist()
        [0.071, 1.0]
        """
        low, high, undefined = confidence_interval(
            self,
            method,
            disparity,
            to,
            confidence_level,
            n_resamples,
            random_state,
            n_jobs,
        )
        index = self._group_index() if disparity is None else self._stratum_index()
        return GroupIntervals(
            low,
            high,
            np.broadcast_to(undefined, low.shape),
            method,
            confidence_level,
            self.kind,
            index,
            self.names,
        )

    def noise_floor(
        self,
        disparity="difference",
        *,
        to="groups",
        quantile=0.95,
        n_resamples=9999,
        random_state=None,
    ):
        """The disparity that a perfectly fair predictor shows on groups of these sizes.

        Small groups differ by chance alone. The groups of the samples are permuted
        within what the metric conditions on (the true label for a true positive rate),
        so that only chance is left, and the disparity is measured again.

        Parameters
        ----------
        disparity : str or Disparity, default="difference"
            The disparity.
        to : {"groups", "overall"}, default="groups"
            What the groups are compared with.
        quantile : float, default=0.95
            The quantile beside the mean. For a disparity whose larger values are the
            fairer ones it is taken from below.
        n_resamples : int, default=9999
            Permutations. Metrics that are called on rows are called as many times.
        random_state : int, Generator, RandomState or None, default=None
            Source of randomness.

        Returns
        -------
        mean, quantile : Series, DataFrame or dict
            An entry for each metric (and stratum).
        """
        mean, edge = self._noise(disparity, to, quantile, n_resamples, random_state)
        return self._stratum_table(mean), self._stratum_table(edge)

    @cached_property
    def _shown_noise(self):
        """Noise floor of the difference for the printed report.

        Metrics that are called on rows have none there: it would take as many calls.
        """
        mean, edge = np.full((2, *self.overall_values.shape), np.nan)
        on_counts, _ = self._split_metrics()
        if on_counts:
            columns = [column for _, own in on_counts for column in own]
            known = self._only_counts()._noise("difference", "groups", 0.95, 999, 0)
            mean[:, columns], edge[:, columns] = known
        return mean, edge

    def _only_counts(self):
        metrics = {name: m for name, m in self._metrics.items() if m.on_counts}
        if len(metrics) == len(self._metrics):
            return self
        columns = [c for _, own in self._split_metrics()[0] for c in own]
        return replace(
            self,
            names=[self.names[column] for column in columns],
            values=self.values[:, columns],
            overall_values=self.overall_values[:, columns],
            _metrics=metrics,
            _rows=None,
        )

    def __repr__(self):
        return to_text(report_tables(self, self._shown_noise))

    def _repr_html_(self):
        return to_html(report_tables(self, self._shown_noise))

    def _noise(self, disparity, to, quantile, n_resamples, random_state):
        disparity = get_disparity(disparity)
        drawn = null_draws(self, n_resamples, random_state)
        values, overall = (np.moveaxis(part, -1, 0) for part in drawn)
        floor = compare_groups(values, overall, disparity, to)
        if disparity.greater_is_better:
            quantile = 1 - quantile
        floor = np.ascontiguousarray(np.moveaxis(floor, 0, -1))
        defined = ~np.isnan(floor)
        n_defined = defined.sum(-1)
        mean = np.where(defined, floor, 0.0).sum(-1) / np.maximum(n_defined, 1)
        mean = np.where(n_defined > 0, mean, np.nan)
        return mean, nan_quantile(floor, quantile)

    def _split_metrics(self):
        """Metrics on counts and metrics on rows, each with its columns."""
        parts, column = ([], []), 0
        for name, metric in self._metrics.items():
            width = sum(
                shown == name or shown.startswith(f"{name} (class ")
                for shown in self.names
            )
            parts[not metric.on_counts].append(
                (metric, list(range(column, column + width)))
            )
            column += width
        return parts

    def _is_proportion(self):
        """Whether each column is a share of samples."""
        shares = np.zeros(len(self.names), dtype=bool)
        for metric, columns in self._split_metrics()[0]:
            shares[columns] = metric.statistic.is_proportion
        return shares

    def to_dict(self):
        """The report as plain dicts, ready for JSON where the labels are.

        Returns
        -------
        report : dict
            With `overall`, `difference`, `ratio` by metric, and `by_group` and
            `group_sizes` by group. With strata: a dict of such reports by stratum.
        """
        reports = [self._stratum_dict(c) for c in range(len(self.stratum_labels))]
        if not self.stratum_names:
            return reports[0]
        labels = [
            label[0] if len(label) == 1 else label for label in self.stratum_labels
        ]
        return dict(zip(labels, reports))

    def _stratum_dict(self, stratum):
        def named(values):
            return dict(zip(self.names, values.tolist()))

        values, overall = self.values[[stratum]], self.overall_values[[stratum]]
        by_group = {label: named(values[0, :, g])
                    for g, label in enumerate(self.group_labels)}  # fmt: skip
        return {
            "overall": named(overall[0]),
            "by_group": by_group,
            "group_sizes": dict(zip(self.group_labels, self.sizes[stratum].tolist())),
            "difference": named(compare_groups(values, overall, "difference")[0]),
            "ratio": named(compare_groups(values, overall, "ratio")[0]),
        }

    def _columns(self, rows):
        return {name: rows[:, column] for column, name in enumerate(self.names)}

    def _stratum_table(self, values):
        return make_table(self.kind, self._stratum_index(), self._columns(values))

    def _stratum_index(self, repeats=1):
        names = feature_names(self.stratum_names, "control_feature")
        columns = zip(*self.stratum_labels) if self.stratum_names else ()
        return {name: [v for v in column for _ in range(repeats)]
                for name, column in zip(names, columns)}  # fmt: skip

    def _group_index(self):
        """Label columns of all cells, strata before groups."""
        names = feature_names(self.group_names, "sensitive_feature")
        labels = self.group_labels
        columns = zip(*labels) if len(names) > 1 else [labels]
        groups = {name: list(column) * len(self.stratum_labels)
                  for name, column in zip(names, columns)}  # fmt: skip
        return {**self._stratum_index(len(labels)), **groups}

    def _warn_undefined(self):
        missing = np.isnan(self.values)
        if not missing.any():
            return
        shown = [
            f"{self.names[column]} of group {self.group_labels[group]!r}"
            + (f" in stratum {self.stratum_labels[c]!r}" if self.stratum_names else "")
            for c, column, group in list(zip(*missing.nonzero()))[:5]
        ]
        more = f", ... ({missing.sum()} in all)" if missing.sum() > len(shown) else ""
        warnings.warn(
            f"group_metrics: {', '.join(shown)}{more} undefined, because no sample is "
            "there to measure it on. These groups are left out of the disparities.",
            UndefinedRateWarning,
            stacklevel=4,
        )


def _nan_reduce(function, values):
    return function.reduce(values, axis=-1)


def _strata_of(strata):
    if strata is None:
        return [()], []
    labels = [v if isinstance(v, tuple) else (v,) for v in strata.labels]
    return labels, strata.names
