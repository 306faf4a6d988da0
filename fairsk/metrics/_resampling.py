"""Resampling rows by drawing the cells of a table of counts."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from sklearn.utils import check_random_state

# Replicates times cells in memory at once. Blocks do not depend on the number of
# threads, so neither do the draws.
_BLOCK = 1 << 18
# From so many rows on their number may vary between replicates.
_FREE_TOTAL = 10_000
# From this mean on a Poisson draw is a normal one, transformed.
_LARGE_MEAN = 1000
# numpy's hypergeometric draws stop here.
_LARGEST_URN = 10**9


def make_generator(random_state):
    """A numpy Generator from what scikit-learn or scipy call a random state."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None or isinstance(random_state, (int, np.integer)):
        return np.random.Generator(np.random.SFC64(random_state))
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max)
    return np.random.Generator(np.random.SFC64(seed))


def in_blocks(draw, n_resamples, n_cells, random_state):
    """Draw replicates in blocks, on threads.

    Parameters
    ----------
    draw : callable
        Maps (generator, size) to a tuple of arrays whose last axis is of that size.
    n_resamples : int
        Number of replicates.
    n_cells : int
        Numbers drawn for each replicate.
    random_state : int, Generator, RandomState or None
        The same gives the same draws, however many threads there are.

    Returns
    -------
    draws : tuple of ndarray
        The arrays, the last axis of size `n_resamples`.
    """
    size = int(np.clip(_BLOCK // max(n_cells, 1), 1, max(1, -(-n_resamples // 4))))
    sizes = [size] * (n_resamples // size)
    sizes += [n_resamples % size] if n_resamples % size else []
    generators = make_generator(random_state).spawn(len(sizes))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = list(pool.map(draw, generators, sizes))
    return tuple(np.concatenate(parts, axis=-1) for parts in zip(*blocks))


def sort_last_axis(draws):
    """Sort a contiguous array in place along its last axis, on threads if it is large.

    Parameters
    ----------
    draws : ndarray of shape (..., n_resamples)
        Replicates.
    """
    rows = draws.reshape(-1, draws.shape[-1])
    if draws.size < _BLOCK or not np.shares_memory(rows, draws):
        draws.sort(axis=-1)
        return
    parts = np.array_split(rows, os.cpu_count())
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda part: part.sort(axis=-1), parts))


def bootstrap_cells(statistic, counts, rows, squares, n_resamples, random_state):
    """Bootstrap of the rows of a table of counts.

    Resampling n rows with replacement gives a multinomial draw of the cells. From
    10,000 rows on, independent Poisson draws stand in, in half the time. Given their
    total T they are multinomial, too. So for statistics of the proportions of the cells
    they resample T rather than n rows, T having the mean n, which changes a standard
    error by a share of 1/n.

    Where rows have weights, a cell with m of the drawn rows has a sum of m draws of its
    weights; that sum is drawn from the gamma distribution of the same mean and
    variance, which is exact where the weights in the cell are equal.

    Parameters
    ----------
    statistic : callable
        Maps tables of shape (size, *counts.shape) to a tuple of arrays of shape
        (..., size).
    counts : ndarray of any shape
        Sum of the weights in each cell.
    rows : int ndarray of the same shape
        Number of rows in each cell.
    squares : ndarray of the same shape
        Sum of the squared weights in each cell.
    n_resamples : int
        Number of replicates.
    random_state : int, Generator, RandomState or None
        Source of randomness.

    Returns
    -------
    draws : tuple of ndarray of shape (..., n_resamples)
        The statistics of the replicates.
    """
    filled = np.flatnonzero(rows)
    n_rows = rows.ravel()[filled]
    totals, squared = counts.ravel()[filled], squares.ravel()[filled]
    mean, variance = _moments(n_rows, totals, squared)
    n, shares = int(n_rows.sum()), n_rows / n_rows.sum()
    weighted = counts is not rows

    def draw(generator, size):
        if n >= _FREE_TOTAL:
            drawn = _poisson(generator, n_rows, size)
        else:
            drawn = generator.multinomial(n, shares, size=size).T
            drawn = drawn.astype(float, order="C")
        if weighted:
            drawn = _compound(generator, drawn, mean[:, None], variance[:, None])
        if len(filled) < counts.size:
            tables = np.zeros((counts.size, size))
            tables[filled] = drawn
            drawn = tables
        # The replicates come first, but stay next to each other in memory.
        return statistic(np.moveaxis(drawn.reshape(*counts.shape, size), -1, 0))

    return in_blocks(draw, n_resamples, len(filled), random_state)


def _poisson(generator, means, size):
    """Poisson draws, one row for each mean, as floats."""
    drawn = np.empty((len(means), size))
    large = means >= _LARGE_MEAN
    drawn[~large] = generator.poisson(means[~large, None], size=((~large).sum(), size))
    if large.any():
        drawn[large] = _poisson_of_normal(
            generator.standard_normal((large.sum(), size)), means[large, None]
        )
    return drawn


def _poisson_of_normal(z, mean):
    """Poisson quantile at the normal one, Giles (2016), algorithm 955, equation 6.

    Its terms up to the order of 1 / sqrt(mean): the next one moves a draw in a thousand
    by 1 where the mean is 1,000, and fewer above.
    """
    root = np.sqrt(mean)
    quantile = z * (-1 / (72 * root))
    for coefficient in (1 / 6, root - 1 / (36 * root)):
        quantile += coefficient
        quantile *= z
    quantile += mean + 1 / 3
    return np.floor(quantile, out=quantile)


def _moments(n_rows, totals, squared):
    """Mean and variance of the weights in each cell."""
    mean = totals / n_rows
    variance = squared / n_rows - mean**2
    # Equal weights leave rounding errors of the size of their squares.
    return mean, np.where(variance > 1e-9 * mean**2, variance, 0.0)


def _compound(generator, drawn, mean, variance):
    """Sums of `drawn` weights with this mean and variance."""
    spread = np.broadcast_to(variance > 0, drawn.shape) & (drawn > 0)
    safe = np.where(variance > 0, variance, 1.0)
    totals = drawn * mean
    shape = np.broadcast_to(mean**2 / safe, drawn.shape)[spread] * drawn[spread]
    scale = np.broadcast_to(safe / np.where(mean > 0, mean, 1.0), drawn.shape)[spread]
    totals[spread] = generator.standard_gamma(shape) * scale
    return totals


def permute_groups(statistic, counts, blocks, n_resamples, random_state):
    """Permutation of the groups of the rows, within blocks of cells.

    It keeps the group sizes and the outcome totals of each block, so the cells are
    drawn as a random table with these margins, column by column from hypergeometric
    distributions. The weights of the rows go with their outcomes: a cell's sum of
    weights is drawn as in :func:`bootstrap_cells`, scaled to the outcome's total.

    Parameters
    ----------
    statistic : callable
        Maps tables of shape (size, n_strata, n_groups, n_classes, n_classes) to a tuple
        of arrays of shape (..., size).
    counts : OutcomeCounts
        The counts.
    blocks : list of list of int ndarray
        For each block of exchangeable rows, its outcomes: each an array of cells
        ``true * n_classes + predicted`` that the statistic does not tell apart.
    n_resamples : int
        Number of replicates.
    random_state : int, Generator, RandomState or None
        Source of randomness.

    Returns
    -------
    draws : tuple of ndarray of shape (..., n_resamples)
        The statistics of the replicates.
    """
    shape = counts.counts.shape
    draw = partial(_permute, statistic=statistic, counts=counts, blocks=blocks)
    return in_blocks(draw, n_resamples, int(np.prod(shape)), random_state)


def _permute(generator, size, *, statistic, counts, blocks):
    n_strata, n_groups, n_classes, _ = counts.counts.shape
    flat = (n_strata, n_groups, n_classes * n_classes)
    rows, totals = counts.n_rows.reshape(flat), counts.counts.reshape(flat)
    squares = counts.n_squares.reshape(flat)
    tables = np.zeros((n_strata, n_groups, size, n_classes * n_classes))
    for stratum in range(n_strata):
        for outcomes in blocks:
            sums = [
                np.stack(
                    [array[stratum][:, cells].sum(1) for cells in outcomes], axis=1
                )
                for array in (rows, totals, squares)
            ]
            drawn = _random_tables(generator, sums[0], size)
            for j, cells in enumerate(outcomes):
                column = drawn[:, j].astype(np.float64)
                if counts.is_weighted:
                    pooled = [part[:, j].sum() for part in sums]
                    column = _share_out(generator, column, *pooled)
                # One cell stands for all that the statistic does not tell apart.
                tables[stratum, :, :, cells[0]] = column
    tables = tables.reshape(n_strata, n_groups, size, n_classes, n_classes)
    return statistic(np.moveaxis(tables, 2, 0))


def _random_tables(generator, table, size):
    """Random tables with the margins of `table`, shape (n_rows, n_columns, size)."""
    n_groups, n_outcomes = table.shape
    left = np.repeat(table.sum(1)[:, None], size, axis=1)
    drawn = np.zeros((n_groups, n_outcomes, size), dtype=np.int64)
    for outcome in range(n_outcomes - 1):
        to_place = np.full(size, table[:, outcome].sum())
        later = left.sum(0)
        for group in range(n_groups - 1):
            if not to_place.any():
                break
            later = later - left[group]
            placed = _hypergeometric(generator, left[group], later, to_place)
            drawn[group, outcome] = placed
            to_place = to_place - placed
        drawn[-1, outcome] += to_place
        left = left - drawn[:, outcome]
    drawn[:, -1] = left
    return drawn


def _hypergeometric(generator, good, bad, sample):
    largest = int((good + bad).max(initial=0))
    if largest < _LARGEST_URN:
        return generator.hypergeometric(good, bad, sample)
    # In urns of a billion the normal limit is off by less than one draw in 1e4.
    total = np.maximum(good + bad, 2)
    share = good / total
    variance = sample * share * (1 - share) * (total - sample) / (total - 1)
    drawn = np.rint(generator.normal(sample * share, np.sqrt(variance)))
    return np.clip(drawn, np.maximum(0, sample - bad), np.minimum(good, sample)).astype(
        np.int64
    )


def _share_out(generator, column, n_rows, total, squared):
    """Sums of weights of an outcome in each group, given its rows there."""
    if not n_rows:
        return column
    mean, variance = _moments(*np.array([[n_rows], [total], [squared]], dtype=float))
    drawn = _compound(generator, column, mean, variance)
    sums = drawn.sum(0)
    return drawn * (total / np.where(sums > 0, sums, 1.0))
