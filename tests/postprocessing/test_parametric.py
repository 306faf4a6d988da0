import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from fairsk.postprocessing._parametric import follow_tolerance

TOLERANCES = np.array([0.05, 0.0, 0.3, 1.0, 0.01, 0.05])


def _random(rng, n_rates, n_groups):
    sizes = rng.integers(2, 9, n_groups)
    # The first point is 0 in all rates, so that every tolerance is feasible.
    rates = [[np.append(0.0, rng.random(n - 1)) for n in sizes] for _ in range(n_rates)]
    return rates, [rng.normal(size=n) for n in sizes]


def _optimum(rates, gains, tolerance):
    sizes = [len(gain) for gain in gains]
    ends = np.cumsum(sizes)
    rows = []
    for values in rates:
        for a, b in itertools.permutations(range(len(sizes)), 2):
            row = [np.zeros(size) for size in sizes]
            row[a], row[b] = values[a], -values[b]
            rows.append(np.concatenate(row))
    convex = np.zeros((len(sizes), ends[-1]))
    for group, end in enumerate(ends):
        convex[group, end - sizes[group] : end] = 1.0
    return linprog(
        -np.concatenate(gains),
        A_ub=np.array(rows),
        b_ub=np.full(len(rows), tolerance),
        A_eq=convex,
        b_eq=np.ones(len(sizes)),
    )


@pytest.mark.parametrize("n_rates", [1, 2, 3])
@pytest.mark.parametrize("n_groups", [2, 4])
def test_every_tolerance_is_solved_as_a_linear_programme(rng, n_rates, n_groups):
    for _ in range(10):
        rates, gains = _random(rng, n_rates, n_groups)
        solutions = follow_tolerance(rates, gains, TOLERANCES)
        for tolerance, weights in zip(TOLERANCES, solutions):
            value = sum(w @ gain for w, gain in zip(weights, gains))
            assert value == pytest.approx(-_optimum(rates, gains, tolerance).fun)
            for w in weights:
                assert w.min() >= 0
                assert w.sum() == pytest.approx(1)
            for values in rates:
                reached = [w @ v for w, v in zip(weights, values)]
                assert np.ptp(reached) <= tolerance + 1e-9


def test_tied_gains_and_rates_are_solved(rng):
    for _ in range(20):
        sizes = rng.integers(2, 6, 3)
        rates = [[rng.integers(0, 3, n) / 2 for n in sizes] for _ in range(2)]
        gains = [rng.integers(0, 2, n).astype(float) for n in sizes]
        solutions = follow_tolerance(rates, gains, TOLERANCES)
        for tolerance, weights in zip(TOLERANCES, solutions):
            found = _optimum(rates, gains, tolerance)
            assert (weights is None) == (found.status == 2)
            if weights is not None:
                value = sum(w @ gain for w, gain in zip(weights, gains))
                assert value == pytest.approx(-found.fun)


def test_tolerance_that_cannot_be_kept_has_no_solution():
    rates = [[np.array([0.0, 0.1]), np.array([0.5, 0.9])]]
    gains = [np.array([0.0, -1.0]), np.array([0.0, 1.0])]
    solutions = follow_tolerance(rates, gains, np.array([0.4, 0.3]))
    np.testing.assert_allclose(solutions[0][0], [0.0, 1.0])
    assert solutions[1] is None
