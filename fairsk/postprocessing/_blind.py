"""Thresholds that do not look at the group: decisions by who a row probably is."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax

from fairsk.definitions import group_counts
from fairsk.postprocessing._dual import (
    Effects,
    limit_rows,
    rate_effects,
    solve_prices,
)
from fairsk.postprocessing._programme import POSITIVE

_TEMPERATURE = 1e-3
# How often rates are corrected by what the true labels show that they miss.
_ATTEMPTS = 6
_SLACK = 1e-3
# Chances this near to 0 or 1 are taken for it.
_SURE = 1e-6


@dataclass(frozen=True, eq=False)
class BlindRule:
    """Decide from P(group, label | x) what pays after the price of every rate.

    Xian & Zhao (2024): with c(x) the expected gain of a positive decision and a_j(x)
    its expected effect on rate j, positive where ``c(x) > sum_j v_j a_j(x)``.

    Parameters
    ----------
    objective : Objective
        A linear objective.
    rates : tuple of Rate
        Rates that are limited in every group.
    totals : list of ndarray
        Mean denominator of each term of the objective, and of each rate by group.
    prices : ndarray of shape (n_rates * n_groups,)
        v, rates in the order of `rates`, groups within.
    randomize : bool
        Whether rows next to the boundary are decided at random.
    """

    objective: object
    rates: tuple
    totals: list
    prices: np.ndarray
    randomize: bool = True

    @classmethod
    def fit(cls, programme, cells, positive, group_codes, sample_weight, randomize):
        """Find the prices at which the limits hold for the true groups and labels.

        Parameters
        ----------
        programme : Programme
            With the objective, limits and bounds; its points are not used.
        cells : ndarray of shape (n_samples, n_groups, 2)
            Probability of each group and label, for rows that it was not fitted on.
        positive, group_codes, sample_weight : ndarray of shape (n_samples,)
            True labels and groups, and weights (or None).
        randomize : bool
            As the attribute.

        Returns
        -------
        rule : BlindRule
            The rule.
        counts : ndarray of shape (n_groups, 2, 2)
            Expected group counts on these rows.
        """
        rates = tuple(
            dict.fromkeys(p.rate for p in programme.limits + programme.bounds)
        )
        weights = np.ones(len(cells)) if sample_weight is None else sample_weight
        rule = cls(programme.objective, rates, [], np.empty(0), randomize)
        share = weights / weights.sum()
        rule = replace(rule, totals=rule._measure(cells, share))
        # Probabilities are never quite right: solve for what the truth makes of them.
        missed, best = np.zeros(len(rates) * cells.shape[1]), None
        for _ in range(_ATTEMPTS):
            prices = rule._solve(programme, cells, share, missed)
            tried = replace(rule, prices=prices)
            counts = tried._counts(cells, positive, group_codes, weights)
            excess = programme.excess(counts)
            quality = (-max(excess, _SLACK), programme.objective.value(counts))
            if best is None or quality > best[0]:
                best = quality, tried, counts
            if excess <= _SLACK:
                break
            reached = [rate.values(counts, POSITIVE)[0] for rate in rates]
            missed = np.concatenate(reached) - tried._planned(cells, share)
        return best[1:]

    def probability(self, cells):
        """Probability of a positive decision for each row."""
        adjusted = self._effects(cells).adjusted(self.prices)
        if self.randomize:
            chance = softmax(adjusted / _TEMPERATURE, axis=1)[:, POSITIVE]
            # Far from the boundary nothing is left to chance.
            return np.where(np.abs(chance - 0.5) > 0.5 - _SURE, chance > 0.5, chance)
        return (adjusted[:, POSITIVE] > adjusted[:, 1 - POSITIVE]).astype(float)

    def _terms(self, cells):
        """Numerator effects and denominators, of objective terms, then of rates."""
        everybody = cells.sum(axis=1)
        terms = [
            rate_effects(rate, everybody, POSITIVE) for _, rate in self.objective.terms
        ]
        rates = [
            rate_effects(rate, cells[:, group], POSITIVE)
            for rate in self.rates
            for group in range(cells.shape[1])
        ]
        return terms, rates

    def _measure(self, cells, weights):
        terms, rates = self._terms(cells)
        return [
            np.array([weights @ sizes for _, sizes in part]) for part in (terms, rates)
        ]

    def _effects(self, cells):
        terms, rates = self._terms(cells)
        scales = [weight for weight, _ in self.objective.terms] / self.totals[0]
        gains = sum(scale * part for scale, (part, _) in zip(scales, terms))
        effects = [part / size for (part, _), size in zip(rates, self.totals[1])]
        empty = np.empty((*gains.shape, 0))
        return Effects(gains, np.stack(effects, axis=-1) if effects else empty)

    def _planned(self, cells, weights):
        """Rates by the probabilities, rates in order and groups within."""
        chance = self.probability(cells)
        chances = np.column_stack([1 - chance, chance]) * weights[:, None]
        return np.einsum("nk,nkr->r", chances, self._effects(cells).rates)

    def _solve(self, programme, cells, weights, missed):
        """Prices at which rates plus what they miss keep limits and bounds."""
        n_groups = cells.shape[1]
        rows, sides = [], []
        for limit in programme.limits:
            at = self.rates.index(limit.rate) * n_groups
            shares = self.totals[1][at : at + n_groups]
            matrix, side = limit_rows(limit, n_groups, shares / shares.sum())
            rows.append(self._place(matrix, at))
            sides.append(side)
        for bound in programme.bounds:
            at = self.rates.index(bound.rate) * n_groups
            eye = self._place(np.eye(n_groups), at)
            rows += [eye, -eye]
            sides += [np.full(n_groups, bound.high), np.full(n_groups, -bound.low)]
        if not rows:
            return np.zeros(0)
        matrix = np.vstack(rows)
        return solve_prices(
            self._effects(cells),
            matrix,
            np.concatenate(sides) - matrix @ missed,
            weights,
            _TEMPERATURE,
        )

    def _place(self, matrix, at):
        wide = np.zeros((len(matrix), len(self.totals[1])))
        wide[:, at : at + matrix.shape[1]] = matrix
        return wide

    def _counts(self, cells, positive, group_codes, weights):
        chance = self.probability(cells)
        return group_counts(
            group_codes,
            positive.astype(np.intp),
            np.column_stack([1 - chance, chance]),
            n_groups=cells.shape[1],
            n_classes=2,
            sample_weight=weights,
        )
