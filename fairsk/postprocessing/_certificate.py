"""Certificates: with a chosen confidence the true disparity is within the tolerance.

Theorem. Let candidates 1, 2, ... be decision rules that were found without looking at
the test rows, and let these be independent draws from the population. For candidate k
let p_k be the largest p-value, over all limited rates and ordered pairs of groups
(a, b), of an exact test of "the rate of a exceeds what the tolerance allows next to the
rate of b". Take the last candidate before the first p_k > alpha. Then the probability,
over the test rows, that the taken rule violates the tolerance is at most alpha.

Proof. That some pair violates is the union of the pairs' hypotheses, so the largest of
their p-values is a valid p-value (Berger, 1982, intersection-union test): no level is
lost to the number of groups and rates. Testing a fixed sequence until the first failure
keeps the error over the sequence at alpha (Angelopoulos et al., 2021, Learn then Test).
The rules with mixed thresholds are included: given the rule, decisions of distinct rows
are independent draws.

It does not cover: a population that changes, test rows that are dependent (one person
twice), and the labels being wrong.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom, norm

from fairsk.postprocessing._programme import POSITIVE

# Part of the level that pays for a range of the unknown rate (Berger & Boos, 1994).
_NUISANCE_LEVEL = 1e-4
_GRID = 33
_POWER = 0.9


class CertificateError(ValueError):
    """The test rows are too few for any certificate."""


@dataclass(frozen=True)
class Certificate:
    """What is known of the true disparity.

    Parameters
    ----------
    confidence : float
        Probability, over the draw of the test rows, that `statement` is true.
    statement : str
        What is certified.
    solved_tolerance : float
        Share of the tolerance that the thresholds were solved for; what is missing to
        1 is the margin.
    p_value : float
        Largest p-value of the taken rule over rates and pairs of groups.
    n_test : int
        Number of test rows.
    counts : ndarray of shape (n_groups, 2, 2)
        Group counts of the test rows.
    """

    confidence: float
    statement: str
    solved_tolerance: float
    p_value: float
    n_test: int
    counts: np.ndarray


def certify(candidates, count, limits, confidence):
    """Take the boldest candidate that is certified.

    Parameters
    ----------
    candidates : iterable of (float, object)
        Share of the tolerance and rule, from safe to bold, found on other rows.
    count : callable
        Maps a rule to its group counts of shape (n_groups, 2, 2) on the test rows.
    limits : list of Limit
        What is to be certified.
    confidence : float
        1 - alpha.

    Returns
    -------
    rule : object
        The taken rule.
    certificate : Certificate
        What is certified of it.
    """
    taken = None
    for share, rule in candidates:
        counts = count(rule)
        p_value = disparity_p_value(counts, limits)
        if p_value > 1 - confidence:
            break
        taken = rule, (share, p_value, counts)
    if taken is None:
        raise CertificateError(_too_small(counts, limits, confidence))
    rule, (share, p_value, counts) = taken
    statement = " and ".join(dict.fromkeys(map(str, limits)))
    n_test = round(counts.sum())
    return rule, Certificate(confidence, statement, share, p_value, n_test, counts)


def disparity_p_value(counts, limits):
    """Largest p-value against "some limit is violated in the population".

    Parameters
    ----------
    counts : ndarray of shape (n_groups, 2, 2)
        Group counts of independent rows.
    limits : list of Limit
        Limits on proportions.

    Returns
    -------
    p_value : float
        A valid p-value of the union of all violations.
    """
    largest = 0.0
    for limit in limits:
        hits, sizes = (part[0] for part in limit.rate.totals(counts, POSITIVE))
        if sizes.min() == 0:
            return 1.0
        pairs = itertools.permutations(range(len(hits)), 2)
        bounds = {
            (a, b): _simple_p_value(hits[a], sizes[a], hits[b], sizes[b], limit)
            for a, b in pairs
        }
        # Most pairs are so far from a violation that a bound settles them.
        for (a, b), bound in sorted(bounds.items(), key=lambda item: -item[1]):
            if bound > largest:
                p = pair_p_value(hits[a], sizes[a], hits[b], sizes[b], limit)
                largest = max(largest, p)
    return largest


def _simple_p_value(hits_a, size_a, hits_b, size_b, limit):
    """Hoeffding's inequality for the statistic of `pair_p_value`: valid, not sharp."""
    slope = limit.lowest(1.0) - limit.lowest(0.0)
    gap = hits_b / size_b - limit.lowest(hits_a / size_a)
    spread = slope**2 / size_a + 1 / size_b
    return float(np.exp(-2 * max(gap, 0.0) ** 2 / spread))


