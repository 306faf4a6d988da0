"""Solutions against brute force: all thresholds, all pairs of them, all mixtures.

The oracles count anew at every threshold, and write limits and objectives out in their
own terms.
"""

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from fairsk.definitions import DEFINITIONS, RATES
from fairsk.postprocessing._hulls import sort_groups
from fairsk.postprocessing._programme import (
    InfeasibleError,
    Programme,
    get_objective,
    read_bounds,
    read_limits,
)

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
DEMANDS = [*([name] for name in LINEAR), LINEAR[:2], LINEAR[-2:], LINEAR]
COSTS = [[0.0, 4.0], [1.0, -0.5]]
# Each objective by counts of shape (n_groups, 2, 2), in plain words.
OBJECTIVES = {
    "accuracy": lambda c: (c[:, 0, 0] + c[:, 1, 1]).sum() / c.sum(),
    "balanced_accuracy": lambda c: (
        0.5 * c[:, 0, 0].sum() / c[:, 0].sum() + 0.5 * c[:, 1, 1].sum() / c[:, 1].sum()
    ),
    "f1": lambda c: 2 * c[:, 1, 1].sum() / (c[:, 1].sum() + c[:, :, 1].sum() or np.inf),
    "worst_group_accuracy": lambda c: (
        (c[:, 0, 0] + c[:, 1, 1]) / c.sum(axis=(1, 2))
    ).min(),
    "costs": lambda c: -(c.sum(axis=0) * COSTS).sum() / c.sum(),
}
BOUNDS = [
    {},
    {"true_positive_rate": (0.6, None)},
    {"true_positive_rate": (0.5, None), "false_positive_rate": (None, 0.45)},
    {"selection_rate": (0.2, 0.7)},
]


def objective_of(name):
    return get_objective(COSTS if name == "costs" else name)


def sample(seed, n=32, n_groups=2):
    rng = np.random.default_rng(seed)
    codes = np.arange(n) % n_groups
    score = (rng.normal(size=n) + 0.7 * codes).round(1)
    positive = rng.random(n) < 1 / (1 + np.exp(-1.2 * score))
    positive[:n_groups], positive[n_groups : 2 * n_groups] = False, True
    weight = rng.integers(1, 4, n).astype(float)
    return score, positive, codes, weight


def every_table(score, positive, codes, weight):
    """Counts (n_thresholds, 2, 2) of each group, counted one threshold at a time."""
    tables = []
    for group in np.unique(codes):
        own = codes == group
        cuts = [*np.unique(score[own]), np.inf]
        tables.append(
            np.array(
                [
                    [
                        [
                            weight[own & (positive == y) & ((score >= cut) == p)].sum()
                            for p in (False, True)
                        ]
                        for y in (False, True)
                    ]
                    for cut in cuts
                ]
            )
        )
    return tables


def rates(name, counts):
    """One linear rate of each group, by its two tables."""
    rate = RATES[name]
    above, below = (np.array(t) for t in (rate.numerator, rate.denominator))
    return (counts * above).sum(axis=(-2, -1)) / (counts * below).sum(axis=(-2, -1))


def holds(counts, demands, tolerance, disparity, reference, bounds, slack=1e-9):
    for name in demands:
        for rate in DEFINITIONS[name].rates:
            own = rates(rate.name, counts)
            other = own
            if reference == "overall":
                other = np.array([rates(rate.name, counts.sum(axis=0))])
            for a, b in itertools.product(own, other):
                low, high = min(a, b), max(a, b)
                gap = high - low
                if disparity == "ratio":
                    gap = (1 - tolerance) * high - low + tolerance
                if gap > tolerance + slack:
                    return False
    for name, (low, high) in bounds.items():
        own = rates(name, counts)
        if low is not None and own.min() < low - slack:
            return False
        if high is not None and own.max() > high + slack:
            return False
    return True


def programme_of(points, demands, tolerance, disparity, reference, bounds, objective):
    return Programme(
        points,
        objective_of(objective),
        read_limits(demands, tolerance, disparity, reference),
        read_bounds(bounds),
    )


def settings():
    """Each demand with each way to compare; objectives, bounds and sizes take turns."""
    turns = itertools.cycle(itertools.product(OBJECTIVES, BOUNDS, (0.0, 0.06, 0.25)))
    for demands, disparity, reference in itertools.product(
        DEMANDS, ("difference", "ratio"), ("groups", "overall")
    ):
        for _ in range(2):
            objective, bounds, tolerance = next(turns)
            # A step that has no factor in common with the number of turns.
            for _ in range(6):
                next(turns)
            yield demands, tolerance, disparity, reference, bounds, objective


