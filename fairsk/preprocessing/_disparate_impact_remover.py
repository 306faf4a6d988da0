"""Give every group the same distribution of each feature."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairsk.base import GroupAwareMixin
from fairsk.preprocessing._features import FeatureSplitMixin
from fairsk.utils._sklearn import Interval, _check_sample_weight, _fit_context


class DisparateImpactRemover(
    GroupAwareMixin, FeatureSplitMixin, TransformerMixin, BaseEstimator
):
    r"""Move each feature of each group to the median distribution of all groups.

    With the distribution function :math:`F_a` of a feature in group a, a value moves to
    that of its rank in the median distribution,

    .. math:: x \mapsto (1 - \lambda)\, x + \lambda\,
       \operatorname{median}_b F_b^{-1}(F_a(x)),

    so that (at :math:`\lambda = 1`) no feature alone tells the groups apart, while the
    order within each group stays.

    Parameters
    ----------
    repair_level : float, default=1.0
        :math:`\lambda`, from 0 (nothing) to 1.
    n_quantiles : int, default=1000
        Number of quantiles that stand for a distribution; at most the size of a group.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    quantiles_ : ndarray of shape (n_groups, n_quantiles, n_features_out)
        Quantiles of each feature in each group.
    target_quantiles_ : ndarray of shape (n_quantiles, n_features_out)
        Their median over the groups.
    levels_ : ndarray of shape (n_quantiles,)
        The levels of the quantiles.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features, sensitive ones included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CorrelationRemover : Makes the means agree only.

    Notes
    -----
    Each feature is repaired alone: a model of several features may still tell the
    groups apart. The group is needed again at `transform`. Values between two of
    `fit` are interpolated, values beyond them take the last rank, and equal values the
    middle of their ranks. A column of categories has no order to keep: leave it out,
    with a ColumnTransformer.

    References
    ----------
    Feldman, Friedler, Moeller, Scheidegger & Venkatasubramanian (2015). Certifying and
    removing disparate impact. KDD.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import DisparateImpactRemover
    >>> X, group = np.array([[1.0], [2.0], [3.0], [5.0], [6.0], [7.0]]), list("aaabbb")
    >>> remover = DisparateImpactRemover().fit(X, sensitive_features=group)
    >>> remover.transform(X, sensitive_features=group).ravel()
    array([3., 4., 5., 3., 4., 5.])
    """

    __metadata_request__transform = {"sensitive_features": True}

    _parameter_constraints: dict = {
        "repair_level": [Interval(Real, 0, 1, closed="both")],
        "n_quantiles": [Interval(Integral, 2, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "keep_sensitive": ["boolean"],
    }

    def __init__(
        self,
        *,
        repair_level=1.0,
        n_quantiles=1000,
        group_by=None,
        keep_sensitive=False,
    ):
        self.repair_level = repair_level
        self.n_quantiles = n_quantiles
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Learn the distributions.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        features = self._check_features(X, reset=True)
        weight = _check_sample_weight(sample_weight, features, dtype=np.float64)
        groups = self._check_groups(X, sensitive_features)
        sizes = np.bincount(groups.codes, weights=weight, minlength=groups.n_groups)
        if (sizes == 0).any():
            empty = groups.labels[int(sizes.argmin())]
            raise ValueError(
                f"{type(self).__name__} needs weight in each group. The samples of "
                f"{empty!r} have none. Drop them."
            )
        # Weighted sizes, so that weight 2 and the row twice agree.
        n_levels = int(np.clip(np.ceil(sizes.max()), 2, self.n_quantiles))
        self.levels_ = np.linspace(0, 1, n_levels)
        self.quantiles_ = np.array(
            [
                _quantiles(features[of_group], weight[of_group], self.levels_)
                for of_group in (groups.codes == g for g in range(groups.n_groups))
            ]
        )
        self.target_quantiles_ = np.median(self.quantiles_, axis=0)
        return self

    def transform(self, X, *, sensitive_features=None):
        """Move the samples.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups of these samples.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The repaired samples.
        """
        check_is_fitted(self)
        features = self._check_features(X, reset=False)
        groups = self._check_groups(X, sensitive_features, reset=False)
        repaired = features.copy()
        for group in np.unique(groups.codes):
            rows = np.flatnonzero(groups.codes == group)
            for j in range(features.shape[1]):
                values = features[rows, j].astype(np.float64)
                rank = _rank(values, self.quantiles_[group, :, j], self.levels_)
                target = np.interp(rank, self.levels_, self.target_quantiles_[:, j])
                repaired[rows, j] = values + self.repair_level * (target - values)
        return self._give_back(X, repaired)

    def fit_transform(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Fit and transform.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The repaired samples.
        """
        self.fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        return self.transform(X, sensitive_features=sensitive_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _quantiles(X, weight, levels):
    """Quantiles of each column, as if a sample of weight 2 stood there twice."""
    X, weight = X[weight > 0].astype(np.float64), weight[weight > 0]
    order = X.argsort(axis=0, kind="stable")
    values = np.take_along_axis(X, order, axis=0)
    upper = weight[order].cumsum(axis=0)
    total = weight.sum()
    columns = []
    for j in range(X.shape[1]):
        # A sample of weight w covers w positions of the sorted sample, the first at
        # 0 and the last at total - 1, where numpy's linear quantiles stand too.
        first, last = upper[:, j] - weight[order[:, j]], upper[:, j] - 1
        if total <= 1:
            columns.append(np.full(len(levels), values[0, j]))
            continue
        positions = np.column_stack([first, np.maximum(last, first)]).ravel()
        ends = np.repeat(values[:, j], 2)
        columns.append(np.interp(levels * (total - 1), positions, ends))
    return np.column_stack(columns)


def _rank(values, quantiles, levels):
    """Level of each value; equal quantiles give the middle of their levels."""
    from_below = np.interp(values, quantiles, levels)
    from_above = np.interp(-values, -quantiles[::-1], -levels[::-1])
    return 0.5 * (from_below - from_above)