def pair_p_value(hits_a, size_a, hits_b, size_b, limit):
    """P-value of the exact unconditional test of one group's rate against another's.

    The null hypothesis is that rate a is at least ``limit.highest(rate b)``. The
    statistic is ``limit.lowest(a) - b`` of the observed rates; its probability at the
    boundary is maximised over the unknown rate b (on a grid), within a range that holds
    it with probability 0.9999 (Berger & Boos, 1994).

    Parameters
    ----------
    hits_a, size_a, hits_b, size_b : float
        Counts of both groups.
    limit : Limit
        What is allowed.

    Returns
    -------
    p_value : float
        Valid for every population.
    """
    observed = limit.lowest(hits_a / size_a) - hits_b / size_b
    low, high = _rate_range(hits_b, size_b)
    high = min(high, limit.lowest(1.0))
    if low >= high:
        return _NUISANCE_LEVEL
    rates = np.linspace(low, high, _GRID)[:, None]
    boundary = np.minimum(limit.highest(rates), 1.0)
    spread = 8 * np.sqrt(size_b * _largest_variance(low, high)) + 8
    first = max(0, np.floor(size_b * low - spread))
    last = min(size_b, np.ceil(size_b * high + spread))
    k = np.arange(first, last + 1)[None, :]
    reach = np.floor(size_a * limit.highest(observed + k / size_b) + 1e-9)
    chance = binom.pmf(k, size_b, rates) * binom.cdf(reach, size_a, boundary)
    return float(min(1.0, chance.sum(axis=1).max() + _NUISANCE_LEVEL))


def _largest_variance(low, high):
    """Largest variance of a yes or no whose probability is in a range."""
    rate = np.clip(0.5, low, high)
    return rate * (1 - rate)


def _rate_range(hits, size):
    """Clopper-Pearson interval."""
    half = _NUISANCE_LEVEL / 2
    low = beta.ppf(half, hits, size - hits + 1) if hits > 0 else 0.0
    high = beta.ppf(1 - half, hits + 1, size - hits) if hits < size else 1.0
    return low, high


def _too_small(counts, limits, confidence):
    needed, why = 0.0, ""
    for limit in limits:
        hits, sizes = (part[0] for part in limit.rate.totals(counts, POSITIVE))
        if sizes.min() == 0:
            return (
                f"No certificate at confidence {confidence:g} is possible for {limit}: "
                f"no test row of a group is behind its {limit.rate.name}. The test had "
                f"{counts.sum():g} rows. Pass more calibration rows (a larger share in "
                "`cv`), or join the group to another."
            )
        rate = np.clip(hits.sum() / sizes.sum(), 0.02, 0.98)
        allowed = max(limit.highest(rate) - rate, 1e-9)
        two = np.sort(sizes)[:2]
        deviation = (norm.ppf(confidence) + norm.ppf(_POWER)) / allowed
        factor = deviation**2 * rate * (1 - rate) * (1 / two).sum()
        if factor > needed:
            needed, why = factor, f"{limit}, with {two[0]:g} samples in a group"
    total = counts.sum()
    rows = int(np.ceil(max(needed, 1.1) * total))
    return (
        f"No certificate at confidence {confidence:g} is possible for {why}. The test "
        f"had {total:g} rows; about {rows} would do, of the same kind. Pass "
        "more calibration rows (a larger share in `cv`), or raise `tolerance`."
    )