SETTINGS = list(settings())


def test_settings_meet_every_objective_and_bound():
    assert {setting[-1] for setting in SETTINGS} == set(OBJECTIVES)
    assert {str(setting[-2]) for setting in SETTINGS} == set(map(str, BOUNDS))
    assert {setting[1] for setting in SETTINGS} == {0.0, 0.06, 0.25}


@pytest.mark.parametrize("seed", range(2))
def test_single_thresholds_are_the_best_of_all_combinations(seed):
    data = sample(seed)
    tables = every_table(*data)
    curves = [rows.curve() for rows in sort_groups(*data[:3], 2, data[3])]
    found = 0
    for setting in SETTINGS:
        *limits, objective = setting
        best = max(
            (
                OBJECTIVES[objective](counts)
                for pair in itertools.product(*tables)
                for counts in [np.stack(pair)]
                if holds(counts, *limits)
            ),
            default=None,
        )
        programme = programme_of(curves, *setting)
        if best is None:
            with pytest.raises(InfeasibleError):
                programme.choose()
            continue
        found += 1
        counts = programme.counts(programme.choose())
        assert holds(counts, *limits, slack=1e-6), setting
        assert OBJECTIVES[objective](counts) == pytest.approx(best, abs=1e-6), setting
    assert found > len(SETTINGS) / 2


def mixed_optimum(tables, setting):
    """Best objective over all mixtures of all thresholds, None if there is none."""
    *limits, objective = setting
    if objective != "f1":
        return solve_mixture(tables, limits, objective)
    # F1 reaches c where 2 TP - c (2 TP + FP + FN) reaches 0: halve the interval.
    low, high = 0.0, 1.0
    if solve_mixture(tables, limits, 0.0) is None:
        return None
    while high - low > 1e-8:
        middle = (low + high) / 2
        value = solve_mixture(tables, limits, middle)
        low, high = (middle, high) if value >= 0 else (low, middle)
    return low


def solve_mixture(tables, limits, objective):
    demands, tolerance, disparity, reference, bounds = limits
    sizes = [len(t) for t in tables]
    ends = np.cumsum(sizes)
    places = [slice(e - s, e) for e, s in zip(ends, sizes)]
    # The last variable is the objective of the worst group.
    rows = limit_rows(tables, places, demands, tolerance, disparity, reference)
    rows += bound_rows(tables, places, bounds)
    cost = np.zeros(ends[-1] + 1)
    if objective == "worst_group_accuracy":
        cost[-1] = -1.0
        for place, table in zip(places, tables):
            row = np.zeros(len(cost))
            row[place], row[-1] = -hits(table) / table[0].sum(), 1.0
            rows.append((row, 0.0))
    else:
        for place, table in zip(places, tables):
            cost[place] = cost_of(table, tables, objective)
    sums = np.zeros((len(tables), len(cost)))
    for group, place in enumerate(places):
        sums[group, place] = 1.0
    solved = linprog(
        cost,
        A_ub=np.array([row for row, _ in rows]) if rows else None,
        b_ub=[side for _, side in rows] or None,
        A_eq=sums,
        b_eq=np.ones(len(tables)),
    )
    return -solved.fun if solved.status == 0 else None


def spread_out(values, place, places):
    row = np.zeros(places[-1].stop + 1)
    row[place] = values
    return row


def limit_rows(tables, places, demands, tolerance, disparity, reference):
    """Pairs of a row and the most that its product with the weights may be."""
    slope = 1 - tolerance if disparity == "ratio" else 1.0
    slack = 0.0 if disparity == "ratio" else tolerance
    found = []
    for rate in (rate for name in demands for rate in DEFINITIONS[name].rates):
        below = [(t[0] * np.array(rate.denominator)).sum() for t in tables]
        rows = [spread_out(rates(rate.name, t), p, places)
                for t, p in zip(tables, places)]  # fmt: skip
        others = rows
        if reference == "overall":
            others = [sum(b * row for b, row in zip(below, rows)) / sum(below)]
        for a, b in itertools.product(rows, others):
            if a is not b:
                found += [(slope * a - b, slack), (slope * b - a, slack)]
    return found


def bound_rows(tables, places, bounds):
    found = []
    for name, (low, high) in bounds.items():
        for table, place in zip(tables, places):
            row = spread_out(rates(name, table), place, places)
            found += [] if low is None else [(-row, -low)]
            found += [] if high is None else [(row, high)]
    return found


def hits(table):
    return table[:, 0, 0] + table[:, 1, 1]


