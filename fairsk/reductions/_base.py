"""What the reductions share: parameters, checks, the game, delegation."""

from numbers import Real

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
)
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets

from fairsk.base import GroupAwareMixin
from fairsk.definitions import LOSSES, FairnessDefinition
from fairsk.reductions._costs import build_game, check_tolerance
from fairsk.reductions._group_losses import RegressionGame
from fairsk.reductions._learner import WeightedLearner
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _check_sample_weight,
)
from fairsk.utils._validation import (
    check_fit_input,
    check_predict_input,
    inherit_tags,
)


def check_labels(estimator, X, y):
    """`check_fit_input` for classifiers."""
    X, y = check_fit_input(estimator, X, y)
    check_classification_targets(y)
    return X, y


def estimator_has(method):
    """Condition for `available_if`: the inner estimator has `method`."""

    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class Reduction(GroupAwareMixin, MetaEstimatorMixin, BaseEstimator):
    """Base of what fits `estimator` again and again to other weights."""

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"])],
        "resample": ["boolean"],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def _make_learner(self):
        return WeightedLearner(
            self.estimator,
            owner=type(self).__name__,
            resample=self.resample,
            random_state=check_random_state(self.random_state),
        )

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), self.estimator)


class ClassificationReduction(ClassifierMixin, Reduction):
    """Base of the classifiers, whose rates are bounded."""

    _parameter_constraints: dict = {
        **Reduction._parameter_constraints,
        "fairness": [str, FairnessDefinition],
        "tolerance": [Interval(Real, 0, None, closed="left"), dict],
        "pos_label": "no_validation",
    }

    def _set_up(self, X, y, sensitive_features, sample_weight):
        """Checked X, the game, its tolerances and the learner."""
        X, y = check_labels(self, X, y)
        weight = _check_sample_weight(sample_weight, X)
        groups = self._check_groups(X, sensitive_features)
        self.classes_, y_codes = factorize(y)
        game = build_game(self, groups, y_codes, weight)
        tolerances = check_tolerance(self.tolerance, game, type(self).__name__)
        learner = self._make_learner()
        if len(self.classes_) > 1:
            learner.check_weights_matter(X)
        return X, game, tolerances, learner


class RegressionReduction(RegressorMixin, Reduction):
    """Base of the regressors, whose group losses are bounded."""

    _parameter_constraints: dict = {
        **Reduction._parameter_constraints,
        "loss": [StrOptions(set(LOSSES))],
        "upper_bound": [Interval(Real, 0, None, closed="left"), None],
    }

    def _set_up(self, X, y, sensitive_features, sample_weight):
        """Checked X and y, the game and the learner."""
        X, y = check_fit_input(self, X, y)
        y = y.astype(float)
        weight = _check_sample_weight(sample_weight, X)
        groups = self._check_groups(X, sensitive_features)
        game = RegressionGame(self.loss, groups.codes, y, weight, groups.n_groups)
        learner = self._make_learner()
        learner.check_weights_matter(X)
        return X, y, game, learner


class MixtureMixin:
    """Predicts by a mixture of fitted estimators."""

    def _store_mixture(self, fitted, saddle_point):
        weights = saddle_point.weights
        self.estimators_ = [fitted[t] for t in np.flatnonzero(weights)]
        self.weights_ = weights[weights > 0]
        self.n_iter_ = len(fitted)
        self.duality_gap_ = float(saddle_point.gap)

    def _average(self, X, read):
        """Mean over the mixture of what `read` makes of the predictions."""
        X = check_predict_input(self, X)
        return sum(
            weight * read(np.asarray(estimator.predict(X)))
            for weight, estimator in zip(self.weights_, self.estimators_)
        )


class DelegatingMixin:
    """Predicts by one fitted estimator, `estimator_`."""

    def predict(self, X):
        """Predict by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predictions.
        """
        return self._delegate("predict", X)

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class by the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`.
        """
        return self._delegate("predict_proba", X)

    @available_if(estimator_has("decision_function"))
    def decision_function(self, X):
        """Decision values of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            The decision values.
        """
        return self._delegate("decision_function", X)

    def _delegate(self, method, X):
        X = check_predict_input(self, X)
        return getattr(self.estimator_, method)(X)
