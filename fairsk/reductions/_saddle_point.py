"""The game between a learner and the multipliers of its constraints."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.optimize import linprog

# The first bound on the multipliers. It grows only if the constraints need more, since
# large multipliers make hard problems for the learner.
_FIRST_CAP = 2.0
# Share of the best multipliers so far in the next ones; the linear programme has the
# rest. Its prices alone jump from corner to corner while it knows few hypotheses.
_SMOOTHING = 0.6


@dataclass(frozen=True)
class Constraints:
    r"""Linear constraints on the values v of a mixture, with free variables m.

    .. math:: C v + D m \le b

    Parameters
    ----------
    on_values : ndarray of shape (n_constraints, n_values)
        C.
    on_free : ndarray of shape (n_constraints, n_free)
        D.
    bounds : ndarray of shape (n_constraints,)
        b.
    free_cost : ndarray of shape (n_free,)
        What the free variables cost in the objective.
    start : ndarray of shape (n_constraints,)
        Multipliers to begin with. They leave no profit in the free variables:
        ``free_cost + on_free.T @ start == 0``.
    """

    on_values: np.ndarray
    on_free: np.ndarray
    bounds: np.ndarray
    free_cost: np.ndarray
    start: np.ndarray


class _Mixture(NamedTuple):
    weights: np.ndarray
    prices: np.ndarray
    upper: float
    excess: float


@dataclass(frozen=True)
class SaddlePoint:
    """A mixture of hypotheses and how far from the optimum it can be.

    Parameters
    ----------
    weights : ndarray of shape (n_hypotheses,)
        Probability of each hypothesis.
    multipliers : ndarray of shape (n_constraints,)
        The multipliers of the best lower bound.
    objective : float
        Objective of the mixture, plus the penalty of what it violates.
    gap : float
        `objective` minus the best lower bound.
    excess : float
        By how much the mixture violates its worst constraint.
    """

    weights: np.ndarray
    multipliers: np.ndarray
    objective: float
    gap: float
    excess: float


def find_saddle_point(respond, constraints, *, max_iter, tol, penalty):
    """Minimise the objective over mixtures of hypotheses under linear constraints.

    In each round the learner answers some multipliers by a hypothesis, and a linear
    programme over all hypotheses so far finds the best mixture (an upper bound) and
    new multipliers. The learner's best answer to multipliers is a lower bound.

    Parameters
    ----------
    respond : callable
        Maps multipliers of the values, shape (n_values,), to the objective and the
        values of a hypothesis that nearly minimises ``objective + multipliers @
        values``. It keeps the hypotheses.
    constraints : Constraints
        The constraints.
    max_iter : int
        Largest number of calls of `respond`.
    tol : float
        Gap at which to stop.
    penalty : float
        Cost of violating the worst constraint by 1, which bounds the multipliers.

    Returns
    -------
    saddle_point : SaddlePoint
        The best mixture of all hypotheses.
    """
    objectives, values = [], []
    multipliers = centre = constraints.start
    lower, at_prices, cap = -np.inf, False, min(_FIRST_CAP, penalty)
    for _ in range(max_iter):
        known = _lagrangian(objectives, values, constraints, multipliers)
        objective, value = respond(multipliers @ constraints.on_values)
        objectives.append(objective)
        values.append(value)
        bound = _lagrangian(objectives, values, constraints, multipliers)
        if bound > lower:
            lower, centre = bound, multipliers
        no_news = bound >= known - 1e-12
        mixture = _solve_mixture(objectives, values, constraints, cap)
        while mixture.upper - lower <= tol or (at_prices and no_news):
            if mixture.excess <= 1e-9 or cap >= penalty:
                return _saddle_point(mixture, centre, lower)
            cap, no_news = min(4 * cap, penalty), False
            mixture = _solve_mixture(objectives, values, constraints, cap)
        # An answer that is no news means the smoothing held the prices back too much.
        at_prices = no_news
        step = 1.0 if at_prices else 1.0 - _SMOOTHING
        multipliers = centre + step * (mixture.prices - centre)
    mixture = _solve_mixture(objectives, values, constraints, penalty)
    return _saddle_point(mixture, centre, lower)


def _saddle_point(mixture, multipliers, lower):
    gap = max(mixture.upper - lower, 0.0)
    return SaddlePoint(mixture.weights, multipliers, mixture.upper, gap, mixture.excess)


def _lagrangian(objectives, values, constraints, multipliers):
    """Smallest Lagrangian over the hypotheses."""
    if not objectives:
        return np.inf
    of_values = np.array(values) @ (multipliers @ constraints.on_values)
    return np.min(np.array(objectives) + of_values) - multipliers @ constraints.bounds


def _solve_mixture(objectives, values, constraints, penalty):
    """The best mixture of the hypotheses."""
    n_mixed, n_free = len(objectives), len(constraints.free_cost)
    n_constraints = len(constraints.bounds)
    rows = np.hstack(
        [
            constraints.on_values @ np.array(values).T,
            constraints.on_free,
            -np.ones((n_constraints, 1)),
        ]
    )
    result = linprog(
        np.concatenate([objectives, constraints.free_cost, [penalty]]),
        A_ub=rows,
        b_ub=constraints.bounds,
        A_eq=np.repeat([1.0, 0.0], [n_mixed, n_free + 1])[None],
        b_eq=[1.0],
        bounds=[(0, None)] * n_mixed + [(None, None)] * n_free + [(0, None)],
        method="highs",
    )
    if result.status != 0:
        raise RuntimeError(
            "The linear programme over the mixtures needs a solution. The solver "
            f"says: {result.message} Check that the losses are finite."
        )
    weights = np.where(result.x[:n_mixed] > 1e-9, result.x[:n_mixed], 0.0)
    prices = np.maximum(-result.ineqlin.marginals, 0.0)
    return _Mixture(weights / weights.sum(), prices, result.fun, result.x[-1])
