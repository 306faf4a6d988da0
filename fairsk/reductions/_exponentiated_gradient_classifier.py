"""The fairest mixture of classifiers, by reduction to weighted classification."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fairsk.reductions._base import ClassificationReduction, MixtureMixin
from fairsk.reductions._costs import spread_constraints, spreads
from fairsk.reductions._saddle_point import find_saddle_point
from fairsk.utils._random import uniform_by_row
from fairsk.utils._sklearn import Interval, _fit_context


class ExponentiatedGradientClassifier(MixtureMixin, ClassificationReduction):
    r"""Mixture of classifiers with the least error among those that are fair.

    Solves, over mixtures Q of the classifiers that `estimator` can learn,

    .. math:: \min_Q \operatorname{err}(Q) \quad \text{such that} \quad
       \max_a r_a(Q) - \min_a r_a(Q) \le \epsilon

    for every rate r of the definition, as the saddle point of its Lagrangian. For fixed
    multipliers the best classifier solves a weighted classification problem, whose
    weights and labels depend on a sample's group and label only.

    Parameters
    ----------
    estimator : classifier
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
        Where it has `warm_start` and coefficients, a fit starts from the last one.
    fairness : str or FairnessDefinition, default="demographic_parity"
        A definition whose rates are linear in the predictions.
    tolerance : float or dict, default=0.01
        Largest difference between two groups, for each rate; a dict has one for each
        rate by name.
    max_iter : int, default=50
        Largest number of fits of the estimator.
    tol : float, default=1e-3
        Duality gap at which to stop: how far the error may be from the best.
    penalty : float, default=100.0
        Cost of exceeding the tolerance by 1, in units of error. It bounds the
        multipliers, and so the weights, where no mixture keeps the tolerance.
    randomize : bool, default=True
        Whether `predict` draws from the mixture, which is what keeps the tolerance, or
        takes its most probable class.
    resample : bool, default=False
        Whether an estimator without `sample_weight` is fitted on rows that are drawn in
        proportion to their weight.
    pos_label : label, default=None
        The positive label. None takes the last of two, and each of several in turn.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of `predict`, which are fixed by `fit`, and of `resample`.

    Attributes
    ----------
    estimators_ : list of classifiers
        The mixture.
    weights_ : ndarray of shape (n_estimators,)
        Probability of each classifier.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    duality_gap_ : float
        Difference between the error of the mixture and the lower bound, which is exact
        where the estimator returns the best classifier for its weights.
    disparity_ : dict
        Largest difference between two groups on the training data, of each rate.
    error_ : float
        Error on the training data, in expectation over the mixture.
    multipliers_ : dict
        By (rate, group), what the best lower bound charges for the rate of the group.
    n_iter_ : int
        Number of fits of the estimator.
    best_iter_ : int
        Position, among all fits, of the classifier of largest weight.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    LagrangianGridClassifier : One classifier instead of a mixture.
    ReweighingClassifier : Weights in one step, without a definition to keep.

    Notes
    -----
    The tolerance holds on the training data. A flexible estimator keeps it there and
    not on new data: use a regularised one, a smaller tolerance, or thresholds on
    held-out scores.

    Where [1]_ averages the steps of the exponentiated gradient, the multipliers here
    move between the best ones so far and the prices of a linear programme over the
    classifiers found. The saddle point is the same and takes fewer fits.

    The number that decides a draw of `predict` is a hash of the row and of
    `random_state`: calls repeat, and a sample's prediction does not depend on the
    others. Equal rows get equal predictions.

    References
    ----------
    .. [1] Agarwal, Beygelzimer, Dudík, Langford & Wallach (2018). A reductions approach
       to fair classification. ICML.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.reductions import ExponentiatedGradientClassifier
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> model = ExponentiatedGradientClassifier(
    ...     LogisticRegression(), tolerance=0.02, random_state=0
    ... ).fit(X, y, sensitive_features=group)
    >>> {rate: round(gap, 3) for rate, gap in model.disparity_.items()}
    {'selection_rate': 0.02}
    """

    _parameter_constraints: dict = {
        **ClassificationReduction._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "penalty": [Interval(Real, 0, None, closed="neither")],
        "randomize": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        *,
        fairness="demographic_parity",
        tolerance=0.01,
        max_iter=50,
        tol=1e-3,
        penalty=100.0,
        randomize=True,
        resample=False,
        pos_label=None,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.tol = tol
        self.penalty = penalty
        self.randomize = randomize
        self.resample = resample
        self.pos_label = pos_label
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Find the mixture.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, in the error and in the rates.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        X, game, tolerances, learner = self._set_up(
            X, y, sensitive_features, sample_weight
        )
        self._seed = learner.random_state.randint(2**31)
        fitted, responses = [], []

        def respond(multipliers):
            answer = learner.fit(*game.relabel(X, multipliers))
            fitted.append(answer)
            responses.append(game.evaluate(answer.predict(X)))
            return responses[-1]

        constraints = spread_constraints(game.value_names, tolerances)
        saddle_point = find_saddle_point(
            respond,
            constraints,
            max_iter=self.max_iter,
            tol=self.tol,
            penalty=self.penalty,
        )
        self._store(fitted, responses, saddle_point, game, constraints)
        self._warn_unsolved(saddle_point)
        return self

    def _store(self, fitted, responses, saddle_point, game, constraints):
        self._store_mixture(fitted, saddle_point)
        weights = saddle_point.weights
        self.best_iter_ = int(weights.argmax())
        self.error_ = float(weights @ [error for error, _ in responses])
        values = weights @ np.array([values for _, values in responses])
        self.disparity_ = spreads(values, game.value_names)
        prices = saddle_point.multipliers @ constraints.on_values
        self.multipliers_ = {
            (rate, self.group_labels_[group]): float(price)
            for (rate, group), price in zip(game.value_names, prices)
        }

    def _warn_unsolved(self, saddle_point):
        if saddle_point.excess > 1e-6:
            warnings.warn(
                f"{type(self).__name__} needs classifiers that keep the tolerance. The "
                f"best mixture found exceeds it by {saddle_point.excess:.2g} on the "
                "training data. Raise `tolerance`, `max_iter` or `penalty`, or choose "
                "a more flexible estimator.",
                ConvergenceWarning,
                stacklevel=3,
            )
        elif saddle_point.gap > self.tol:
            warnings.warn(
                f"{type(self).__name__} stopped after `max_iter`={self.max_iter} fits "
                f"with a duality gap of {saddle_point.gap:.2g}. Raise `max_iter` or "
                "`tol`.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def predict_proba(self, X):
        """Probability with which the mixture predicts each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`. Not the probability of the label: each
            classifier votes for one class with its weight.
        """
        return self._average(X, self._vote)

    def _vote(self, y_pred):
        return 1.0 * (y_pred[:, None] == np.arange(len(self.classes_)))

    def predict(self, X):
        """Draw from the mixture, or take its most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The labels. With `randomize` a draw that repeats.
        """
        probabilities = self.predict_proba(X)
        if not self.randomize:
            return self.classes_[probabilities.argmax(axis=1)]
        draw = uniform_by_row(X, self._seed)[:, None]
        # The last class takes what rounding leaves of the unit interval.
        drawn = (draw >= probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)
        return self.classes_[drawn]
