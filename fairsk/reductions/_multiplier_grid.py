"""Few multipliers that cover many dimensions."""

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc


def pulling_multipliers(values, value_names, n_points, limit):
    """Multipliers that pull the groups together, from weak to strong.

    A lattice over ten groups would need millions of points. But the groups that have
    too much of a rate are known after one fit, so only one orthant is searched: along
    the ray that charges each group by its distance from the middle, and in
    low-discrepancy directions around it.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Rates without multipliers.
    value_names : list of (str, int)
        Rate and group of each value.
    n_points : int
        Number of points.
    limit : float
        Largest multiplier.

    Returns
    -------
    multipliers : ndarray of shape (n_points, n_values)
        Of each rate they sum to 0.
    """
    rates = np.array([name for name, _ in value_names])
    distance = _centre(values, rates)
    strength = limit * np.linspace(0, 1, n_points + 1)[1:] ** 2
    if not distance.any():
        return np.zeros((0, len(values)))
    directions = np.tile(distance, (n_points, 1))
    if len(values) > 2:
        # Two groups and one rate leave one direction; otherwise every other point
        # leaves the ray.
        spread = np.abs(_low_discrepancy(n_points // 2, len(values)))
        # Dimensions go by distance, so that what groups are called changes nothing.
        order = np.lexsort((distance, rates))
        directions[1::2, order] = spread * np.sign(distance[order])
    directions = np.array([_centre(row, rates) for row in directions])
    return (
        strength[:, None] * directions / np.abs(directions).max(axis=1, keepdims=True)
    )


def simplex_grid(start, worst, n_points):
    """Weights of groups, from those they have to those of few of them.

    Parameters
    ----------
    start : ndarray of shape (n_groups,)
        Shares of the groups.
    worst : int
        Group that has the largest loss at `start`.
    n_points : int
        Number of points.

    Returns
    -------
    shares : ndarray of shape (n_points, n_groups)
        On the simplex: on the way from `start` to the worst group, and elsewhere.
    """
    corner = np.eye(len(start))[worst]
    way = np.linspace(0, 1, n_points + 2)[1:-1, None]
    shares = (1 - way) * start + way * corner
    if len(start) > 2:
        spread = np.exp(_low_discrepancy(n_points // 2, len(start)))
        # Dimensions go by share, so that what groups are called changes nothing.
        shares[1::2, np.argsort(start)] = spread / spread.sum(axis=1, keepdims=True)
    return shares


def _low_discrepancy(n_points, n_dimensions):
    """Normal deviates of the Halton sequence."""
    halton = qmc.Halton(n_dimensions, scramble=False)
    halton.fast_forward(1)  # the first point is 0
    return ndtri(halton.random(n_points))


def _centre(values, rates):
    centred = np.array(values, dtype=float)
    for rate in np.unique(rates):
        centred[rates == rate] -= centred[rates == rate].mean()
    return centred
