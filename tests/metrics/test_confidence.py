"""Intervals and noise floors against rows, closed forms and scipy."""

import warnings
from inspect import signature

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import GroupMetrics, OutcomeCounts, group_metrics
from fairsk.metrics._intervals import newcombe, wilson
from fairsk.metrics._resampling import _poisson_of_normal

# scipy renamed it in 1.15.
SEED = {"rng" if "rng" in signature(stats.bootstrap).parameters else "random_state": 0}
METRICS = ["selection_rate", "true_positive_rate", "positive_predictive_value"]


def samples(seed=0, n=600, n_groups=3, weighted=False):
    rng = np.random.default_rng(seed)
    group = rng.choice(
        n_groups, n, p=np.arange(1, n_groups + 1) / (n_groups**2 + n_groups) * 2
    )
    y_true = (rng.random(n) < 0.3 + 0.1 * group).astype(int)
    y_pred = np.where(rng.random(n) < 0.75, y_true, 1 - y_true)
    weights = rng.gamma(1 + y_true, size=n) if weighted else None
    return {
        "y_true": y_true,
        "y_pred": y_pred,
        "sensitive_features": group,
        "sample_weight": weights,
    }


def report(data, metrics=METRICS, **kwargs):
    return group_metrics(metrics, **data, **kwargs)


def row_bootstrap(data, n_resamples, seed=1):
    """Values, overall values and differences of resampled rows, replicates last."""
    rng = np.random.default_rng(seed)
    n = len(data["y_true"])
    drawn = []
    for _ in range(n_resamples):
        rows = rng.integers(n, size=n)
        part = {name: v if v is None else v[rows] for name, v in data.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UndefinedRateWarning)
            result = report(part)
        drawn.append((result.values[0], result.overall_values[0]))
    values, overall = (np.stack(side, axis=-1) for side in zip(*drawn))
    return values, overall, values.max(1) - values.min(1)


@pytest.mark.parametrize("weighted", [False, True])
def test_drawing_cells_is_resampling_rows(weighted):
    data = samples(weighted=weighted)
    n_rows, n_cells = 2000, 20_000
    values, overall, gaps = row_bootstrap(data, n_rows)
    result = report(data)
    for disparity, rows in ((None, values), ("overall", overall), ("difference", gaps)):
        found = result.confidence_interval(
            "percentile", disparity, n_resamples=n_cells, random_state=0
        )
        ends = found.low_values[0], found.high_values[0]
        # The end cuts off 2.5 % of the resampled rows, within four standard errors.
        for end, tail in zip(ends, (0.025, 0.975)):
            error = np.sqrt(0.025 * 0.975 * (1 / n_rows + 1 / n_cells))
            assert ((rows < end[..., None]).mean(-1) <= tail + 4 * error).all()
            assert ((rows <= end[..., None]).mean(-1) >= tail - 4 * error).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_a_free_total_changes_no_interval(weighted, monkeypatch):
    """Poisson draws against multinomial ones, on the same 10,000 rows."""
    result = report(samples(n=10_000, weighted=weighted))
    ends = []
    for limit in (10_000, 10_001):
        monkeypatch.setattr("fairsk.metrics._resampling._FREE_TOTAL", limit)
        for disparity in (None, "overall", "difference"):
            found = result.confidence_interval(
                "percentile", disparity, n_resamples=40_000, random_state=0
            )
            width = found.high_values - found.low_values
            ends.append((found.low_values, found.high_values, width))
    for one, other in zip(ends[:3], ends[3:]):
        # The Monte Carlo error of an end is 0.3 % of the width.
        for side in (0, 1):
            assert (abs(one[side] - other[side]) < 0.02 * one[2]).all()


