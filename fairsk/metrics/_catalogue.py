"""Every named metric, and how each kind of metric is measured on rows."""

import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from fairsk.definitions import (
    COUNT_FUNCTIONS,
    GROUP_MEANS,
    RATES,
    CountFunction,
    GroupMean,
    Rate,
    abroca,
    ks_distance,
    ks_to_overall,
    wasserstein_distance,
)

_SCORES = ("y_score", "y_proba", "y_prob")


@dataclass(frozen=True)
class CountMetric:
    """A metric that the confusion table of each group is enough for.

    Parameters
    ----------
    name : str
        Name.
    statistic : Rate or CountFunction
        What to compute of the table.
    """

    name: str
    statistic: object

    on_counts = True


@dataclass(frozen=True)
class MeanMetric:
    """A metric that follows from group means of per-sample terms.

    Parameters
    ----------
    name : str
        Name.
    statistic : GroupMean
        The terms and how they combine.
    target : {"y_true", "y_class"}, default="y_true"
        Whether it wants the labels as they are or the index of the class.
    prediction : {"y_pred", "y_score"}, default="y_pred"
        What it looks at.
    """

    name: str
    statistic: GroupMean
    target: str = "y_true"
    prediction: str = "y_pred"

    on_counts = False

    def evaluate(self, rows):
        """Values of shape (n_strata, n_groups), and of each stratum as a whole."""
        prediction = rows.columns[self.prediction]
        # A metric of the predictions alone takes labels of any kind.
        target = rows.columns.get(self.target, prediction)
        weights, sums = self.statistic.totals(
            target,
            prediction,
            rows.codes,
            n_groups=rows.n_strata * rows.n_groups,
            sample_weight=rows.sample_weight,
        )
        shape = (rows.n_strata, rows.n_groups)
        tables = [total.reshape(shape) for total in (weights, *sums)]
        whole = [table.sum(1) for table in tables]
        return (
            self.statistic.from_totals(tables[0], tables[1:]),
            self.statistic.from_totals(whole[0], whole[1:]),
        )


@dataclass(frozen=True)
class SliceMetric:
    """Any function of the rows of one group, called on one contiguous slice each.

    Parameters
    ----------
    name : str
        Name.
    function : callable
        Maps (y_true, prediction, **params) to a number.
    target : {"y_true", "y_class"}, default="y_true"
        Whether it wants the labels as they are or the index of the class.
    prediction : {"y_pred", "y_score"}, default="y_pred"
        What it looks at.
    """

    name: str
    function: Callable
    target: str = "y_true"
    prediction: str = "y_pred"

    on_counts = False

    def evaluate(self, rows):
        """Values of shape (n_strata, n_groups), and of each stratum as a whole."""
        cells = [rows.cell(index) for index in range(rows.n_strata * rows.n_groups)]
        values = np.array([self._call(rows.by_cell, cell) for cell in cells])
        if rows.n_strata == 1:
            whole = [self._call(rows, slice(None))]
        else:
            strata = range(rows.n_strata)
            whole = [self._call(rows.by_cell, rows.stratum(c)) for c in strata]
        return values.reshape(rows.n_strata, rows.n_groups), np.array(whole)

    def _call(self, rows, part):
        target = rows.columns[self.target][part]
        if not len(target):
            return np.nan
        params = {key: v[part] for key, v in rows.params.get(self.name, {}).items()}
        if rows.sample_weight is not None:
            params.setdefault("sample_weight", rows.sample_weight[part])
        value = self.function(target, rows.columns[self.prediction][part], **params)
        if np.ndim(value):
            raise TypeError(
                f"group_metrics needs metrics that return one number. {self.name!r} "
                f"returned an array of shape {np.shape(value)}. Return one entry of "
                "it; confusion tables of all groups are in OutcomeCounts."
            )
        return float(value)


@dataclass(frozen=True)
class ContrastMetric:
    """A metric that compares each group with the others.

    Its value of a group compares it with all other samples (of the stratum); its
    overall value is the largest one between two groups.

    Parameters
    ----------
    name : str
        Name.
    function : callable
        Maps (prediction, group_codes, n_groups=, sample_weight=), after y_true where
        `target` is given, to the values of the groups and the overall value.
    target : {"y_class", None}, default=None
        Whether it looks at the true class.
    prediction : {"y_pred", "y_score"}, default="y_score"
        What it looks at.
    """

    name: str
    function: Callable
    target: str | None = None
    prediction: str = "y_score"

    on_counts = False

    def evaluate(self, rows):
        """Values of shape (n_strata, n_groups), and of each stratum as a whole."""
        values = np.full((rows.n_strata, rows.n_groups), np.nan)
        whole = np.full(rows.n_strata, np.nan)
        for stratum in range(rows.n_strata):
            part, sorted_rows = rows.stratum(stratum), rows.by_cell
            names = [name for name in (self.target, self.prediction) if name]
            weights = sorted_rows.sample_weight
            values[stratum], whole[stratum] = self.function(
                *(sorted_rows.columns[name][part] for name in names),
                sorted_rows.codes[part] - stratum * rows.n_groups,
                n_groups=rows.n_groups,
                sample_weight=None if weights is None else weights[part],
            )
        return values, whole


