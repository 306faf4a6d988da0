"""Decisions by group thresholds, some of them mixed."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import _safe_indexing, indexable

from fairsk.utils._draws import row_draws
from fairsk.utils._lookup import blocks, lookup


@dataclass(frozen=True, eq=False)
class Policy:
    """Thresholds of every group and the probability of using each.

    Parameters
    ----------
    thresholds : ndarray of shape (n_groups, n_thresholds)
        Falling thresholds of each group.
    weights : ndarray of shape (n_groups, n_thresholds)
        Probability of each threshold; padding has probability 0.
    """

    thresholds: np.ndarray
    weights: np.ndarray

    @classmethod
    def of_mixture(cls, points, weights):
        """Policy of weights over the operating points of each group."""
        chosen = [np.flatnonzero(w) for w in weights]
        width = max(len(rows) for rows in chosen)
        thresholds = np.empty((len(points), width))
        probabilities = np.zeros((len(points), width))
        for group, rows in enumerate(chosen):
            thresholds[group] = points[group].thresholds[rows[-1]]
            thresholds[group, : len(rows)] = points[group].thresholds[rows]
            probabilities[group, : len(rows)] = weights[group][rows]
        return cls(thresholds, probabilities)

    @classmethod
    def of_thresholds(cls, thresholds):
        """Policy of one threshold for each group."""
        thresholds = np.asarray(thresholds, dtype=float)[:, None]
        return cls(thresholds, np.ones_like(thresholds))

    @property
    def is_mixed(self):
        """Whether some group mixes thresholds."""
        return self.thresholds.shape[1] > 1

    def append(self, other):
        """Add the groups of another policy after the own."""
        width = max(self.thresholds.shape[1], other.thresholds.shape[1])
        first, second = self._widen(width), other._widen(width)
        return Policy(
            np.vstack([first.thresholds, second.thresholds]),
            np.vstack([first.weights, second.weights]),
        )

    def row(self, group):
        """Policy of one group alone."""
        return Policy(self.thresholds[[group]], self.weights[[group]])

    def _widen(self, width):
        extra = width - self.thresholds.shape[1]
        return Policy(
            np.pad(self.thresholds, ((0, 0), (0, extra)), mode="edge"),
            np.pad(self.weights, ((0, 0), (0, extra))),
        )

    def probability(self, y_score, group_codes):
        """Probability of a positive decision for each sample."""
        probability = np.zeros(len(y_score))
        for thresholds, weights in zip(self.thresholds.T, self.weights.T):
            above = _reaches(y_score, thresholds, group_codes)
            probability += above * lookup(weights, group_codes)
        # Weights add up to 1 only up to rounding.
        return np.where(probability > 1.0 - 1e-12, 1.0, probability)

    def decide(self, y_score, group_codes, X, seed):
        """Whether each sample is decided positive.

        Rows between the thresholds of a mixture draw a number from what they hold
        (:func:`fairsk.utils._draws.row_draws`), so that calls agree.
        """
        positive = _reaches(y_score, self.thresholds[:, 0], group_codes)
        if not self.is_mixed:
            return positive
        lowest = _reaches(y_score, self.thresholds[:, -1], group_codes)
        between = np.flatnonzero(lowest & ~positive)
        if len(between):
            draws = row_draws(_safe_indexing(indexable(X)[0], between), seed)
            codes = np.asarray(group_codes)[between]
            positive[between] = draws < self.probability(y_score[between], codes)
        return positive


def _reaches(y_score, thresholds, group_codes):
    """Whether each score is at least the threshold of its group."""
    reaches = np.empty(len(y_score), dtype=bool)
    for rows in blocks(len(y_score)):
        cuts = thresholds.take(group_codes[rows])
        np.greater_equal(y_score[rows], cuts, out=reaches[rows])
    return reaches
