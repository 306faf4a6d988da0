"""Disparities: from one value per group to one number."""

from collections.abc import Callable
from dataclasses import dataclass

from fairsk.utils._namespace import namespace


@dataclass(frozen=True)
class Disparity:
    """How the values of the groups become one number.

    Parameters
    ----------
    name : str
        Name, as the parameter `disparity` takes it.
    across_groups : callable
        Maps values of shape (..., n_groups), NaN where undefined, to (...), NaN where
        fewer than two groups have a value.
    greater_is_better : bool
        Whether a larger number is fairer. It also says which of several rates decides:
        the least fair one.
    formula : str
        The formula in LaTeX, for the documentation.
    to_overall : callable
        Maps values of shape (..., n_groups) and the value of all samples together, of
        shape (...), to (...): how far the groups are from it. NaN where that value or
        those of all groups are undefined.
    """

    name: str
    across_groups: Callable
    greater_is_better: bool
    formula: str
    to_overall: Callable

    def __call__(self, values):
        """Reduce values of shape (..., n_rates, n_groups) to (...).

        The number of each rate comes first, then the least fair rate counts. Rates
        that fewer than two groups define are passed over; NaN if there is no other.
        """
        per_rate = self.across_groups(values)
        if self.greater_is_better:
            return -_nan_largest(-per_rate)
        return _nan_largest(per_rate)


def get_disparity(disparity):
    """Disparity of that name; an instance is returned as it is.

    Parameters
    ----------
    disparity : str or Disparity
        A key of `DISPARITIES`, or a disparity.

    Returns
    -------
    disparity : Disparity
        The disparity.
    """
    if isinstance(disparity, Disparity):
        return disparity
    try:
        return DISPARITIES[disparity]
    except (KeyError, TypeError):
        raise ValueError(
            f"`disparity` must be one of {sorted(DISPARITIES)} or a Disparity. "
            f"Got {disparity!r}."
        ) from None


def _fill(values, missing, number):
    return namespace(values).where(missing, number, values)


def _isnan(values):
    return namespace(values).isnan(values)


def _nan_largest(values):
    """Largest defined value along the last axis; NaN where there is none."""
    if values.shape[-1] == 1:
        return values[..., 0]
    missing = _isnan(values)
    largest = namespace(values).amax(_fill(values, missing, float("-inf")), axis=-1)
    return _fill(largest, missing.all(-1), float("nan"))


def _nan_smallest(values):
    return -_nan_largest(-values)


def _extremes(values):
    """Largest and smallest defined value, and whether fewer than two are defined."""
    xp = namespace(values)
    missing = _isnan(values)
    largest = xp.amax(_fill(values, missing, float("-inf")), axis=-1)
    smallest = xp.amin(_fill(values, missing, float("inf")), axis=-1)
    return largest, smallest, missing.sum(-1) > values.shape[-1] - 2


def _difference(values):
    largest, smallest, too_few = _extremes(values)
    return _fill(largest - smallest, too_few, float("nan"))


def _ratio(values):
    largest, smallest, too_few = _extremes(values)
    all_zero = largest == 0  # equal rates of 0 are equal: the ratio is 1
    quotient = smallest / _fill(largest, all_zero | too_few, 1.0)
    quotient = _fill(quotient, all_zero, 1.0)
    return _fill(quotient, too_few, float("nan"))


def _variance(values):
    missing = _isnan(values)
    n_defined = (~missing).sum(-1)
    divisor = n_defined + (n_defined == 0)
    mean = _fill(values, missing, 0.0).sum(-1) / divisor
    deviation = _fill(values - mean[..., None], missing, 0.0)
    return _fill((deviation**2).sum(-1) / divisor, n_defined < 2, float("nan"))


def _difference_to_overall(values, overall):
    return _nan_largest(abs(values - overall[..., None]))


def _ratio_to_overall(values, overall):
    overall = overall[..., None]
    both_zero = (values == 0) & (overall == 0)
    low = namespace(values).minimum(values, overall)
    high = _fill(namespace(values).maximum(values, overall), both_zero, 1.0)
    return _nan_smallest(_fill(low / high, both_zero, 1.0))


def _variance_to_overall(values, overall):
    deviation = values - overall[..., None]
    missing = _isnan(deviation)
    n_defined = (~missing).sum(-1)
    total = (_fill(deviation, missing, 0.0) ** 2).sum(-1)
    return _fill(total / (n_defined + (n_defined == 0)), n_defined == 0, float("nan"))


difference = Disparity(
    "difference",
    _difference,
    False,
    r"\max_g r_g - \min_g r_g",
    _difference_to_overall,
)
ratio = Disparity("ratio", _ratio, True, r"\min_g r_g / \max_g r_g", _ratio_to_overall)
variance = Disparity(
    "variance",
    _variance,
    False,
    r"\frac{1}{G}\sum_g (r_g - \bar r)^2",
    _variance_to_overall,
)

DISPARITIES = {disparity.name: disparity for disparity in (difference, ratio, variance)}