def roc_auc(y_true, y_score, sample_weight=None):
    """Area under the ROC curve; NaN where a class has no weight."""
    if not _both_classes(y_true, sample_weight):
        return np.nan
    return roc_auc_score(y_true, y_score, sample_weight=sample_weight)


def average_precision(y_true, y_score, sample_weight=None):
    """Average precision; NaN where there are no positives."""
    positive = y_true if sample_weight is None else y_true * sample_weight
    if not positive.any():
        return np.nan
    return average_precision_score(y_true, y_score, sample_weight=sample_weight)


def calibration_error(y_true, y_score, sample_weight=None, *, n_bins=10):
    """Expected calibration error over bins of equal width."""
    bins = np.clip((y_score * n_bins).astype(np.intp), 0, n_bins - 1)
    weights = np.ones(len(bins)) if sample_weight is None else sample_weight
    if not weights.sum() > 0:
        return np.nan
    gaps = np.bincount(bins, weights * (y_score - y_true), minlength=n_bins)
    return abs(gaps).sum() / weights.sum()


def _both_classes(y_true, sample_weight):
    present = y_true if sample_weight is None else y_true[sample_weight > 0]
    return len(present) > 0 and present.min() != present.max()


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue: a metric and what the documentation says of it.

    Parameters
    ----------
    metric : CountMetric, MeanMetric, SliceMetric or ContrastMetric
        The metric.
    formula : str
        The definition in LaTeX.
    values : str
        Its range, best value first where there is one.
    reference : str, default=""
        The paper.
    """

    metric: object
    formula: str
    values: str
    reference: str = ""


_CELLS = {(0, 0): "TN", (0, 1): "FP", (1, 0): "FN", (1, 1): "TP"}
_ENTROPY = "Speicher et al. (2018), A unified approach to quantifying unfairness"


def _formula(rate):
    """The rate as a formula of the cells of the confusion table."""
    sums = []
    for table in (rate.numerator, rate.denominator):
        terms = [
            name if table[i][j] == 1 else f"{table[i][j]:g}\\,{name}"
            for (i, j), name in _CELLS.items()
            if table[i][j]
        ]
        sums.append(" + ".join(terms))
    return r"\frac{" + sums[0] + "}{" + sums[1] + "}"


def _count_entries():
    for rate in RATES.values():
        bounded = rate.is_proportion or rate.name == "f1_score"
        yield Entry(
            CountMetric(rate.name, rate),
            _formula(rate),
            "[0, 1]" if bounded else "[0, ∞)",
        )
    about = {
        "balanced_accuracy": ("[0, 1]", ""),
        "matthews_correlation": ("[-1, 1]", "Matthews (1975)"),
        "cohen_kappa": ("[-1, 1]", "Cohen (1960)"),
        "positive_likelihood_ratio": ("[0, ∞)", ""),
        "negative_likelihood_ratio": ("[0, ∞)", ""),
        "generalized_entropy_index": ("[0, ∞)", _ENTROPY),
        "theil_index": ("[0, log n]", _ENTROPY),
    }
    for name, function in COUNT_FUNCTIONS.items():
        yield Entry(CountMetric(name, function), function.formula, *about[name])


def _mean_entries():
    about = {
        "mean_error": ("(-∞, ∞)", "y_true", "y_pred"),
        "mean_absolute_error": ("[0, ∞)", "y_true", "y_pred"),
        "mean_squared_error": ("[0, ∞)", "y_true", "y_pred"),
        "root_mean_squared_error": ("[0, ∞)", "y_true", "y_pred"),
        "r2_score": ("(-∞, 1]", "y_true", "y_pred"),
        "log_loss": ("[0, ∞)", "y_class", "y_score"),
        "brier_score": ("[0, 1]", "y_class", "y_score"),
        "predictive_entropy": ("[0, log K]", "y_class", "y_score"),
        "mean_label": ("(-∞, ∞)", "y_true", "y_pred"),
        "mean_prediction": ("(-∞, ∞)", "y_true", "y_pred"),
        "interval_width": ("[0, ∞)", "y_true", "y_pred"),
        "interval_coverage": ("[0, 1]", "y_true", "y_pred"),
    }
    for name, (values, target, prediction) in about.items():
        metric = MeanMetric(name, GROUP_MEANS[name], target, prediction)
        yield Entry(metric, GROUP_MEANS[name].formula, values)


def _row_entries():
    yield Entry(
        SliceMetric("roc_auc", roc_auc, "y_class", "y_score"),
        r"P(S_i > S_j \mid Y_i = 1, Y_j = 0)",
        "[0, 1]",
    )
    yield Entry(
        SliceMetric("average_precision", average_precision, "y_class", "y_score"),
        r"\sum_t (R_t - R_{t-1}) P_t",
        "[0, 1]",
    )
    yield Entry(
        SliceMetric("calibration_error", calibration_error, "y_class", "y_score"),
        r"\sum_b \frac{n_b}{n} |\bar y_b - \bar s_b|",
        "[0, 1]",
        "Naeini et al. (2015), Obtaining well calibrated probabilities",
    )
    yield Entry(
        ContrastMetric("abroca", abroca, "y_class"),
        r"\int_0^1 |\mathrm{ROC}_g(t) - \mathrm{ROC}_{\neg g}(t)|\,dt",
        "[0, 1]",
        "Gardner, Brooks & Baker (2019), Evaluating the fairness of predictive student "
        "models through slicing analysis",
    )
    yield Entry(
        ContrastMetric("wasserstein_distance", wasserstein_distance),
        r"\int |F_g(s) - F_{\neg g}(s)|\,ds",
        "[0, ∞)",
        "Jiang et al. (2020), Wasserstein fair classification",
    )
    yield Entry(
        ContrastMetric("ks_distance", ks_distance),
        r"\sup_s |F_g(s) - F_{\neg g}(s)|",
        "[0, 1]",
    )
    yield Entry(
        ContrastMetric(
            "continuous_statistical_parity", ks_to_overall, prediction="y_pred"
        ),
        r"\sup_z |P(\hat Y \le z \mid A = g) - P(\hat Y \le z)|",
        "[0, 1]",
        "Agarwal, Dudík & Wu (2019), Fair regression",
    )


METRICS = {
    entry.metric.name: entry
    for entries in (_count_entries(), _mean_entries(), _row_entries())
    for entry in entries
}


def resolve_metrics(metrics, *, has_score=False, has_weight=False):
    """The metrics by the name that the report gives them.

    Parameters
    ----------
    metrics : str, callable, Rate, CountFunction, GroupMean, or list or dict of them
        What the user asked for.
    has_score : bool, default=False
        Whether `y_score` is given; functions that name their second argument so get it.
    has_weight : bool, default=False
        Whether weights are given; functions must then take `sample_weight`.

    Returns
    -------
    resolved : dict of {str: metric}
        In the given order.
    """
    if not isinstance(metrics, dict):
        listed = metrics if isinstance(metrics, (list, tuple)) else [metrics]
        metrics = {_name(metric): metric for metric in listed}
        if len(metrics) < len(listed):
            raise ValueError(
                "group_metrics needs metrics of different names. Got "
                f"{[_name(metric) for metric in listed]}. Pass a dict that names them."
            )
    if not metrics:
        raise ValueError("group_metrics needs at least one metric. Got none.")
    return {
        name: _resolve(name, metric, has_score, has_weight)
        for name, metric in metrics.items()
    }


def _name(metric):
    if isinstance(metric, str):
        return metric
    return getattr(metric, "name", None) or getattr(metric, "__name__", repr(metric))


def _resolve(name, metric, has_score, has_weight):
    if isinstance(metric, str):
        return replace(_named(metric), name=name)
    if isinstance(metric, (Rate, CountFunction)):
        return CountMetric(name, metric)
    if isinstance(metric, GroupMean):
        return MeanMetric(name, metric)
    if not callable(metric):
        raise TypeError(
            f"group_metrics needs the metric {name!r} to be a name or a function of "
            f"(y_true, y_pred). Got {metric!r}."
        )
    parameters = _parameters(metric)
    if has_weight and not {"sample_weight", "**"} & set(parameters):
        raise TypeError(
            f"group_metrics needs metrics that take `sample_weight`, since weights are "
            f"given. {name!r} does not. Wrap it in a function that takes them, if only "
            "to ignore them."
        )
    wants_score = has_score and len(parameters) > 1 and parameters[1] in _SCORES
    return SliceMetric(name, metric, prediction="y_score" if wants_score else "y_pred")


def _named(metric):
    if metric in METRICS:
        return METRICS[metric].metric
    close = difflib.get_close_matches(metric, METRICS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"group_metrics needs the name of a metric, one of {sorted(METRICS)}, or a "
        f"function. Got {metric!r}.{hint}"
    )


def _parameters(function):
    """Names of the parameters; "**" stands for any keyword."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    return ["**" if p.kind is p.VAR_KEYWORD else p.name for p in parameters]
