"""What post-processors share: scores that the base model did not see in training."""

from dataclasses import dataclass
from functools import partial
from inspect import signature
from numbers import Integral, Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    clone,
    is_regressor,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, check_random_state, get_tags, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_is_fitted,
    column_or_1d,
    has_fit_parameter,
)

from fairsk.base import GroupAwareMixin
from fairsk.groups import Groups
from fairsk.utils._draws import row_draws
from fairsk.utils._factorize import factorize
from fairsk.utils._lookup import lookup
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
    _routing_enabled,
)


class ScoreWithGroupsMixin:
    """Mixin whose `score` hands the groups to `predict`; it stands before the kind."""

    __metadata_request__score = {"sensitive_features": True}

    def score(self, X, y, sample_weight=None, *, sensitive_features=None):
        """Accuracy of a classifier, coefficient of determination of a regressor.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        y : array-like of shape (n_samples,)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        score : float
            1 is best.
        """
        y_pred = self.predict(X, sensitive_features=sensitive_features)
        metric = r2_score if is_regressor(self) else accuracy_score
        return float(metric(y, y_pred, sample_weight=sample_weight))


class BaseScorePostprocessor(GroupAwareMixin, MetaEstimatorMixin, BaseEstimator):
    """Base of meta-estimators that work on a base model's scores.

    `fit` trains the base model, gets scores of rows that it was not trained on, and
    hands them to `_fit_scores(X, y_score, target, groups, sample_weight)`, which a
    subclass writes; X are the raw rows that the scores belong to. At prediction
    `_score` gives the scores of new rows. Here the score is the prediction.
    """

    __metadata_request__predict = {"sensitive_features": True}

    _responses = ("predict",)
    response_method = "auto"

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit"])],
        "cv": [
            StrOptions({"prefit"}),
            Interval(Integral, 2, None, closed="left"),
            Interval(Real, 0.0, 1.0, closed="neither"),
            HasMethods(["split"]),
            "array-like",
        ],
        "group_by": [str, Integral, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    @_fit_context(
        # The estimator is not validated yet.
        prefer_skip_nested_validation=False
    )
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None, **fit_params):
        """Fit the base model, and the decision on scores it was not trained on.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Training data; with ``cv="prefit"``, data that the estimator did not see.
        y : array-like of shape (n_samples,)
            Targets; of classifiers, labels of two classes.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, for the decision, and for the base model where it
            takes them.
        **fit_params : dict
            Metadata for the base model.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        X, y = indexable(X, y)
        groups = None
        if sensitive_features is not None:
            groups = self._check_groups(X, sensitive_features)
        params = self._route_fit(sensitive_features, sample_weight, fit_params)
        self.draw_seed_ = int(check_random_state(self.random_state).randint(2**31))
        # The base model goes first, so that it reports a malformed X or y.
        self.estimator_ = self._fit_on_all(X, y, params)
        groups = self._check_groups(X) if groups is None else groups
        target, strata = self._check_target(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, ensure_non_negative=True
            )
            self._check_weight_of_groups(groups, sample_weight)
        seed = self.draw_seed_ + 1
        # Sorting all rows takes time, and only folds and shares need it.
        deal = partial(Deal.of, X, strata, groups, sample_weight, seed)
        rows, y_score = self._unseen_scores(X, y, deal, params)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self.estimator_, name):
                setattr(self, name, getattr(self.estimator_, name))
        if rows is not None:
            X = _safe_indexing(X, rows)
            groups, target = groups.take(rows), target[rows]
            sample_weight = None if sample_weight is None else sample_weight[rows]
        self._fit_scores(X, y_score, target, groups, sample_weight)
        return self

    def _check_weight_of_groups(self, groups, sample_weight):
        mass = np.bincount(groups.codes, sample_weight, groups.n_groups)
        empty = [label for label, m in zip(groups.labels, mass) if m == 0]
        if empty:
            raise ValueError(
                f"{type(self).__name__} needs weight in every group. Got rows of "
                f"weight 0 alone in the group(s) {empty}. Drop these rows, or give "
                "them weight."
            )

    def _check_target(self, y):
        """Target of each sample, and small integers that folds balance."""
        y = column_or_1d(y, dtype=np.float64, warn=True)
        return y, np.zeros(len(y), dtype=np.intp)

    @property
    def _is_held_out(self):
        return isinstance(self.cv, Real) and not isinstance(self.cv, Integral)

    def _fit_on_all(self, X, y, params):
        """Base model that predicts; None where it is fitted on a share only."""
        if isinstance(self.cv, str):
            check_is_fitted(self.estimator)
            return self.estimator
        if self._is_held_out:
            return None
        return clone(self.estimator).fit(X, y, **params["fit"])

    def _route_fit(self, sensitive_features, sample_weight, fit_params):
        """Metadata for the base model's fit, for its response, and for the splitter."""
        metadata = {
            "sensitive_features": sensitive_features,
            "sample_weight": sample_weight,
            **fit_params,
        }
        metadata = {k: v for k, v in metadata.items() if v is not None}
        if _routing_enabled():
            routed = process_routing(self, "fit", **metadata)
            return {
                "fit": routed.estimator.fit,
                "respond": routed.estimator[self._response_name()],
                "split": routed.splitter.split if "splitter" in routed else {},
            }
        unknown = [k for k in fit_params if not has_fit_parameter(self.estimator, k)]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} needs metadata that its estimator takes in "
                f"fit. Got {unknown}. Switch scikit-learn's metadata routing on to "
                "send it through a pipeline."
            )
        wanted = {
            k: v for k, v in metadata.items() if has_fit_parameter(self.estimator, k)
        }
        respond = self._unrouted_response(sensitive_features)
        return {"fit": wanted, "respond": respond, "split": {}}

    def _unrouted_response(self, sensitive_features):
        method = getattr(self.estimator, self._response_name())
        takes = "sensitive_features" in signature(method).parameters
        if sensitive_features is None or not takes:
            return {}
        return {"sensitive_features": sensitive_features}

    def _response_name(self):
        auto = self.response_method == "auto"
        names = self._responses if auto else [self.response_method]
        for name in names:
            if hasattr(self.estimator, name):
                return name
        raise TypeError(
            f"{type(self).__name__} needs an estimator with one of {list(names)}. Got "
            f"{type(self.estimator).__name__}. Choose another `response_method`."
        )

    def _respond(self, estimator, X, params):
        """Scores by the base model."""
        # A target of shape (n_samples, 1) gives predictions of that shape.
        scores = column_or_1d(estimator.predict(X, **params), dtype=np.float64)
        if not _all_finite(scores):
            raise ValueError(
                f"{type(self).__name__} needs finite predictions. Got NaN or infinite "
                f"ones from {type(estimator).__name__}. Mend it, or its data."
            )
        return scores

    def _unseen_scores(self, X, y, deal, params):
        """Rows and scores, by models that were not trained on them."""
        if isinstance(self.cv, str):
            return None, self._respond(self.estimator_, X, params["respond"])
        rows, scores = [], []
        for train, test in self._splits(X, y, deal, params):
            train, test = _as_rows(train), _as_rows(test)
            model = self._fit_rows(X, y, train, params)
            if self.estimator_ is None:
                self.estimator_ = model
            rows.append(test)
            scores.append(self._respond_rows(model, X, test, params))
        return np.concatenate(rows), np.concatenate(scores)

    def _fit_rows(self, X, y, rows, params):
        return clone(self.estimator).fit(
            _safe_indexing(X, rows),
            _safe_indexing(y, rows),
            **take_all(params["fit"], rows),
        )

    def _respond_rows(self, model, X, rows, params):
        respond = take_all(params["respond"], rows)
        return self._respond(model, _safe_indexing(X, rows), respond)

    def _splits(self, X, y, deal, params):
        if isinstance(self.cv, Integral):
            fold = deal().folds(self.cv)
            if fold.min() == fold.max():
                raise ValueError(
                    f"{type(self).__name__} needs rows for two folds at least. Got "
                    f"n_samples = {len(fold)}. Pass more rows."
                )
            return [(fold != k, fold == k) for k in np.unique(fold)]
        if self._is_held_out:
            held_out = deal().share(self.cv)
            return [(~held_out, held_out)]
        return check_cv(self.cv, y, classifier=True).split(X, y, **params["split"])

    def _score(self, X, sensitive_features, method):
        """Scores of new rows by the fitted base model."""
        check_is_fitted(self, "estimator_")
        params = self._response_params(sensitive_features, method)
        return self._respond(self.estimator_, X, params)

    def _response_params(self, sensitive_features, method):
        """Metadata for the response of the base model."""
        if not _routing_enabled():
            return self._unrouted_response(sensitive_features)
        given = {"sensitive_features": sensitive_features}
        given = {k: v for k, v in given.items() if v is not None}
        routed = process_routing(self, method, **given)
        return routed.estimator[self._response_name()]

    def get_metadata_routing(self):
        """Metadata that this estimator and its base model request.

        Returns
        -------
        routing : MetadataRouter
            Requests of this estimator, its base model and its splitter.
        """
        response = self._response_name()
        mapping = MethodMapping().add(caller="fit", callee="fit")
        callers = ("fit", "predict", "predict_proba", "decision_function", "score")
        for caller in callers:
            if hasattr(type(self), caller):
                mapping.add(caller=caller, callee=response)
        router = (
            MetadataRouter(owner=self)
            .add_self_request(self._own_request())
            .add(estimator=self.estimator, method_mapping=mapping)
        )
        if hasattr(self.cv, "split"):
            split = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=split)
        return router

    def _own_request(self):
        """Metadata that this estimator itself requests."""
        return super().get_metadata_routing()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = get_tags(self.estimator).input_tags.sparse
        return tags


