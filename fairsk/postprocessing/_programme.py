"""The best mixture of operating points that keeps rates together: a linear programme.

Every linear rate of a group, and the objective, are linear in the weights that the
group gives to its operating points. What must hold is a list of `Limit` (a rate may
differ so much between groups) and `Bound` (a rate has a floor or a ceiling).
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from fairsk.definitions import DEFINITIONS, RATES, FairnessDefinition, get_definition
from fairsk.definitions import Rate as RateTable
from fairsk.postprocessing._one_rate import best_mixtures, best_points
from fairsk.postprocessing._parametric import follow_tolerance

# Labels are coded so that class 1 is the positive one.
POSITIVE = 1
_INFEASIBLE = 2
# Operating points of a group that the mixed-integer programme may choose from.
_MAX_CHOICES = 150


class InfeasibleError(ValueError):
    """No thresholds keep every limit."""


@dataclass(frozen=True)
class Limit:
    """How far a rate may differ between groups, or from the overall rate.

    Parameters
    ----------
    source : str
        Name of the definition that the rate comes from.
    rate : Rate
        A linear rate.
    tolerance : float
        Allowed difference, or allowed shortfall of the ratio from 1.
    disparity : {"difference", "ratio"}
        What is limited.
    reference : {"groups", "overall"}
        Whether groups are compared with each other or with everybody.
    """

    source: str
    rate: RateTable
    tolerance: float
    disparity: str = "difference"
    reference: str = "groups"

    def __str__(self):
        return f"{self.rate.name} of {self.source} within {self.tolerance:g}"

    def highest(self, low):
        """Largest rate that may go with a smallest rate `low`."""
        if self.disparity == "difference":
            return low + self.tolerance
        return low / max(1 - self.tolerance, 1e-12)

    def lowest(self, high):
        """Smallest rate that may go with a largest rate `high`."""
        if self.disparity == "difference":
            return high - self.tolerance
        return high * (1 - self.tolerance)

    def excess(self, counts):
        """How far rates at group counts (n_groups, 2, 2) pass what is allowed."""
        rates = self.rate.values(counts, POSITIVE)[0]
        low, high = rates.min(), rates.max()
        if self.reference == "groups":
            return high - self.highest(low)
        overall = self.rate.values(counts.sum(axis=0, keepdims=True), POSITIVE).item()
        return max(high - self.highest(overall), overall - self.highest(low))


@dataclass(frozen=True)
class Bound:
    """Floor and ceiling that a rate keeps in every group."""

    rate: RateTable
    low: float
    high: float

    def __str__(self):
        return f"{self.rate.name} in [{self.low:g}, {self.high:g}]"

    def excess(self, counts):
        """How far rates at group counts (n_groups, 2, 2) pass floor or ceiling."""
        rates = self.rate.values(counts, POSITIVE)[0]
        return max(rates.max() - self.high, self.low - rates.min())


@dataclass(frozen=True)
class Objective:
    """What is maximised: a weighted sum of rates, of everybody or of the worst group.

    Parameters
    ----------
    terms : tuple of (float, Rate)
        Weights and rates. A rate that is not linear stands alone.
    worst_group : bool, default=False
        Whether the group with the smallest value counts instead of everybody.
    """

    terms: tuple
    worst_group: bool = False

    @property
    def is_linear(self):
        """Whether every term is linear in the predictions."""
        return all(rate.is_linear for _, rate in self.terms)

    @property
    def rises_with_rank(self):
        """Whether it never falls with a hit, and never rises with a false alarm."""
        for weight, rate in self.terms:
            # A ratio compares its numerator with its value times its denominator.
            for value in (0.0, 1.0):
                alarm, hit = _effects(rate, value)
                if weight * hit < 0 or weight * alarm > 0:
                    return False
        return True

    def value(self, counts):
        """Value at group counts of shape (n_groups, 2, 2)."""
        return float(self.values(counts))

    def values(self, counts):
        """Values at group counts of shape (..., n_groups, 2, 2)."""
        if not self.worst_group:
            counts = counts.sum(axis=-3, keepdims=True)
        by_group = sum(
            weight * rate.values(counts, POSITIVE)[..., 0, :]
            for weight, rate in self.terms
        )
        return by_group.min(axis=-1)


def _effects(rate, value=0.0):
    """What predicting a negative, and a positive, as positive adds to a rate."""
    above, below = np.array(rate.numerator), np.array(rate.denominator)
    table = above - value * below
    return table[:, 1] - table[:, 0]


_f1 = RateTable("f1", ((0, 0), (0, 2)), ((0, 1), (1, 2)))

OBJECTIVES = {name: Objective(((1.0, rate),)) for name, rate in RATES.items()} | {
    "balanced_accuracy": Objective(
        ((0.5, RATES["true_positive_rate"]), (0.5, RATES["true_negative_rate"]))
    ),
    "f1": Objective(((1.0, _f1),)),
    "worst_group_accuracy": Objective(((1.0, RATES["accuracy"]),), worst_group=True),
}


def get_objective(objective):
    """Objective of that name, of a cost matrix, or of weighted rates.

    Parameters
    ----------
    objective : str, dict, array-like of shape (2, 2), Rate or Objective
        See `ThresholdOptimizer`.

    Returns
    -------
    objective : Objective
        To be maximised.
    """
    if isinstance(objective, Objective):
        return objective
    if isinstance(objective, RateTable):
        return Objective(((1.0, objective),))
    if isinstance(objective, str):
        if objective in OBJECTIVES:
            return OBJECTIVES[objective]
        raise ValueError(
            f"`objective` must be one of {sorted(OBJECTIVES)}, weights of rates, or a "
            f"cost matrix. Got {objective!r}."
        )
    if isinstance(objective, dict):
        terms = tuple((float(w), get_rate(name)) for name, w in objective.items())
        if len(terms) > 1 and not all(rate.is_linear for _, rate in terms):
            raise ValueError(
                "`objective` needs rates whose denominators do not depend on the "
                f"predictions, to add them up. Got {sorted(map(str, objective))}."
            )
        return Objective(terms)
    return _cost_objective(objective)


def _cost_objective(costs):
    table = np.asarray(costs, dtype=float)
    if table.shape != (2, 2) or not np.isfinite(table).all():
        raise ValueError(
            "`objective` needs a cost matrix of shape (2, 2), rows by true and columns "
            f"by predicted class. Got shape {table.shape}."
        )
    gains = tuple(tuple(float(-cost) for cost in row) for row in table)
    return Objective(((1.0, RateTable("cost", gains, ((1, 1), (1, 1)))),))


def get_rate(rate):
    """Rate of that name; an instance is returned as it is."""
    if isinstance(rate, RateTable):
        return rate
    if rate in RATES:
        return RATES[rate]
    raise ValueError(f"A rate must be one of {sorted(RATES)}. Got {rate!r}.")


def read_limits(fairness, tolerance, disparity="difference", reference="groups"):
    """Limits that definitions ask for.

    Parameters
    ----------
    fairness : str, FairnessDefinition, list of them, dict to tolerances, or None
        What must hold.
    tolerance : float
        Tolerance of the definitions that have none of their own.
    disparity : {"difference", "ratio"}, default="difference"
        What is limited.
    reference : {"groups", "overall"}, default="groups"
        With what groups are compared.

    Returns
    -------
    limits : list of Limit
        One for each rate of each definition.
    """
    if fairness is None:
        return []
    if not isinstance(fairness, dict):
        single = isinstance(fairness, (str, FairnessDefinition))
        single = single or not isinstance(fairness, Iterable)
        fairness = dict.fromkeys([fairness] if single else fairness, tolerance)
    limits = []
    for name, allowed in fairness.items():
        definition = get_definition(name)
        if not 0 <= allowed <= 1:
            raise ValueError(
                f"The tolerance of {definition.name!r} must be in [0, 1]. Got "
                f"{allowed!r}."
            )
        if not definition.is_linear:
            linear = sorted(n for n, d in DEFINITIONS.items() if d.is_linear)
            raise ValueError(
                "Thresholds are solved for definitions whose rates are linear in the "
                f"predictions. Got {definition.name!r}. Take one of {linear}."
            )
        limits += [
            Limit(definition.name, rate, float(allowed), disparity, reference)
            for rate in definition.rates
        ]
    return limits


def read_bounds(bounds):
    """Bounds from a dict of rate names to (floor, ceiling), None for no limit."""
    read = []
    for name, (low, high) in (bounds or {}).items():
        rate = get_rate(name)
        if not rate.is_linear:
            raise ValueError(
                "`bounds` needs rates whose denominator does not depend on the "
                f"predictions. Got {rate.name!r}."
            )
        low, high = (0.0 if low is None else low), (1.0 if high is None else high)
        if low > high:
            raise ValueError(
                f"`bounds` needs a floor at or below the ceiling. Got ({low}, {high}) "
                f"for {rate.name!r}."
            )
        read.append(Bound(rate, float(low), float(high)))
    return read


@dataclass(frozen=True, eq=False)
class Programme:
    """Choose operating points for every group.

    Parameters
    ----------
    points : list of Operating of length n_groups
        Operating points to mix or to choose from.
    objective : Objective
        What is maximised.
    limits : list of Limit
        How far rates may differ.
    bounds : list of Bound
        Floors and ceilings.
    """

    points: list
    objective: Objective
    limits: list
    bounds: list

    def mix(self):
        """Best mixture: weights over its operating points for each group."""
        return self._mix([self])[0]

    def mix_all(self, tolerances):
        """Best mixtures at every tolerance (of all limits), a list of weights."""
        return self._mix([self.with_tolerance(value) for value in tolerances])

    def _mix(self, programmes):
        """Best mixtures of programmes that only differ in their tolerances."""
        found = [None] * len(programmes)
        follows = bool(programmes) and programmes[0]._is_one_tolerance
        # The closed form is the faster for one tolerance only.
        if self._is_one_rate and not (follows and len(programmes) > 1):
            limits = [programme.limits[0] for programme in programmes]
            found = best_mixtures(self._values(limits[0].rate), self._gains(), limits)
        elif follows:
            tolerances = [programme.limits[0].tolerance for programme in programmes]
            found = self._follow(np.array(tolerances))
        return [
            programme._maximise(programme._solve) if weights is None else weights
            for programme, weights in zip(programmes, found)
        ]

    def _follow(self, tolerances):
        order = self._order()
        gains = self._gains()
        rates = [self._values(limit.rate) for limit in self.limits]
        found = follow_tolerance(
            [[values[g] for g in order] for values in rates],
            [gains[g] for g in order],
            tolerances,
        )
        back = np.argsort(order)
        return [w if w is None else [w[position] for position in back] for w in found]

    def choose(self):
        """Best single operating points: weights that are 0 or 1 for each group."""
        if self._is_one_rate:
            limit = self.limits[0]
            found = best_points(self._values(limit.rate), self._gains(), limit)
            if found is None:
                raise InfeasibleError(self._conflict(_INFEASIBLE, integral=True))
            return found
        kept = [_thin(len(points), _MAX_CHOICES) for points in self.points]
        thinned = replace(
            self,
            points=[
                replace(p, thresholds=p.thresholds[k], counts=p.counts[k])
                for p, k in zip(self.points, kept)
            ],
        )
        chosen = thinned._maximise(lambda gains: thinned._solve(gains, integral=True))
        return [
            _scatter(weights, rows, len(points))
            for weights, rows, points in zip(chosen, kept, self.points)
        ]

    def counts(self, weights):
        """Group counts of shape (n_groups, 2, 2) under mixture weights."""
        return np.stack([p.mixed(w) for p, w in zip(self.points, weights)])

    def excess(self, counts):
        """How far the worst limit or bound is passed at group counts."""
        parts = [*self.limits, *self.bounds]
        return max((part.excess(counts) for part in parts), default=-np.inf)

    def with_tolerance(self, tolerance):
        """The same programme with this tolerance for all limits."""
        limits = [replace(limit, tolerance=tolerance) for limit in self.limits]
        return replace(self, limits=limits)

    def is_feasible(self, integral=False):
        """Whether some mixture, or some single points, keep limits and bounds."""
        nothing = [np.zeros(len(points)) for points in self.points]
        return self._optimise(nothing, integral)[0] is not None

    def nearest_tolerance(self, integral=False):
        """Smallest tolerance, for all limits, that is feasible, rounded up.

        Parameters
        ----------
        integral : bool, default=False
            Whether single operating points are to be chosen.

        Returns
        -------
        tolerance : float or None
            At least the largest one asked for; None where bounds alone conflict.
        """
        low, high = max((limit.tolerance for limit in self.limits), default=1.0), 1.0
        if not self.limits or not self.with_tolerance(high).is_feasible(integral):
            return None
        while high - low > 5e-4:
            middle = (low + high) / 2
            if self.with_tolerance(middle).is_feasible(integral):
                high = middle
            else:
                low = middle
        # As it is printed.
        return float(np.ceil(1000 * high) / 1000)

    @property
    def _is_between_groups(self):
        return (
            bool(self.limits)
            and not self.bounds
            and all(limit.reference == "groups" for limit in self.limits)
            and self.objective.is_linear
            and not self.objective.worst_group
        )

    @property
    def needs_lower_hull(self):
        """Whether decisions worse than chance may be called for.

        They are not where the objective rises with hits and falls with false alarms,
        and what is limited are hit and false alarm rates, or one rate that rises with
        the selection: at an equal rate the upper hull is then at least as good.
        """
        effects = [_effects(limit.rate) for limit in self.limits]
        on_one_label = all(0 in pair for pair in effects)
        one_rate = len(effects) == 1 and np.prod(effects[0]) >= 0
        simple = on_one_label or one_rate
        between_groups = all(limit.reference == "groups" for limit in self.limits)
        return bool(
            self.bounds
            or not (simple and between_groups and self.objective.rises_with_rank)
        )

    @property
    def _is_one_rate(self):
        return len(self.limits) == 1 and self._is_between_groups

    @property
    def _is_one_tolerance(self):
        differences = all(limit.disparity == "difference" for limit in self.limits)
        equal = len({limit.tolerance for limit in self.limits}) == 1
        return differences and equal and self._is_between_groups

    def _totals(self, rate):
        """Numerator and denominator of a rate at every point, a pair per group."""
        return [
            tuple(
                part[:, 0, 0] for part in rate.totals(points.counts[:, None], POSITIVE)
            )
            for points in self.points
        ]

    def _values(self, rate):
        return [
            numerator / denominator for numerator, denominator in self._totals(rate)
        ]

    def _gains(self):
        """What each point adds to a linear objective, an array per group."""
        gains = [np.zeros(len(points)) for points in self.points]
        for weight, rate in self.objective.terms:
            parts = self._totals(rate)
            total = sum(denominator[0] for _, denominator in parts)
            for gain, (numerator, denominator) in zip(gains, parts):
                share = denominator[0] if self.objective.worst_group else total
                gain += weight * numerator / (share or 1.0)
        return gains

    def _maximise(self, solve):
        """Maximise a linear objective at once, a ratio by Dinkelbach's iteration."""
        if self.objective.is_linear:
            return solve(self._gains())
        weight, rate = self.objective.terms[0]
        parts, ratio = self._totals(rate), None
        scale = sum(points.counts[0].sum() for points in self.points)
        while True:
            # The ratio rises until max(numerator - ratio * denominator) is 0.
            guess = 0.0 if ratio is None else ratio
            gains = [weight * (a - guess * b) / scale for a, b in parts]
            weights = solve(gains)
            tops = [w @ a for w, (a, _) in zip(weights, parts)]
            bottoms = [w @ b for w, (_, b) in zip(weights, parts)]
            reached = sum(tops) / max(sum(bottoms), 1e-12)
            if ratio is not None and reached <= ratio + 1e-9:
                return weights
            ratio = reached

    def _solve(self, gains, integral=False):
        """Solve the programme once; raise InfeasibleError where nothing is feasible."""
        weights, status = self._optimise(gains, integral)
        if weights is None:
            raise InfeasibleError(self._conflict(status, integral))
        return weights

    def _order(self):
        """Groups in the order of their counts.

        Several solutions may be best: which is found must not hang on group names.
        """
        return sorted(
            range(len(self.points)),
            key=lambda g: tuple(self.points[g].counts[0].ravel()),
        )

    def _optimise(self, gains, integral=False):
        order = self._order()
        ordered = replace(self, points=[self.points[g] for g in order])
        weights, status = ordered._optimise_in_order(
            [gains[g] for g in order], integral
        )
        if weights is not None:
            weights = [weights[position] for position in np.argsort(order)]
        return weights, status

    def _optimise_in_order(self, gains, integral):
        sizes = [len(points) for points in self.points]
        rows = _Rows(sizes)
        rows.add_convexity()
        for limit in self.limits:
            self._add_limit(rows, limit)
        for bound in self.bounds:
            for group, value in enumerate(self._values(bound.rate)):
                rows.add([(group, value)], [], bound.low, bound.high)
        cost = np.concatenate(gains)
        if self.objective.worst_group:
            worst = rows.new_variable()
            for group, gain in enumerate(gains):
                rows.add([(group, gain)], [(worst, -1.0)], 0.0, np.inf)
            cost = np.zeros(sum(sizes))
        cost = np.append(-cost, np.zeros(rows.n_variables - len(cost)))
        if self.objective.worst_group:
            cost[-1] = -1.0
        return rows.solve(cost, integral)

    def _add_limit(self, rows, limit):
        values = self._values(limit.rate)
        slope = 1.0 if limit.disparity == "difference" else 1.0 - limit.tolerance
        slack = limit.tolerance if limit.disparity == "difference" else 0.0
        if limit.reference == "groups":
            low, high = rows.new_variable(), rows.new_variable()
            for group, value in enumerate(values):
                rows.add([(group, value)], [(low, -1.0)], 0.0, np.inf)
                rows.add([(group, value)], [(high, -1.0)], -np.inf, 0.0)
            rows.add([], [(high, slope), (low, -1.0)], -np.inf, slack)
            return
        masses = np.array([d[0] for _, d in self._totals(limit.rate)])
        shares = masses / masses.sum()
        for group in range(len(values)):
            # slope * rate - overall <= slack and slope * overall - rate <= slack.
            for own, all_ in ((slope, -1.0), (-1.0, slope)):
                terms = [
                    (g, (all_ * share + own * (g == group)) * value)
                    for g, (share, value) in enumerate(zip(shares, values))
                ]
                rows.add(terms, [], -np.inf, slack)

    def _conflict(self, status, integral):
        """Why nothing is feasible: the pair that conflicts and what would do."""
        if status != _INFEASIBLE:
            return f"The solver found no thresholds (status {status})."
        parts = [*self.limits, *self.bounds]
        culprits = next(
            (
                group
                for size in (1, 2)
                for group in itertools.combinations(parts, size)
                if not self._only(group).is_feasible(integral)
            ),
            parts,
        )
        message = "No thresholds satisfy " + " and ".join(map(str, culprits)) + "."
        nearest = self.nearest_tolerance(integral)
        if nearest is None:
            return message + " Loosen `bounds`: no tolerance makes them feasible."
        return message + (
            f" The nearest feasible tolerance is {nearest:.3f}; raise `tolerance` to "
            'it, loosen `bounds`, or allow mixtures by `randomize="auto"`.'
        )

    def _only(self, parts):
        limits = [part for part in parts if isinstance(part, Limit)]
        bounds = [part for part in parts if isinstance(part, Bound)]
        return replace(self, limits=limits, bounds=bounds)


