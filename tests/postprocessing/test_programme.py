import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from fairsk.definitions import DEFINITIONS, RATES
from fairsk.postprocessing._hulls import sort_groups
from fairsk.postprocessing._programme import (
    Bound,
    InfeasibleError,
    Limit,
    Programme,
    get_objective,
    read_bounds,
    read_limits,
)

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)


def _data(rng, n=60, n_groups=2, weighted=False, n_scores=None):
    codes = np.arange(n) % n_groups
    score = rng.normal(size=n) + 0.5 * codes
    if n_scores:
        score = np.round(score * n_scores) / n_scores
    positive = rng.random(n) < 1 / (1 + np.exp(-score - 0.5 * codes))
    # Every group needs both labels.
    positive[:n_groups], positive[n_groups : 2 * n_groups] = False, True
    weight = rng.integers(1, 4, n).astype(float) if weighted else None
    return score, positive, codes, weight


def _brute_counts(score, positive, codes, weight, n_groups):
    """Counts (threshold, 2, 2) of every threshold of every group, counted anew."""
    weight = np.ones(len(score)) if weight is None else weight
    tables = []
    for group in range(n_groups):
        own = codes == group
        cuts = np.append(np.unique(score[own]), np.inf)
        table = np.zeros((len(cuts), 2, 2))
        for row, cut in enumerate(cuts):
            for s, y, w in zip(score[own], positive[own], weight[own]):
                table[row, int(y), int(s >= cut)] += w
        tables.append(table)
    return tables


def _brute_mixture(tables, limits, objective):
    """Optimum over all mixtures of all thresholds, by an LP of its own."""
    sizes = [len(t) for t in tables]
    n = sum(sizes)
    pairs, slack = [], []
    for limit in limits:
        values = [limit.rate.values(t[:, None], 1)[:, 0, 0] for t in tables]
        for a, b in itertools.permutations(range(len(tables)), 2):
            row = [np.zeros(size) for size in sizes]
            row[a] = values[a]
            factor = 1.0 if limit.disparity == "difference" else 1 - limit.tolerance
            # difference: r_a - r_b <= tolerance; ratio: (1 - tolerance) r_a <= r_b.
            row[a], row[b] = factor * values[a], -values[b]
            pairs.append(np.concatenate(row))
            slack.append(limit.tolerance if limit.disparity == "difference" else 0.0)
    gains = np.zeros(n)
    for weight, rate in objective.terms:
        parts = [rate.totals(t[:, None], 1) for t in tables]
        total = sum(p[1][0, 0, 0] for p in parts)
        gains += weight * np.concatenate([p[0][:, 0, 0] / total for p in parts])
    convex = np.zeros((len(tables), n))
    for group, end in enumerate(np.cumsum(sizes)):
        convex[group, end - sizes[group] : end] = 1.0
    found = linprog(
        -gains, A_ub=np.array(pairs), b_ub=slack, A_eq=convex, b_eq=np.ones(len(tables))
    )
    return -found.fun


def _brute_choice(tables, definition, tolerance, objective):
    best = -np.inf
    for chosen in itertools.product(*(range(len(t)) for t in tables)):
        counts = np.stack([t[i] for t, i in zip(tables, chosen)])
        if definition.disparity(counts) <= tolerance + 1e-12:
            best = max(best, objective.value(counts))
    return best


def _hulls(data, n_groups):
    score, positive, codes, weight = data
    return [g.hull() for g in sort_groups(score, positive, codes, n_groups, weight)]


def _curves(data, n_groups):
    score, positive, codes, weight = data
    return [g.curve() for g in sort_groups(score, positive, codes, n_groups, weight)]