def test_weights_that_are_all_equal_change_no_interval():
    data = samples()
    weighted = data | {"sample_weight": np.full(600, 2.5)}
    for method in ("percentile", "bca", "wilson", "delta"):
        one = report(data).confidence_interval(method, random_state=0)
        other = report(weighted).confidence_interval(method, random_state=0)
        np.testing.assert_allclose(one.low_values, other.low_values)
        np.testing.assert_allclose(one.high_values, other.high_values)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_bootstrap_of_a_rate_equals_scipy(method):
    data = samples(n=300, n_groups=1)
    interval = report(data, ["selection_rate"]).confidence_interval(
        method, n_resamples=50_000, random_state=0
    )
    expected = stats.bootstrap(
        (data["y_pred"].astype(float),),
        np.mean,
        method=method,
        n_resamples=50_000,
        **SEED,
    ).confidence_interval
    np.testing.assert_allclose(interval.low_values.item(), expected.low, atol=0.004)
    np.testing.assert_allclose(interval.high_values.item(), expected.high, atol=0.004)


@pytest.mark.parametrize("mean", [1000, 4000, 10**6])
def test_large_poisson_draws_have_the_quantiles_of_scipy(mean):
    z = np.linspace(-5, 5, 20_001)
    quantiles = _poisson_of_normal(z[None].copy(), np.array([[float(mean)]]))[0]
    exact = stats.poisson.ppf(stats.norm.cdf(z), mean)
    assert abs(quantiles - exact).max() <= 1
    assert (quantiles != exact).mean() < 0.005


@given(size=st.integers(1, 200), share=st.floats(0, 1), level=st.floats(0.5, 0.99))
def test_wilson_equals_scipy(size, share, level):
    hits = round(size * share)
    low, high = wilson(np.array(float(hits)), np.array(float(size)), size, level)
    expected = stats.binomtest(hits, size).proportion_ci(level, method="wilson")
    np.testing.assert_allclose((low, high), expected, atol=1e-12)


def test_newcombe_equals_the_example_of_the_paper():
    """Newcombe (1998), table II, method 10: 56/70 against 48/80."""
    hits, sizes = np.array([56.0, 48.0]), np.array([70.0, 80.0])
    low, high = wilson(hits, sizes, sizes, 0.95)
    interval = newcombe(hits / sizes, low, high, ratio=False)
    np.testing.assert_allclose(interval, (0.0524, 0.3339), atol=5e-5)


def test_delta_of_a_difference_is_the_wald_interval():
    data = samples(n_groups=2)
    result = report(data, ["selection_rate"])
    interval = result.confidence_interval("delta", "difference")
    rates, sizes = result.values[0, 0], result.sizes[0]
    error = np.sqrt((rates * (1 - rates) / sizes).sum())
    gap = abs(rates[1] - rates[0])
    half = stats.norm.ppf(0.975) * error
    np.testing.assert_allclose(interval.low_values, gap - half, rtol=1e-6)
    np.testing.assert_allclose(interval.high_values, gap + half, rtol=1e-6)


def test_delta_of_a_ratio_is_katz_interval():
    data = samples(n_groups=2)
    result = report(data, ["selection_rate"])
    interval = result.confidence_interval("delta", "ratio")
    rates, sizes = result.values[0, 0], result.sizes[0]
    error = np.sqrt(((1 - rates) / (rates * sizes)).sum())
    factor = np.exp(stats.norm.ppf(0.975) * error)
    ratio = rates.min() / rates.max()
    np.testing.assert_allclose(interval.low_values, ratio / factor, rtol=1e-6)
    np.testing.assert_allclose(interval.high_values, min(ratio * factor, 1), rtol=1e-6)


def test_delta_of_weighted_rates_matches_their_bootstrap():
    result = report(samples(weighted=True, n=5000))
    for disparity in (None, "overall"):
        one = result.confidence_interval("delta", disparity)
        other = result.confidence_interval("percentile", disparity, random_state=0)
        np.testing.assert_allclose(one.low_values, other.low_values, atol=0.01)
        np.testing.assert_allclose(one.high_values, other.high_values, atol=0.01)


def test_simultaneous_intervals_hold_for_all_groups_together():
    rng = np.random.default_rng(0)
    sizes, rate, n_repeats, covered = np.full(6, 400), 0.4, 400, 0
    for _ in range(n_repeats):
        hits = rng.binomial(sizes, rate)
        counts = np.zeros((1, 6, 2, 2), dtype=int)
        counts[0, :, 1, 1], counts[0, :, 1, 0] = hits, sizes - hits
        counts = OutcomeCounts(counts, [0, 1], list(range(6)), ["g"])
        interval = GroupMetrics.from_counts(
            "selection_rate", counts
        ).confidence_interval("max_t", n_resamples=999, random_state=rng)
        inside = (interval.low_values <= rate) & (rate <= interval.high_values)
        covered += inside.all()
    assert 0.92 < covered / n_repeats < 0.98


