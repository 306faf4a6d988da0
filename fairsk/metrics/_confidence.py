"""From a report to its intervals and its noise floor."""

from functools import partial

import numpy as np
from joblib import Parallel, delayed

from fairsk.definitions import DISPARITIES, Rate, get_disparity
from fairsk.definitions._rates import divide
from fairsk.metrics import _intervals
from fairsk.metrics._resampling import (
    bootstrap_cells,
    in_blocks,
    make_generator,
    permute_groups,
)

METHODS = ("percentile", "bca", "max_t", "wilson", "newcombe", "delta")
_SUMMARIES = ("overall", "group_min", "group_max")


def compare_groups(values, overall, disparity, to="groups"):
    """Disparity of values of shape (..., n_groups) between groups or to overall.

    Parameters
    ----------
    values : ndarray of shape (..., n_groups)
        Value of every group.
    overall : ndarray of shape (...)
        Value of all samples together.
    disparity : str or Disparity
        How the values become one number.
    to : {"groups", "overall"}, default="groups"
        What the groups are compared with.

    Returns
    -------
    disparity : ndarray of shape (...)
        NaN where too few values are defined.
    """
    disparity = get_disparity(disparity)
    if to == "groups":
        return disparity.across_groups(values)
    if to == "overall":
        return disparity.to_overall(values, overall)
    raise ValueError(
        f"GroupMetrics needs `to` to be 'groups' or 'overall'. Got {to!r}."
    )


def summarise(values, overall, disparity, to="groups"):
    """What an interval is about: the values themselves or one number of the groups.

    Parameters
    ----------
    values : ndarray of shape (..., n_groups)
        Value of every group.
    overall : ndarray of shape (...)
        Value of all samples together.
    disparity : None, str or Disparity
        None for the values; "overall", "group_min" or "group_max" for these; else a
        disparity.
    to : {"groups", "overall"}, default="groups"
        What a disparity compares the groups with.

    Returns
    -------
    summary : ndarray of shape (..., n_groups) or (...)
        What was asked for.
    """
    if disparity is None:
        return values
    if isinstance(disparity, str) and disparity == "overall":
        return overall
    if isinstance(disparity, str) and disparity == "group_min":
        return np.fmin.reduce(values, axis=-1)
    if isinstance(disparity, str) and disparity == "group_max":
        return np.fmax.reduce(values, axis=-1)
    return compare_groups(values, overall, disparity, to)


def check_summary(disparity):
    """Raise on what :func:`summarise` does not know."""
    if disparity is None or disparity in _SUMMARIES:
        return
    if isinstance(disparity, str) and disparity not in DISPARITIES:
        raise ValueError(
            "GroupMetrics.confidence_interval needs `disparity` to be None, one of "
            f"{[*_SUMMARIES, *sorted(DISPARITIES)]}, or a Disparity. Got {disparity!r}."
        )


def count_statistics(metrics, pos_index, *, overall=True):
    """Function from tables of counts to the values of the metrics that need no more.

    Parameters
    ----------
    metrics : list of CountMetric
        The metrics.
    pos_index : int or None
        Class that counts as positive.
    overall : bool, default=True
        Whether the overall values are wanted.

    Returns
    -------
    statistic : callable
        Maps (size, n_strata, n_groups, n_classes, n_classes) to values of shape
        (n_strata, n_columns, n_groups, size) and, if wanted, overall values of shape
        (n_strata, n_columns, size).
    """
    of_cells = [_on_cells(metric.statistic, pos_index) for metric in metrics]

    def statistic(tables):
        # The replicates of a cell lie next to each other in memory, as the sums of
        # cells and the quantiles want them.
        cells = np.ascontiguousarray(np.moveaxis(tables, 0, -1), dtype=float)
        cells = np.moveaxis(cells, (2, 3), (0, 1))
        values = np.concatenate([f(cells) for f in of_cells], axis=1)
        if not overall:
            return (values,)
        cells = cells.sum(3, keepdims=True)
        return values, np.concatenate([f(cells)[:, :, 0] for f in of_cells], axis=1)

    return statistic


def _on_cells(statistic, pos_index):
    """Function from cells (true, predicted, n_strata, n_groups, size) to values.

    It adds cell to cell in the order of memory, where a matrix product would start
    threads within the threads of the blocks.
    """
    if not isinstance(statistic, Rate):
        # The replicates take the place of the groups.
        return lambda cells: np.moveaxis(
            statistic.values(np.moveaxis(cells, (0, 1), (-2, -1)), pos_index), 1, 2
        )

    def rate(cells):
        tables = statistic.class_tables(len(cells), pos_index)
        totals = [np.stack([_weigh(own, cells) for own in part]) for part in tables]
        return np.moveaxis(divide(*totals), 0, 1)

    return rate


