"""Distributions of scores in each group, as ranks and quantiles."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class EmpiricalDistribution:
    """Distribution of a sample, interpolated between its distinct values.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Rising distinct values.
    levels : ndarray of shape (n_values,)
        Share of the weight below each value, plus half of the weight at it.
    """

    values: np.ndarray
    levels: np.ndarray

    @classmethod
    def of(cls, sample, sample_weight=None):
        """Distribution of a sample; rows of weight 0 are as if absent."""
        if sample_weight is not None:
            kept = sample_weight > 0
            sample, sample_weight = sample[kept], sample_weight[kept]
        order = np.argsort(sample, kind="stable")
        ordered = sample[order]
        # Equal rows may differ by the rounding of the model that scored them.
        new = np.diff(ordered, prepend=-np.inf) > 1e-7 * np.abs(ordered).max()
        codes = np.cumsum(new) - 1
        weights = None if sample_weight is None else sample_weight[order]
        mass = np.bincount(codes, weights=weights)
        values = ordered[np.flatnonzero(new)]
        return cls(values, (np.cumsum(mass) - mass / 2) / mass.sum())

    def level(self, values):
        """Rank of values, from 0 to 1."""
        return np.interp(values, self.values, self.levels)

    def quantile(self, levels):
        """Value at ranks."""
        return np.interp(levels, self.levels, self.values)


def group_distributions(sample, groups, sample_weight=None):
    """Distribution of each group and its share of the weight.

    Parameters
    ----------
    sample : ndarray of shape (n_samples,)
        Values.
    groups : Groups
        Group of each sample.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    distributions : list of EmpiricalDistribution
        Of each group.
    shares : ndarray of shape (n_groups,)
        Shares, of sum 1.
    """
    mass = np.bincount(groups.codes, weights=sample_weight, minlength=groups.n_groups)
    found = []
    for code in range(groups.n_groups):
        rows = groups.codes == code
        weight = None if sample_weight is None else sample_weight[rows]
        found.append(EmpiricalDistribution.of(sample[rows], weight))
    return found, mass / mass.sum()
