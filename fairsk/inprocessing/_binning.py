"""Bins of features that see a sample of weight 2 as two samples."""

import numpy as np
from scipy import sparse


class WeightedBinner:
    """Replaces the values of each feature by the number of their bin.

    A bin is a value of its own where there are few, and otherwise holds about the same
    weight as the others. Missing values stay missing; fitted on sparse data, these are
    all that is not stored, too.

    Parameters
    ----------
    max_bins : int
        Largest number of bins of a feature.
    """

    def __init__(self, max_bins):
        self.max_bins = max_bins

    def fit(self, X, sample_weight):
        """Find the bins.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Training samples.
        sample_weight : ndarray of shape (n_samples,)
            Positive weights.

        Returns
        -------
        self : WeightedBinner
            The same object.
        """
        self._is_sparse = sparse.issparse(X)
        self.edges_ = [
            _edges(values, sample_weight[rows], self.max_bins)
            for rows, values in self._columns(self._arranged(X))
        ]
        return self

    def transform(self, X):
        """Bins of the values.

        Parameters
        ----------
        X : ndarray or sparse matrix of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        bins : float32 ndarray or csr_matrix of shape (n_samples, n_features)
            Number of the bin of each value.
        """
        X = self._arranged(X)
        if not self._is_sparse:
            bins = np.empty(X.shape, dtype=np.float32, order="F")
            for column, edges, values in zip(bins.T, self.edges_, X.T):
                column[:] = _number(edges, values)
            return np.ascontiguousarray(bins)
        numbers = [
            _number(edges, values)
            for edges, (_, values) in zip(self.edges_, self._columns(X))
        ]
        data = np.concatenate(numbers).astype(np.float32)
        return sparse.csc_matrix((data, X.indices, X.indptr), shape=X.shape).tocsr()

    def _arranged(self, X):
        """Columns next to each other in memory, and zeros stored nowhere."""
        if not self._is_sparse:
            return np.asfortranarray(X.toarray() if sparse.issparse(X) else X)
        X = sparse.csc_matrix(X, copy=True)
        X.eliminate_zeros()
        return X

    def _columns(self, X):
        """Rows and values of each column."""
        if not self._is_sparse:
            everything = slice(None)
            return [(everything, column) for column in X.T]
        parts = [slice(*ends) for ends in zip(X.indptr[:-1], X.indptr[1:])]
        return [(X.indices[part], X.data[part]) for part in parts]


def _edges(values, weight, max_bins):
    """Ends of all bins but the last, half way between two values."""
    distinct = np.unique(values)
    distinct = distinct[~np.isnan(distinct)]
    if len(distinct) < 2:
        return np.empty(0)
    last = np.arange(len(distinct) - 1)
    if len(distinct) > max_bins:
        known = ~np.isnan(values)
        position = np.searchsorted(distinct, values[known])
        reached = np.cumsum(np.bincount(position, weight[known]))
        targets = reached[-1] * np.arange(1, max_bins) / max_bins
        last = np.unique(np.searchsorted(reached, targets))
        last = last[last < len(distinct) - 1]
    lower, upper = distinct[last], distinct[last + 1]
    middle = lower + (upper - lower) / 2
    return np.where(middle < upper, middle, lower)


def _number(edges, values):
    return np.where(np.isnan(values), np.nan, np.searchsorted(edges, values))
