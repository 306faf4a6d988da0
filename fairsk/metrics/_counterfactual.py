"""How much a model's answer changes where only the group of a row does."""

import functools
import warnings

import numpy as np
from sklearn.base import is_regressor

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics._scorers import GroupAwareScorer
from fairsk.utils._columns import as_array, as_column
from fairsk.utils._rows import count_rows
from fairsk.utils._sklearn import _BaseScorer, _cached_call


def flip_rate(
    y_pred, y_pred_counterfactual, *, has_counterfactual=None, sample_weight=None
):
    r"""Share of the decisions that change when the group of a row does.

    With the counterfactual :math:`x'` of each row it is :math:`P(\hat y(x) \ne \hat
    y(x'))` over the rows that have one; 0 is fair.

    Parameters
    ----------
    y_pred, y_pred_counterfactual : array-like of shape (n_samples,)
        Predicted labels of the rows, and of their counterfactuals.
    has_counterfactual : array-like of bool of shape (n_samples,), default=None
        Which rows have a counterfactual. None takes all for having one.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    rate : float
        In [0, 1]; NaN with a warning if no row has a counterfactual.

    See Also
    --------
    counterfactual_token_fairness_gap : The same of scores.
    make_counterfactual_scorer : Both as scorers.

    Examples
    --------
    >>> from fairsk.metrics import flip_rate
    >>> flip_rate(["yes", "no", "no"], ["yes", "yes", "no"])
    0.3333333333333333
    """
    first, second = _labels(y_pred), _labels(y_pred_counterfactual)
    _check_pair(first, second, "flip_rate")
    changed = np.array([a != b for a, b in zip(first, second)], dtype=float)
    return _mean(changed, has_counterfactual, sample_weight, "flip_rate")


def counterfactual_token_fairness_gap(
    y_score, y_score_counterfactual, *, has_counterfactual=None, sample_weight=None
):
    r"""Mean change of the score when the group of a row changes (CTF gap).

    It is the mean of :math:`|f(x) - f(x')|` over the rows that have a counterfactual
    :math:`x'`. Of the probabilities of several classes, the change is the total
    variation :math:`\tfrac12 \sum_k |f_k(x) - f_k(x')|`, which is the same for two.

    Parameters
    ----------
    y_score, y_score_counterfactual : array-like of shape (n_samples[, n_classes])
        Scores of the rows, and of their counterfactuals.
    has_counterfactual : array-like of bool of shape (n_samples,), default=None
        Which rows have a counterfactual. None takes all for having one.
    sample_weight : array-like of shape (n_samples,), default=None
        Non-negative weights.

    Returns
    -------
    gap : float
        0 is fair; NaN with a warning if no row has a counterfactual.

    See Also
    --------
    flip_rate : The same of decisions.

    References
    ----------
    Garg, Perot, Limtiaco, Taly, Chi & Beutel (2019). Counterfactual fairness in text
    classification through robustness. AIES.

    Examples
    --------
    >>> from fairsk.metrics import counterfactual_token_fairness_gap
    >>> counterfactual_token_fairness_gap([0.5, 0.25], [0.25, 0.25])
    0.125
    """
    owner = "counterfactual_token_fairness_gap"
    first, second = (
        np.asarray(scores, dtype=float) for scores in (y_score, y_score_counterfactual)
    )
    _check_pair(first, second, owner)
    change = np.abs(first - second)
    if change.ndim == 2:
        change = change.sum(axis=1) / 2
    return _mean(change, has_counterfactual, sample_weight, owner)


# Name -> (metric of a pair of responses, method that gives the responses).
_METRICS = {
    "flip_rate": (flip_rate, "predict"),
    "token_fairness_gap": (
        counterfactual_token_fairness_gap,
        ["predict_proba", "decision_function", "predict"],
    ),
}