def cost_of(table, tables, objective):
    """What each threshold of one group adds to the cost."""
    whole = sum(t[0].sum() for t in tables)
    if objective == "accuracy":
        return -hits(table) / whole
    if objective == "costs":
        return (table * COSTS).sum(axis=(1, 2)) / whole
    if objective == "balanced_accuracy":
        totals = [sum(t[0, label].sum() for t in tables) for label in (0, 1)]
        return -0.5 * sum(table[:, k, k] / totals[k] for k in (0, 1))
    wrong = table[:, 0, 1] + table[:, 1, 0]
    true = 2 * table[:, 1, 1]
    return -(true - objective * (true + wrong)) / whole


@pytest.mark.parametrize("n_groups", [2, 3])
def test_mixtures_are_the_best_of_all_mixtures(n_groups):
    data = sample(n_groups, n=22 * n_groups, n_groups=n_groups)
    tables = every_table(*data)
    found, lower = 0, []
    for setting in SETTINGS:
        *limits, objective = setting
        best = mixed_optimum(tables, setting)
        lower.append(programme_of([], *setting).needs_lower_hull)
        by_group = sort_groups(*data[:3], n_groups, data[3])
        hulls = [rows.hull(lower=lower[-1]) for rows in by_group]
        programme = programme_of(hulls, *setting)
        if best is None:
            with pytest.raises(InfeasibleError):
                programme.mix()
            continue
        found += 1
        counts = programme.counts(programme.mix())
        assert holds(counts, *limits, slack=1e-6), setting
        assert OBJECTIVES[objective](counts) == pytest.approx(best, abs=2e-6), setting
    assert found > len(SETTINGS) / 2
    assert 0 < np.mean(lower) < 1


@pytest.mark.parametrize("disparity", ["difference", "ratio"])
@pytest.mark.parametrize("seed", range(4))
def test_upper_hull_is_enough_where_it_is_said_to_be(seed, disparity):
    data = sample(seed, n=36, n_groups=3)
    by_group = sort_groups(*data[:3], 3, data[3])
    for name, objective in itertools.product(LINEAR, OBJECTIVES):
        setting = ([name], 0.03, disparity, "groups", {}, objective)
        if programme_of([], *setting).needs_lower_hull:
            continue
        values = []
        for points in ([g.hull() for g in by_group], [g.curve() for g in by_group]):
            programme = programme_of(points, *setting)
            values.append(OBJECTIVES[objective](programme.counts(programme.mix())))
        assert values[0] == pytest.approx(values[1], abs=1e-6), setting


def test_rewarded_errors_call_for_the_lower_hull():
    score, *rest = sample(0)
    data = (-score, *rest)
    wrong = get_objective([[1.0, 0.0], [0.0, 1.0]])
    assert not wrong.rises_with_rank
    values = []
    for lower in (True, False):
        hulls = [rows.hull(lower=lower) for rows in sort_groups(*data[:3], 2, data[3])]
        programme = Programme(hulls, wrong, read_limits(["demographic_parity"], 1), [])
        values.append(wrong.value(programme.counts(programme.mix())))
    assert values[0] > values[1] + 0.01


@pytest.mark.parametrize("tolerance", [0.0, 0.08])
@pytest.mark.parametrize("name", LINEAR)
def test_no_pair_of_randomised_thresholds_is_better(name, tolerance):
    """All pairs of thresholds of both groups, mixed in steps of 1 / 20."""
    data = sample(7, n=24)
    objective, reached = OBJECTIVES["accuracy"], []
    for table in every_table(*data):
        pairs = np.array(list(itertools.combinations(range(len(table)), 2)))
        share = np.linspace(0, 1, 21)[:, None, None, None]
        first, second = table[pairs[:, 0]], table[pairs[:, 1]]
        mixed = (share * first + (1 - share) * second).reshape(-1, 2, 2)
        reached.append(np.unique(mixed.round(9), axis=0))
    hulls = [rows.hull() for rows in sort_groups(*data[:3], 2, data[3])]
    programme = programme_of(
        hulls, [name], tolerance, "difference", "groups", {}, "accuracy"
    )
    ours = objective(programme.counts(programme.mix()))
    hits = [t[:, 0, 0] + t[:, 1, 1] for t in reached]
    allowed = np.ones((len(reached[0]), len(reached[1])), dtype=bool)
    near = allowed.copy()
    for rate in DEFINITIONS[name].rates:
        a, b = (rates(rate.name, t) for t in reached)
        gap = np.abs(a[:, None] - b)
        allowed &= gap <= tolerance + 1e-9
        near &= gap <= tolerance + 0.06  # what the steps can miss
    value = (hits[0][:, None] + hits[1]) / data[3].sum()
    assert ours >= value[allowed].max() - 1e-9
    assert ours <= value[near].max() + 1e-9
