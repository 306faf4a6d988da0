"""What thresholds can reach in each group: ROC curves and their convex hulls."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression


@dataclass(frozen=True, eq=False)
class Operating:
    """Operating points of one group: a threshold and what it does to the group.

    Parameters
    ----------
    thresholds : ndarray of shape (n_points,)
        Scores at or above the threshold are predicted positive. They fall from
        infinity (nobody is) to minus infinity (everybody is).
    counts : ndarray of shape (n_points, 2, 2)
        Group counts (true class, predicted class) at each threshold.
    """

    thresholds: np.ndarray
    counts: np.ndarray

    def __len__(self):
        """Number of points."""
        return len(self.thresholds)

    def thin(self, max_points):
        """At most about so many of the points, evenly spaced, ends included."""
        if len(self) <= max_points:
            return self
        kept = np.linspace(0, len(self) - 1, max_points).round().astype(int)
        return Operating(self.thresholds[kept], self.counts[kept])

    def mixed(self, weights):
        """Counts of shape (2, 2) of the mixture of points with these weights."""
        return np.einsum("v,vij->ij", weights, self.counts)


@dataclass(frozen=True, eq=False)
class SortedGroup:
    """Rows of one group by rising score, tied scores joined into one block.

    Parameters
    ----------
    scores : ndarray of shape (n_rows,)
        Rising scores.
    positive : ndarray of shape (n_rows,)
        Whether the row is a positive, or how likely that is (with weights), in the
        order of the scores.
    weights : ndarray of shape (n_rows,) or None
        Weights of the rows; None counts every row once.
    starts : ndarray of shape (n_blocks,) or None
        First row of each block of tied scores; None where no scores are tied.
    """

    scores: np.ndarray
    positive: np.ndarray
    weights: np.ndarray | None
    starts: np.ndarray | None

    def hull(self, *, lower=False):
        """Operating points on the convex hull of the ROC curve.

        Pooling adjacent violators of the share of positives, in the order of the
        scores, joins just the blocks whose segments lie under the hull (Fawcett &
        Niculescu-Mizil, 2007).

        Parameters
        ----------
        lower : bool, default=False
            Whether the lower hull is wanted next to the upper one: decisions that are
            worse than chance, which some demands call for.

        Returns
        -------
        points : Operating
            The vertices.
        """
        share, mass = self._blocks()
        blocks = isotonic_regression(share, weights=mass).blocks[:-1]
        if lower:
            pooled = isotonic_regression(share, weights=mass, increasing=False)
            blocks = np.union1d(blocks, pooled.blocks[:-1])
        return self._points(self._rows(blocks))

    def curve(self, max_points=None):
        """Operating points on the ROC curve itself.

        Parameters
        ----------
        max_points : int, default=None
            Keep about as many, evenly spaced in the rows; None keeps all.
        """
        rows = np.arange(len(self.scores)) if self.starts is None else self.starts
        if max_points is not None and len(rows) > max_points:
            spaced = np.linspace(0, len(self.scores), max_points, endpoint=False)
            nearest = np.searchsorted(rows, spaced)
            rows = rows[np.unique(np.minimum(nearest, len(rows) - 1))]
            rows = rows if rows[0] == 0 else np.append(0, rows)
        return self._points(rows)

    def _blocks(self):
        """Share of positives and weight of each block of tied scores."""
        positive = self.positive.astype(float)
        if self.starts is None:
            return positive, self.weights
        if self.weights is None:
            mass = np.diff(self.starts, append=len(positive)).astype(float)
        else:
            mass = np.add.reduceat(self.weights, self.starts)
            positive = positive * self.weights
        return np.add.reduceat(positive, self.starts) / mass, mass

    def _rows(self, blocks):
        return blocks if self.starts is None else self.starts[blocks]

    def _points(self, rows):
        """Operating points whose positives begin at one of `rows`, the first row 0."""
        negative_mass, positive_mass = self._masses(rows)
        low, high = self.scores[rows[1:] - 1], self.scores[rows[1:]]
        middle = low + (high - low) / 2
        # Between neighbouring floats the middle may round to the lower score.
        inner = np.where(middle > low, middle, high)
        thresholds = np.concatenate([[np.inf], inner[::-1], [-np.inf]])
        counts = np.empty((len(rows) + 1, 2, 2))
        for label, mass in enumerate((negative_mass, positive_mass)):
            above = np.append(0.0, np.cumsum(mass[::-1]))
            counts[:, label, 1] = above
            counts[:, label, 0] = above[-1] - above
        # No rounding where all rows lie on one side.
        return Operating(thresholds, counts)

    def _masses(self, rows):
        """Weight of the negatives and of the positives in each range of rows."""
        if self.weights is None:
            # Whole numbers, so that counts are exact.
            positive = np.add.reduceat(self.positive, rows, dtype=np.int64)
            return np.diff(rows, append=len(self.positive)) - positive, positive
        positive = np.add.reduceat(self.positive * self.weights, rows)
        negative = np.add.reduceat((1 - self.positive) * self.weights, rows)
        return negative, positive


def sort_groups(y_score, positive, group_codes, n_groups, sample_weight=None):
    """Rows of every group, sorted by score.

    Parameters
    ----------
    y_score : float ndarray of shape (n_samples,)
        Scores, larger for likelier positives.
    positive : ndarray of shape (n_samples,)
        Whether the sample is a positive (bool), or how likely that is (float, which
        needs weights).
    group_codes : int ndarray of shape (n_samples,)
        Group of each sample, in [0, n_groups).
    n_groups : int
        Number of groups.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights; rows of weight 0 are as if absent.

    Returns
    -------
    groups : list of SortedGroup of length n_groups
        None stands for a group without rows.
    """
    if sample_weight is not None and not sample_weight.all():
        kept = np.flatnonzero(sample_weight)
        y_score, positive = y_score[kept], positive[kept]
        group_codes, sample_weight = group_codes[kept], sample_weight[kept]
    # Integer codes are sorted by counting, and then each group alone by its scores.
    by_group = np.argsort(group_codes, kind="stable")
    ends = np.cumsum(np.bincount(group_codes, minlength=n_groups))
    return [
        _sort_group(rows, y_score, positive, sample_weight) if len(rows) else None
        for rows in np.split(by_group, ends[:-1])
    ]


def _sort_group(rows, y_score, positive, sample_weight):
    scores = y_score[rows]
    order = np.argsort(scores)
    scores, rows = scores[order], rows[order]
    new = scores[1:] > scores[:-1]
    starts = None if new.all() else np.append(0, np.flatnonzero(new) + 1)
    weights = None if sample_weight is None else sample_weight[rows]
    return SortedGroup(scores, positive[rows], weights, starts)
