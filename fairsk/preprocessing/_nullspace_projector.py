"""Project out one linear classifier of the groups after the other."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from fairsk.base import GroupAwareMixin
from fairsk.preprocessing._erasure import projection
from fairsk.preprocessing._features import FeatureSplitMixin
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    _check_sample_weight,
    _fit_context,
)


class NullspaceProjector(
    GroupAwareMixin, FeatureSplitMixin, TransformerMixin, BaseEstimator
):
    """Iterative nullspace projection (INLP).

    A linear classifier of the groups is fitted, the features are projected on the
    nullspace of its coefficients, and so on until a new classifier is no better than
    chance. It takes many directions where :class:`ConceptEraser` takes one a group; it
    is here to compare with.

    Parameters
    ----------
    estimator : classifier, default=None
        A linear classifier with `coef_`. None is a logistic regression.
    max_iter : int, default=20
        Largest number of classifiers.
    tol : float, default=0.01
        Stop where balanced accuracy exceeds chance by no more.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    eraser_ : Eraser
        The map.
    rank_ : int
        Number of directions that are erased.
    n_iter_ : int
        Number of classifiers fitted, the last of which found nothing.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features, sensitive ones included.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    ConceptEraser : Erases all at once, and moves the samples least.

    References
    ----------
    Ravfogel, Elazar, Gonen, Twiton & Goldberg (2020). Null it out: guarding protected
    attributes by iterative nullspace projection. ACL.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import NullspaceProjector
    >>> rng = np.random.default_rng(0)
    >>> group = rng.integers(2, size=500)
    >>> X = rng.normal(size=(500, 4)) + group[:, None] * [2.0, 1.0, 0.0, 0.0]
    >>> NullspaceProjector(tol=0.05).fit(X, sensitive_features=group).rank_
    1
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict"]), None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, 1, closed="both")],
        "group_by": [str, int, list, tuple, callable, None],
        "keep_sensitive": ["boolean"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        max_iter=20,
        tol=0.01,
        group_by=None,
        keep_sensitive=False,
    ):
        self.estimator = estimator
        self.max_iter = max_iter
        self.tol = tol
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, sensitive_features=None, sample_weight=None):
        """Find the directions.

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
        mean = np.average(features, axis=0, weights=weight)
        centred = features - mean
        directions = np.zeros((0, features.shape[1]))
        self.n_iter_ = 0
        while groups.n_groups > 1 and len(directions) < features.shape[1]:
            # A basis that grows in one go is orthonormal to rounding; a product of
            # projections drifts.
            basis = np.linalg.qr(directions.T)[0]
            left = centred - (centred @ basis) @ basis.T
            model = self._fit_classifier(left, groups.codes, weight)
            self.n_iter_ += 1
            gain = balanced_accuracy_score(
                groups.codes, model.predict(left), sample_weight=weight
            )
            if gain - 1 / groups.n_groups <= self.tol:
                break
            if self.n_iter_ > self.max_iter:
                warnings.warn(
                    f"{type(self).__name__} stopped after `max_iter`={self.max_iter} "
                    f"classifiers; the last one still has a balanced accuracy of "
                    f"{gain:.3f}. Raise `max_iter` or `tol`.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
                break
            directions = self._add(directions, np.atleast_2d(model.coef_))
        self.eraser_ = projection(directions, mean, centred, weight)
        self.rank_ = self.eraser_.rank
        return self

    def _fit_classifier(self, X, codes, weight):
        model = self.estimator
        model = LogisticRegression(max_iter=1000) if model is None else clone(model)
        if has_fit_parameter(model, "sample_weight"):
            model.fit(X, codes, sample_weight=weight)
        else:
            model.fit(X, codes)
        if not hasattr(model, "coef_"):
            raise ValueError(
                f"{type(self).__name__} needs a linear classifier with `coef_`. Got "
                f"{type(model).__name__}."
            )
        return model

    @staticmethod
    def _add(directions, coefficients):
        """Rows of an orthonormal basis of the old directions and the new ones."""
        stacked = np.vstack([directions, coefficients / np.linalg.norm(coefficients)])
        _, singular, rows = np.linalg.svd(stacked, full_matrices=False)
        return rows[singular > 1e-6 * singular[0]]

    def transform(self, X):
        """Project the samples.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The samples. Their groups are not needed.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            The projections, of the same mean.
        """
        check_is_fitted(self)
        features = self._check_features(X, reset=False)
        return self._give_back(X, self.eraser_(features))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
