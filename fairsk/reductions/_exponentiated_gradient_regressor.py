"""The mixture of regressors with the least loss whose groups are all served."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fairsk.reductions._base import MixtureMixin, RegressionReduction
from fairsk.reductions._group_losses import (
    bounded_loss_constraints,
    minimax_constraints,
)
from fairsk.reductions._saddle_point import find_saddle_point
from fairsk.utils._sklearn import Interval, _fit_context


class ExponentiatedGradientRegressor(MixtureMixin, RegressionReduction):
    r"""Mean of regressors whose loss is bounded in every group.

    Solves, over mixtures Q of the regressors that `estimator` can learn,

    .. math:: \min_Q \; E[\ell(Y, \hat Y)] \quad \text{such that} \quad
       E[\ell(Y, \hat Y) \mid A = a] \le \zeta \ \text{for every group a},

    or, without a bound :math:`\zeta`, makes the largest loss of a group as small as
    possible. For fixed multipliers the best regressor solves a problem in which only
    the groups' weights have changed. The prediction is the mean over the mixture:
    both losses are convex, so it keeps the bound where the mixture does.

    Parameters
    ----------
    estimator : regressor
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
    loss : {"squared_error", "absolute_error"}, default="squared_error"
        The loss, which should be the one that `estimator` minimises.
    upper_bound : float, default=None
        Largest mean loss of a group. None makes it as small as possible.
    max_iter : int, default=50
        Largest number of fits of the estimator.
    tol : float, default=1e-3
        Duality gap at which to stop, relative to the loss of the mean of y.
    penalty : float, default=100.0
        Cost of exceeding the bound by 1, which bounds the multipliers.
    resample : bool, default=False
        Whether an estimator without `sample_weight` is fitted on rows that are drawn in
        proportion to their weight.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of the draws of `resample`.

    Attributes
    ----------
    estimators_ : list of regressors
        The mixture.
    weights_ : ndarray of shape (n_estimators,)
        Weight of each regressor in the mean.
    duality_gap_ : float
        Difference between the objective of the mixture and the lower bound.
    group_loss_ : ndarray of shape (n_groups,)
        Loss of each group on the training data, in expectation over the mixture.
    loss_ : float
        Loss on the training data, in expectation over the mixture.
    n_iter_ : int
        Number of fits of the estimator.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    LagrangianGridRegressor : One regressor instead of a mixture.

    Notes
    -----
    Small losses in every group are no equal losses: the method never makes the group
    that is served best worse for its own sake.

    References
    ----------
    Agarwal, Dudík & Wu (2019). Fair regression: quantitative definitions and
    reduction-based algorithms. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from fairsk.reductions import ExponentiatedGradientRegressor
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 1], [800, 200])
    >>> X = rng.normal(size=(1000, 1))
    >>> y = np.where(group == 0, X[:, 0], -X[:, 0])
    >>> model = ExponentiatedGradientRegressor(LinearRegression())
    >>> model.fit(X, y, sensitive_features=group).group_loss_.round(1)
    array([0.9, 0.9])
    """

    _parameter_constraints: dict = {
        **RegressionReduction._parameter_constraints,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "penalty": [Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="squared_error",
        upper_bound=None,
        max_iter=50,
        tol=1e-3,
        penalty=100.0,
        resample=False,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.loss = loss
        self.upper_bound = upper_bound
        self.max_iter = max_iter
        self.tol = tol
        self.penalty = penalty
        self.resample = resample
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
            The targets.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        X, y, game, learner = self._set_up(X, y, sensitive_features, sample_weight)
        shares = game.shares
        minimax = self.upper_bound is None
        if minimax:
            constraints = minimax_constraints(shares)
        else:
            constraints = bounded_loss_constraints(game.n_groups, self.upper_bound)
        fitted, losses = [], []

        def respond(multipliers):
            importance = multipliers if minimax else shares + multipliers
            fitted.append(learner.fit(X, y, game.weigh(importance)))
            losses.append(game.evaluate(fitted[-1].predict(X)))
            return 0.0 if minimax else shares @ losses[-1], losses[-1]

        mean = np.average(y, weights=game.sample_weight)
        tol = self.tol * (shares @ game.evaluate(mean))
        saddle_point = find_saddle_point(
            respond,
            constraints,
            max_iter=self.max_iter,
            tol=tol,
            penalty=self.penalty,
        )
        self._store(fitted, losses, saddle_point, shares)
        self._warn_unsolved(saddle_point, tol)
        return self

    def _store(self, fitted, losses, saddle_point, shares):
        self._store_mixture(fitted, saddle_point)
        self.group_loss_ = saddle_point.weights @ np.array(losses)
        self.loss_ = float(shares @ self.group_loss_)

    def _warn_unsolved(self, saddle_point, tol):
        if self.upper_bound is not None and saddle_point.excess > 1e-6:
            warnings.warn(
                f"{type(self).__name__} needs regressors that keep the bound of "
                f"{self.upper_bound}. The losses of the groups are "
                f"{self.group_loss_.round(6).tolist()} at best. Raise `upper_bound`, "
                "or set it to None for the smallest that is possible.",
                ConvergenceWarning,
                stacklevel=3,
            )
        elif saddle_point.gap > tol:
            warnings.warn(
                f"{type(self).__name__} stopped after {self.n_iter_} fits with a "
                f"duality gap of {saddle_point.gap:.2g}. Raise `max_iter` or `tol`.",
                ConvergenceWarning,
                stacklevel=3,
            )

    def predict(self, X):
        """Mean prediction of the mixture.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predictions.
        """
        return self._average(X, np.ravel)
