"""Take the part of the features that a linear model reads off the groups."""

from numbers import Real

import numpy as np
from scipy.linalg import pinvh
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairsk.preprocessing._concept import ConceptMixin
from fairsk.preprocessing._features import FeatureSplitMixin
from fairsk.preprocessing._moments import Moments
from fairsk.utils._sklearn import Interval, _check_sample_weight, _fit_context

_CHUNK = 4096


class CorrelationRemover(
    ConceptMixin, FeatureSplitMixin, TransformerMixin, BaseEstimator
):
    r"""Remove the linear dependence of the features on the sensitive features.

    Each feature loses what a least-squares regression on the sensitive features Z
    predicts of it,

    .. math:: x \mapsto x - \alpha\, \Sigma_{XZ} \Sigma_{ZZ}^{+} (z - E z),

    so that (with :math:`\alpha = 1`) it is uncorrelated with every column of Z: all
    groups have the same mean.

    Parameters
    ----------
    alpha : float, default=1.0
        Share of the dependence to remove, from 0 to 1.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the sensitive features where
        `sensitive_features` is not passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    coef_ : ndarray of shape (n_concepts, n_features_out)
        Regression of each feature on the indicators of the groups and the continuous
        sensitive features.
    concept_mean_ : ndarray of shape (n_concepts,)
        Means of these.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features, sensitive ones included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Does the same without knowing the group at `transform`.

    Notes
    -----
    The sensitive features are needed again at `transform`. Categorical columns are
    crossed into groups; columns of fractional numbers count as they are. Collinear
    columns share a coefficient of least norm, a constant column has none.

    References
    ----------
    Bird et al. (2020). Fairlearn: a toolkit for assessing and improving fairness in AI.
    Microsoft Research MSR-TR-2020-32.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import CorrelationRemover
    >>> X, group = np.array([[1.0], [3.0], [5.0], [9.0]]), ["a", "a", "b", "b"]
    >>> remover = CorrelationRemover().fit(X, sensitive_features=group)
    >>> remover.transform(X, sensitive_features=group).ravel()
    array([3.5, 5.5, 2.5, 6.5])
    """

    __metadata_request__transform = {"sensitive_features": True}

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "group_by": [str, int, list, tuple, callable, None],
        "keep_sensitive": ["boolean"],
    }

    def __init__(self, *, alpha=1.0, group_by=None, keep_sensitive=False):
        self.alpha = alpha
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Learn the regression.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The sensitive features.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        self.__dict__.pop("moments_", None)
        self.partial_fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        self._warn_single_concept()
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Learn from one more batch of a stream.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The sensitive features. Groups may be new.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer, the same as `fit` on all batches together.
        """
        first = not hasattr(self, "moments_")
        features = self._check_features(X, reset=first)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, features)
        n_known = 0 if first else len(self.group_labels_)
        concept = self._check_concept(X, sensitive_features, reset=first, extend=True)
        if first:
            self.moments_ = Moments(features.shape[1], concept.n_columns, full=False)
        else:
            self.moments_.insert_targets(n_known, concept.n_groups - n_known)
        self.moments_.update(features, concept, sample_weight)
        self._solve()
        return self

    def _solve(self):
        moments = self.moments_
        # Indicators sum to 1: the pseudo-inverse takes the solution of least norm.
        inverse = pinvh(moments.target_covariance, rtol=1e-10)
        self.coef_ = inverse @ moments.cross.T
        self.concept_mean_ = moments.mean[moments.n_features :].copy()

    def transform(self, X, *, sensitive_features=None):
        """Remove what the sensitive features predict.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The sensitive features of these samples.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The residuals, about the means of the features.
        """
        check_is_fitted(self)
        features = self._check_features(X, reset=False)
        concept = self._check_concept(X, sensitive_features, reset=False)
        shift = self.alpha * self.coef_
        offset = self.concept_mean_ @ shift
        transformed = np.empty_like(features, order="C")
        for start in range(0, len(features), _CHUNK):
            rows = slice(start, start + _CHUNK)
            transformed[rows] = features[rows] - (concept(rows) @ shift - offset)
        return self._give_back(X, transformed)

    def fit_transform(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Fit and transform.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The sensitive features.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The residuals.
        """
        self.fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        return self.transform(X, sensitive_features=sensitive_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
