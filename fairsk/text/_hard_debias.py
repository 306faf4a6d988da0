"""Project embeddings off the directions in which pairs of them differ."""

from numbers import Integral

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from fairsk.base import GroupAwareMixin
from fairsk.preprocessing._erasure import projection
from fairsk.preprocessing._features import FeatureSplitMixin
from fairsk.utils._sklearn import Interval, _check_sample_weight, _fit_context


class HardDebias(GroupAwareMixin, FeatureSplitMixin, TransformerMixin, BaseEstimator):
    r"""Hard debiasing: neutralise embeddings along the directions of pairs.

    The directions B are the first principal components of pairs about their own means,

    .. math:: C = \sum_i \tfrac{1}{2} \sum_{w \in D_i} (w - \mu_i)(w - \mu_i)^\top,

    where :math:`D_i` is a text and its counterfactual (`X_counterfactual`), or a word
    and its counterpart. To neutralise is to project, :math:`x - BB^\top x`; to equalise
    (:meth:`equalize`) is to move both of a pair to the same distance from everything
    neutral. Without pairs, the means of the groups are the set whose differences count.

    Parameters
    ----------
    n_components : int, default=1
        Number of directions; with groups instead of pairs at most one less than there
        are groups.
    normalize : bool, default=False
        Whether to scale what is left to length 1, as in the paper.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where neither
        `X_counterfactual` nor `sensitive_features` is passed.
    keep_sensitive : bool, default=False
        Whether columns that `group_by` names pass unchanged or are left out.

    Attributes
    ----------
    directions_ : ndarray of shape (n_components, n_features)
        Orthonormal rows B.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        Share of the differences within pairs that each direction explains.
    eraser_ : Eraser
        The projection, about the origin.
    group_labels_ : list of length n_groups
        The groups, where the directions are those of groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    fairsk.preprocessing.ConceptEraser : Moves the samples least, and leaves no linear
        classifier better than chance.

    Notes
    -----
    It takes away the directions of largest difference, which are not all that a
    classifier can use: what is left still tells the group (Gonen & Goldberg 2019).
    Probe it. It is here to compare with :class:`~fairsk.preprocessing.ConceptEraser`.

    References
    ----------
    Bolukbasi, Chang, Zou, Saligrama & Kalai (2016). Man is to computer programmer as
    woman is to homemaker? NeurIPS.

    Gonen & Goldberg (2019). Lipstick on a pig. NAACL.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.text import HardDebias
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 3))
    >>> swapped = X + [0.0, 2.0, 0.0]
    >>> debias = HardDebias().fit(X, X_counterfactual=swapped)
    >>> debias.directions_.round(2) + 0.0
    array([[0., 1., 0.]])
    >>> bool(np.allclose(debias.transform(X), debias.transform(swapped)))
    True
    """

    __metadata_request__fit = {"sensitive_features": True, "X_counterfactual": True}

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "normalize": ["boolean"],
        "group_by": [str, int, list, tuple, callable, None],
        "keep_sensitive": ["boolean"],
    }

    def __init__(
        self, n_components=1, *, normalize=False, group_by=None, keep_sensitive=False
    ):
        self.n_components = n_components
        self.normalize = normalize
        self.group_by = group_by
        self.keep_sensitive = keep_sensitive

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X,
        y=None,
        *,
        sensitive_features=None,
        X_counterfactual=None,
        sample_weight=None,
    ):
        """Find the directions.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Embeddings.
        y : None
            Not used.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups, for directions without pairs.
        X_counterfactual : array-like of shape (n_samples, n_features), default=None
            Embeddings of the counterfactual of each row; a row that is its own
            counterfactual says nothing.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        features = self._check_features(X, reset=True)
        weight = _check_sample_weight(sample_weight, features, dtype=np.float64)
        if X_counterfactual is not None:
            other = self._check_features(X_counterfactual, reset=False)
            differences = self._pair_differences(features, other, weight)
        else:
            groups = self._check_groups(X, sensitive_features)
            differences = _group_differences(features, groups.codes, weight)
        self._find_directions(differences, features, weight)
        return self

    def _pair_differences(self, features, other, weight):
        if len(other) != len(features):
            raise ValueError(
                f"{type(self).__name__} needs the counterfactual of each row. Got "
                f"{len(other)} rows of `X_counterfactual` for {len(features)} rows."
            )
        # About the mean of a pair both of it stand at half of their difference.
        halves = (features.astype(np.float64) - other) / 2
        if not halves.any():
            raise ValueError(
                f"{type(self).__name__} needs pairs that differ. All {len(features)} "
                "rows equal their counterfactual. Check the swap, or pass "
                "`sensitive_features` instead."
            )
        return np.sqrt(weight)[:, None] * halves

    def _find_directions(self, differences, features, weight):
        _, singular, rows = np.linalg.svd(differences, full_matrices=False)
        scale = np.abs(features).max(initial=0.0) * np.sqrt(weight.sum())
        rank = int((singular > 1e-9 * max(scale, 1e-300)).sum())
        n_kept = min(self.n_components, rank)
        # A sign that does not depend on the order of the rows.
        signs = np.sign(rows[np.arange(len(rows)), np.abs(rows).argmax(axis=1)])
        self.directions_ = (signs[:, None] * rows)[:n_kept]
        total = (singular**2).sum()
        self.explained_variance_ratio_ = singular[:n_kept] ** 2 / (total or 1.0)
        mean = np.zeros(features.shape[1])
        self.eraser_ = projection(
            self.directions_, mean, features.astype(np.float64), weight
        )

    def transform(self, X):
        """Neutralise embeddings.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            Embeddings. Their groups are not needed.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features_out)
            Embeddings without their components along the directions.
        """
        check_is_fitted(self)
        features = self._check_features(X, reset=False)
        neutral = self.eraser_(features)
        if self.normalize:
            norms = np.linalg.norm(neutral, axis=1, keepdims=True)
            neutral = neutral / np.where(norms > 0, norms, 1).astype(neutral.dtype)
        return self._give_back(X, neutral)

    def equalize(self, X, X_counterfactual):
        r"""Move both of each pair to the same distance from everything neutral.

        .. math:: w' = \nu + \sqrt{1 - \lVert \nu \rVert^2}\,
            \frac{w_B - \mu_B}{\lVert w_B - \mu_B \rVert}, \qquad \nu = \mu - \mu_B

        Parameters
        ----------
        X, X_counterfactual : array-like of shape (n_pairs, n_features)
            Embeddings of both of each pair, which are scaled to length 1 first.

        Returns
        -------
        equalized, counterfactual : ndarray of shape (n_pairs, n_features)
            Embeddings of length 1, which differ along the directions alone.
        """
        check_is_fitted(self)
        pair = []
        for part in (X, X_counterfactual):
            features = self._check_features(part, reset=False).astype(np.float64)
            pair.append(features / np.linalg.norm(features, axis=1, keepdims=True))
        basis = self.directions_.T
        mean = (pair[0] + pair[1]) / 2
        neutral = mean - (mean @ basis) @ basis.T
        height = np.sqrt(np.maximum(1 - (neutral**2).sum(axis=1, keepdims=True), 0))
        apart = ((pair[0] - mean) @ basis) @ basis.T
        norms = np.linalg.norm(apart, axis=1, keepdims=True)
        apart = apart / np.where(norms > 0, norms, 1)
        return neutral + height * apart, neutral - height * apart

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _group_differences(features, codes, weight):
    """Means of the groups about the mean of these means."""
    present = np.unique(codes[weight > 0])
    means = np.array(
        [
            np.average(features[codes == g], axis=0, weights=weight[codes == g])
            for g in present
        ],
        dtype=np.float64,
    )
    return means - means.mean(axis=0)
