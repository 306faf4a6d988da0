"""Scorers that hand the groups to the metric and to the estimator's predictions."""

import copy
import difflib
import functools
import inspect

from sklearn.base import is_regressor
from sklearn.metrics import get_scorer as _sklearn_get_scorer
from sklearn.metrics import get_scorer_names as _sklearn_get_scorer_names
from sklearn.metrics import make_scorer

from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    FairnessDefinition,
    get_definition,
    get_disparity,
)
from fairsk.groups import read_columns
from fairsk.metrics._bound import bind_metadata, bind_predictor
from fairsk.metrics._named import fairness_disparity
from fairsk.utils._sklearn import (
    _BaseScorer,
    _cached_call,
    _raise_for_params,
)


class GroupAwareScorer(_BaseScorer):
    """A scorer that knows the groups.

    It wraps a scorer of scikit-learn and is one itself, so that several of them share
    the predictions in multi-metric scoring. Made by :func:`get_scorer` and
    :func:`make_fairness_scorer`.

    Parameters
    ----------
    scorer : scorer
        The scorer that computes the score once the predictions are there.
    group_by : str, int, list or callable, default=None
        Where to read the groups in X, if they do not come as metadata.
    """

    def __init__(self, scorer, group_by=None):
        super().__init__(
            scorer._score_func, scorer._sign, scorer._kwargs, scorer._response_method
        )
        self._scorer = scorer
        self._group_by = group_by
        own = getattr(scorer, "_metadata_request", None)
        requested = dict(own.score.requests) if own is not None else {}
        self._requested = {"sensitive_features": True} | requested

    def __call__(
        self,
        estimator,
        X,
        y_true=None,
        *,
        sensitive_features=None,
        sample_weight=None,
        **kwargs,
    ):
        """Score the predictions of a fitted estimator.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator.
        X : array-like or DataFrame of shape (n_samples, n_features)
            What to predict for.
        y_true : array-like of shape (n_samples,), default=None
            The truth.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of the samples. None reads them from X by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        **kwargs : dict
            Further metadata that was requested by `set_score_request`.

        Returns
        -------
        score : float
            More is better.
        """
        _raise_for_params(kwargs, self, None)
        given = {"sensitive_features": sensitive_features}
        given |= {"sample_weight": sample_weight}
        kwargs |= {name: value for name, value in given.items() if value is not None}
        caller = functools.partial(_cached_call, None)
        return self._score(caller, estimator, X, y_true, **kwargs)

    def set_score_request(self, **requests):
        """Request metadata; what was requested before stays requested.

        Parameters
        ----------
        **requests : dict
            Name of the metadata -> True, False, None, or the alias that it is passed
            by. `sensitive_features` is requested from the start.

        Returns
        -------
        self : scorer
            The scorer.
        """
        super().set_score_request(**requests)  # checks them
        del self._metadata_request
        self._requested = self._requested | requests
        return self

    def _get_metadata_request(self):
        request = super()._get_metadata_request()
        for name, alias in self._requested.items():
            request.score.add_request(param=name, alias=alias)
        return request

    def _score(self, method_caller, estimator, X, y_true, **metadata):
        given = metadata.pop("sensitive_features", None)
        groups = self._read_groups(X) if given is None else given
        if _takes(self._score_func, "sensitive_features"):
            metadata["sensitive_features"] = self._require(groups)
        if groups is None:
            bound, handed, source = estimator, set(), None
        elif given is None:
            bound, handed = bind_predictor(estimator, groups, unless_group_by=True)
            source = f"group_by={self._group_by!r}"
        else:
            source = self._alias()
            bound, handed = bind_metadata(estimator, source, groups, owner=self)

        def call(bound, method, *args, **kwargs):
            # scikit-learn keeps predictions by the name of the method. Those that were
            # handed other groups must be kept apart: it also takes a tuple of names,
            # the first of which that exists is called.
            if method in handed and is_regressor(estimator):
                # scikit-learn 1.6 takes no tuple for regressors.
                return getattr(bound, method)(*args)
            key = (method, source) if method in handed else method
            return method_caller(bound, key, *args, **kwargs)

        metadata |= self._classes(estimator)
        return self._scorer._score(call, bound, X, y_true, **metadata)

    def _alias(self):
        """Name by which the user passes the groups."""
        alias = self._requested["sensitive_features"]
        return alias if isinstance(alias, str) else "sensitive_features"

    def _read_groups(self, X):
        if self._group_by is None:
            return None
        groups = read_columns(X, self._group_by, owner="The scorer")
        if isinstance(groups, dict) and len(groups) == 1:
            return next(iter(groups.values()))
        return groups

    def _require(self, groups):
        if groups is None:
            raise ValueError(
                f"{self!r} needs the group of each sample. Got neither metadata nor "
                "`group_by`. Switch metadata routing on and pass `sensitive_features`, "
                "or set the scorer's `group_by` to read it from X."
            )
        return groups

    def _classes(self, estimator):
        """What a definition is told of the classes, which a test fold may not show."""
        classes = getattr(estimator, "classes_", None)
        if self._score_func is not fairness_disparity or not hasattr(classes, "tolist"):
            return {}
        known = {"labels": classes.tolist()}
        if len(classes) == 2:
            known["pos_label"] = known["labels"][1]
        return {
            name: value for name, value in known.items() if name not in self._kwargs
        }

    def __repr__(self):
        options = dict(self._kwargs)
        metric = _name_of(self._score_func)
        if self._score_func is fairness_disparity:
            metric = repr(options.pop("fairness").name)
            options = {"disparity": options.pop("disparity").name} | options
        else:
            options["greater_is_better"] = self._sign > 0
        if self._response_method != "predict":
            options["response_method"] = self._response_method
        if self._group_by is not None:
            options["group_by"] = self._group_by
        options = "".join(f", {name}={value!r}" for name, value in options.items())
        return f"make_fairness_scorer({metric}{options})"