def _weigh(table, cells):
    """Sum of the cells, each times its coefficient."""
    places = np.argwhere(table)
    terms = [cells[i, j] if table[i, j] == 1 else table[i, j] * cells[i, j]
             for i, j in places]  # fmt: skip
    return sum(terms[1:], start=terms[0])


def bootstrap(result, n_resamples, random_state, n_jobs=None, *, overall=True):
    """Replicates of all values of a report.

    Parameters
    ----------
    result : GroupMetrics
        The report.
    n_resamples : int
        Number of replicates.
    random_state : int, Generator, RandomState or None
        Source of randomness.
    n_jobs : int, default=None
        Jobs for the metrics that are called on rows.
    overall : bool, default=True
        Whether the overall values are wanted.

    Returns
    -------
    values : ndarray of shape (n_strata, n_columns, n_groups, n_resamples)
        Replicates of the values.
    overall : ndarray of shape (n_strata, n_columns, n_resamples)
        Replicates of the overall values, if wanted.
    """
    on_counts, on_rows = result._split_metrics()
    generator = make_generator(random_state)
    drawn = []
    if on_counts:
        metrics = [metric for metric, _ in on_counts]
        statistic = count_statistics(metrics, result._pos_index, overall=overall)
        counts = result.counts
        drawn.append(
            bootstrap_cells(
                statistic,
                counts.counts,
                counts.n_rows,
                counts.n_squares,
                n_resamples,
                generator,
            )
        )
    if on_rows:
        metrics = [metric for metric, _ in on_rows]
        drawn.append(
            _bootstrap_rows(metrics, result._rows, n_resamples, generator, n_jobs)
        )
    if len(drawn) == 1:  # the columns are in their order already
        return drawn[0]
    return _in_order(zip((on_counts, on_rows), drawn), len(result.names))


def _in_order(parts, n_columns):
    """Draws of several sets of metrics, their columns in the order of the report."""
    together = {}
    for metrics, drawn in parts:
        columns = [column for _, own in metrics for column in own]
        for position, column in enumerate(columns):
            together[column] = [array[:, position] for array in drawn]
    ordered = zip(*(together[column] for column in range(n_columns)))
    return tuple(np.stack(arrays, axis=1) for arrays in ordered)


def _bootstrap_rows(metrics, rows, n_resamples, generator, n_jobs):
    """Replicates from rows drawn within each cell, so that no group vanishes."""
    rows = rows.by_cell
    seeds = generator.spawn(n_resamples)
    replicates = Parallel(n_jobs=n_jobs)(
        delayed(_row_replicate)(metrics, rows, seed) for seed in seeds
    )
    values, overall = zip(*replicates)
    return np.stack(values, axis=-1), np.stack(overall, axis=-1)


def _row_replicate(metrics, rows, generator):
    sizes = np.diff(rows.offsets)
    starts = np.repeat(rows.offsets[:-1], sizes)
    within = generator.random(len(starts)) * np.repeat(sizes, sizes)
    drawn = rows.take(starts + within.astype(np.intp)).as_sorted()
    evaluated = [metric.evaluate(drawn) for metric in metrics]
    values, overall = zip(*evaluated)
    return np.stack(values, axis=1), np.stack(overall, axis=1)


def confidence_interval(
    result, method, disparity, to, level, n_resamples, random_state, n_jobs
):
    """Ends and share of undefined replicates; see GroupMetrics.confidence_interval."""
    owner = "GroupMetrics.confidence_interval"
    if method not in METHODS:
        raise ValueError(
            f"{owner} needs `method` to be one of {METHODS}. Got {method!r}."
        )
    if not 0 < level < 1:
        raise ValueError(
            f"{owner} needs `confidence_level` between 0 and 1. Got {level!r}."
        )
    check_summary(disparity)
    if method in ("bca", "wilson", "newcombe", "delta"):
        _needs_counts(result, method, owner)
    if method in ("wilson", "newcombe", "delta"):
        return _analytic(result, method, disparity, to, level, owner)
    overall = to == "overall" or (isinstance(disparity, str) and disparity == "overall")
    draws = bootstrap(result, n_resamples, random_state, n_jobs, overall=overall)
    estimate = summarise(result.values, result.overall_values, disparity, to)
    if method == "max_t":
        return _max_t(result, draws[0], disparity, to, level, owner)
    draws = _summarise_draws(draws, disparity, to)
    undefined = _undefined_share(draws)
    if method == "percentile":
        ends = _intervals.percentile(draws, level)
        ends = [np.where(np.isnan(estimate), np.nan, end) for end in ends]
    else:
        rate = _acceleration(result, disparity, to)
        ends = _intervals.bca(draws, estimate, rate, level)
    return (*ends, undefined)