def test_simultaneous_interval_of_the_difference_holds_the_pairs_gap():
    result = report(samples())
    interval = result.confidence_interval("max_t", "difference", random_state=0)
    gaps = result.values.max(-1) - result.values.min(-1)
    assert (interval.low_values <= gaps).all()
    assert (gaps <= interval.high_values).all()


def test_same_random_state_gives_the_same_interval():
    result = report(samples())
    one, other = (
        result.confidence_interval("percentile", random_state=3) for _ in range(2)
    )
    np.testing.assert_array_equal(one.low_values, other.low_values)


def test_a_group_without_a_rate_in_a_replicate_is_left_out_and_reported():
    # One positive in group 1: a third of the resamples, (1 - 1/n)^n, have none.
    y_true = np.array([1] * 20 + [0] * 20 + [0] * 30 + [1])
    group = np.array([0] * 40 + [1] * 31)
    result = group_metrics(
        "true_positive_rate", y_true, y_true, sensitive_features=group
    )
    interval = result.confidence_interval("percentile", random_state=0)
    share = interval.undefined["true_positive_rate"]
    assert share[0] < 1e-3
    assert abs(share[1] - (1 - 1 / 71) ** 71) < 0.02
    gap = result.confidence_interval("percentile", "difference", random_state=0)
    assert gap.high["true_positive_rate"] == 0
    np.testing.assert_allclose(gap.undefined["true_positive_rate"], share[1], atol=1e-3)


@pytest.mark.parametrize("method", ["percentile", "bca", "max_t", "wilson", "delta"])
def test_an_undefined_rate_has_an_undefined_interval(method):
    with pytest.warns(UndefinedRateWarning):
        result = group_metrics(
            "true_positive_rate",
            [0, 1, 1, 0, 0],
            [0, 1, 0, 1, 0],
            sensitive_features=list("aaabb"),
        )
    interval = result.confidence_interval(method, random_state=0)
    assert np.isnan(interval.low_values[0, 0, 1])
    assert np.isnan(interval.high_values[0, 0, 1])
    assert np.isfinite(interval.low_values[0, 0, 0])


@pytest.mark.parametrize("method", ["percentile", "bca", "delta", "max_t"])
def test_multiclass_and_strata_have_intervals_around_the_values(method, rng):
    n = 900
    data = [rng.integers(3, size=n) for _ in range(4)]
    result = group_metrics(
        ["true_positive_rate", "accuracy", "balanced_accuracy"],
        data[0],
        data[1],
        sensitive_features=data[2],
        control_features=data[3],
    )
    interval = result.confidence_interval(method, random_state=0)
    assert interval.low.shape == result.by_group.shape
    assert (interval.low <= result.by_group).all(axis=None)
    assert (result.by_group <= interval.high).all(axis=None)


def test_row_metrics_have_the_interval_of_a_stratified_bootstrap():
    rng = np.random.default_rng(0)
    y_true, group = rng.normal(size=400), np.repeat([0, 1], [100, 300])
    y_pred = y_true + rng.normal(size=400)
    result = group_metrics(
        {"named": "mean_absolute_error", "own": lambda t, p: float(abs(t - p).mean())},
        y_true,
        y_pred,
        sensitive_features=group,
    )
    interval = result.confidence_interval(n_resamples=2000, random_state=0)
    for g in (0, 1):
        errors = abs(y_true - y_pred)[group == g]
        expected = stats.bootstrap(
            (errors,), np.mean, method="percentile", n_resamples=9999, **SEED
        ).confidence_interval
        ends = interval.low_values[0, :, g], interval.high_values[0, :, g]
        np.testing.assert_allclose(ends[0], expected.low, atol=0.02)
        np.testing.assert_allclose(ends[1], expected.high, atol=0.02)


