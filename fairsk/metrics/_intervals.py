"""Confidence intervals of group metrics and their disparities."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from fairsk.metrics._resampling import sort_last_axis
from fairsk.utils._frames import make_table


@dataclass(frozen=True, eq=False)
class GroupIntervals:
    """Confidence intervals of every metric.

    Parameters
    ----------
    low_values, high_values : ndarray of shape (..., n_columns, n_groups) or (..., \
n_columns)
        The ends.
    undefined_values : ndarray of the same shape
        Share of the replicates in which the value was undefined.
    method : str
        How they were made.
    confidence_level : float
        Nominal coverage.
    """

    low_values: np.ndarray
    high_values: np.ndarray
    undefined_values: np.ndarray
    method: str
    confidence_level: float
    _kind: str | None
    _index: dict
    _names: list

    @property
    def low(self):
        """Lower ends, as a table like that of the estimates."""
        return self._table(self.low_values)

    @property
    def high(self):
        """Upper ends, as a table like that of the estimates."""
        return self._table(self.high_values)

    @property
    def undefined(self):
        """Share of the replicates in which the value was undefined, as a table."""
        return self._table(self.undefined_values)

    def _table(self, values):
        rows = values
        if values.ndim == 3:
            rows = values.transpose(0, 2, 1).reshape(-1, len(self._names))
        columns = {name: rows[:, i] for i, name in enumerate(self._names)}
        return make_table(self._kind, self._index, columns)

    def __repr__(self):
        return (
            f"GroupIntervals(method={self.method!r}, "
            f"confidence_level={self.confidence_level})\nlow\n{self.low}\n"
            f"high\n{self.high}"
        )


def nan_quantile(draws, probability):
    """Quantile along the last axis over what is defined; `draws` is sorted in place."""
    sort_last_axis(draws)
    return _sorted_quantile(draws, probability)


def percentile(draws, level):
    """Interval between two quantiles of the replicates.

    Parameters
    ----------
    draws : ndarray of shape (..., n_resamples)
        Replicates, NaN where undefined; sorted in place.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where no replicate is defined.
    """
    sort_last_axis(draws)
    tail = (1 - level) / 2
    return tuple(_sorted_quantile(draws, q) for q in (tail, 1 - tail))


def bca(draws, estimate, acceleration, level):
    """Bias-corrected and accelerated interval (Efron, 1987).

    Parameters
    ----------
    draws : ndarray of shape (..., n_resamples)
        Replicates, NaN where undefined; sorted in place.
    estimate : ndarray of shape (...)
        The estimates.
    acceleration : ndarray of shape (...)
        A sixth of the skewness of the influence of the rows.
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where no replicate or no estimate is defined.
    """
    n_defined = (~np.isnan(draws)).sum(-1)
    below = (draws < estimate[..., None]).sum(-1)
    ties = (draws == estimate[..., None]).sum(-1)
    sort_last_axis(draws)
    share = (below + ties / 2) / np.maximum(n_defined, 1)
    edge = 1 / (np.maximum(n_defined, 1) + 1)
    bias = ndtri(np.clip(share, edge, 1 - edge))
    tail = (1 - level) / 2
    ends = []
    for z in (ndtri(tail), ndtri(1 - tail)):
        shifted = bias + z
        slope = 1 - acceleration * shifted
        # Beyond this pole the correction has no solution: the end of the draws is it.
        corrected = bias + shifted / np.where(slope > 0, slope, np.nan)
        probability = np.where(slope > 0, ndtr(corrected), float(z > 0))
        ends.append(_sorted_quantile(draws, probability))
    return tuple(np.where(np.isnan(estimate), np.nan, end) for end in ends)


def _sorted_quantile(draws, probability):
    """Quantile of sorted replicates, the undefined ones at the end."""
    n_defined = (~np.isnan(draws[..., [0, -1]])).all(-1) * draws.shape[-1]
    if not n_defined.all():
        n_defined = (~np.isnan(draws)).sum(-1)
    place = probability * np.maximum(n_defined - 1, 0)
    lower = np.floor(place).astype(np.intp)
    upper = np.minimum(lower + 1, np.maximum(n_defined - 1, 0))
    low, high = (
        np.take_along_axis(draws, index[..., None], -1)[..., 0]
        for index in (lower, upper)
    )
    return low + (place - lower) * (high - low)


def simultaneous(draws, estimate, level):
    """Intervals that hold for all groups together (max-t).

    The half widths are one multiple of the groups' bootstrap standard errors: the
    quantile of the largest studentised deviation over groups.

    Parameters
    ----------
    draws : ndarray of shape (..., n_groups, n_resamples)
        Replicates, NaN where undefined.
    estimate : ndarray of shape (..., n_groups)
        The estimates.
    level : float
        Confidence level of all groups together.

    Returns
    -------
    low, high : ndarray of shape (..., n_groups)
        NaN where the estimate is undefined.
    """
    deviation = draws - estimate[..., None]
    missing = np.isnan(deviation)
    n_defined = np.maximum((~missing).sum(-1, keepdims=True), 1)
    deviation = np.where(missing, 0.0, deviation)
    error = np.sqrt((deviation**2).sum(-1, keepdims=True) / n_defined)
    studentised = abs(deviation) / np.where(error > 0, error, 1.0)
    critical = np.quantile(studentised.max(-2), level, axis=-1)
    half = critical[..., None] * error[..., 0]
    return estimate - half, estimate + half


def wilson(numerator, denominator, squares, level):
    """Wilson's score interval of a proportion.

    Parameters
    ----------
    numerator, denominator : ndarray
        Sums of weights.
    squares : ndarray
        Sum of the squared weights in the denominator. Weighted samples count as
        ``denominator ** 2 / squares`` samples (Kish).
    level : float
        Confidence level.

    Returns
    -------
    low, high : ndarray
        NaN where the denominator is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        share = numerator / denominator
        size = denominator**2 / squares
    z = ndtri((1 + level) / 2)
    centre = (share + z**2 / (2 * size)) / (1 + z**2 / size)
    spread = share * (1 - share) / size + z**2 / (4 * size**2)
    half = z / (1 + z**2 / size) * np.sqrt(np.maximum(spread, 0.0))
    # At 0 and 1 the end is exact, but for rounding.
    low = np.where(share == 0, 0.0, np.maximum(centre - half, 0.0))
    high = np.where(share == 1, 1.0, np.minimum(centre + half, 1.0))
    return np.where(np.isnan(share), np.nan, low), np.where(
        np.isnan(share), np.nan, high
    )