def make_fairness_scorer(
    metric,
    *,
    disparity="difference",
    response_method="predict",
    greater_is_better=None,
    group_by=None,
    pos_label=None,
    **kwargs,
):
    """Make a scorer that knows the groups, of a definition or of any function.

    The scorer hands the groups to the metric, if it takes `sensitive_features`, and to
    the estimator's `predict`, `predict_proba` or `decision_function`, if they do. It is
    accepted wherever scikit-learn takes `scoring`.

    Parameters
    ----------
    metric : str, FairnessDefinition or callable
        A key of `fairsk.definitions.DEFINITIONS`, a definition, or a function
        ``metric(y_true, y_pred, *, sensitive_features, **kwargs)``, in which
        `sensitive_features` may be left out.
    disparity : str or Disparity, default="difference"
        How the rates of the groups become one number, if `metric` is a definition.
    response_method : str or list of str, default="predict"
        Method of the estimator that `y_pred` comes from; of a list, the first that it
        has. Definitions need class labels.
    greater_is_better : bool, default=None
        Whether a larger value of the function is better; if not, the score is its
        negative. A function needs it; of a definition it is known.
    group_by : str, int, list of str or int, or callable, default=None
        Column name(s) or position(s) of X, or a function of X, to read the groups from
        where no `sensitive_features` come as metadata, as with metadata routing off.
    pos_label : object, default=None
        The positive class. None takes ``estimator.classes_[1]`` for a definition and
        binary labels, each class against the rest for a definition and more labels,
        and the function's own default for a function.
    **kwargs : dict
        Further arguments of the function.

    Returns
    -------
    scorer : scorer
        Called as ``scorer(estimator, X, y, sensitive_features=None)``; more is better.
        It requests `sensitive_features`; `set_score_request` requests more.

    See Also
    --------
    get_scorer : Scorers by name.

    Notes
    -----
    Groups that come as metadata go to those methods of the estimator that request them
    by the same name. Groups read by `group_by` go to the predictor at the end of the
    pipeline, if it takes them and its own `group_by` is None. In a permutation
    importance `group_by` reads the permuted column where it names that one.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_val_score
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.metrics import make_fairness_scorer
    >>> X, y, group = make_biased_classification(n_samples=300, random_state=0)
    >>> X[:, 0] = group
    >>> scorer = make_fairness_scorer("equal_opportunity", group_by=0)
    >>> scores = cross_val_score(LogisticRegression(), X, y, scoring=scorer)
    >>> bool((scores <= 0).all())
    True
    """
    if not isinstance(metric, (str, FairnessDefinition)) and not callable(metric):
        raise TypeError(
            "make_fairness_scorer needs `metric` to be the name of a definition, a "
            f"FairnessDefinition or a function. Got {metric!r}."
        )
    if pos_label is not None:
        kwargs["pos_label"] = pos_label
    if hasattr(metric, "definition"):  # one of our named functions
        metric, disparity = metric.definition, metric.disparity
    if not callable(metric):
        disparity = get_disparity(disparity)
        kwargs |= {"fairness": get_definition(metric), "disparity": disparity}
        metric = fairness_disparity
        if greater_is_better is None:
            greater_is_better = disparity.greater_is_better
    if greater_is_better is None:
        raise ValueError(
            "make_fairness_scorer needs `greater_is_better` for the function "
            f"{_name_of(metric)}. Got None. Pass True if a larger value is better, "
            "False if a smaller one is."
        )
    scorer = make_scorer(
        metric,
        response_method=response_method,
        greater_is_better=greater_is_better,
        **kwargs,
    )
    return GroupAwareScorer(scorer, group_by)


