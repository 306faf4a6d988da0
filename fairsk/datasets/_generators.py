"""Generated data whose bias is known."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import check_random_state


def make_biased_classification(
    n_samples=1000,
    n_features=10,
    *,
    n_informative=5,
    n_groups=2,
    group_weights=None,
    base_rate=0.5,
    base_rate_gap=0.2,
    label_bias=0.0,
    proxy_strength=1.0,
    class_sep=2.0,
    return_unbiased=False,
    random_state=None,
):
    r"""Draw a binary problem in which groups differ by known amounts.

    Group 0 is the most advantaged, group G - 1 the least. For each sample,
    independently,

    .. math::

        A &\sim \mathrm{Categorical}(w_0, \ldots, w_{G-1}) \\
        Y^* \mid A &\sim \mathrm{Bernoulli}\bigl(
            b + \delta\,(\frac{1}{2} - \frac{A}{G-1})\bigr) \\
        Y \mid Y^*, A &= Y^* \cdot \bigl(1 - F\,[A > 0]\bigr), \quad
            F \sim \mathrm{Bernoulli}(\beta) \\
        X_0 \mid A &\sim N(\rho A,\ 1) \\
        X_j \mid Y^* &\sim N\bigl(s\,(Y^* - \frac{1}{2}) / \sqrt{m},\ 1\bigr), \quad
            1 \le j \le m

    and the other features are standard normal noise. So :math:`X_0` is a proxy of the
    group, the next m features tell the true label :math:`Y^*`, and what is observed is
    the label Y after bias.

    Parameters
    ----------
    n_samples : int, default=1000
        Number of samples.
    n_features : int, default=10
        Number of features, at least ``1 + n_informative``.
    n_informative : int, default=5
        m, the number of features that tell the true label.
    n_groups : int, default=2
        G, the number of groups.
    group_weights : array-like of shape (n_groups,), default=None
        w, the expected shares of the groups. They are divided by their sum. None means
        equal shares.
    base_rate : float, default=0.5
        b, the share of true positives midway between the first and the last group.
    base_rate_gap : float, default=0.2
        :math:`\delta`, the share of true positives in the first group minus that in the
        last. Groups in between are spaced evenly. Negative values favour the last.
    label_bias : float, default=0.0
        :math:`\beta`, the share of true positives outside group 0 that are observed as
        negatives.
    proxy_strength : float, default=1.0
        :math:`\rho`, how many standard deviations the proxy moves from one group to the
        next. At 0 the features tell of the group only what the label tells.
    class_sep : float, default=2.0
        s, the distance between the centres of the two classes in standard deviations,
        over all informative features together.
    return_unbiased : bool, default=False
        Return the true label too.
    random_state : int, RandomState instance or None, default=None
        Source of randomness. Pass an int for the same data in each call.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)
        The features. The group is not among them.
    y : ndarray of shape (n_samples,)
        The observed label, 0 or 1.
    sensitive_features : ndarray of shape (n_samples,)
        The group, 0 to ``n_groups - 1``.
    y_unbiased : ndarray of shape (n_samples,)
        The true label. Only if `return_unbiased`.

    See Also
    --------
    sklearn.datasets.make_classification : Problems without groups.

    Notes
    -----
    What the parameters imply, with :math:`\Phi` the normal distribution function:

    - the observed base rate of group a is
      :math:`(1 - \beta [a > 0])\, P(Y^* = 1 \mid A = a)`;
    - the best score for the true label within a group has ROC AUC
      :math:`\Phi(s / \sqrt 2)`;
    - the proxy tells two neighbouring groups apart with ROC AUC
      :math:`\Phi(\rho / \sqrt 2)`.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> X, y, group = make_biased_classification(
    ...     100_000, base_rate_gap=0.3, random_state=0
    ... )
    >>> print(f"{y[group == 0].mean() - y[group == 1].mean():.1f}")
    0.3
    """
    _check_feature_numbers(n_samples, n_features, n_informative, n_groups)
    weights = _check_group_weights(group_weights, n_groups)
    base_rates = _group_base_rates(base_rate, base_rate_gap, n_groups)
    if not 0 <= label_bias <= 1:
        raise ValueError(
            "make_biased_classification needs `label_bias` to be a share, 0 to 1. "
            f"Got {label_bias!r}."
        )
    rng = check_random_state(random_state)

    group = rng.choice(n_groups, size=n_samples, p=weights)
    y_unbiased = (rng.uniform(size=n_samples) < base_rates[group]).astype(np.int64)
    flipped = (rng.uniform(size=n_samples) < label_bias) & (group > 0)
    y = np.where(flipped, 0, y_unbiased)

    X = rng.normal(size=(n_samples, n_features))
    X[:, 0] += proxy_strength * group
    shift = class_sep * (y_unbiased - 0.5) / np.sqrt(max(n_informative, 1))
    X[:, 1 : 1 + n_informative] += shift[:, None]
    if return_unbiased:
        return X, y, group, y_unbiased
    return X, y, group


def _check_feature_numbers(n_samples, n_features, n_informative, n_groups):
    lowest = {
        "n_samples": (n_samples, 1),
        "n_informative": (n_informative, 0),
        "n_groups": (n_groups, 1),
        "n_features": (n_features, 1),
    }
    for name, (value, minimum) in lowest.items():
        if not isinstance(value, Integral) or value < minimum:
            raise ValueError(
                f"make_biased_classification needs `{name}` to be an integer, at least "
                f"{minimum}. Got {value!r}."
            )
    if n_features < 1 + n_informative:
        raise ValueError(
            "make_biased_classification needs one feature for the proxy and "
            f"`n_informative`={n_informative} for the label. Got "
            f"`n_features`={n_features}. Raise it, or lower `n_informative`."
        )


def _check_group_weights(group_weights, n_groups):
    if group_weights is None:
        return np.full(n_groups, 1 / n_groups)
    weights = np.asarray(group_weights, dtype=np.float64)
    if weights.shape != (n_groups,) or not (np.all(weights >= 0) and weights.sum() > 0):
        raise ValueError(
            f"make_biased_classification needs `group_weights` to be {n_groups} "
            "shares, one for each group, not negative and not all 0. "
            f"Got {group_weights!r}."
        )
    return weights / weights.sum()


def _group_base_rates(base_rate, base_rate_gap, n_groups):
    if not (isinstance(base_rate, Real) and isinstance(base_rate_gap, Real)):
        raise TypeError(
            "make_biased_classification needs `base_rate` and `base_rate_gap` to be "
            f"numbers. Got {base_rate!r} and {base_rate_gap!r}."
        )
    status = np.linspace(0.5, -0.5, n_groups) if n_groups > 1 else np.zeros(1)
    base_rates = base_rate + base_rate_gap * status
    if base_rates.min() < 0 or base_rates.max() > 1:
        raise ValueError(
            "make_biased_classification needs base rates between 0 and 1. Got "
            f"{base_rates.tolist()} from `base_rate`={base_rate!r} and "
            f"`base_rate_gap`={base_rate_gap!r}. Lower the gap, or move the base rate "
            "towards 0.5."
        )
    return base_rates