def newcombe(values, low, high, ratio):
    """Interval of the gap between the two extreme groups from theirs (Newcombe, 1998).

    Parameters
    ----------
    values, low, high : ndarray of shape (..., n_groups)
        Proportions and their Wilson intervals.
    ratio : bool
        Whether the gap is smallest / largest rather than largest - smallest; then the
        logarithms are taken (Zou & Donner, 2008).

    Returns
    -------
    low, high : ndarray of shape (...)
        NaN where fewer than two groups are defined.
    """
    first, last = (_pick_extreme(values, low, high, sign) for sign in (1, -1))
    if ratio:
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = [np.log(np.array(part)) for part in (last, first)]
            ends = _square_and_add(*logs)
        # A rate of 0 leaves the logarithm without a lower end: the ratio may be 0.
        ends = [np.exp(ends[0]), np.minimum(np.exp(ends[1]), 1.0)]
        ends[0] = np.where(np.isnan(ends[0]), 0.0, ends[0])
        ends[1] = np.where(np.isnan(ends[1]), 1.0, ends[1])
    else:
        ends = _square_and_add(np.array(first), np.array(last))
        ends = [np.maximum(ends[0], 0.0), ends[1]]
    too_few = (~np.isnan(values)).sum(-1) < 2
    return tuple(np.where(too_few, np.nan, end) for end in ends)


