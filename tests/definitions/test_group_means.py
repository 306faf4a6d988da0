"""Means of terms: additive, and the same for numpy and torch."""

import numpy as np
import pytest
import torch

from fairsk.definitions import GROUP_MEANS

OF_PROBABILITIES = {"log_loss", "brier_score", "predictive_entropy"}
OF_INTERVALS = {"interval_width", "interval_coverage"}


def inputs(name, rng, n=60):
    if name in OF_PROBABILITIES:
        return rng.integers(2, size=n), rng.random(n)
    if name in OF_INTERVALS:
        return rng.normal(size=n), np.sort(rng.normal(size=(n, 2)), axis=1)
    return rng.normal(size=n), rng.normal(size=n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", sorted(GROUP_MEANS))
def test_each_group_is_measured_as_if_alone(name, weighted, rng):
    y_true, y_score = inputs(name, rng)
    codes = rng.integers(3, size=60)
    weights = rng.random(60) if weighted else None
    mean = GROUP_MEANS[name]
    values = mean.per_group(y_true, y_score, codes, n_groups=4, sample_weight=weights)
    for g in range(3):
        own = codes == g
        alone = mean.per_group(
            y_true[own],
            y_score[own],
            np.zeros(own.sum(), dtype=int),
            n_groups=1,
            sample_weight=None if weights is None else weights[own],
        )
        np.testing.assert_allclose(values[g], alone[0])
    assert np.isnan(values[3])


@pytest.mark.parametrize("name", sorted(GROUP_MEANS))
def test_torch_gives_what_numpy_gives(name, rng):
    y_true, y_score = inputs(name, rng)
    codes, weights = rng.integers(3, size=60), rng.random(60)
    expected = GROUP_MEANS[name].per_group(
        y_true, y_score, codes, n_groups=3, sample_weight=weights
    )
    values = GROUP_MEANS[name].per_group(
        torch.as_tensor(y_true),
        torch.as_tensor(y_score),
        torch.as_tensor(codes),
        n_groups=3,
        sample_weight=torch.as_tensor(weights),
    )
    np.testing.assert_allclose(values.numpy(), expected)


def test_entropy_is_largest_where_the_classes_are_even():
    entropy = GROUP_MEANS["predictive_entropy"]
    scores = np.array([0.5, 0.0, 1.0])
    values = entropy.per_group(scores, scores, np.arange(3), n_groups=3)
    np.testing.assert_allclose(values, [np.log(2), 0, 0], atol=1e-12)


def test_constant_targets_have_no_explained_variance():
    values = GROUP_MEANS["r2_score"].per_group(
        np.array([3.0, 3.0, 1.0, 2.0]),
        np.array([3.0, 3.0, 1.0, 2.0]),
        np.array([0, 0, 1, 1]),
        n_groups=2,
    )
    np.testing.assert_array_equal(values, [np.nan, 1.0])
