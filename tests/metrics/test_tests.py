"""Permutation tests, corrections and non-inferiority against exact nulls and rows."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fairsk.datasets import load_adult
from fairsk.definitions import DEFINITIONS
from fairsk.metrics import (
    OutcomeCounts,
    adjust_pvalues,
    disparity_test,
    fairness_disparity,
    non_inferiority,
)
from fairsk.metrics._resampling import _random_tables


def biased(seed=0, n=400, gap=0.0, n_groups=2):
    rng = np.random.default_rng(seed)
    group = rng.integers(n_groups, size=n)
    y_true = rng.integers(2, size=n)
    y_pred = (rng.random(n) < 0.3 + 0.3 * y_true + gap * group).astype(int)
    return y_true, y_pred, group


def test_pvalue_is_that_of_the_exact_null():
    """All tables with these margins, weighted by the hypergeometric distribution."""
    hits, sizes = np.array([9, 3]), np.array([14, 13])
    y_pred = np.concatenate([np.arange(n) < k for k, n in zip(hits, sizes)]).astype(int)
    group = np.repeat([0, 1], sizes)
    null = stats.hypergeom(sizes.sum(), hits.sum(), sizes[0])
    first = np.arange(sizes[0] + 1)
    gaps = abs(first / sizes[0] - (hits.sum() - first) / sizes[1])
    gap = abs(hits[0] / sizes[0] - hits[1] / sizes[1])
    exact = null.pmf(first)[gaps >= gap - 1e-12].sum()
    result = disparity_test(
        y_pred, y_pred, sensitive_features=group, n_resamples=99_999, random_state=0
    )
    assert result.statistic == pytest.approx(gap)
    assert result.pvalue == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
@pytest.mark.parametrize("weighted", [False, True])
def test_null_is_that_of_permuted_rows(fairness, weighted):
    y_true, y_pred, group = biased(n=300, n_groups=3)
    rng = np.random.default_rng(1)
    weights = rng.gamma(4, size=300) if weighted else None
    result = disparity_test(
        y_true,
        y_pred,
        sensitive_features=group,
        fairness=fairness,
        sample_weight=weights,
        random_state=0,
    )
    strata = DEFINITIONS[fairness].null_strata(2)[y_true, y_pred]
    null = []
    for _ in range(600):
        shuffled = group.copy()
        for stratum in np.unique(strata):
            own = np.flatnonzero(strata == stratum)
            shuffled[own] = group[own][rng.permutation(len(own))]
        null.append(
            fairness_disparity(
                y_true,
                y_pred,
                sensitive_features=shuffled,
                fairness=fairness,
                sample_weight=weights,
            )
        )
    assert stats.ks_2samp(null, result.null_distribution).statistic < 0.08
    assert result.statistic == pytest.approx(
        fairness_disparity(
            y_true,
            y_pred,
            sensitive_features=group,
            fairness=fairness,
            sample_weight=weights,
        )
    )


def test_pvalues_are_uniform_where_there_is_no_disparity():
    pvalues = []
    for seed in range(200):
        y_true, y_pred, group = biased(seed)
        result = disparity_test(
            y_true,
            y_pred,
            sensitive_features=group,
            fairness="equalized_odds",
            n_resamples=199,
            random_state=seed,
        )
        pvalues.append(result.pvalue)
    assert stats.kstest(pvalues, "uniform").pvalue > 0.001


def test_a_strong_disparity_is_found_and_its_groups_named():
    y_true, y_pred, group = biased(gap=0.15, n_groups=3, n=3000)
    result = disparity_test(y_true, y_pred, sensitive_features=group, random_state=0)
    assert result.pvalue < 0.001
    assert result.noise_floor < result.statistic
    assert (result.by_group["adjusted_pvalue"] >= result.by_group["pvalue"]).all()
    assert result.by_group.loc[2, "adjusted_pvalue"] < 0.01
    assert "pvalue=" in repr(result)


def test_control_features_explain_a_disparity_away():
    """Admission by department, not by sex (as in Berkeley, 1973)."""
    rng = np.random.default_rng(0)
    sex = rng.integers(2, size=4000)
    department = (rng.random(4000) < 0.2 + 0.6 * sex).astype(int)
    admitted = (rng.random(4000) < 0.3 + 0.4 * department).astype(int)
    raw = disparity_test(admitted, admitted, sensitive_features=sex, random_state=0)
    within = disparity_test(
        admitted,
        admitted,
        sensitive_features=sex,
        control_features=department,
        random_state=0,
    )
    assert raw.pvalue < 0.001
    assert within.pvalue > 0.05


def test_the_ratio_is_unfair_where_it_is_small():
    y_true, y_pred, group = biased(gap=0.2)
    result = disparity_test(
        y_true, y_pred, sensitive_features=group, disparity="ratio", random_state=0
    )
    assert result.statistic < result.noise_floor
    assert result.pvalue < 0.01


def test_counts_give_the_test_of_their_arrays():
    y_true, y_pred, group = biased(n_groups=3)
    counts = OutcomeCounts.from_arrays(y_true, y_pred, sensitive_features=group)
    one = disparity_test(counts, fairness="equalized_odds", random_state=0)
    other = disparity_test(
        y_true,
        y_pred,
        sensitive_features=group,
        fairness="equalized_odds",
        random_state=0,
    )
    assert (one.statistic, one.pvalue) == (other.statistic, other.pvalue)


def test_equalized_odds_on_adult_by_race_has_a_noise_floor():
    """Five groups of very unequal sizes: what is measured is mostly chance."""
    adult = load_adult()
    test = np.random.default_rng(0).permutation(len(adult.target))[:9000]
    y_true = np.unique(np.asarray(adult.target)[test], return_inverse=True)[1]
    race = np.asarray(adult.sensitive_features["race"])[test]
    # A predictor that is fair by construction: errors are blind to race.
    rng = np.random.default_rng(1)
    y_pred = np.where(rng.random(len(y_true)) < 0.15, 1 - y_true, y_true)
    result = disparity_test(
        y_true,
        y_pred,
        sensitive_features=race,
        fairness="equalized_odds",
        random_state=0,
    )
    assert result.noise_floor > 0.05
    assert result.pvalue > 0.01


@given(
    table=st.lists(
        st.lists(st.integers(0, 9), min_size=3, max_size=3), min_size=1, max_size=5
    )
)
def test_random_tables_keep_their_margins(table):
    table = np.array(table)
    drawn = _random_tables(np.random.default_rng(0), table, 50)
    assert (drawn >= 0).all()
    np.testing.assert_array_equal(
        drawn.sum(0), np.repeat(table.sum(0)[:, None], 50, axis=1)
    )
    np.testing.assert_array_equal(
        drawn.sum(1), np.repeat(table.sum(1)[:, None], 50, axis=1)
    )


def test_urns_of_billions_have_the_right_mean_and_variance():
    table = np.array([[3.0, 5.0], [4.0, 8.0]]) * 1e9
    drawn = _random_tables(np.random.default_rng(0), table.astype(int), 20_000)[0, 0]
    total, row, column = table.sum(), table[0].sum(), table[:, 0].sum()
    variance = row * column * (total - row) * (total - column) / total**3
    error = np.sqrt(variance / 20_000)
    assert abs(drawn.mean() - row * column / total) < 5 * error
    assert drawn.std() == pytest.approx(np.sqrt(variance), rel=0.05)


def test_holm_is_the_closed_test_of_bonferroni():
    pvalues = np.array([0.01, 0.04, 0.03, 0.005, np.nan])
    adjusted = adjust_pvalues(pvalues, "holm")
    for i in range(4):
        closed = max(
            min(1.0, len(subset) * pvalues[list(subset)].min())
            for size in range(1, 5)
            for subset in itertools.combinations(range(4), size)
            if i in subset
        )
        assert adjusted[i] == pytest.approx(closed)
    assert np.isnan(adjusted[4])


def test_benjamini_hochberg_passes_over_what_is_no_test():
    pvalues = np.array([0.01, np.nan, 0.02])
    np.testing.assert_allclose(adjust_pvalues(pvalues, "fdr_bh"), [0.02, np.nan, 0.02])
    np.testing.assert_array_equal(adjust_pvalues(pvalues, None), pvalues)


@pytest.mark.parametrize("weighted", [False, True])
def test_non_inferiority_resamples_both_predictions_with_the_row(weighted):
    rng = np.random.default_rng(0)
    y_true, base, group = biased(gap=0.2, n=500)
    new = np.where(rng.random(500) < 0.2, y_true, base)
    weights = rng.gamma(3, size=500) if weighted else np.ones(500)
    result = non_inferiority(
        y_true,
        new,
        base,
        sensitive_features=group,
        sample_weight=weights if weighted else None,
        random_state=0,
    )

    def gap(pred, rows):
        rates = [
            np.average(
                pred[rows][group[rows] == g], weights=weights[rows][group[rows] == g]
            )
            for g in (0, 1)
        ]
        return abs(rates[0] - rates[1])

    def score(pred, rows):
        return np.average((pred == y_true)[rows], weights=weights[rows])

    everyone = np.arange(500)
    assert result.unfairness_change == pytest.approx(
        gap(new, everyone) - gap(base, everyone)
    )
    assert result.score_change == pytest.approx(
        score(new, everyone) - score(base, everyone)
    )
    drawn = [rng.integers(500, size=500) for _ in range(2000)]
    for measure, interval in (
        (gap, result.unfairness_interval),
        (score, result.score_interval),
    ):
        changes = np.array([measure(new, r) - measure(base, r) for r in drawn])
        for end, tail in zip(interval, (0.025, 0.975)):
            assert abs((changes <= end).mean() - tail) < 0.015
    assert result.pvalue == max(result.pvalue_fairness, result.pvalue_score)


def test_a_fairer_model_that_is_much_worse_is_inferior():
    y_true, base, group = biased(gap=0.3, n=2000)
    blind = np.random.default_rng(1).integers(2, size=2000)
    result = non_inferiority(y_true, blind, base, sensitive_features=group)
    assert result.pvalue_fairness < 0.01
    assert result.pvalue_score > 0.5
    assert result.pvalue > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fairness": "peace"}, "`fairness` must be"),
        ({"method": "magic"}, "`method` to be one of"),
        ({"multiplicity": "magic"}, "`multiplicity` to be one of"),
    ],
)
def test_unknown_choices_of_the_test_raise(change, message):
    with pytest.raises(ValueError, match=message):
        disparity_test([0, 1], [0, 1], sensitive_features=[0, 1], **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": -1}, "`margin` of at least 0"),
        ({"score": "roc_auc"}, "`score` of hard predictions"),
    ],
)
def test_bad_input_of_non_inferiority_raises(change, message):
    with pytest.raises(ValueError, match=message):
        non_inferiority([0, 1], [0, 1], [0, 1], sensitive_features=[0, 1], **change)