def _pick_extreme(values, low, high, sign):
    """Largest (sign 1) or smallest (sign -1) value with its interval."""
    order = np.where(np.isnan(values), -np.inf, sign * values)
    index = order.argmax(-1)[..., None]
    return [np.take_along_axis(v, index, -1)[..., 0] for v in (values, low, high)]


def _square_and_add(one, other):
    gap = one[0] - other[0]
    below = np.hypot(one[0] - one[1], other[2] - other[0])
    above = np.hypot(one[2] - one[0], other[0] - other[1])
    return gap - below, gap + above


def influence(statistic, counts, step=1e-4):
    """Derivative of a statistic by the cells, for all cells with rows.

    Parameters
    ----------
    statistic : callable
        Maps tables of shape (size, *counts.shape) to an array of shape (..., size).
    counts : ndarray
        Sums of weights.
    step : float, default=1e-4
        Relative change of each cell, up and down.

    Returns
    -------
    cells : int ndarray of shape (n_cells,)
        Positions in the flat table.
    derivative : ndarray of shape (n_cells, ...)
        Change of the statistic by unit weight in the cell.
    """
    cells = np.flatnonzero(counts)
    size = max(1, (1 << 20) // counts.size)
    parts = []
    for start in range(0, len(cells), size):
        chosen = cells[start : start + size]
        tables = np.repeat(counts.reshape(1, -1).astype(float), len(chosen), axis=0)
        here = np.arange(len(chosen)), chosen
        width = step * tables[here]
        ends = []
        for sign in (1, -1):
            moved = tables.copy()
            moved[here] += sign * width
            ends.append(statistic(moved.reshape(-1, *counts.shape)))
        parts.append((ends[0] - ends[1]) / (2 * width))
    return cells, np.moveaxis(np.concatenate(parts, axis=-1), -1, 0)


def delta(estimate, cells, derivative, squares, level, *, log=False):
    """Interval from the linear expansion of the statistic.

    Parameters
    ----------
    estimate : ndarray of shape (...)
        The estimates.
    cells, derivative : ndarray
        What :func:`influence` returned.
    squares : ndarray
        Sum of the squared weights of each cell.
    level : float
        Confidence level.
    log : bool, default=False
        Whether the interval is symmetric on the logarithm, as fits ratios.

    Returns
    -------
    low, high : ndarray of shape (...)
        The ends.
    """
    variance = np.tensordot(squares.ravel()[cells], derivative**2, axes=1)
    half = ndtri((1 + level) / 2) * np.sqrt(variance)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.exp(half / estimate)
            low, high = estimate / factor, estimate * factor
        # A ratio of 0 has no logarithm and no expansion: it may be anything.
        none = estimate == 0
        return np.where(none, 0.0, low), np.where(none, 1.0, np.minimum(high, 1.0))
    return estimate - half, estimate + half


def acceleration(cells, derivative, counts, rows):
    """A sixth of the skewness of the influence of single rows.

    A row moves the statistic by its weight times the derivative of its cell.

    Parameters
    ----------
    cells, derivative : ndarray
        What :func:`influence` returned.
    counts, rows : ndarray
        Sum of the weights, and number of rows, of each cell.

    Returns
    -------
    acceleration : ndarray of shape (...)
        0 where the statistic does not vary.
    """
    n_rows = rows.ravel()[cells]
    each = derivative * (counts.ravel()[cells] / n_rows).reshape(
        -1, *[1] * (derivative.ndim - 1)
    )
    cubes = np.tensordot(n_rows, each**3, axes=1)
    squares = np.tensordot(n_rows, each**2, axes=1)
    return cubes / (6 * np.where(squares > 0, squares, 1.0) ** 1.5)