def _summarise_draws(draws, disparity, to):
    """What the interval is about, of every replicate; replicates last."""
    if disparity is None:
        return draws[0]
    values, *overall = (np.moveaxis(part, -1, 0) for part in draws)
    summary = summarise(values, overall[0] if overall else None, disparity, to)
    return np.ascontiguousarray(np.moveaxis(summary, 0, -1))


def _undefined_share(draws):
    return np.isnan(draws).mean(axis=-1)


def _needs_counts(result, method, owner):
    rowwise = [name for name, m in result._metrics.items() if not m.on_counts]
    if rowwise:
        raise ValueError(
            f"{owner} needs metrics of hard predictions for method={method!r}. Got "
            f"{rowwise}. Use method='percentile' or 'max_t'."
        )


def _influence(result, disparity, to):
    metrics = list(result._metrics.values())
    statistic = count_statistics(metrics, result._pos_index)
    return _intervals.influence(
        lambda tables: _summarise_draws(statistic(tables), disparity, to),
        result.counts.counts,
    )


def _acceleration(result, disparity, to):
    counts = result.counts
    cells, derivative = _influence(result, disparity, to)
    derivative = np.nan_to_num(derivative)
    return _intervals.acceleration(cells, derivative, counts.counts, counts.n_rows)


def _max_t(result, values, disparity, to, level, owner):
    undefined = _undefined_share(values)
    low, high = _intervals.simultaneous(values, result.values, level)
    proportion = result._is_proportion()[None, :, None]
    low = np.where(proportion, np.maximum(low, 0.0), low)
    high = np.where(proportion, np.minimum(high, 1.0), high)
    if disparity is None:
        return low, high, undefined
    if disparity != "difference" or to != "groups":
        raise ValueError(
            f"{owner} needs `disparity` to be None or 'difference' between groups for "
            f"method='max_t'. Got {disparity!r}, to={to!r}. Use 'percentile' or 'bca'."
        )
    # The gaps of all pairs together: then the largest gap is covered, too.
    one, other = np.triu_indices(values.shape[-2], k=1)
    gaps = values[..., one, :] - values[..., other, :]
    estimate = result.values[..., one] - result.values[..., other]
    low, high = _intervals.simultaneous(gaps, estimate, level)
    least = np.maximum(np.fmax(low, -high), 0.0)
    most = np.fmax(high, -low)
    return (
        np.fmax.reduce(least, axis=-1),
        np.fmax.reduce(most, axis=-1),
        undefined.max(-1),
    )


def _analytic(result, method, disparity, to, level, owner):
    if method == "delta":
        counts = result.counts
        estimate = summarise(result.values, result.overall_values, disparity, to)
        cells, derivative = _influence(result, disparity, to)
        ends = _intervals.delta(
            estimate,
            cells,
            derivative,
            counts.n_squares,
            level,
            log=isinstance(disparity, str) and disparity == "ratio",
        )
        return (*ends, np.isnan(estimate).astype(float))
    _check_proportions(result, method, owner)
    low, high = _wilson(result, result.counts.counts, result.counts.n_squares, level)
    if method == "wilson":
        return _wilson_ends(result, low, high, disparity, level, owner)
    name = getattr(disparity, "name", disparity)
    if name not in ("difference", "ratio") or to != "groups":
        raise ValueError(
            f"{owner} needs `disparity` to be 'difference' or 'ratio' between groups "
            f"for method='newcombe'. Got {disparity!r}, to={to!r}. For the groups "
            "themselves use 'wilson'."
        )
    ends = _intervals.newcombe(result.values, low, high, ratio=name == "ratio")
    return (*ends, np.isnan(ends[0]).astype(float))


def _check_proportions(result, method, owner):
    proportion = result._is_proportion()
    if not proportion.all():
        names = [name for name, is_one in zip(result.names, proportion) if not is_one]
        raise ValueError(
            f"{owner} needs rates that are shares of samples for method={method!r}. "
            f"Got {names}. Use method='bca' or 'delta'."
        )


def _wilson(result, counts, squares, level):
    ends = []
    for metric in result._metrics.values():
        rate = metric.statistic
        totals = rate.totals(counts, result._pos_index)
        _, squared = rate.totals(squares, result._pos_index)
        ends.append(_intervals.wilson(*totals, squared, level))
    return tuple(np.concatenate(side, axis=-2) for side in zip(*ends))