def test_count_and_row_metrics_keep_their_columns():
    data = samples()
    mixed = group_metrics(
        {
            "rows": lambda t, p: float(p.mean()),
            "counts": "selection_rate",
            "more": "accuracy",
        },
        **{name: v for name, v in data.items() if v is not None},
    )
    interval = mixed.confidence_interval(n_resamples=2000, random_state=0)
    low = interval.low_values[0]
    np.testing.assert_allclose(low[0], low[1], atol=0.02)
    alone = report(data, "accuracy").confidence_interval(random_state=0)
    np.testing.assert_allclose(low[2], alone.low_values[0, 0], atol=0.02)
    for part in mixed.noise_floor(n_resamples=1000, random_state=0):
        assert abs(part["rows"] - part["counts"]) < 0.02


@pytest.mark.parametrize("metric", ["true_positive_rate", "selection_rate"])
def test_noise_floor_is_that_of_permuted_rows(metric):
    data = samples()
    y_true, y_pred, group = (
        data[name] for name in ("y_true", "y_pred", "sensitive_features")
    )
    within = y_true if metric == "true_positive_rate" else np.zeros_like(y_true)
    rng, gaps = np.random.default_rng(0), []
    for _ in range(2000):
        shuffled = group.copy()
        for stratum in np.unique(within):
            own = np.flatnonzero(within == stratum)
            shuffled[own] = group[own][rng.permutation(len(own))]
        rows = np.ones_like(y_true) if metric == "selection_rate" else y_true
        rates = [y_pred[(shuffled == g) & (rows == 1)].mean() for g in range(3)]
        gaps.append(np.ptp(rates))
    mean, edge = report(data, [metric]).noise_floor(random_state=0)
    error = np.std(gaps) / np.sqrt(2000)
    assert abs(mean[metric] - np.mean(gaps)) < 5 * error
    assert abs((gaps <= edge[metric]).mean() - 0.95) < 0.025


def test_noise_floor_of_weighted_rows_is_that_of_permuted_rows():
    data = samples(weighted=True)
    y_pred, group, weights = (
        data[name] for name in ("y_pred", "sensitive_features", "sample_weight")
    )
    rng, gaps = np.random.default_rng(0), []
    for _ in range(2000):
        shuffled = rng.permutation(group)
        sums = np.bincount(shuffled, weights * y_pred) / np.bincount(shuffled, weights)
        gaps.append(np.ptp(sums))
    mean, edge = report(data, ["selection_rate"]).noise_floor(random_state=0)
    error = np.std(gaps) / np.sqrt(2000)
    assert abs(mean["selection_rate"] - np.mean(gaps)) < 5 * error
    assert abs((gaps <= edge["selection_rate"]).mean() - 0.95) < 0.025


def test_noise_floor_of_a_ratio_is_taken_from_below():
    mean, edge = report(samples()).noise_floor("ratio", random_state=0)
    assert (edge < mean).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": "magic"}, "`method` to be one of"),
        ({"disparity": "gap"}, "`disparity` to be None, one of"),
        ({"confidence_level": 1.5}, "`confidence_level` between 0 and 1"),
        ({"disparity": "difference", "to": "moon"}, "'groups' or 'overall'"),
        ({"method": "wilson", "disparity": "difference"}, "Use 'newcombe'"),
        ({"method": "newcombe"}, "use 'wilson'"),
        (
            {"method": "newcombe", "disparity": "ratio", "to": "overall"},
            "between groups",
        ),
        ({"method": "max_t", "disparity": "ratio"}, "Use 'percentile' or 'bca'"),
    ],
)
def test_intervals_that_do_not_exist_raise(change, message):
    with pytest.raises(ValueError, match=message):
        report(samples()).confidence_interval(**change)


@pytest.mark.parametrize(
    ("metric", "method", "message"),
    [
        ("f1_score", "wilson", "rates that are shares of samples"),
        ("mean_error", "bca", "metrics of hard predictions for method='bca'"),
    ],
)
def test_metrics_without_that_interval_raise(metric, method, message):
    with pytest.raises(ValueError, match=message):
        report(samples(), metric).confidence_interval(method)
