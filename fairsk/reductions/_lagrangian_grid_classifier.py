"""One fair classifier out of a grid of weighted ones."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.utils.metaestimators import available_if

from fairsk.reductions._base import ClassificationReduction, estimator_has
from fairsk.reductions._costs import spreads
from fairsk.reductions._multiplier_grid import pulling_multipliers
from fairsk.utils._sklearn import Interval, _fit_context
from fairsk.utils._validation import check_predict_input


class LagrangianGridClassifier(ClassificationReduction):
    r"""The best classifier within a tolerance, over a grid of Lagrange multipliers.

    For multipliers :math:`\lambda` of the rates :math:`r_a` of the groups, a weighted
    fit minimises

    .. math:: \operatorname{err}(h) + \sum_{r,a} \lambda_{ra}\, r_a(h),
       \qquad \sum_a \lambda_{ra} = 0.

    Of all fits, the one with the least error among those that keep the tolerance is
    taken: a single, deterministic classifier with the probabilities of `estimator`.

    Parameters
    ----------
    estimator : classifier
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
    fairness : str or FairnessDefinition, default="demographic_parity"
        A definition whose rates are linear in the predictions.
    tolerance : float or dict, default=0.05
        Largest difference between two groups, for each rate; a dict has one for each
        rate by name.
    n_multipliers : int, default=20
        Size of the grid, besides the plain fit.
    multiplier_limit : float, default=2.0
        Largest multiplier: how much error a unit of the rate is worth.
    resample : bool, default=False
        Whether an estimator without `sample_weight` is fitted on rows that are drawn in
        proportion to their weight.
    pos_label : label, default=None
        The positive label. None takes the last of two, and each of several in turn.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of `resample`.

    Attributes
    ----------
    estimator_ : classifier
        The chosen classifier, which predicts positions in `classes_`.
    estimators_ : list of classifiers
        All of them; the first is the plain one.
    best_index_ : int
        Position of the chosen one.
    errors_ : ndarray of shape (n_estimators,)
        Training error of each.
    disparities_ : dict of ndarray of shape (n_estimators,)
        Largest difference between two groups on the training data, of each rate.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ExponentiatedGradientClassifier : A mixture, which keeps any tolerance.

    Notes
    -----
    After the plain fit the grid searches the multipliers that charge groups above the
    middle, so its size need not grow with the number of groups. No grid point may keep
    a tight tolerance: then the fairest one is taken, with a warning.

    References
    ----------
    Agarwal, Beygelzimer, Dudík, Langford & Wallach (2018). A reductions approach to
    fair classification. ICML. Section 3.4.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.reductions import LagrangianGridClassifier
    >>> X, y, group = make_biased_classification(random_state=0)
    >>> model = LagrangianGridClassifier(LogisticRegression())
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> gaps = model.disparities_["selection_rate"]
    >>> print(f"from {gaps[0]:.2f} to {gaps[model.best_index_]:.2f}")
    from 0.11 to 0.05
    """

    _parameter_constraints: dict = {
        **ClassificationReduction._parameter_constraints,
        "n_multipliers": [Interval(Integral, 1, None, closed="left")],
        "multiplier_limit": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimator,
        *,
        fairness="demographic_parity",
        tolerance=0.05,
        n_multipliers=20,
        multiplier_limit=2.0,
        resample=False,
        pos_label=None,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.n_multipliers = n_multipliers
        self.multiplier_limit = multiplier_limit
        self.resample = resample
        self.pos_label = pos_label
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit the grid and choose.

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

        def answer(multipliers):
            fitted = learner.fit(*game.relabel(X, multipliers))
            return fitted, *game.evaluate(fitted.predict(X))

        answers = [answer(np.zeros(len(game.value_names)))]
        grid = pulling_multipliers(
            answers[0][2], game.value_names, self.n_multipliers, self.multiplier_limit
        )
        answers += [answer(multipliers) for multipliers in grid]
        self._choose(answers, game.value_names, tolerances)
        return self

    def _choose(self, answers, value_names, tolerances):
        self.estimators_, errors, values = (list(parts) for parts in zip(*answers))
        self.errors_ = np.array(errors)
        gaps = [spreads(of_fit, value_names) for of_fit in values]
        self.disparities_ = {
            rate: np.array([of_fit[rate] for of_fit in gaps]) for rate in gaps[0]
        }
        excess = np.max(
            [self.disparities_[rate] - tolerances[rate] for rate in gaps[0]],
            axis=0,
            initial=-np.inf,
        )
        excess = np.broadcast_to(excess, self.errors_.shape)
        kept = excess <= 1e-9
        if kept.any():
            best = np.where(kept, self.errors_, np.inf).argmin()
        else:
            best = excess.argmin()
            warnings.warn(
                f"{type(self).__name__} needs a classifier that keeps the tolerance. "
                f"The fairest of {len(answers)} exceeds it by {excess[best]:.2g} on "
                "the training data. Raise `tolerance` or `n_multipliers`, or use "
                "ExponentiatedGradientClassifier, which mixes classifiers.",
                UserWarning,
                stacklevel=3,
            )
        self.best_index_ = int(best)
        self.estimator_ = self.estimators_[self.best_index_]

    def predict(self, X):
        """Predict by the chosen classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The labels.
        """
        X = check_predict_input(self, X)
        return self.classes_[np.asarray(self.estimator_.predict(X), dtype=int)]

    @available_if(estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Probability of each class by the chosen classifier.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of `classes_`. They are those of the weighted problem,
            not calibrated to the labels.
        """
        X = check_predict_input(self, X)
        known = self.estimator_.predict_proba(X)
        probabilities = np.zeros((len(known), len(self.classes_)))
        probabilities[:, self.estimator_.classes_] = known
        return probabilities
