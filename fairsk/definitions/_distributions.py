"""Distances between the distributions of scores of groups, and dependence measures."""

import numpy as np

from fairsk.utils._namespace import as_numpy


def ks_distance(scores, group_codes, *, n_groups, sample_weight=None):
    r"""Kolmogorov-Smirnov distance of each group's scores from the others'.

    :math:`\sup_s |F_g(s) - F_{\neg g}(s)|`, with :math:`F` the distribution functions.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Scores or predictions.
    group_codes : int array of shape (n_samples,)
        Group of each sample.
    n_groups : int
        Number of groups.
    sample_weight : array of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    to_rest : ndarray of shape (n_groups,)
        Distance of the group from all other samples; NaN where either has no weight.
    largest : float
        The largest distance between two groups.
    """
    return _compare(scores, group_codes, n_groups, sample_weight, _largest_step)


def wasserstein_distance(scores, group_codes, *, n_groups, sample_weight=None):
    r"""First Wasserstein distance of each group's scores from the others'.

    :math:`\int |F_g(s) - F_{\neg g}(s)| ds`, with :math:`F` the distribution functions.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Scores or predictions.
    group_codes : int array of shape (n_samples,)
        Group of each sample.
    n_groups : int
        Number of groups.
    sample_weight : array of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    to_rest : ndarray of shape (n_groups,)
        Distance of the group from all other samples; NaN where either has no weight.
    largest : float
        The largest distance between two groups.
    """
    return _compare(scores, group_codes, n_groups, sample_weight, _area)


def ks_to_overall(scores, group_codes, *, n_groups, sample_weight=None):
    r"""Statistical parity of a continuous prediction.

    :math:`\sup_s |F_g(s) - F(s)|`, the distance of each group from all samples, itself
    included.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Predictions.
    group_codes : int array of shape (n_samples,)
        Group of each sample.
    n_groups : int
        Number of groups.
    sample_weight : array of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    to_overall : ndarray of shape (n_groups,)
        Distance of the group from all samples; NaN where it has no weight.
    largest : float
        The largest of them.
    """
    steps, cumulative, totals = _cumulative(
        scores, group_codes, n_groups, sample_weight
    )
    whole, weight = cumulative.sum(0), totals.sum()
    values = np.array(
        [
            _distance(_largest_step, steps, (own, total), (whole, weight))
            for own, total in zip(cumulative, totals)
        ]
    )
    return values, _largest(values)


def _compare(scores, group_codes, n_groups, sample_weight, measure):
    steps, cumulative, totals = _cumulative(
        scores, group_codes, n_groups, sample_weight
    )
    whole, weight = cumulative.sum(0), totals.sum()
    parts = list(zip(cumulative, totals))
    rest = [(whole - own, weight - total) for own, total in parts]
    to_rest = np.array([_distance(measure, steps, *pair) for pair in zip(parts, rest)])
    largest = _largest(
        [
            _distance(measure, steps, parts[g], parts[h])
            for g in range(n_groups)
            for h in range(g)
        ]
    )
    return to_rest, largest


def _cumulative(scores, group_codes, n_groups, sample_weight):
    """Steps between distinct scores, and the weight up to each of them by group."""
    scores = as_numpy(scores)
    values, position = np.unique(scores, return_inverse=True)
    cells = position + len(values) * as_numpy(group_codes).astype(np.intp)
    weights = np.bincount(cells, sample_weight, minlength=n_groups * len(values))
    cumulative = np.cumsum(weights.reshape(n_groups, len(values)), axis=1)
    return np.diff(values), cumulative, cumulative[:, -1]


def _distance(measure, steps, one, other):
    if not (one[1] > 0 and other[1] > 0):
        return np.nan
    return measure(abs(one[0] / one[1] - other[0] / other[1]), steps)


def _largest_step(gaps, steps):
    return gaps.max()


def _area(gaps, steps):
    return gaps[:-1] @ steps


def _largest(values):
    defined = [value for value in values if value == value]
    return max(defined, default=np.nan)


