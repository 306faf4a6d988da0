"""Individual fairness against loops, closed forms and an exact decomposition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk.definitions import COUNT_FUNCTIONS, consistency, generalized_entropy


def test_consistency_is_that_of_a_loop_over_neighbours(rng):
    X, y_pred = rng.normal(size=(60, 3)), rng.random(60)
    gaps = []
    for i in range(60):
        distances = ((X - X[i]) ** 2).sum(1)
        distances[i] = np.inf
        gaps.append(abs(y_pred[i] - y_pred[np.argsort(distances)[:4]].mean()))
    assert consistency(X, y_pred, n_neighbors=4) == pytest.approx(1 - np.mean(gaps))


def test_predictions_for_other_rows_raise():
    with pytest.raises(ValueError, match="one prediction for each row"):
        consistency(np.zeros((10, 1)), np.zeros(9))


@given(
    seed=st.integers(0, 2**32 - 1),
    alpha=st.sampled_from([0.5, 1.0, 2.0, 3.0]),
    weighted=st.booleans(),
)
def test_entropy_splits_into_between_and_within_groups(seed, alpha, weighted):
    rng = np.random.default_rng(seed)
    benefits, groups = rng.integers(1, 4, size=40), rng.integers(3, size=40)
    weights = rng.random(40) + 0.1 if weighted else np.ones(40)
    whole = generalized_entropy(benefits, alpha=alpha, sample_weight=weights)
    between = generalized_entropy(
        benefits, alpha=alpha, group_codes=groups, sample_weight=weights
    )
    mean, within = np.average(benefits, weights=weights), 0.0
    for g in np.unique(groups):
        own = groups == g
        share = weights[own].sum() / weights.sum()
        relative = np.average(benefits[own], weights=weights[own]) / mean
        inner = generalized_entropy(
            benefits[own], alpha=alpha, sample_weight=weights[own]
        )
        within += share * relative**alpha * inner
    assert whole == pytest.approx(between + within)


@pytest.mark.parametrize(
    ("name", "alpha"), [("generalized_entropy_index", 2.0), ("theil_index", 1.0)]
)
def test_the_index_of_counts_is_that_of_the_rows(name, alpha, rng):
    y_true, y_pred = rng.integers(2, size=(2, 80))
    counts = np.zeros((1, 2, 2))
    np.add.at(counts, (0, y_true, y_pred), 1)
    expected = generalized_entropy(1 + y_pred - y_true, alpha=alpha)
    assert COUNT_FUNCTIONS[name].values(counts, 1).item() == pytest.approx(expected)


def test_entropy_of_no_benefit_is_undefined():
    assert np.isnan(generalized_entropy([0, 0]))
    counts = np.array([[[0, 0], [4, 0]]])
    for name in ("generalized_entropy_index", "theil_index"):
        assert np.isnan(COUNT_FUNCTIONS[name].values(counts, 1)).all()


def test_negative_benefits_raise():
    with pytest.raises(ValueError, match="benefits of at least 0"):
        generalized_entropy([1, -1])