def _all_finite(scores):
    # One finite sum tells it in a single pass; an infinite one may be an overflow.
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.sum(scores, dtype=float)
    return bool(np.isfinite(total)) or bool(np.isfinite(scores).all())


class BasePostprocessor(ScoreWithGroupsMixin, ClassifierMixin, BaseScorePostprocessor):
    """Base of meta-estimators that decide anew from a binary classifier's scores.

    The target that `_fit_scores` gets is whether each sample is a positive.
    """

    __metadata_request__predict_proba = {"sensitive_features": True}

    _responses = ("predict_proba", "decision_function", "predict")

    _parameter_constraints: dict = {
        **BaseScorePostprocessor._parameter_constraints,
        "response_method": [StrOptions({"auto", *_responses})],
        "pos_label": "no_validation",
    }

    def _respond(self, estimator, X, params):
        """Scores of the positive class."""
        name = self._response_name()
        values = np.asarray(getattr(estimator, name)(X, **params))
        if name == "predict":
            return (values == self.pos_label_).astype(float)
        if name == "predict_proba":
            scores = values[:, self._pos_index]
            # NaN compares false, so it is caught here too.
            if not (scores.min() >= 0.0 and scores.max() <= 1.0):
                raise ValueError(
                    f"{type(self).__name__} needs probabilities in [0, 1]. Got "
                    f"{scores.min():g} to {scores.max():g} from predict_proba of "
                    f"{type(estimator).__name__}. Mend it, or take "
                    '`response_method="decision_function"`.'
                )
            return scores
        scores = values if self._pos_index == 1 else -values
        if scores.ndim != 1 or not _all_finite(scores):
            raise ValueError(
                f"{type(self).__name__} needs one finite score per sample. Got an "
                f"array of shape {values.shape} from decision_function of "
                f"{type(estimator).__name__}, or NaN or infinite scores in it."
            )
        return scores

    def _check_target(self, y):
        """Set `classes_` and the positive class; whether each sample is a positive."""
        owner = type(self).__name__
        labels, codes = factorize(column_or_1d(y))
        check_classification_targets(labels)
        known = getattr(self.estimator_, "classes_", labels)
        if len(known) != 2:
            raise ValueError(
                f"Only binary classification is supported. {owner} needs labels of "
                f"two classes. Got {len(known)} class(es): "
                f"{np.asarray(known)[:10].tolist()}."
            )
        self.classes_ = np.asarray(known)
        self.pos_label_ = self.classes_[1] if self.pos_label is None else self.pos_label
        is_positive = self.classes_ == self.pos_label_
        if np.sum(is_positive) != 1:
            raise ValueError(
                f"{owner} needs `pos_label` to be one of the labels "
                f"{self.classes_.tolist()}. Got {self.pos_label!r}."
            )
        self._pos_index = int(np.argmax(is_positive))
        unknown = [label for label in labels if label not in self.classes_]
        if unknown:
            raise ValueError(
                f"{owner} needs the labels of its fitted estimator, "
                f"{self.classes_.tolist()}. Got {unknown}."
            )
        positive = (labels == self.pos_label_)[codes]
        return positive, positive

    def base_scores(self, X, *, sensitive_features=None):
        """Scores of the base model, which decisions are made from.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features, for base models that want them.

        Returns
        -------
        y_score : ndarray of shape (n_samples,)
            The larger, the likelier the positive class.
        """
        return self._score(X, sensitive_features, "predict")

    def _labels_of(self, positive):
        """Labels of decisions: the positive class where `positive`."""
        second = positive if self._pos_index == 1 else ~positive
        return lookup(self.classes_, second.view(np.int8))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