@pytest.mark.parametrize("n_scores", [None, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_curve_has_the_counts_of_every_threshold(rng, weighted, n_scores):
    data = _data(rng, n_groups=3, weighted=weighted, n_scores=n_scores)
    brute = _brute_counts(*data, 3)
    for points, table in zip(_curves(data, 3), brute):
        np.testing.assert_allclose(points.counts, table[::-1])
        cuts = points.thresholds
        assert cuts[0] == np.inf
        assert cuts[-1] == -np.inf
        assert (np.diff(cuts) < 0).all()


def test_thresholds_reproduce_their_counts_between_neighbouring_floats():
    score = np.array([0.5, np.nextafter(0.5, 1), np.nextafter(0.5, 0)])
    positive = np.array([False, True, False])
    points = sort_groups(score, positive, np.zeros(3, int), 1)[0].curve()
    for cut, counts in zip(points.thresholds, points.counts):
        assert counts[1, 1] == np.sum(positive & (score >= cut))
        assert counts[0, 1] == np.sum(~positive & (score >= cut))


def test_hull_is_concave_and_above_the_curve(rng):
    data = _data(rng, n=300)
    for hull, curve in zip(_hulls(data, 2), _curves(data, 2)):
        fpr, tpr = hull.counts[:, 0, 1], hull.counts[:, 1, 1]
        slopes = np.diff(tpr) / np.maximum(np.diff(fpr), 1e-12)
        assert (np.diff(slopes) <= 1e-9).all()
        reach = np.interp(curve.counts[:, 0, 1], fpr, tpr)
        vertical = fpr == 0  # at no false positives the highest vertex counts
        reach[curve.counts[:, 0, 1] == 0] = tpr[vertical].max()
        assert (reach >= curve.counts[:, 1, 1] - 1e-9).all()


def test_rows_of_weight_zero_are_as_if_absent(rng):
    score, positive, codes, _ = _data(rng)
    weight = rng.integers(0, 3, len(score)).astype(float)
    kept = weight > 0
    some = (score[kept], positive[kept], codes[kept], weight[kept])
    for a, b in zip(_curves((score, positive, codes, weight), 2), _curves(some, 2)):
        np.testing.assert_array_equal(a.thresholds, b.thresholds)
        np.testing.assert_array_equal(a.counts, b.counts)


@pytest.mark.parametrize("disparity", ["difference", "ratio"])
@pytest.mark.parametrize("tolerance", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy"])
@pytest.mark.parametrize("fairness", [*LINEAR, LINEAR[:2]])
def test_mixture_is_the_optimum_over_all_mixtures_of_all_thresholds(
    rng, fairness, objective, tolerance, disparity
):
    data = _data(rng, n_groups=3, n=90, weighted=True)
    limits = read_limits(fairness, tolerance, disparity)
    programme = Programme(_hulls(data, 3), get_objective(objective), limits, [])
    weights = programme.mix()
    counts = programme.counts(weights)
    best = _brute_mixture(_brute_counts(*data, 3), limits, programme.objective)
    assert programme.objective.value(counts) == pytest.approx(best, abs=1e-6)
    for limit in limits:
        values = limit.rate.values(counts, 1)[0]
        assert values.max() <= limit.highest(values.min()) + 1e-6


@pytest.mark.parametrize("tolerance", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("fairness", LINEAR)
def test_choice_is_the_optimum_over_all_thresholds(rng, fairness, tolerance):
    data = _data(rng, n=50)
    limits = read_limits(fairness, tolerance)
    objective = get_objective("accuracy")
    programme = Programme(_curves(data, 2), objective, limits, [])
    weights = programme.choose()
    assert all(set(np.unique(w)) <= {0.0, 1.0} for w in weights)
    tables = _brute_counts(*data, 2)
    best = _brute_choice(tables, DEFINITIONS[fairness], tolerance, objective)
    assert objective.value(programme.counts(weights)) == pytest.approx(best)


def test_closed_form_equals_the_linear_programme(rng):
    data = _data(rng, n=2000, n_groups=4)
    for fairness, tolerance in itertools.product(["demographic_parity"], [0.0, 0.1]):
        limits = read_limits(fairness, tolerance)
        free = Bound(RATES["selection_rate"], 0.0, 1.0)  # takes the general path
        values = [
            programme.objective.value(programme.counts(programme.mix()))
            for bounds in ([], [free])
            for programme in [
                Programme(_hulls(data, 4), get_objective("accuracy"), limits, bounds)
            ]
        ]
        assert values[0] == pytest.approx(values[1], abs=1e-7)


def test_overall_reference_bounds_the_distance_to_everybody(rng):
    data = _data(rng, n=600, n_groups=3)
    for disparity in ("difference", "ratio"):
        limits = read_limits("demographic_parity", 0.05, disparity, "overall")
        programme = Programme(_hulls(data, 3), get_objective("accuracy"), limits, [])
        counts = programme.counts(programme.mix())
        rates = RATES["selection_rate"].values(counts, 1)[0]
        overall = counts[:, :, 1].sum() / counts.sum()
        if disparity == "difference":
            assert np.abs(rates - overall).max() <= 0.05 + 1e-6
        else:
            low = np.minimum(rates / overall, overall / rates)
            assert low.min() >= 0.95 - 1e-6


def test_several_definitions_hold_each_its_own_tolerance(rng):
    data = _data(rng, n=900, n_groups=3)
    asked = {"demographic_parity": 0.2, "equal_opportunity": 0.03}
    programme = Programme(
        _hulls(data, 3), get_objective("accuracy"), read_limits(asked, 0.5), []
    )
    counts = programme.counts(programme.mix())
    for name, tolerance in asked.items():
        assert DEFINITIONS[name].disparity(counts) <= tolerance + 1e-6


def test_floors_and_ceilings_hold_in_every_group(rng):
    data = _data(rng, n=900, n_groups=3)
    bounds = read_bounds(
        {"true_positive_rate": (0.8, None), "selection_rate": (None, 0.9)}
    )
    programme = Programme(_hulls(data, 3), get_objective("accuracy"), [], bounds)
    counts = programme.counts(programme.mix())
    assert RATES["true_positive_rate"].values(counts, 1).min() >= 0.8 - 1e-6
    assert RATES["selection_rate"].values(counts, 1).max() <= 0.9 + 1e-6


@pytest.mark.parametrize("objective", ["f1", "positive_predictive_value"])
def test_ratio_objective_beats_every_pair_of_thresholds(rng, objective):
    data = _data(rng, n=60)
    goal = get_objective(objective)
    bounds = read_bounds({"selection_rate": (0.2, None)})
    programme = Programme(_hulls(data, 2), goal, [], bounds)
    reached = goal.value(programme.counts(programme.mix()))
    for a, b in itertools.product(*_brute_counts(*data, 2)):
        counts = np.stack([a, b])
        if RATES["selection_rate"].values(counts, 1).min() >= 0.2:
            assert goal.value(counts) <= reached + 1e-6


def test_worst_group_objective_beats_every_pair_of_thresholds(rng):
    data = _data(rng, n=60)
    goal = get_objective("worst_group_accuracy")
    limits = read_limits("demographic_parity", 1.0)
    programme = Programme(_hulls(data, 2), goal, limits, [])
    reached = goal.value(programme.counts(programme.mix()))
    pairs = itertools.product(*_brute_counts(*data, 2))
    assert reached >= max(goal.value(np.stack(pair)) for pair in pairs) - 1e-6


def test_cost_matrix_is_the_negative_mean_cost(rng):
    counts = rng.integers(1, 9, (2, 2, 2)).astype(float)
    costs = np.array([[0.0, 5.0], [1.0, -2.0]])
    mean_cost = (counts.sum(axis=0) * costs).sum() / counts.sum()
    assert get_objective(costs).value(counts) == pytest.approx(-mean_cost)


def test_weights_of_rates_are_added_up(rng):
    counts = rng.integers(1, 9, (2, 2, 2)).astype(float)
    goal = get_objective({"true_positive_rate": 2.0, "false_positive_rate": -1.0})
    table = counts.sum(axis=0)
    expected = 2 * table[1, 1] / table[1].sum() - table[0, 1] / table[0].sum()
    assert goal.value(counts) == pytest.approx(expected)


def test_infeasible_pair_is_named_with_the_nearest_feasible_tolerance():
    # Perfect ranking: a floor on the selection rate of everybody above the share of
    # positives of one group forces false positives there, and none elsewhere.
    score = np.tile(np.linspace(0, 1, 100), 2)
    codes = np.repeat([0, 1], 100)
    positive = np.where(codes == 0, score > 0.5, score > 0.1)
    hulls = _hulls((score, positive, codes, None), 2)
    limits = read_limits("predictive_equality", 0.0)
    bounds = read_bounds(
        {"false_positive_rate": (None, 0.1), "selection_rate": (0.8, None)}
    )
    programme = Programme(hulls, get_objective("accuracy"), limits, bounds)
    with pytest.raises(
        InfeasibleError, match=r"false_positive_rate in .* and selection"
    ):
        programme.mix()
    limits = read_limits("demographic_parity", 0.1)
    bounds = read_bounds(
        {"true_positive_rate": (0.99, None), "false_positive_rate": (None, 0.01)}
    )
    programme = Programme(hulls, get_objective("accuracy"), limits, bounds)
    with pytest.raises(
        InfeasibleError, match=r"nearest feasible tolerance is 0\.3"
    ) as e:
        programme.mix()
    nearest = float(str(e.value).split("tolerance is ")[1].split(";")[0])
    for tolerance, feasible in ((nearest, True), (nearest - 0.01, False)):
        assert programme.with_tolerance(tolerance).is_feasible() == feasible


def test_definition_that_is_not_linear_raises_and_lists_the_linear_ones():
    name = next(name for name, d in DEFINITIONS.items() if not d.is_linear)
    with pytest.raises(ValueError, match=LINEAR[0]):
        read_limits(name, 0.1)


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("acuracy", "must be one of"),
        ([[0, 1]], "cost matrix of shape"),
        ({"f1": 1.0}, "must be one of"),
        ({"true_positive_rate": 1, "positive_predictive_value": 1}, "add them up"),
    ],
)
def test_unknown_objective_raises(objective, message):
    with pytest.raises(ValueError, match=message):
        get_objective(objective)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"selection_rate": (0.8, 0.2)}, "floor at or below"),
        ({"positive_predictive_value": (0.8, None)}, "denominator"),
        ({"sensitivity": (0.8, None)}, "must be one of"),
    ],
)
def test_malformed_bounds_raise(bounds, message):
    with pytest.raises(ValueError, match=message):
        read_bounds(bounds)


