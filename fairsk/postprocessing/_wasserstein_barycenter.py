"""WassersteinBarycenterRegressor: predictions distributed alike in all groups."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin

from fairsk.postprocessing._base import BaseScorePostprocessor, ScoreWithGroupsMixin
from fairsk.postprocessing._distributions import group_distributions
from fairsk.postprocessing._noise import noise_floor_of_distances, rows_per_weight
from fairsk.utils._sklearn import Interval


class WassersteinBarycenterRegressor(
    ScoreWithGroupsMixin, RegressorMixin, BaseScorePostprocessor
):
    r"""Regression whose predictions have the same distribution in every group.

    A prediction f of group g becomes

    .. math::
        (1 - \alpha) \sum_h w_h F_h^{-1}(F_g(f)) + \alpha f

    where :math:`F_h` is the distribution of predictions in group h and :math:`w_h` the
    share of the group: the least change, in squared error, that gives all groups one
    distribution [1]_.

    Parameters
    ----------
    estimator : regressor
        The base model.
    alpha : float, default=0.0
        Partial repair: 0 repairs fully, 1 not at all. The Wasserstein distance between
        groups shrinks by this factor [2]_.
    tolerance : float, default=None
        Allowed mean absolute difference between the predictions of two groups at equal
        ranks (Wasserstein-1 distance), in units of the target. It sets `alpha` to the
        largest value that keeps it; None keeps `alpha`.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter learns the distributions from predictions of models
        fitted without the row, and fits the base model on all rows. A float holds out
        that share of the rows. "prefit" takes the estimator as it is.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    estimator_ : regressor
        The fitted base model.
    group_labels_ : list of length n_groups
        Labels of the groups.
    alpha_ : float
        The used `alpha`.
    distance_ : float
        Largest Wasserstein-1 distance between two groups before the repair.
    disparity_ : float
        The same after it, on the predictions that it was learnt from; NaN with a single
        group.
    noise_floor_ : float
        What it would be if the groups were random samples of everybody.
    group_weights_ : ndarray of shape (n_groups,)
        Share of each group.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    GroupQuantileNormalizer : The same idea for scores, as ranks in the group.

    Notes
    -----
    Between the predictions seen in `fit` distributions are interpolated; beyond them a
    prediction keeps its distance to the end of the distribution. It ignores the label:
    where groups differ by right, errors grow.

    References
    ----------
    .. [1] Chzhen et al. (2020), Fair regression with Wasserstein barycenters.
    .. [2] Chzhen & Schreuder (2022), A minimax framework for quantifying risk-fairness
       trade-off in regression.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from fairsk.postprocessing import WassersteinBarycenterRegressor
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(0, 2, 1000)
    >>> X = rng.normal(size=(1000, 2)) + group[:, None]
    >>> y = X @ [1.0, 2.0] + rng.normal(size=1000)
    >>> model = WassersteinBarycenterRegressor(LinearRegression())
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> pred = model.predict(X, sensitive_features=group)
    >>> print(f"{abs(pred[group == 0].mean() - pred[group == 1].mean()):.1f}")
    0.0
    """

    _parameter_constraints: dict = {
        **BaseScorePostprocessor._parameter_constraints,
        "alpha": [Interval(Real, 0.0, 1.0, closed="both")],
        "tolerance": [Interval(Real, 0.0, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator,
        *,
        alpha=0.0,
        tolerance=None,
        cv=5,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.tolerance = tolerance
        self.cv = cv
        self.group_by = group_by
        self.random_state = random_state

    def _fit_scores(self, X, y_score, y, groups, sample_weight):
        self._distributions, self.group_weights_ = group_distributions(
            y_score, groups, sample_weight
        )
        levels = np.linspace(0, 1, 2001)[1:-1]
        curves = np.stack([d.quantile(levels) for d in self._distributions])
        gaps = np.abs(curves[:, None] - curves[None]).mean(axis=-1)
        self.distance_ = float(gaps.max())
        self.alpha_ = float(self.alpha)
        if self.tolerance is not None:
            too_far = self.distance_ > self.tolerance
            self.alpha_ = self.tolerance / self.distance_ if too_far else 1.0
        is_single = groups.n_groups == 1
        self.disparity_ = float("nan") if is_single else self.alpha_ * self.distance_
        strata = np.zeros(len(y_score), dtype=np.intp)
        mass = np.bincount(groups.codes, sample_weight, groups.n_groups)
        ratio = rows_per_weight(
            strata, groups.codes, sample_weight, 1, groups.n_groups
        )[:, 0]
        self.noise_floor_ = noise_floor_of_distances(self._quantile, mass * ratio)

    def _quantile(self, levels):
        """Value of the barycentre at ranks."""
        return sum(
            weight * own.quantile(levels)
            for weight, own in zip(self.group_weights_, self._distributions)
        )

    def predict(self, X, *, sensitive_features=None):
        """Predict, repaired.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predictions.
        """
        y_score = self._score(X, sensitive_features, "predict")
        groups = self._check_groups(X, sensitive_features, reset=False)
        if len(self.group_labels_) == 1 or self.alpha_ == 1.0:
            return y_score
        repaired = self._barycentre(y_score, groups.codes)
        return (1 - self.alpha_) * repaired + self.alpha_ * y_score

    def _barycentre(self, y_score, codes):
        """The barycentre at the rank of each score, moved along beyond the ends."""
        repaired = np.empty(len(y_score))
        for group, own in enumerate(self._distributions):
            rows = np.flatnonzero(codes == group)
            inside = np.clip(y_score[rows], own.values[0], own.values[-1])
            level = own.level(inside)
            repaired[rows] = self._quantile(level) + (y_score[rows] - inside)
        return repaired