def abroca(y_true, scores, group_codes, *, n_groups, sample_weight=None):
    r"""Absolute area between the ROC curve of each group and that of the others.

    :math:`\int_0^1 |\mathrm{ROC}_g(t) - \mathrm{ROC}_{\neg g}(t)| dt`: unlike a gap of
    the areas under the curves, it does not cancel where the curves cross.

    Parameters
    ----------
    y_true : array of shape (n_samples,)
        True class, 0 or 1.
    scores : array of shape (n_samples,)
        Scores of class 1.
    group_codes : int array of shape (n_samples,)
        Group of each sample.
    n_groups : int
        Number of groups.
    sample_weight : array of shape (n_samples,), default=None
        Weights.

    Returns
    -------
    to_rest : ndarray of shape (n_groups,)
        Area between the curves of the group and of all other samples; NaN where one of
        them has samples of one class only.
    largest : float
        The largest area between two groups.
    """
    group_codes, y_true = as_numpy(group_codes), as_numpy(y_true).astype(np.intp)
    _, cumulative, _ = _cumulative(
        scores, group_codes * 2 + y_true, 2 * n_groups, sample_weight
    )
    curves = cumulative.reshape(n_groups, 2, -1)
    whole = curves.sum(0)
    to_rest = np.array([_between_curves(own, whole - own) for own in curves])
    largest = _largest(
        [
            _between_curves(curves[g], curves[h])
            for g in range(n_groups)
            for h in range(g)
        ]
    )
    return to_rest, largest


def _between_curves(one, other):
    """Area between two ROC curves, given the weight below each score by class."""
    totals = one[:, -1], other[:, -1]
    if not all((total > 0).all() for total in totals):
        return np.nan
    curves = [curve / total[:, None] for curve, total in zip((one, other), totals)]
    # From below, (FPR, TPR) = 1 - shares below; the area is the same of the shares.
    curves = [np.c_[np.zeros(2), curve] for curve in curves]
    grid = np.union1d(curves[0][0], curves[1][0])
    (start, stop), (other_start, other_stop) = (
        _on_pieces(*curve, grid) for curve in curves
    )
    return _area_of_pieces(start - other_start, stop - other_stop, np.diff(grid))


def _on_pieces(x, y, grid):
    """Heights of a curve at both ends of each piece of the grid, x with repeats.

    The curve rises vertically where x repeats: it leaves a point of the grid from the
    last of these, and arrives at the next one at the first.
    """
    last = np.searchsorted(x, grid[:-1], side="right") - 1
    slope = (y[last + 1] - y[last]) / (x[last + 1] - x[last])
    return tuple(y[last] + slope * (end - x[last]) for end in (grid[:-1], grid[1:]))


def _area_of_pieces(left, right, widths):
    """Integral of the absolute value of a function that is linear on each piece."""
    crossing = left * right < 0
    size = abs(left) + abs(right)
    safe = np.where(crossing, size, 1.0)
    crossed = (left**2 + right**2) / (2 * safe)
    return float(np.where(crossing, crossed, size / 2) @ widths)


def distance_correlation(x, z):
    r"""Distance correlation of two continuous variables.

    It is 0 only if they are independent, and 1 if one is a linear function of the
    other: :math:`\mathrm{dCor} = \mathrm{dCov}(x, z) / \sqrt{\mathrm{dCov}(x, x)
    \mathrm{dCov}(z, z)}`, with :math:`\mathrm{dCov}^2` the mean product of the doubly
    centred distances. Sorting finds it in :math:`O(n \log^2 n)`.

    Parameters
    ----------
    x, z : array of shape (n_samples,)
        Prediction or score, and sensitive attribute.

    Returns
    -------
    correlation : float
        In [0, 1]; NaN where one of them is constant.

    References
    ----------
    Székely, Rizzo & Bakirov (2007), Measuring and testing dependence by correlation of
    distances; Chaudhuri & Hu (2019), A fast algorithm for computing distance
    correlation.

    Examples
    --------
    >>> from fairsk.definitions import distance_correlation
    >>> round(distance_correlation([1, 2, 3, 4], [2, 4, 6, 8]), 6)
    1.0
    """
    x, z = _pair(x, z, "distance_correlation")
    spread = _distance_covariance(x, x) * _distance_covariance(z, z)
    if not spread > 0:
        return float("nan")
    covariance = max(_distance_covariance(x, z), 0.0)
    return float(min(np.sqrt(covariance / np.sqrt(spread)), 1.0))