@dataclass(frozen=True, eq=False)
class Deal:
    """Rows by label x group, and within these by a hash of what they hold.

    Dealt out in this order, neither the order of the data, nor the names of the groups,
    nor weights instead of copies make a difference, and copies of a row stay together.

    Parameters
    ----------
    order : int ndarray of shape (n_samples,)
        The rows in this order.
    cells : int ndarray of shape (n_samples,)
        Label x group of each row, in this order.
    draws : ndarray of shape (n_samples,)
        Hash of each row, in this order.
    weights : ndarray of shape (n_samples,)
        Weight of each row, in this order.
    """

    order: np.ndarray
    cells: np.ndarray
    draws: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, X, strata, groups, sample_weight, seed):
        draws = row_draws(X, seed)
        cells = groups.codes.astype(np.intp) * (int(strata.max()) + 1) + strata
        order = np.lexsort((draws, cells))
        weights = np.ones(len(order)) if sample_weight is None else sample_weight[order]
        return cls(order, cells[order], draws[order], weights)

    def take(self, rows):
        """The deal of these rows alone, numbered from 0 in their order."""
        position = np.full(len(self.order), -1)
        position[rows] = np.arange(len(rows))
        kept = position[self.order] >= 0
        return Deal(
            position[self.order][kept],
            self.cells[kept],
            self.draws[kept],
            self.weights[kept],
        )

    def folds(self, n_folds):
        """Fold of each row, balanced over cells."""
        counted = self._new & (self.weights > 0)
        # A cell with too few distinct rows is dealt out row by row after all.
        counted |= np.bincount(self.cells, weights=counted)[self.cells] < n_folds
        rank = np.cumsum(counted)
        rank = rank - (rank - counted)[self._first]
        # Cells start at folds of their own, or small cells would all fill the first.
        lowest = np.where(counted, self.draws, 1.0)
        lowest = np.minimum.reduceat(lowest, np.unique(self._first))
        start = np.floor(lowest * n_folds)[self._cell_ranks]
        folds = np.empty(len(self.order), dtype=np.intp)
        folds[self.order] = (rank + start) % n_folds
        return folds

    def share(self, share):
        """Whether each row is among a share of every cell."""
        total = np.bincount(self.cells, weights=self.weights)[self.cells]
        before = np.cumsum(self.weights) - self.weights
        before = before - before[self._first]
        before = before[np.flatnonzero(self._new)][np.cumsum(self._new) - 1]
        taken = np.empty(len(self.order), dtype=bool)
        taken[self.order] = before < share * total
        return taken

    @property
    def _new(self):
        """Whether a row is the first of its copies."""
        return (np.diff(self.draws, prepend=-1.0) != 0) | self._new_cell

    @property
    def _new_cell(self):
        return np.diff(self.cells, prepend=-1) != 0

    @property
    def _cell_ranks(self):
        return np.cumsum(self._new_cell) - 1

    @property
    def _first(self):
        """Position of the first row of the cell of each row."""
        return np.flatnonzero(self._new_cell)[self._cell_ranks]


def _as_rows(rows):
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def take_all(metadata, rows):
    return {name: _take(values, rows) for name, values in metadata.items()}


def _take(values, rows):
    if isinstance(values, Groups):
        return values.take(rows)
    if isinstance(values, dict):
        return take_all(values, rows)
    return _safe_indexing(indexable(values)[0], rows)