def get_scorer(scoring, *, group_by=None, pos_label=None):
    """Scorer of that name, which knows the groups.

    Takes the names of scikit-learn's scorers, and for every fairness definition and
    disparity ``"<definition>_<disparity>"``, with ``neg_`` before it where less is
    better: ``"demographic_parity_ratio"``, ``"neg_demographic_parity_difference"``.
    Every scorer hands the groups on to an estimator that wants them when it predicts,
    so that ``"accuracy"`` too can score such an estimator.

    Parameters
    ----------
    scoring : str or scorer
        One of :func:`get_scorer_names`, or a scorer made by scikit-learn's
        `make_scorer`.
    group_by : str, int, list of str or int, or callable, default=None
        Column name(s) or position(s) of X, or a function of X, to read the groups from
        where no `sensitive_features` come as metadata, as with metadata routing off.
    pos_label : object, default=None
        The positive class, for scorers that have one.

    Returns
    -------
    scorer : scorer
        More is better. It requests `sensitive_features`.

    See Also
    --------
    make_fairness_scorer : The scorer of any definition or function.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from fairsk.datasets import load_law_school
    >>> from fairsk.metrics import get_scorer
    >>> data = load_law_school(as_frame=True)
    >>> X = data.data[["lsat", "ugpa"]].assign(white=data.data["race"] == "White")
    >>> names = ["accuracy", "neg_demographic_parity_difference"]
    >>> scoring = {name: get_scorer(name, group_by="white") for name in names}
    >>> scores = cross_validate(LogisticRegression(), X, data.target, scoring=scoring)
    >>> bool((scores["test_neg_demographic_parity_difference"] <= 0).all())
    True
    """
    if isinstance(scoring, str):
        scoring = _scorer_by_name(scoring)
    if not isinstance(scoring, _BaseScorer):
        raise TypeError(
            "get_scorer needs a name of `get_scorer_names()` or a scorer made by "
            f"`make_scorer`. Got {scoring!r}."
        )
    inner = scoring
    if isinstance(scoring, GroupAwareScorer):
        inner, group_by = scoring._scorer, group_by or scoring._group_by
    if pos_label is not None:
        inner = _with_pos_label(inner, pos_label)
    return GroupAwareScorer(inner, group_by)


def get_scorer_names():
    """Names that `get_scorer` takes.

    Returns
    -------
    names : list of str
        All names, scikit-learn's and ours, sorted.

    Examples
    --------
    >>> from fairsk.metrics import get_scorer_names
    >>> names = get_scorer_names()
    >>> "roc_auc" in names, "equalized_odds_ratio" in names
    (True, True)
    """
    return sorted({*_sklearn_get_scorer_names(), *_fairness_scorers()})


def _fairness_scorers():
    """Name -> (definition, disparity), for all that are registered now."""
    return {
        f"{'' if disparity.greater_is_better else 'neg_'}{name}_{how}": (name, how)
        for name in DEFINITIONS
        for how, disparity in DISPARITIES.items()
    }


def _scorer_by_name(name):
    ours = _fairness_scorers()
    if name in ours:
        definition, disparity = ours[name]
        return make_fairness_scorer(definition, disparity=disparity)
    if name in _sklearn_get_scorer_names():
        return _sklearn_get_scorer(name)
    opposite = name.removeprefix("neg_") if name.startswith("neg_") else f"neg_{name}"
    if opposite in ours:
        better = "smaller" if opposite.startswith("neg_") else "larger"
        raise ValueError(
            f"get_scorer needs a score of which more is better. Got {name!r}, but the "
            f"fairer model has the {better} {opposite.removeprefix('neg_')}. Use "
            f"{opposite!r}."
        )
    close = difflib.get_close_matches(name, get_scorer_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        f"get_scorer needs a name of `get_scorer_names()`. Got {name!r}.{hint}"
    )


def _with_pos_label(scorer, pos_label):
    if not _takes(scorer._score_func, "pos_label"):
        raise ValueError(
            "get_scorer takes `pos_label` only for a score that has a positive class. "
            f"Got pos_label={pos_label!r} for {scorer!r}. Leave it out."
        )
    scorer = copy.copy(scorer)
    scorer._kwargs = scorer._kwargs | {"pos_label": pos_label}
    return scorer


def _takes(function, name):
    return name in inspect.signature(function).parameters


def _name_of(function):
    return getattr(function, "__name__", repr(function))
