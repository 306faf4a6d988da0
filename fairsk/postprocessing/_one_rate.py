"""One rate to keep together: the programme has a closed form, and no solver.

Where a single rate is limited, let f_g(r) be the most that group g adds to the
objective at rate r, a concave piecewise linear function. The optimum is

    max over low of  sum_g f_g(clip(peak_g, low, highest(low))),

which is concave in `low`, with its breaks where `low` or `highest(low)` meets a
breakpoint of some f_g.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

_SLACK = 1e-12


@dataclass(frozen=True, eq=False)
class _Envelope:
    """Upper concave envelope of the gains of a group's operating points by its rate."""

    rates: np.ndarray
    gains: np.ndarray
    index: np.ndarray
    n_points: int

    @classmethod
    def of(cls, rates, gains):
        order = np.lexsort((-gains, rates))
        first = np.append(True, np.diff(rates[order]) > 0)  # best of equal rates
        index = order[first]
        x, y = rates[index], gains[index]
        if len(x) > 2:
            pooled = isotonic_regression(
                np.diff(y) / np.diff(x), weights=np.diff(x), increasing=False
            )
            index = index[pooled.blocks]
        return cls(rates[index], gains[index], index, len(rates))

    @property
    def peak(self):
        return self.rates[np.argmax(self.gains)]

    def at(self, rates):
        return np.interp(rates, self.rates, self.gains)

    def mixture(self, rate):
        """Weights over the group's points that give the largest gain at `rate`."""
        weights = np.zeros(self.n_points)
        right = np.clip(np.searchsorted(self.rates, rate), 0, len(self.rates) - 1)
        left = max(right - 1, 0)
        width = self.rates[right] - self.rates[left]
        share = 1.0 if width == 0 else (rate - self.rates[left]) / width
        share = float(np.clip(share, 0.0, 1.0))
        weights[self.index[left]] += 1.0 - share
        weights[self.index[right]] += share
        return weights


def best_mixtures(rates, gains, limits):
    """Best mixture of operating points for every limit.

    Parameters
    ----------
    rates, gains : list of ndarray of shape (n_points,) of length n_groups
        Rate and gain of each group's operating points.
    limits : list of Limit
        Limits on the rate, one for each solution.

    Returns
    -------
    solutions : list of list of ndarray
        Weights over the points of each group, for each limit; None if it is
        infeasible.
    """
    envelopes = [_Envelope.of(x, y) for x, y in zip(rates, gains)]
    knots = np.unique(np.concatenate([envelope.rates for envelope in envelopes]))
    top = min(envelope.rates[-1] for envelope in envelopes)
    bottom = max(envelope.rates[0] for envelope in envelopes)
    solutions = []
    for limit in limits:
        lows = np.concatenate([knots, limit.lowest(knots), [limit.lowest(bottom)]])
        lows = lows[(lows <= top) & (limit.highest(lows) >= bottom - _SLACK)]
        if not len(lows):
            solutions.append(None)
            continue
        highs = limit.highest(lows)
        total = sum(e.at(np.clip(e.peak, lows, highs)) for e in envelopes)
        best = np.argmax(total)
        solutions.append(
            [e.mixture(np.clip(e.peak, lows[best], highs[best])) for e in envelopes]
        )
    return solutions


def best_points(rates, gains, limit):
    """Best single operating point of each group.

    Parameters
    ----------
    rates, gains : list of ndarray of shape (n_points,) of length n_groups
        Rate and gain of each group's operating points.
    limit : Limit
        Limit on the rate.

    Returns
    -------
    weights : list of ndarray
        1 for the chosen point of each group, otherwise 0; None if no choice is
        feasible.
    """
    # The smallest rate of a solution is the rate of some point.
    lows = np.unique(np.concatenate(rates))
    highs = limit.highest(lows) + _SLACK
    windows = [_RangeMax.of(x, y) for x, y in zip(rates, gains)]
    found = [window.best(lows, highs) for window in windows]
    total = sum(value for value, _ in found)
    best = int(np.argmax(total))
    if total[best] == -np.inf:
        return None
    weights = [np.zeros(len(x)) for x in rates]
    for chosen, (_, index) in zip(weights, found):
        chosen[index[best]] = 1.0
    return weights


@dataclass(frozen=True, eq=False)
class _RangeMax:
    """Where the largest gain lies among points whose rate is in a range."""

    rates: np.ndarray
    gains: np.ndarray
    order: np.ndarray
    table: list

    @classmethod
    def of(cls, rates, gains):
        order = np.argsort(rates, kind="stable")
        x, y = rates[order], gains[order]
        # Level k holds the position of the largest of 2^k neighbours.
        table, width = [np.arange(len(x))], 1
        while 2 * width <= len(x):
            left, right = table[-1][:-width], table[-1][width:]
            table.append(np.where(y[left] >= y[right], left, right))
            width *= 2
        return cls(x, y, order, table)

    def best(self, lows, highs):
        """Largest gain, -inf where the range is empty, and the point that has it."""
        first = np.searchsorted(self.rates, lows, side="left")
        last = np.searchsorted(self.rates, highs, side="right")
        length = np.maximum(last - first, 1)
        level = np.frexp(length)[1] - 1
        position = np.zeros(len(lows), dtype=int)
        for k in np.unique(level):
            rows = np.flatnonzero((level == k) & (last > first))
            left = self.table[k][first[rows]]
            right = self.table[k][last[rows] - (1 << k)]
            better = self.gains[left] >= self.gains[right]
            position[rows] = np.where(better, left, right)
        value = np.where(last > first, self.gains[position], -np.inf)
        return value, self.order[position]
