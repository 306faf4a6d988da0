"""Means and scatter of a stream of rows, in float64 and constant memory."""

import numpy as np

# Rows that are centred at a time: the copy stays in the cache.
_CHUNK = 4096


class Moments:
    """Weight, mean and scatter of features and targets.

    Parameters
    ----------
    n_features, n_targets : int
        Numbers of features and of targets, which stand behind the features.
    full : bool, default=True
        Whether the scatter has all columns or those of the targets only, which costs
        n_targets / (n_features + n_targets) of it.
    """

    def __init__(self, n_features, n_targets, *, full=True):
        self.n_features = n_features
        self.full = full
        self.weight = 0.0
        self.mean = np.zeros(n_features + n_targets)
        n_columns = n_features + n_targets if full else n_targets
        self.scatter = np.zeros((n_features + n_targets, n_columns))

    def update(self, X, targets, sample_weight=None):
        """Add rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Features.
        targets : callable
            Maps a slice of the rows to targets of shape (n_rows, n_targets).
        sample_weight : ndarray of shape (n_samples,), default=None
            Weights.
        """
        for start in range(0, len(X), _CHUNK):
            rows = slice(start, start + _CHUNK)
            chunk = X[rows]
            block = np.empty((len(chunk), len(self.mean)))
            block[:, : self.n_features] = chunk
            block[:, self.n_features :] = targets(rows)
            weight = None if sample_weight is None else sample_weight[rows]
            self._add_block(block, weight)

    def _add_block(self, block, weight):
        total = float(len(block)) if weight is None else weight.sum()
        if total == 0:
            return
        mean = block.mean(axis=0) if weight is None else weight @ block / total
        block -= mean
        right = block if self.full else block[:, self.n_features :]
        if weight is not None:
            right = right * weight[:, None]
        self._add(total, mean, block.T @ right)

    def _add(self, weight, mean, scatter):
        """Add the moments of other rows (Chan, Golub & LeVeque, 1979)."""
        both = self.weight + weight
        if both == 0:
            return
        step = mean - self.mean
        right = step if self.full else step[self.n_features :]
        between = np.outer(step, right) * (self.weight * weight / both)
        self.scatter += scatter + between
        self.mean += step * (weight / both)
        self.weight = both

    def merge(self, other):
        """Add the moments of other rows.

        Parameters
        ----------
        other : Moments
            Of the same columns.
        """
        self._add(other.weight, other.mean, other.scatter)

    def insert_targets(self, position, n_new):
        """Add targets that were 0 in all rows so far.

        Parameters
        ----------
        position : int
            Target that the new ones stand before.
        n_new : int
            How many.
        """
        column = self.n_features + position
        where = [column] * n_new
        self.mean = np.insert(self.mean, where, 0.0)
        self.scatter = np.insert(self.scatter, where, 0.0, axis=0)
        columns = where if self.full else [position] * n_new
        self.scatter = np.insert(self.scatter, columns, 0.0, axis=1)

    def reorder_targets(self, order):
        """Take the targets in another order.

        Parameters
        ----------
        order : list of int
            Position of each target of the new order.
        """
        order = np.asarray(order, dtype=int)
        features = np.arange(self.n_features)
        rows = np.concatenate([features, self.n_features + order])
        self.mean = self.mean[rows]
        columns = rows if self.full else order
        self.scatter = self.scatter[np.ix_(rows, columns)]

    @property
    def covariance(self):
        """Covariance of the features, shape (n_features, n_features)."""
        size = self.n_features
        return self.scatter[:size, :size] / self.weight

    @property
    def cross(self):
        """Covariance of features and targets, shape (n_features, n_targets)."""
        size = self.n_features
        first = size if self.full else 0
        return self.scatter[:size, first:] / self.weight

    @property
    def target_covariance(self):
        """Covariance of the targets, shape (n_targets, n_targets)."""
        size = self.n_features
        first = size if self.full else 0
        return self.scatter[size:, first:] / self.weight


def pool(parts):
    """Covariance of the features within parts, each about its own mean.

    Parameters
    ----------
    parts : list of Moments
        Of the same columns.

    Returns
    -------
    covariance : ndarray of shape (n_features, n_features)
        The pooled covariance.
    """
    total = sum(part.weight for part in parts)
    return sum(part.weight * part.covariance for part in parts) / total