class _Rows:
    """Rows of a linear programme over the groups' weights and further variables."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.offsets = np.append(0, np.cumsum(sizes))
        self.n_variables = int(self.offsets[-1])
        self.columns, self.values, self.lengths = [], [], []
        self.low, self.high = [], []

    def new_variable(self):
        self.n_variables += 1
        return self.n_variables - 1

    def add(self, group_terms, variable_terms, low, high):
        """Low <= sum of group values @ weights + sum of coefficients * variables."""
        columns = [np.arange(*self.offsets[g : g + 2]) for g, _ in group_terms]
        columns += [np.array([v]) for v, _ in variable_terms]
        values = [v for _, v in group_terms] + [[c] for _, c in variable_terms]
        self.columns.append(np.concatenate(columns))
        self.values.append(np.concatenate(values))
        self.lengths.append(len(self.columns[-1]))
        self.low.append(low)
        self.high.append(high)

    def add_convexity(self):
        for group, size in enumerate(self.sizes):
            self.add([(group, np.ones(size))], [], 1.0, 1.0)

    def solve(self, cost, integral):
        """Weights of each group (None where there are none) and the solver's status."""
        n_weights = int(self.offsets[-1])
        matrix = sparse.csr_array(
            (
                np.concatenate(self.values),
                # HiGHS is compiled for 32-bit indices; older scipy does not convert.
                np.concatenate(self.columns).astype(np.int32),
                np.append(0, np.cumsum(self.lengths)).astype(np.int32),
            ),
            shape=(len(self.low), self.n_variables),
        )
        lower = np.full(self.n_variables, -np.inf)
        lower[:n_weights] = 0.0
        integrality = np.zeros(self.n_variables)
        integrality[:n_weights] = integral
        result = milp(
            cost,
            constraints=LinearConstraint(matrix, self.low, self.high),
            bounds=Bounds(lower, np.inf),
            integrality=integrality,
        )
        if result.x is None:
            return None, result.status
        weights = np.split(result.x[:n_weights], self.offsets[1:-1])
        return [_clean(w) for w in weights], result.status


def _clean(weights):
    """Convex weights without the solver's rounding."""
    weights = np.where(weights < 1e-9, 0.0, weights)
    return weights / weights.sum()


def _thin(size, limit):
    if size <= limit:
        return np.arange(size)
    return np.unique(np.linspace(0, size - 1, limit).round().astype(int))


def _scatter(weights, rows, size):
    full = np.zeros(size)
    full[rows] = weights
    return full
