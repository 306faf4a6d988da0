import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from fairsk.preprocessing import DisparateImpactRemover


@pytest.fixture
def grouped(rng):
    group = rng.integers(3, size=3000)
    return rng.gamma(2.0, size=(3000, 2)) * (1 + group)[:, None] - group[:, None], group


def test_groups_have_one_distribution_and_keep_their_order(grouped):
    X, group = grouped
    out = DisparateImpactRemover().fit_transform(X, sensitive_features=group)
    for j in range(2):
        for a, b in [(0, 1), (0, 2), (1, 2)]:
            before = ks_2samp(X[group == a, j], X[group == b, j]).statistic
            after = ks_2samp(out[group == a, j], out[group == b, j]).statistic
            assert after < 0.02 < before
        for g in range(3):
            order = X[group == g, j].argsort()
            assert (np.diff(out[group == g, j][order]) >= -1e-12).all()


def test_two_groups_of_one_size_meet_at_the_mean_of_equal_ranks(rng):
    X, group = rng.normal(size=(200, 1)), np.repeat([0, 1], 100)
    X[100:] = 3 * X[100:] + 1
    out = DisparateImpactRemover().fit_transform(X, sensitive_features=group)
    low, high = np.sort(X[:100, 0]), np.sort(X[100:, 0])
    np.testing.assert_allclose(np.sort(out[:100, 0]), (low + high) / 2, atol=1e-10)
    np.testing.assert_allclose(np.sort(out[100:, 0]), (low + high) / 2, atol=1e-10)


def test_three_groups_of_one_size_are_repaired_as_by_the_authors(rng):
    audit = pytest.importorskip("BlackBoxAuditing.repairers.GeneralRepairer")
    group = np.repeat([0, 1, 2], 100)
    X = rng.normal(size=(300, 1)) * (1 + group[:, None]) + np.exp(group)[:, None]
    rows = np.column_stack([group, X]).tolist()
    theirs = audit.Repairer(rows, 0, 1.0, False).repair(rows)
    ours = DisparateImpactRemover().fit_transform(X, sensitive_features=group)
    theirs = np.array(theirs, dtype=float)[:, 1]
    np.testing.assert_allclose(ours[:, 0], theirs, atol=1e-10)


@given(st.floats(0, 1))
def test_repair_is_linear_in_its_level(level):
    X, group = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
    full = DisparateImpactRemover().fit_transform(X, sensitive_features=group)
    part = DisparateImpactRemover(repair_level=level)
    np.testing.assert_allclose(
        part.fit_transform(X, sensitive_features=group),
        X + level * (full - X),
        atol=1e-12,
    )


def test_unseen_values_interpolate_and_ends_hold(rng):
    X, group = np.arange(10.0)[:, None], np.arange(10) % 2
    remover = DisparateImpactRemover().fit(X, sensitive_features=group)
    out = remover.transform([[1.0], [-5.0], [50.0]], sensitive_features=[0, 0, 1])
    np.testing.assert_allclose(out.ravel(), [1.5, 0.5, 8.5])


def test_ties_share_the_middle_rank():
    X, group = np.array([[0.0], [0.0], [0.0], [1.0], [2.0], [3.0]]), list("aaabbb")
    out = DisparateImpactRemover().fit_transform(X, sensitive_features=group)
    np.testing.assert_allclose(out[:3], 1.0)


def test_weights_count_as_repetitions(grouped):
    X, group = grouped
    weight = np.arange(3000) % 3
    rows = np.repeat(np.arange(3000), weight)
    weighted = DisparateImpactRemover(n_quantiles=50).fit(
        X, sensitive_features=group, sample_weight=weight
    )
    repeated = DisparateImpactRemover(n_quantiles=50).fit(
        X[rows], sensitive_features=group[rows]
    )
    np.testing.assert_allclose(weighted.quantiles_, repeated.quantiles_)


def test_bad_input_raises(grouped):
    X, group = grouped
    with pytest.raises(ValueError, match="repair_level"):
        DisparateImpactRemover(repair_level=1.1).fit(X, sensitive_features=group)
    frame = pd.DataFrame(X).add_prefix("x").assign(job="clerk", g=group)
    with pytest.raises(ValueError, match="could not convert string to float"):
        DisparateImpactRemover(group_by="g").fit(frame)
    with pytest.raises(ValueError, match="needs weight in each group"):
        DisparateImpactRemover().fit(
            X, sensitive_features=group, sample_weight=(group > 0).astype(float)
        )
