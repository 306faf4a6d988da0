"""The noise floor of disparities: what a perfectly fair predictor would show."""

from itertools import combinations

import numpy as np

from fairsk.definitions import get_definition, get_disparity
from fairsk.metrics import OutcomeCounts
from fairsk.metrics._tests import mean_null_disparity

_DRAWS = 999
_LEVELS = 200


def rows_per_weight(strata, group_codes, sample_weight, n_strata, n_groups):
    """Rows that each unit of weight stands for, in each group and stratum of rows.

    Kish's effective number of rows of weights w is (sum w)^2 / sum w^2.

    Parameters
    ----------
    strata, group_codes : int ndarray of shape (n_samples,)
        Stratum (true class) and group of each row.
    sample_weight : ndarray of shape (n_samples,) or None
        Weights; None counts every row once.
    n_strata, n_groups : int
        Numbers of strata and groups.

    Returns
    -------
    ratio : ndarray of shape (n_groups, n_strata)
        Effective number of rows by sum of weights; 1 where there are no rows.
    """
    ratio = np.ones((n_groups, n_strata))
    if sample_weight is None:
        return ratio
    cells = group_codes.astype(np.intp) * n_strata + strata
    mass, squares = (
        np.bincount(cells, part, minlength=ratio.size).reshape(ratio.shape)
        for part in (sample_weight, sample_weight**2)
    )
    return np.divide(mass, squares, out=ratio, where=squares > 0)


def noise_floor_of_counts(
    counts, fairness, disparity="difference", *, ratio=1.0, pos_index=None
):
    """Mean disparity where the groups of rows are permuted, as `disparity_test` does.

    Parameters
    ----------
    counts : ndarray of shape (n_groups, n_classes, n_classes)
        Counts, which may be expected ones: they are rounded to rows.
    fairness : str or FairnessDefinition
        The definition.
    disparity : str, default="difference"
        The disparity.
    ratio : ndarray of shape (n_groups, n_classes), default=1.0
        Of :func:`rows_per_weight`.
    pos_index : int, default=None
        Class that counts as positive; None compares every class with the rest.

    Returns
    -------
    floor : float
        NaN where the disparity is never defined.
    """
    n_groups, n_classes, _ = counts.shape
    rows = np.rint(counts * np.broadcast_to(ratio, counts.shape[:2])[..., None])
    table = OutcomeCounts(
        rows.astype(np.int64)[None], list(range(n_classes)), list(range(n_groups)), [0]
    )
    return mean_null_disparity(
        table, get_definition(fairness), get_disparity(disparity), pos_index, _DRAWS
    )


def noise_floor_of_probabilities(
    probability, positive, group_codes, weights, n_groups, fairness
):
    """Mean disparity of generalized rates, if groups were random samples.

    The mean of a random sample is normal around that of everybody alike (with the same
    label, where the rate conditions on it), with the variance of the values by the
    effective number of rows.

    Parameters
    ----------
    probability : ndarray of shape (n_samples,)
        Probability of the positive class, which counts as a part of a prediction.
    positive : bool ndarray of shape (n_samples,)
        Whether a row is a positive.
    group_codes : int ndarray of shape (n_samples,)
        Groups of the rows.
    weights : ndarray of shape (n_samples,)
        Their weights.
    n_groups : int
        Number of groups.
    fairness : str or FairnessDefinition
        A definition with linear rates.

    Returns
    -------
    floor : float
        NaN where fewer than two groups have a rate.
    """
    largest = np.full(_DRAWS, -np.inf)
    for draw, rate in enumerate(get_definition(fairness).rates):
        numerator, denominator = (part[0] for part in rate.class_tables(2, 1))
        gains = numerator[positive.astype(int)]
        values = gains[:, 0] + (gains[:, 1] - gains[:, 0]) * probability
        sizes = denominator[:, 0]
        strata = rate.null_strata(2)[:, 0][positive.astype(int)]
        rates = _drawn_means(
            values, sizes[positive.astype(int)], strata, group_codes, weights, n_groups,
            np.random.default_rng(draw),
        )  # fmt: skip
        if rates.shape[1] > 1:
            largest = np.maximum(largest, np.ptp(rates, axis=1))
    return float(np.mean(np.where(np.isfinite(largest), largest, np.nan)))


def _drawn_means(values, sizes, strata, group_codes, weights, n_groups, generator):
    """Draws (n_draws, n_groups) of sum(values) / sum(sizes), where it is defined."""
    n_strata = int(strata.max()) + 1
    cells = group_codes.astype(np.intp) * n_strata + strata
    shape = (n_groups, n_strata)
    mass = np.bincount(cells, weights, n_groups * n_strata).reshape(shape)
    ratio = rows_per_weight(strata, group_codes, weights, *shape[::-1])
    rows = mass * ratio
    total = np.zeros((_DRAWS, n_groups))
    for stratum in np.flatnonzero(mass.sum(axis=0) > 0):
        own = strata == stratum
        mean = np.average(values[own], weights=weights[own])
        deviation = np.sqrt(np.average((values[own] - mean) ** 2, weights=weights[own]))
        drawn = generator.normal(size=(_DRAWS, n_groups)) * np.sqrt(rows[:, stratum])
        # Sums of parts of a whole add up to that of the whole.
        shares = rows[:, stratum] / rows[:, stratum].sum()
        drawn = drawn - shares * drawn.sum(axis=1, keepdims=True)
        total += mass[:, stratum] * mean + deviation * drawn / ratio[:, stratum]
    below = np.bincount(group_codes, weights * sizes, n_groups)
    return total[:, below > 0] / below[below > 0]


def noise_floor_of_distances(quantile, sizes):
    """Mean largest Wasserstein-1 distance between random samples of one distribution.

    The distribution function of a sample of n rows is off by a Brownian bridge over
    the square root of n.

    Parameters
    ----------
    quantile : callable
        Maps levels in [0, 1] to values.
    sizes : ndarray of shape (n_groups,)
        Effective numbers of rows.

    Returns
    -------
    floor : float
        NaN with fewer than two groups.
    """
    if len(sizes) < 2:
        return float("nan")
    generator, levels = np.random.default_rng(0), np.linspace(0, 1, _LEVELS + 1)
    widths = np.diff(quantile((levels[1:] + levels[:-1]) / 2))
    steps = generator.normal(size=(len(sizes), _DRAWS, _LEVELS)) / np.sqrt(_LEVELS)
    walks = steps.cumsum(axis=2)
    bridges = walks - levels[1:] * walks[:, :, -1:]
    off = bridges[:, :, :-1] / np.sqrt(sizes)[:, None, None]
    distances = [np.abs(a - b) @ widths for a, b in combinations(off, 2)]
    return float(np.max(distances, axis=0).mean())