def _pair(x, z, owner):
    x, z = (np.asarray(as_numpy(v), dtype=np.float64) for v in (x, z))
    if x.ndim != 1 or x.shape != z.shape or len(x) < 2:
        raise ValueError(
            f"{owner} needs two variables of shape (n_samples,), of two samples at "
            f"least. Got shapes {x.shape} and {z.shape}."
        )
    if not (np.isfinite(x).all() and np.isfinite(z).all()):
        raise ValueError(
            f"{owner} needs finite values. Got NaN or infinity. Drop these rows."
        )
    return x, z


def _distance_covariance(x, z):
    """Squared distance covariance (V-statistic), Huo & Székely (2016), lemma 1."""
    n = len(x)
    x, z = x - x.mean(), z - z.mean()
    row_x, row_z = _row_sums(x), _row_sums(z)
    products = _sum_of_distance_products(x, z)
    return (
        products / n**2 - 2 * (row_x @ row_z) / n**3 + row_x.sum() * row_z.sum() / n**4
    )


def _row_sums(x):
    """Sum of the distances of each sample to all others."""
    order = np.argsort(x, kind="stable")
    ranked = x[order]
    below = np.cumsum(ranked) - ranked
    position = np.arange(len(x))
    sums = np.empty(len(x))
    sums[order] = (2 * position + 2 - len(x)) * ranked - 2 * below + ranked.sum()
    return sums - 2 * x


