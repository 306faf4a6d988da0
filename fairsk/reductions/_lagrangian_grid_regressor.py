"""One regressor that serves all groups, out of a grid of weighted ones."""

import warnings
from numbers import Integral

import numpy as np

from fairsk.reductions._base import RegressionReduction
from fairsk.reductions._multiplier_grid import simplex_grid
from fairsk.utils._sklearn import Interval, _fit_context
from fairsk.utils._validation import check_predict_input


class LagrangianGridRegressor(RegressionReduction):
    r"""The best regressor with bounded group losses, over a grid of group weights.

    Each fit minimises :math:`\sum_a \mu_a E[\ell(Y, \hat Y) \mid A = a]` for shares
    :math:`\mu` of the groups: the Lagrangians of all bounds on the groups' losses. Of
    all fits the one with the least loss among those that keep the bound is taken; or,
    without a bound, the one whose largest group loss is smallest.

    Parameters
    ----------
    estimator : regressor
        Its `fit` takes `sample_weight`. Of a pipeline the last step gets the weights.
    loss : {"squared_error", "absolute_error"}, default="squared_error"
        The loss, which should be the one that `estimator` minimises.
    upper_bound : float, default=None
        Largest mean loss of a group. None makes it as small as possible.
    n_multipliers : int, default=20
        Size of the grid, besides the plain fit.
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
    estimator_ : regressor
        The chosen regressor.
    estimators_ : list of regressors
        All of them; the first is the plain one.
    best_index_ : int
        Position of the chosen one.
    group_losses_ : ndarray of shape (n_estimators, n_groups)
        Training loss of each in each group.
    losses_ : ndarray of shape (n_estimators,)
        Training loss of each.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ExponentiatedGradientRegressor : A mixture, which comes closer to the bound.

    References
    ----------
    Agarwal, Dudík & Wu (2019). Fair regression: quantitative definitions and
    reduction-based algorithms. ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from fairsk.reductions import LagrangianGridRegressor
    >>> rng = np.random.default_rng(0)
    >>> group = np.repeat([0, 1], [800, 200])
    >>> X = rng.normal(size=(1000, 1))
    >>> y = np.where(group == 0, X[:, 0], -X[:, 0])
    >>> model = LagrangianGridRegressor(LinearRegression())
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> worst = model.group_losses_.max(axis=1)
    >>> print(f"from {worst[0]:.1f} to {worst[model.best_index_]:.1f}")
    from 2.2 to 0.9
    """

    _parameter_constraints: dict = {
        **RegressionReduction._parameter_constraints,
        "n_multipliers": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        *,
        loss="squared_error",
        upper_bound=None,
        n_multipliers=20,
        resample=False,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.loss = loss
        self.upper_bound = upper_bound
        self.n_multipliers = n_multipliers
        self.resample = resample
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
        self.estimators_, losses = [], []

        def answer(shares):
            self.estimators_.append(learner.fit(X, y, game.weigh(shares)))
            losses.append(game.evaluate(self.estimators_[-1].predict(X)))

        answer(game.shares)
        if game.n_groups > 1:
            worst = losses[0].argmax()
            for shares in simplex_grid(game.shares, worst, self.n_multipliers):
                answer(shares)
        self.group_losses_ = np.array(losses)
        self.losses_ = self.group_losses_ @ game.shares
        self._choose()
        return self

    def _choose(self):
        worst = self.group_losses_.max(axis=1)
        if self.upper_bound is None or worst.min() > self.upper_bound:
            self.best_index_ = int(worst.argmin())
        else:
            kept = worst <= self.upper_bound
            self.best_index_ = int(np.where(kept, self.losses_, np.inf).argmin())
        self.estimator_ = self.estimators_[self.best_index_]
        if self.upper_bound is not None and worst.min() > self.upper_bound:
            warnings.warn(
                f"{type(self).__name__} needs a regressor that keeps the bound of "
                f"{self.upper_bound}. The largest loss of a group is "
                f"{worst.min():.6g} at best. Raise `upper_bound` or `n_multipliers`.",
                UserWarning,
                stacklevel=3,
            )

    def predict(self, X):
        """Predict by the chosen regressor.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            The predictions.
        """
        X = check_predict_input(self, X)
        return np.ravel(self.estimator_.predict(X))
