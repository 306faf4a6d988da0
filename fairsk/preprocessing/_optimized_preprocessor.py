"""The randomised change of data that is fair and changes them least."""

from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.optimize import linprog
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.utils._factorize import factorize
from fairsk.utils._random import uniform_by_row
from fairsk.utils._sklearn import Interval, _check_sample_weight, _fit_context


class OptimizedPreprocessor(
    OneToOneFeatureMixin, GroupAwareMixin, TransformerMixin, BaseEstimator
):
    r"""Change rows and labels at random, so that labels are fair and data change least.

    Rows are binned into cells x. A map :math:`p(\hat x, \hat y \mid x, y, a)` minimises
    the total variation between the new and the old distribution of (x, y), such that

    .. math:: |p(\hat y \mid a) - p(\hat y \mid b)| \le \epsilon, \qquad
       E[\delta((x, y), (\hat x, \hat y)) \mid x, y, a] \le c

    for all groups a, b and all cells, where :math:`\delta` counts the bins that the
    features move, plus `label_cost` for another label. It is a linear programme.

    Parameters
    ----------
    tolerance : float, default=0.05
        :math:`\epsilon`, the largest difference between groups in the share of a label.
    max_distortion : float, default=0.5
        c, the largest expected distortion of a row.
    label_cost : float, default=1.0
        Distortion of a changed label.
    n_bins : int, default=3
        Bins of a feature, between quantiles. A feature with no more values has one bin
        for each.
    max_cells : int, default=200
        Most cells that the rows may fall in. The programme grows with their square.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed. Such columns are changed like any other.
    random_state : int, RandomState instance or None, default=None
        Source of the draws, which are fixed by `fit`. `transform` draws by the values
        of a row, so that equal rows of a group are changed to the same one.

    Attributes
    ----------
    map_ : ndarray of shape (n_groups, n_cells, n_classes, n_cells, n_classes)
        The map. Where a group has no row of a cell and label it leaves them as they
        are.
    cells_ : ndarray of shape (n_cells, n_features_in_)
        Mean row of each cell, which stands for it in the output.
    total_variation_ : float
        Distance between the new and the old distribution.
    classes_ : ndarray of shape (n_classes,)
        The labels.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    DisparateImpactRemover : Repairs each feature alone, without bins.

    Notes
    -----
    For few features of few values; select them first. `transform` does not know the
    label: it draws from the map averaged over the labels that the group has in the
    cell. :meth:`transform_labels` changes rows and labels together, for training. A row
    of a cell that `fit` did not see goes to the nearest one that it saw.

    References
    ----------
    Calmon, Wei, Vinzamuri, Ramamurthy & Varshney (2017). Optimized pre-processing for
    discrimination prevention. NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.preprocessing import OptimizedPreprocessor
    >>> rng = np.random.default_rng(0)
    >>> group, x = rng.integers(2, size=2000), rng.integers(3, size=2000)
    >>> y = (rng.uniform(size=2000) < 0.3 + 0.3 * group).astype(int)
    >>> mapper = OptimizedPreprocessor(tolerance=0.02, random_state=0)
    >>> mapper.fit(x[:, None], y, sensitive_features=group)
    OptimizedPreprocessor(random_state=0, tolerance=0.02)
    >>> _, y_new = mapper.transform_labels(x[:, None], y, sensitive_features=group)
    >>> bool(abs(y_new[group == 1].mean() - y_new[group == 0].mean()) < 0.1)
    True
    """

    __metadata_request__transform = {"sensitive_features": True}

    _parameter_constraints: dict = {
        "tolerance": [Interval(Real, 0, 1, closed="both")],
        "max_distortion": [Interval(Real, 0, None, closed="left")],
        "label_cost": [Interval(Real, 0, None, closed="left")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "max_cells": [Interval(Integral, 1, None, closed="left")],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        tolerance=0.05,
        max_distortion=0.5,
        label_cost=1.0,
        n_bins=3,
        max_cells=200,
        group_by=None,
        random_state=None,
    ):
        self.tolerance = tolerance
        self.max_distortion = max_distortion
        self.label_cost = label_cost
        self.n_bins = n_bins
        self.max_cells = max_cells
        self.group_by = group_by
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Find the map.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        features, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, features)
        groups = self._check_groups(X, sensitive_features)
        self._seed = check_random_state(self.random_state).randint(2**31)
        self.classes_, y_codes = factorize(y)
        seen = weight > 0
        self._edges = [
            _edges(column[seen], weight[seen], self.n_bins) for column in features.T
        ]
        bins = self._bin(features)
        self._cell_bins = np.unique(bins[seen], axis=0)
        self._check_number_of_cells()
        cells = self._nearest_cell(bins)
        shape = (groups.n_groups, len(self._cell_bins), len(self.classes_))
        mass = np.zeros(shape)
        np.add.at(mass, (groups.codes, cells, y_codes.astype(int)), weight)
        mass /= mass.sum()
        total = np.bincount(cells, weight, minlength=shape[1])
        self.cells_ = np.column_stack(
            [np.bincount(cells, weight * column) / total for column in features.T]
        )
        # Of several solutions the solver's depends on the order of the groups: one that
        # has nothing to do with their names.
        order = np.lexsort(mass.reshape(groups.n_groups, -1).T)
        in_order, self.total_variation_ = _solve_map(
            mass[order], self._distortion(), self.tolerance, self.max_distortion
        )
        self.map_ = in_order[np.argsort(order)]
        self._label_share = _normalise(mass, axis=2)
        return self

    def _bin(self, features):
        columns = [
            np.searchsorted(edges, column, side="right")
            for edges, column in zip(self._edges, features.T)
        ]
        return np.column_stack(columns)

    def _check_number_of_cells(self):
        if len(self._cell_bins) > self.max_cells:
            raise ValueError(
                f"{type(self).__name__} needs rows in at most "
                f"`max_cells`={self.max_cells} cells. Got {len(self._cell_bins)} from "
                f"{len(self._edges)} features. Select fewer features, or lower "
                "`n_bins`."
            )

    def _nearest_cell(self, bins):
        distance = np.abs(bins[:, None] - self._cell_bins[None]).sum(axis=2)
        return distance.argmin(axis=1)

    def _distortion(self):
        moved = np.abs(self._cell_bins[:, None] - self._cell_bins[None]).sum(axis=2)
        n_classes = len(self.classes_)
        relabelled = self.label_cost * (1 - np.eye(n_classes))
        return moved[:, None, :, None] + relabelled[None, :, None, :]

    def transform(self, X, *, sensitive_features=None):
        """Change rows whose labels are unknown.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups of these rows.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features)
            A mean row of a cell for each. A row that stays in its cell is unchanged.
        """
        check_is_fitted(self)
        features = validate_data(self, X, reset=False, dtype=np.float64)
        groups = self._check_groups(X, sensitive_features, reset=False)
        cells = self._nearest_cell(self._bin(features))
        of_labels = np.einsum("acy,acydz->acd", self._label_share, self.map_)
        below = uniform_by_row(features, self._seed)
        drawn = _draw(below, of_labels[groups.codes, cells])
        return np.where((drawn == cells)[:, None], features, self.cells_[drawn])

    def transform_labels(self, X, y, *, sensitive_features=None):
        """Change rows together with their labels, for training.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            Their labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Their groups.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features)
            The rows.
        y_transformed : ndarray of shape (n_samples,)
            The labels.
        """
        check_is_fitted(self)
        features, y = validate_data(self, X, y, reset=False, dtype=np.float64)
        groups = self._check_groups(X, sensitive_features, reset=False)
        y_codes = np.searchsorted(self.classes_, y)
        if not np.isin(y, self.classes_).all():
            raise ValueError(
                f"{type(self).__name__} needs the labels of fit: "
                f"{self.classes_.tolist()}. Got {np.unique(y).tolist()}."
            )
        cells = self._nearest_cell(self._bin(features))
        joint = self.map_[groups.codes, cells, y_codes].reshape(len(y), -1)
        # Training draws row by row: with few values a hash of the row would move all
        # rows of a cell together.
        below = np.random.RandomState(self._seed).uniform(size=len(y))
        drawn = _draw(below, joint)
        new_cells, labels = np.divmod(drawn, len(self.classes_))
        same = (new_cells == cells)[:, None]
        return np.where(same, features, self.cells_[new_cells]), self.classes_[labels]

    def fit_transform(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Fit, and change the rows as if their labels were unknown.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        X_transformed : ndarray of shape (n_samples, n_features)
            The rows.
        """
        self.fit(
            X, y, sensitive_features=sensitive_features, sample_weight=sample_weight
        )
        return self.transform(X, sensitive_features=sensitive_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _draw(below, probabilities):
    """Position of the interval of the unit interval that each number falls in."""
    return (below[:, None] >= probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1)


def _edges(column, weight, n_bins):
    """Inner edges of the bins, at quantiles of the weighted column."""
    values = np.unique(column)
    if len(values) <= n_bins:
        return (values[1:] + values[:-1]) / 2
    levels = np.linspace(0, 1, n_bins + 1)[1:-1]
    order = np.argsort(column, kind="stable")
    below = weight[order].cumsum()
    places = np.searchsorted(below, levels * below[-1] * (1 - 1e-12))
    return np.unique(column[order][places])


def _solve_map(mass, distortion, tolerance, max_distortion):
    """The map and the total variation of the linear programme.

    Parameters
    ----------
    mass : ndarray of shape (n_groups, n_cells, n_classes)
        Shares of the rows.
    distortion : ndarray of shape (n_cells, n_classes, n_cells, n_classes)
        Cost of each change.
    tolerance, max_distortion : float
        Bounds.

    Returns
    -------
    map : ndarray of shape (n_groups, n_cells, n_classes, n_cells, n_classes)
        Probabilities.
    total_variation : float
        Half the sum of absolute differences.
    """
    n_groups, n_cells, n_classes = mass.shape
    n_to = n_cells * n_classes
    sources = np.argwhere(mass > 0)
    shares = mass[mass > 0]
    n_from = len(sources)
    ones = sparse.kron(sparse.eye(n_from), np.ones((1, n_to)), format="csr")
    moved = sparse.kron(shares[None], sparse.eye(n_to), format="csr")
    slack = sparse.eye(n_to)
    old = mass.sum(axis=0).ravel()
    costs = distortion.reshape(n_to, n_to)[sources[:, 1] * n_classes + sources[:, 2]]
    expected = sparse.block_diag([row[None] for row in costs], format="csr")
    label_of = np.tile(np.eye(n_classes), (n_cells, 1)).T
    rates = []
    for group in range(n_groups):
        of_group = np.where(sources[:, 0] == group, shares, 0.0)
        rates.append(
            sparse.kron(of_group[None] / max(of_group.sum(), 1e-300), label_of)
        )
    unfair = [
        rates[a] - rates[b] for a in range(n_groups) for b in range(n_groups) if a != b
    ]
    blocks = [[moved, -slack], [-moved, -slack], [expected, None]]
    bounds = [old, -old, np.full(n_from, max_distortion)]
    if unfair and n_classes > 1:
        blocks.append([sparse.vstack(unfair), None])
        bounds.append(np.full(len(unfair) * n_classes, tolerance))
    result = linprog(
        np.concatenate([np.zeros(n_from * n_to), np.full(n_to, 0.5)]),
        A_ub=sparse.bmat(blocks, format="csr"),
        b_ub=np.concatenate(bounds),
        A_eq=sparse.hstack([ones, sparse.csr_array((n_from, n_to))], format="csr"),
        b_eq=np.ones(n_from),
        method="highs",
    )
    if result.status == 2:
        raise ValueError(
            "OptimizedPreprocessor needs bounds that some map keeps. None keeps a "
            f"difference of {tolerance} at an expected distortion of "
            f"{max_distortion}. Raise `tolerance` or `max_distortion`."
        )
    if result.status != 0:
        raise RuntimeError(
            f"OptimizedPreprocessor needs a solution. The solver says: {result.message}"
        )
    full = np.zeros((n_groups, n_to, n_to)) + np.eye(n_to)
    rows = np.maximum(result.x[: n_from * n_to].reshape(n_from, n_to), 0.0)
    full[sources[:, 0], sources[:, 1] * n_classes + sources[:, 2]] = rows
    full /= full.sum(axis=2, keepdims=True)
    return full.reshape(*mass.shape, n_cells, n_classes), float(result.fun)


def _normalise(mass, axis):
    """Shares along an axis, equal ones where there is no mass."""
    total = mass.sum(axis=axis, keepdims=True)
    even = np.full(mass.shape, 1 / mass.shape[axis])
    return np.divide(mass, total, out=even, where=total > 0)
