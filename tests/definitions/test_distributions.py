"""Distances of scores and dependence measures against scipy, loops and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_curve

from fairsk.definitions import (
    abroca,
    distance_correlation,
    hsic,
    ks_distance,
    ks_to_overall,
    maximal_correlation,
    mutual_information,
    wasserstein_distance,
)


def scored(seed, n, n_groups=3, weighted=False):
    rng = np.random.default_rng(seed)
    return {
        "scores": rng.normal(size=n).round(1),
        "group_codes": rng.integers(n_groups, size=n),
        "n_groups": n_groups,
        "sample_weight": rng.random(n) + 0.1 if weighted else None,
    }


def step_function(values, weights, grid):
    return np.array([weights[values <= s].sum() for s in grid]) / weights.sum()


def loop_distance(kind, one, other):
    if not (len(one[0]) and len(other[0])):
        return np.nan
    if kind == "wasserstein":
        return stats.wasserstein_distance(one[0], other[0], one[1], other[1])
    grid = np.union1d(one[0], other[0])
    return abs(step_function(*one, grid) - step_function(*other, grid)).max()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), weighted=st.booleans())
def test_distances_of_scores_equal_scipy_and_loops(seed, n, weighted):
    data = scored(seed, n, weighted=weighted)
    scores, codes = data["scores"], data["group_codes"]
    weights = data["sample_weight"] if weighted else np.ones(n)

    def part(rows):
        return scores[rows], weights[rows]

    functions = {"wasserstein": wasserstein_distance, "ks": ks_distance}
    for kind, function in functions.items():
        to_rest, largest = function(**data)
        expected = [
            loop_distance(kind, part(codes == g), part(codes != g)) for g in range(3)
        ]
        np.testing.assert_allclose(to_rest, expected, atol=1e-12)
        pairs = [
            loop_distance(kind, part(codes == g), part(codes == h))
            for g in range(3)
            for h in range(g)
        ]
        defined = [value for value in pairs if not np.isnan(value)]
        np.testing.assert_allclose(largest, max(defined, default=np.nan), atol=1e-12)
    to_all, _ = ks_to_overall(**data)
    everyone = np.ones(n, dtype=bool)
    expected = [loop_distance("ks", part(codes == g), part(everyone)) for g in range(3)]
    np.testing.assert_allclose(to_all, expected, atol=1e-12)


def curve_area(y_true, scores, one, other):
    """Area between two ROC curves on a fine grid."""
    grid = np.linspace(0, 1, 200_001)[1:-1]
    curves = []
    for rows in (one, other):
        false, true, _ = roc_curve(y_true[rows], scores[rows], drop_intermediate=False)
        curves.append(np.interp(grid, false, true))
    return abs(curves[0] - curves[1]).mean()


@pytest.mark.parametrize("decimals", [0, 1, 6])
@pytest.mark.parametrize("seed", range(5))
def test_abroca_is_the_area_between_scikit_learns_curves(seed, decimals):
    rng = np.random.default_rng(seed)
    y_true, codes = rng.integers(2, size=60), rng.integers(3, size=60)
    scores = (rng.normal(size=60) + y_true * codes).round(decimals)
    to_rest, largest = abroca(y_true, scores, codes, n_groups=3)
    for g in range(3):
        expected = curve_area(y_true, scores, codes == g, codes != g)
        assert to_rest[g] == pytest.approx(expected, abs=2e-4)
    pairs = [
        curve_area(y_true, scores, codes == g, codes == h)
        for g in range(3)
        for h in range(g)
    ]
    assert largest == pytest.approx(max(pairs), abs=2e-4)


def test_abroca_weighs_a_sample_like_its_copies():
    rng = np.random.default_rng(0)
    y_true, codes = rng.integers(2, size=50), rng.integers(2, size=50)
    scores, weights = rng.normal(size=50), rng.integers(1, 4, size=50)
    rows = np.repeat(np.arange(50), weights)
    one = abroca(y_true, scores, codes, n_groups=2, sample_weight=weights)
    other = abroca(y_true[rows], scores[rows], codes[rows], n_groups=2)
    np.testing.assert_allclose(one[0], other[0])
    np.testing.assert_allclose(one[1], other[1])


def test_abroca_is_undefined_where_a_group_has_one_class():
    to_rest, largest = abroca(
        [0, 1, 1, 1], [0.1, 0.9, 0.5, 0.6], [0, 0, 1, 1], n_groups=2
    )
    assert np.isnan(to_rest).all()
    assert np.isnan(largest)


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 70))
def test_distance_correlation_is_that_of_centred_distances(seed, n):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n).round(1)
    z = (x**2 + rng.normal(size=n)).round(1)
    distances = [abs(v[:, None] - v) for v in (x, z)]
    centred = [d - d.mean(0) - d.mean(1)[:, None] + d.mean() for d in distances]
    covariance, *variances = (
        (a * b).mean()
        for a, b in ((centred[0], centred[1]), *((c, c) for c in centred))
    )
    expected = np.nan
    if min(variances) > 0:
        expected = np.sqrt(max(covariance, 0) / np.sqrt(np.prod(variances)))
    np.testing.assert_allclose(distance_correlation(x, z), expected, atol=1e-6)


@pytest.mark.parametrize("block", [7, 1024])
def test_hsic_is_the_trace_of_centred_kernels(block, rng):
    x = rng.normal(size=50)
    z = np.sin(x) + rng.normal(size=50) / 2
    kernels = []
    for v in (x, z):
        d = abs(v[:, None] - v)
        kernels.append(
            np.exp(-(d**2) / (2 * np.median(d[np.triu_indices(50, 1)]) ** 2))
        )
    centre = np.eye(50) - 1 / 50
    centred = [centre @ kernel @ centre for kernel in kernels]
    expected = (centred[0] * centred[1]).sum() / np.sqrt(
        (centred[0] ** 2).sum() * (centred[1] ** 2).sum()
    )
    assert hsic(x, z, block=block) == pytest.approx(expected, rel=1e-9)


def test_maximal_correlation_of_discrete_variables_is_found_by_search(rng):
    x, z = rng.integers(3, size=500), rng.integers(2, size=500)
    z = np.where(rng.random(500) < 0.5, (x == 1).astype(int), z)
    # With two values of z only the function of x matters: the correlation ratio.
    means = np.array([z[x == k].mean() for k in range(3)])[x]
    expected = np.sqrt(means.var() / z.var())
    assert maximal_correlation(x, z) == pytest.approx(expected)


def test_maximal_correlation_finds_what_correlation_misses(rng):
    x = rng.normal(size=5000)
    assert abs(np.corrcoef(x, x**2)[0, 1]) < 0.1
    assert maximal_correlation(x, x**2) > 0.8
    assert maximal_correlation(x, rng.normal(size=5000)) < 0.15


def test_mutual_information_of_gaussians_is_their_closed_form(rng):
    x = rng.normal(size=3000)
    z = 0.8 * x + 0.6 * rng.normal(size=3000)
    assert mutual_information(x, z) == pytest.approx(-np.log(1 - 0.64) / 2, abs=0.06)


DEPENDENCE = [distance_correlation, hsic, maximal_correlation]


@pytest.mark.parametrize("measure", DEPENDENCE)
def test_a_constant_has_no_dependence_to_measure(measure):
    assert np.isnan(measure([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))


@pytest.mark.parametrize("measure", [*DEPENDENCE, mutual_information])
@pytest.mark.parametrize(
    ("x", "z", "message"),
    [
        ([1.0, np.nan], [1.0, 2.0], "finite values"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "two variables of shape"),
        ([[1.0], [2.0]], [1.0, 2.0], "two variables of shape"),
    ],
)
def test_bad_variables_raise(measure, x, z, message):
    with pytest.raises(ValueError, match=message):
        measure(x, z)