def _sum_of_distance_products(x, z):
    """Sum over all ordered pairs of |x_i - x_j| |z_i - z_j|.

    With the samples sorted by x, a pair i < j gives (x_j - x_i)(z_j - z_i), with its
    sign turned where z_j < z_i. Merging sorted blocks of twice the size each time finds
    for every j the sums over those i.
    """
    n = len(x)
    order = np.argsort(x, kind="stable")
    x, z = x[order], z[order]
    by_z = np.argsort(z, kind="stable")
    signed = 0.0
    width = 1
    while width < n:
        pair = by_z // (2 * width)
        rows = by_z[np.argsort(pair, kind="stable")]  # by z within each pair of blocks
        left = (rows // width) % 2 == 0
        start = np.searchsorted(rows // (2 * width), rows // (2 * width), side="left")
        stop = np.searchsorted(rows // (2 * width), rows // (2 * width), side="right")
        xs, zs = x[rows], z[rows]
        for coefficient, factor in (
            (xs * zs, np.ones(n)),
            (-zs, xs),
            (-xs, zs),
            (np.ones(n), xs * zs),
        ):
            total = np.append(0.0, np.cumsum(np.where(left, factor, 0.0)))
            smaller = total[np.arange(n)] - total[start]
            larger = total[stop] - total[np.arange(n)]
            # Ties count on either side: their product is 0.
            signed += (coefficient * (smaller - larger))[~left].sum()
        width *= 2
    return 2 * signed


def hsic(x, z, *, block=1024):
    r"""Normalised Hilbert-Schmidt independence criterion with Gaussian kernels.

    :math:`\mathrm{HSIC}(x, z) / \sqrt{\mathrm{HSIC}(x, x)\,\mathrm{HSIC}(z, z)}` with
    :math:`\mathrm{HSIC} = \operatorname{tr}(KHLH) / n^2`, the bandwidths the median
    distances.

    Parameters
    ----------
    x, z : array of shape (n_samples,)
        Prediction or score, and sensitive attribute.
    block : int, default=1024
        Rows of the kernel matrices that are in memory at once. The time is quadratic in
        n_samples, the memory is not.

    Returns
    -------
    criterion : float
        In [0, 1]; NaN where one of them is constant.

    References
    ----------
    Gretton et al. (2005), Measuring statistical dependence with Hilbert-Schmidt norms.

    Examples
    --------
    >>> from fairsk.definitions import hsic
    >>> round(hsic([1, 2, 3, 4], [1, 2, 3, 4]), 6)
    1.0
    """
    x, z = _pair(x, z, "hsic")
    if np.ptp(x) == 0 or np.ptp(z) == 0:
        return float("nan")
    gammas = [0.5 / _median_distance(v) ** 2 for v in (x, z)]
    n = len(x)
    row_sums, products = np.empty((2, n)), np.zeros((2, 2))
    for start in range(0, n, block):
        rows = slice(start, start + block)
        kernels = [
            np.exp(-g * (v[rows, None] - v) ** 2) for g, v in zip(gammas, (x, z))
        ]
        row_sums[:, rows] = [kernel.sum(1) for kernel in kernels]
        flat = [kernel.ravel() for kernel in kernels]
        products += [[one @ other for other in flat] for one in flat]
    sums = row_sums.sum(1)
    centred = products - 2 * (row_sums @ row_sums.T) / n + np.outer(sums, sums) / n**2
    return float(centred[0, 1] / np.sqrt(centred[0, 0] * centred[1, 1]))


def _median_distance(x, n_pairs=100_000):
    """Median of the distances that are not 0, over pairs a fixed step apart."""
    n = len(x)
    steps = np.unique(
        np.linspace(1, n - 1, max(1, min(n - 1, n_pairs // n))).astype(int)
    )
    distances = np.concatenate([abs(x[step:] - x[:-step]) for step in steps])
    distances = distances[distances > 0]
    return np.median(distances) if len(distances) else np.ptp(x)


def maximal_correlation(x, z, *, n_bins=None):
    r"""Maximal correlation of Hirschfeld, Gebelein and Rényi.

    The largest correlation :math:`\sup_{f, h} \operatorname{corr}(f(x), h(z))` that any
    functions of the two reach; 0 only if they are independent. Over functions that are
    constant in bins it is the second singular value of
    :math:`p_{ij} / \sqrt{p_{i\cdot}\, p_{\cdot j}}`, found exactly.

    Parameters
    ----------
    x, z : array of shape (n_samples,)
        Prediction or score, and sensitive attribute.
    n_bins : int, default=None
        Bins of equal numbers of samples for a variable with more distinct values. None
        takes twice the fifth root of n_samples, at least 5: more bins are biased up.

    Returns
    -------
    correlation : float
        In [0, 1]; NaN where one of them is constant.

    References
    ----------
    Rényi (1959), On measures of dependence; Mary, Calauzènes & El Karoui (2019),
    Fairness-aware learning for continuous attributes and treatments.

    Examples
    --------
    >>> from fairsk.definitions import maximal_correlation
    >>> round(maximal_correlation([-2, -1, 1, 2] * 5, [4, 1, 1, 4] * 5), 6)
    1.0
    """
    x, z = _pair(x, z, "maximal_correlation")
    n_bins = n_bins or max(5, int(2 * len(x) ** 0.2))
    table = _table(_bins(x, n_bins), _bins(z, n_bins))
    if min(table.shape) < 2:
        return float("nan")
    scale = np.sqrt(np.outer(table.sum(1), table.sum(0)))
    values = np.linalg.svd(table / scale, compute_uv=False)
    return float(min(values[1], 1.0))


def _bins(x, n_bins):
    """Bin of each value: its own where there are few, else by quantiles."""
    labels, codes = np.unique(x, return_inverse=True)
    if len(labels) <= n_bins:
        return codes
    edges = np.quantile(x, np.linspace(0, 1, n_bins + 1)[1:-1])
    return np.unique(np.searchsorted(edges, x, side="right"), return_inverse=True)[1]


def _table(rows, columns):
    shape = (rows.max() + 1, columns.max() + 1)
    cells = np.bincount(rows * shape[1] + columns, minlength=shape[0] * shape[1])
    return cells.reshape(shape) / len(rows)


def mutual_information(x, z, *, n_neighbors=3):
    r"""Mutual information of two continuous variables, in nats.

    :math:`I(x; z) = E \log \frac{p(x, z)}{p(x)\, p(z)}`, estimated from the distances
    to the nearest neighbours (Kraskov et al., 2004, first estimator).

    Parameters
    ----------
    x, z : array of shape (n_samples,)
        Prediction or score, and sensitive attribute.
    n_neighbors : int, default=3
        Neighbours: fewer for less bias, more for less variance.

    Returns
    -------
    information : float
        At least 0; an estimate below is given as 0.

    References
    ----------
    Kraskov, Stögbauer & Grassberger (2004), Estimating mutual information.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.definitions import mutual_information
    >>> x = np.linspace(0, 1, 200)
    >>> mutual_information(x, x) > 1
    True
    """
    from sklearn.feature_selection import mutual_info_regression

    x, z = _pair(x, z, "mutual_information")
    estimate = mutual_info_regression(
        x[:, None], z, n_neighbors=n_neighbors, random_state=0
    )
    return float(estimate[0])