def _wilson_ends(result, low, high, disparity, level, owner):
    if disparity is None:
        return low, high, np.isnan(low).astype(float)
    if disparity != "overall":
        raise ValueError(
            f"{owner} needs `disparity` to be None or 'overall' for method='wilson'. "
            f"Got {disparity!r}. Use 'newcombe' for a difference or ratio."
        )
    counts = result.counts
    whole = (a.sum(1, keepdims=True) for a in (counts.counts, counts.n_squares))
    low, high = (end[..., 0] for end in _wilson(result, *whole, level))
    return low, high, np.isnan(low).astype(float)


def null_draws(result, n_resamples, random_state):
    """Replicates of all values under the null of no disparity.

    The groups of the rows are permuted within each stratum and within what the metric
    conditions on. Metrics that are called on rows condition on nothing.

    Parameters
    ----------
    result : GroupMetrics
        The report.
    n_resamples : int
        Number of permutations.
    random_state : int, Generator, RandomState or None
        Source of randomness.

    Returns
    -------
    values : ndarray of shape (n_strata, n_columns, n_groups, n_resamples)
        Replicates of the values.
    overall : ndarray of shape (n_strata, n_columns, n_resamples)
        Replicates of the overall values.
    """
    on_counts, on_rows = result._split_metrics()
    generator = make_generator(random_state)
    parts = []
    for metrics in _by_null(on_counts, result):
        statistic = count_statistics([m for m, _ in metrics], result._pos_index)
        blocks = null_blocks([m.statistic for m, _ in metrics], result.counts)
        drawn = permute_groups(
            statistic, result.counts, blocks, n_resamples, generator.spawn(1)[0]
        )
        parts.append((metrics, drawn))
    if on_rows:
        metrics = [metric for metric, _ in on_rows]
        draw = partial(_permuted_rows, metrics=metrics, rows=result._rows)
        n_rows = len(result._rows.codes)
        parts.append((on_rows, in_blocks(draw, n_resamples, n_rows, generator)))
    return _in_order(parts, len(result.names))


def _by_null(on_counts, result):
    """Metrics whose nulls permute within the same blocks, together."""
    n_classes = 0 if result.counts is None else len(result.counts.classes)
    together = {}
    for metric, columns in on_counts:
        strata = np.asarray(metric.statistic.null_strata(n_classes))
        together.setdefault(strata.tobytes(), []).append((metric, columns))
    return together.values()


def null_blocks(statistics, counts, definition=None):
    """Blocks of exchangeable rows, and in each the cells that must be told apart.

    Parameters
    ----------
    statistics : list of Rate or CountFunction
        What is computed.
    counts : OutcomeCounts
        The counts.
    definition : FairnessDefinition, default=None
        What says within which blocks to permute; None takes the first statistic, which
        permutes like all others.

    Returns
    -------
    blocks : list of list of int ndarray
        As :func:`permute_groups` takes them.
    """
    n_classes = len(counts.classes)
    strata = (definition or statistics[0]).null_strata(n_classes)
    strata = np.asarray(strata).ravel()
    kinds = _kinds_of_cells(statistics, n_classes)
    used = counts.n_rows.sum(axis=(0, 1)).ravel() > 0
    blocks = []
    for block in np.unique(strata):
        cells = np.flatnonzero((strata == block) & used)
        own = [cells[kinds[cells] == kind] for kind in np.unique(kinds[cells])]
        if own:
            blocks.append(own)
    return blocks


def _kinds_of_cells(statistics, n_classes):
    """Number of the kind of each cell: cells of one kind count alike everywhere."""
    n_cells = n_classes * n_classes
    if not all(hasattr(statistic, "totals") for statistic in statistics):
        return np.arange(n_cells)
    units = np.eye(n_cells).reshape(n_cells, 1, n_classes, n_classes)
    signature = [np.concatenate(s.totals(units), axis=-2)[..., 0] for s in statistics]
    signature = np.concatenate(signature, axis=1)
    return np.unique(signature, axis=0, return_inverse=True)[1].ravel()


def _permuted_rows(generator, size, *, metrics, rows):
    rows = rows.by_cell
    drawn = []
    for _ in range(size):
        order = np.concatenate(
            [
                part.start + generator.permutation(part.stop - part.start)
                for part in map(rows.stratum, range(rows.n_strata))
            ]
        )
        # Shuffled rows under the sorted codes are rows with shuffled codes.
        shuffled = rows.take(order).with_codes(rows.codes).as_sorted()
        evaluated = [metric.evaluate(shuffled) for metric in metrics]
        drawn.append([np.stack(side, axis=1) for side in zip(*evaluated)])
    return tuple(np.stack(side, axis=-1) for side in zip(*drawn))
