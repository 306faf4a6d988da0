"""Decisions from class probabilities within limits, by the dual of the programme.

Let h(x) be the probability of predicting each class for a row, and let the objective
and every rate of every group be linear in it: sum_x <c(x), h(x)> and
r_j = sum_x <a_j(x), h(x)>. With constraints M r <= b the solution is, row by row,

    h(x) = softmax((c(x) - sum_j v_j a_j(x)) / T),    v = M' multipliers,

where the multipliers minimise the smooth convex dual

    sum_x T logsumexp((c(x) - sum_j v_j a_j(x)) / T) + b' multipliers.

At its minimum the constraints hold exactly for h. The temperature T is small: all but
the rows next to a decision boundary are decided with certainty.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize


@dataclass(frozen=True, eq=False)
class Effects:
    """What predicting each class for each row does.

    Parameters
    ----------
    gains : ndarray of shape (n_samples, n_classes)
        Effect on the objective.
    rates : ndarray of shape (n_samples, n_classes, n_rates)
        Effect on each rate of each group.
    """

    gains: np.ndarray
    rates: np.ndarray

    def adjusted(self, prices):
        """Gains less the price of the rates, shape (n_samples, n_classes)."""
        return self.gains - self.rates @ prices


def rate_effects(rate, probabilities, positive):
    """Numerator effects and denominators of a rate of one class against the rest.

    Parameters
    ----------
    rate : Rate
        A linear rate.
    probabilities : ndarray of shape (n_samples, n_classes)
        Probability of each true class of each row (and of its group, jointly).
    positive : int
        The class that counts as positive, for rates that are per class.

    Returns
    -------
    numerator : ndarray of shape (n_samples, n_classes)
        Expected numerator of each row if each class is predicted.
    denominator : ndarray of shape (n_samples,)
        Expected denominator of each row.
    """
    table, sizes = np.asarray(rate.numerator, float), np.asarray(rate.denominator)
    n_classes, total = probabilities.shape[1], probabilities.sum(axis=1)
    if not rate.per_class:
        # Hits count as (1, 1), misses as (0, 1).
        hit = probabilities
        return table[1, 1] * hit + table[0, 1] * (total[:, None] - hit), total
    own = probabilities[:, positive]
    is_positive = np.arange(n_classes) == positive
    by_true = np.stack([total - own, own], axis=1)
    numerator = by_true @ table[:, is_positive.astype(int)]
    return numerator, by_true @ sizes[:, 0].astype(float)


def solve_prices(effects, matrix, bounds, weights, temperature):
    """Price of each rate at which the constraints hold.

    Parameters
    ----------
    effects : Effects
        Effects of n_samples rows, not yet weighted.
    matrix : ndarray of shape (n_constraints, n_rates)
        Constraints ``matrix @ rates <= bounds``.
    bounds : ndarray of shape (n_constraints,)
        Their right-hand sides.
    weights : ndarray of shape (n_samples,)
        Weights of the rows, of sum 1.
    temperature : float
        T.

    Returns
    -------
    prices : ndarray of shape (n_rates,)
        v, the multipliers times `matrix`.
    """
    # Only differences to the first class matter, and the rest of the rates is constant.
    gains = effects.gains[:, 1:] - effects.gains[:, :1]
    rates = effects.rates[:, 1:] - effects.rates[:, :1]
    flat = np.ascontiguousarray(rates).reshape(-1, rates.shape[-1])
    bounds = bounds - matrix @ (weights @ effects.rates[:, 0])
    multipliers = np.zeros(len(bounds))
    # Cooling down keeps each problem smooth near the last solution.
    for warmer in (100.0, 10.0, 1.0):
        multipliers = minimize(
            _dual,
            multipliers,
            args=(gains, flat, matrix, bounds, weights, warmer * temperature),
            jac=True,
            method="L-BFGS-B",
            bounds=[(0.0, None)] * len(bounds),
            options={"maxiter": 500, "maxfun": 1000, "ftol": 1e-11, "gtol": 1e-6},
        ).x
    return multipliers @ matrix


def _dual(multipliers, gains, rates, matrix, bounds, weights, temperature):
    """Value and gradient of the dual, up to a constant."""
    prices = multipliers @ matrix
    scaled = (gains - (rates @ prices).reshape(gains.shape)) / temperature
    largest = np.maximum(scaled.max(axis=1), 0.0)
    total = largest + np.log(
        np.exp(-largest) + np.exp(scaled - largest[:, None]).sum(axis=1)
    )
    chosen = np.exp(scaled - total[:, None]) * weights[:, None]
    slack = bounds - matrix @ (chosen.ravel() @ rates)
    return temperature * (weights @ total) + bounds @ multipliers, slack


def limit_rows(limit, n_groups, shares):
    """Constraints of one limit on the rates of the groups.

    Parameters
    ----------
    limit : Limit
        The limit.
    n_groups : int
        Number of groups.
    shares : ndarray of shape (n_groups,)
        Share of each group in the overall rate.

    Returns
    -------
    matrix : ndarray of shape (n_constraints, n_groups)
        Coefficients.
    bounds : ndarray of shape (n_constraints,)
        Right-hand sides.
    """
    eye = np.eye(n_groups)
    slope = 1.0 if limit.disparity == "difference" else 1.0 - limit.tolerance
    slack = limit.tolerance if limit.disparity == "difference" else 0.0
    if limit.reference == "overall":
        rows = [slope * eye - shares, slope * shares - eye]
    else:
        pairs = [(a, b) for a in range(n_groups) for b in range(n_groups) if a != b]
        rows = [[slope * eye[a] - eye[b] for a, b in pairs]]
    matrix = np.vstack(rows).reshape(-1, n_groups)
    return matrix, np.full(len(matrix), slack)
