"""Best mixtures at every tolerance: one linear programme, solved once and followed.

The tolerance stands only on the right-hand side, so an optimal basis stays optimal
until one of its variables reaches 0; a pivot of the dual simplex method then gives the
next basis. The start, where the tolerance binds nothing, is known: each group at its
best operating point.
"""

from dataclasses import dataclass

import numpy as np

# Basic variables may be so far below 0 by rounding, entries of a row count as 0.
_SLACK = 1e-10
_ZERO = 1e-11


def follow_tolerance(rates, gains, tolerances):
    """Best mixture of operating points at every tolerance.

    Maximises the sum of the groups' gains where the largest difference between groups
    of every rate is at most the tolerance.

    Parameters
    ----------
    rates : list of list of ndarray of shape (n_points,)
        For each limited rate its value at the operating points of each group.
    gains : list of ndarray of shape (n_points,) of length n_groups
        Gain of each group's operating points.
    tolerances : ndarray of shape (n_tolerances,)
        Allowed differences.

    Returns
    -------
    solutions : list of list of ndarray
        Weights over the points of each group, for each tolerance; None where the
        tolerance cannot be kept or rounding stopped the method.
    """
    tableau = _Tableau.start(rates, gains)
    solutions = [None] * len(tolerances)
    for position in np.argsort(tolerances)[::-1]:
        if not tableau.descend(tolerances[position]):
            break
        solutions[position] = tableau.weights(tolerances[position])
    return solutions


@dataclass(eq=False)
class _Tableau:
    """Simplex tableau whose right-hand side is ``fixed + tolerance * slope``.

    Parameters
    ----------
    table : ndarray of shape (n_rows + 1, n_variables + 2)
        The rows, then the reduced costs; the last two columns are `fixed` and `slope`.
        The first variables are the groups' weights.
    basis : ndarray of shape (n_rows,)
        Basic variable of each row.
    free : ndarray of shape (n_rows,)
        Whether it has no sign; such a variable stays.
    sizes : list of int
        Number of operating points of each group.
    """

    table: np.ndarray
    basis: np.ndarray
    free: np.ndarray
    sizes: list

    @classmethod
    def start(cls, rates, gains):
        """The optimal basis where the tolerance binds nothing.

        A rate r has 2 * n_groups + 1 rows: low <= r_g and r_g <= high for every group
        g, and high - low <= tolerance.
        """
        sizes = [len(gain) for gain in gains]
        n_groups, n_weights = len(sizes), sum(sizes)
        ends = np.cumsum(sizes)
        n_slacks = len(rates) * (2 * n_groups + 1)
        n_rows = n_groups + n_slacks
        first_slack = n_weights + 2 * len(rates)
        table = np.zeros((n_rows + 1, first_slack + n_slacks + 2))
        slacks = np.arange(n_slacks)
        table[n_groups + slacks, first_slack + slacks] = 1.0
        best = ends - sizes + [np.argmax(gain) for gain in gains]
        for group, (size, end) in enumerate(zip(sizes, ends)):
            table[group, end - size : end] = 1.0
            table[-1, end - size : end] = -gains[group]
        table[:n_groups, -2] = 1.0
        for k, values in enumerate(rates):
            low, high = n_weights + 2 * k, n_weights + 2 * k + 1
            above = n_groups + k * (2 * n_groups + 1)
            below, last = above + n_groups, above + 2 * n_groups
            for group, (size, end) in enumerate(zip(sizes, ends)):
                table[above + group, end - size : end] = -values[group]
                table[below + group, end - size : end] = values[group]
            table[above:below, low] = 1.0
            table[below:last, high] = table[last, low] = -1.0
            table[last, high] = table[last, -1] = 1.0
        basis = np.concatenate([best, first_slack + slacks])
        self = cls(table, basis, np.zeros(n_rows, bool), sizes)
        for group in range(n_groups):
            self._pivot(group, best[group])
        for k, values in enumerate(rates):
            at_best = [v[np.argmax(gain)] for v, gain in zip(values, gains)]
            above = n_groups + k * (2 * n_groups + 1)
            for row, variable in (
                (above + np.argmin(at_best), n_weights + 2 * k),
                (above + n_groups + np.argmax(at_best), n_weights + 2 * k + 1),
            ):
                self._pivot(row, variable)
                self.free[row] = True
        return self

    def descend(self, tolerance):
        """Make the basis optimal at a smaller tolerance; False where none is."""
        for _ in range(50 * len(self.basis)):
            fixed, slope = self.table[:-1, -2], self.table[:-1, -1]
            negative = (fixed + tolerance * slope < -_SLACK) & ~self.free
            if not negative.any():
                return True
            # The variable that is the first to reach 0 on the way down.
            reached = np.full(len(fixed), -np.inf)
            np.divide(-fixed, slope, out=reached, where=negative & (slope > _ZERO))
            row = int(np.argmax(reached))
            entries = self.table[row, :-2]
            candidates = np.flatnonzero(entries < -_ZERO)
            if reached[row] == -np.inf or not len(candidates):
                return False
            costs = np.maximum(self.table[-1, candidates], 0.0) / -entries[candidates]
            ties = candidates[costs <= costs.min() + _ZERO]
            self._pivot(row, ties[np.argmin(entries[ties])])
        return False

    def weights(self, tolerance):
        """Weights of each group in the basic solution."""
        value = self.table[:-1, -2] + tolerance * self.table[:-1, -1]
        weights = np.zeros(sum(self.sizes))
        is_weight = self.basis < len(weights)
        weights[self.basis[is_weight]] = np.maximum(value[is_weight], 0.0)
        parts = np.split(weights, np.cumsum(self.sizes)[:-1])
        return [part / part.sum() for part in parts]

    def _pivot(self, row, variable):
        """Let a variable enter the basis in place of the one of a row."""
        pivot = self.table[row] / self.table[row, variable]
        column = self.table[:, variable].copy()
        column[row] = 0.0
        rows = np.flatnonzero(column)
        self.table[rows] -= column[rows, None] * pivot
        self.table[row] = pivot
        self.basis[row] = variable