def make_counterfactual_scorer(
    swap, *, metric="flip_rate", response_method=None, group_by=None
):
    """Make a scorer of how much a model's answers change under a swap.

    It needs no labels. The swapped rows are predicted along with the others, so a score
    costs as much as two.

    Parameters
    ----------
    swap : transformer or callable
        Makes the counterfactual rows: an object with `transform`, such as
        :class:`fairsk.text.CounterfactualSwap`, or a function of X. Rows that come back
        as they were have no counterfactual, and do not count.
    metric : {"flip_rate", "token_fairness_gap"} or callable, default="flip_rate"
        What to make of the two responses; a function ``metric(response, \
response_counterfactual, *, has_counterfactual)`` of which less is better.
    response_method : str or list of str, default=None
        Method of the estimator that the responses come from. None takes "predict" for
        flips and functions, and scores for the gap.
    group_by : str, int, list of str or int, or callable, default=None
        Where to read the groups in X, for an estimator that needs them to predict. A
        row and its counterfactual are predicted with the same group: what changes is
        what the model reads. An estimator or pipeline with a `group_by` of its own
        reads the groups of the swapped rows.

    Returns
    -------
    scorer : scorer
        Called as ``scorer(estimator, X, y=None, sensitive_features=None)``; the
        negative metric, so that more is better.

    See Also
    --------
    flip_rate : Share of decisions that change.
    counterfactual_token_fairness_gap : Mean change of the score.

    Examples
    --------
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from fairsk.metrics import make_counterfactual_scorer
    >>> texts = ["he runs", "she runs", "he sings", "she sings"]
    >>> model = make_pipeline(CountVectorizer(), LogisticRegression())
    >>> model = model.fit(texts, [1, 0, 1, 0])
    >>> def swap(texts):
    ...     return [t[1:] if t.startswith("she") else "s" + t for t in texts]
    >>> scorer = make_counterfactual_scorer(swap)
    >>> scorer(model, texts)
    -1.0
    """
    if not hasattr(swap, "transform") and not callable(swap):
        raise TypeError(
            "make_counterfactual_scorer needs `swap` to have `transform`, or to be a "
            f"function of X. Got {swap!r}."
        )
    if isinstance(metric, str):
        if metric not in _METRICS:
            raise ValueError(
                "make_counterfactual_scorer needs `metric` to be a function or one of "
                f"{sorted(_METRICS)}. Got {metric!r}."
            )
        metric, method = _METRICS[metric]
    else:
        method = "predict"
    return CounterfactualScorer(swap, metric, response_method or method, group_by)


class CounterfactualScorer(GroupAwareScorer):
    """Scorer of the responses to X and to its counterfactual.

    Parameters
    ----------
    swap : transformer or callable
        Makes the counterfactual rows.
    metric : callable
        What to make of the two responses.
    response_method : str or list of str
        Where they come from.
    group_by : str, int, list or callable
        Where to read the groups in X.
    """

    def __init__(self, swap, metric, response_method, group_by):
        super().__init__(_PairScorer(swap, metric, response_method), group_by)
        self._swap = swap

    def __repr__(self):
        return (
            f"make_counterfactual_scorer({self._swap!r}, "
            f"metric={getattr(self._score_func, '__name__', self._score_func)}, "
            f"response_method={self._response_method!r})"
        )


class _PairScorer(_BaseScorer):
    def __init__(self, swap, metric, response_method):
        super().__init__(metric, -1, {}, response_method)
        self._swap = swap

    def _score(self, method_caller, estimator, X, y_true=None, **kwargs):
        swap = getattr(self._swap, "transform", self._swap)
        swapped = swap(X)
        method = self._find_method(estimator)
        pos_label = None if is_regressor(estimator) else self._get_pos_label()
        respond = functools.partial(_cached_call, None)  # the swapped rows are others
        responses = [
            caller(estimator, method, rows, pos_label=pos_label)
            for caller, rows in ((method_caller, X), (respond, swapped))
        ]
        changed = _changed_rows(X, swapped)
        value = self._score_func(*responses, has_counterfactual=changed, **kwargs)
        return self._sign * value

    def _find_method(self, estimator):
        names = self._response_method
        names = [names] if isinstance(names, str) else names
        found = next((name for name in names if hasattr(estimator, name)), None)
        if found is None:
            raise AttributeError(
                f"make_counterfactual_scorer needs an estimator with {names}. "
                f"{type(estimator).__name__} has none. Pass `response_method`."
            )
        return found


def _changed_rows(X, swapped):
    """Which rows differ."""
    if count_rows(X) != count_rows(swapped):
        raise ValueError(
            "make_counterfactual_scorer needs `swap` to return a row for each row. Got "
            f"{count_rows(swapped)} for {count_rows(X)}."
        )
    first, second = (
        as_array(rows.to_numpy() if hasattr(rows, "to_numpy") else rows)
        for rows in (X, swapped)
    )
    # A missing value that stays missing is no change.
    differs = np.asarray(first != second) & ~((first != first) & (second != second))
    return differs.reshape(len(differs), -1).any(axis=1)


def _labels(values):
    column = as_column(values)
    return column if isinstance(column, np.ndarray) else column.to_numpy()


def _check_pair(first, second, owner):
    if first.shape != second.shape or first.ndim not in (1, 2) or not len(first):
        raise ValueError(
            f"{owner} needs a response to each row and to its counterfactual. Got "
            f"shapes {first.shape} and {second.shape}."
        )


def _mean(values, has_counterfactual, sample_weight, owner):
    weight = np.ones(len(values))
    if sample_weight is not None:
        weight = np.asarray(sample_weight, dtype=float)
    if has_counterfactual is not None:
        weight = weight * np.asarray(has_counterfactual, dtype=bool)
    if weight.shape != values.shape:
        raise ValueError(
            f"{owner} needs one weight and one `has_counterfactual` per row. Got shape "
            f"{weight.shape} for {len(values)} rows."
        )
    if weight.sum() == 0:
        warnings.warn(
            f"{owner} is undefined: 0 of {len(values)} rows have a counterfactual "
            "(coverage 0). Use a swap that changes these rows.",
            UndefinedRateWarning,
            stacklevel=3,
        )
        return float("nan")
    return float(np.average(values, weights=weight))