@pytest.mark.parametrize("reference", ["groups", "overall"])
@pytest.mark.parametrize("disparity", ["difference", "ratio"])
def test_excess_is_0_at_the_tolerance_that_just_holds(rng, disparity, reference):
    for _ in range(20):
        counts = rng.integers(1, 9, (3, 2, 2)).astype(float)
        rates = counts[:, 1, 1] / counts[:, 1].sum(axis=1)
        overall = counts[:, 1, 1].sum() / counts[:, 1].sum()
        others = rates if reference == "groups" else [overall]
        pairs = [sorted(pair) for pair in itertools.product(rates, others)]
        if disparity == "difference":
            reached = max(high - low for low, high in pairs)
        else:
            reached = 1 - min(low / high for low, high in pairs)
        limit = Limit("x", RATES["true_positive_rate"], reached, disparity, reference)
        assert limit.excess(counts) == pytest.approx(0, abs=1e-12)
        assert replace(limit, tolerance=reached - 0.01).excess(counts) > 0


def test_excess_of_a_bound_is_the_larger_side():
    counts = np.array([[[6.0, 4], [1, 1]], [[1, 9], [1, 1]]])
    rate = RATES["false_positive_rate"]
    assert Bound(rate, 0.5, 1.0).excess(counts) == pytest.approx(0.1)
    assert Bound(rate, 0.0, 0.6).excess(counts) == pytest.approx(0.3)
    assert Bound(rate, 0.4, 0.9).excess(counts) == pytest.approx(0.0)


def test_limit_inverts_itself():
    rate = RATES["selection_rate"]
    for disparity in ("difference", "ratio"):
        limit = Limit("x", rate, 0.1, disparity)
        assert limit.lowest(limit.highest(0.4)) == pytest.approx(0.4)
