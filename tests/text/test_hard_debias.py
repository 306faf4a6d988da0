import numpy as np
import pytest

from fairsk.datasets import load_short_bios
from fairsk.text import (
    CounterfactualEraser,
    CounterfactualSwap,
    HardDebias,
    TextEncoder,
)


@pytest.fixture
def pairs(rng):
    basis = np.linalg.qr(rng.normal(size=(6, 2)))[0].T
    X = rng.normal(size=(200, 6))
    shift = rng.normal(size=(200, 2)) * [5.0, 2.0]
    return X, X + shift @ basis, basis


def test_directions_are_the_principal_components_of_pairs(pairs):
    X, other, _ = pairs
    covariance = np.zeros((6, 6))
    for x, x_other in zip(X, other):
        mean = (x + x_other) / 2
        for w in (x, x_other):
            covariance += np.outer(w - mean, w - mean) / 2
    values, vectors = np.linalg.eigh(covariance)
    debias = HardDebias(2).fit(X, X_counterfactual=other)
    expected = vectors[:, ::-1][:, :2].T
    np.testing.assert_allclose(np.abs(debias.directions_), np.abs(expected), atol=1e-8)
    np.testing.assert_allclose(
        debias.explained_variance_ratio_, values[::-1][:2] / values.sum()
    )


def test_neutral_embeddings_are_those_of_the_projection(pairs):
    X, other, _ = pairs
    debias = HardDebias(2).fit(X, X_counterfactual=other)
    B = debias.directions_
    np.testing.assert_allclose(debias.transform(X), X - X @ B.T @ B, atol=1e-10)
    # The pairs differ in these two directions alone.
    np.testing.assert_allclose(debias.transform(X), debias.transform(other), atol=1e-8)
    unit = HardDebias(2, normalize=True).fit(X, X_counterfactual=other).transform(X)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1)


def test_equalized_pairs_are_as_far_from_everything_neutral(pairs, rng):
    X, other, _ = pairs
    debias = HardDebias(1).fit(X, X_counterfactual=other)
    first, second = debias.equalize(X, other)
    np.testing.assert_allclose(np.linalg.norm(first, axis=1), 1)
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 1)
    neutral = debias.transform(rng.normal(size=(5, 6)))
    np.testing.assert_allclose(first @ neutral.T, second @ neutral.T, atol=1e-10)
    B = debias.directions_
    np.testing.assert_allclose(first @ B.T, -(second @ B.T), atol=1e-10)


def test_without_pairs_the_means_of_the_groups_count(rng):
    X = rng.normal(size=(300, 4))
    codes = rng.integers(3, size=300)
    X[:, 1] += codes == 1
    X[:, 2] += 2 * (codes == 2)
    debias = HardDebias(5).fit(X, sensitive_features=codes)
    assert debias.directions_.shape == (2, 4)
    means = [debias.transform(X)[codes == g].mean(axis=0) for g in range(3)]
    np.testing.assert_allclose(means[0], means[1], atol=1e-10)
    np.testing.assert_allclose(means[0], means[2], atol=1e-10)


def test_pairs_that_do_not_differ_raise(rng):
    X = rng.normal(size=(10, 3))
    with pytest.raises(ValueError, match="All 10 rows equal"):
        HardDebias().fit(X, X_counterfactual=X)
    with pytest.raises(ValueError, match="9 rows of `X_counterfactual` for 10"):
        HardDebias().fit(X, X_counterfactual=X[1:])


def test_it_erases_what_a_swap_of_texts_changes():
    def count(texts):
        words = ["she", "he", "her", "his", "him", "ward", "theatre", "warm", "calm"]
        return np.array([[t.lower().split().count(w) for w in words] for t in texts])

    bios = load_short_bios()
    texts, gender = bios.data["text"].tolist(), bios.sensitive_features["gender"]
    guarded = CounterfactualEraser(TextEncoder(count, normalize=False), HardDebias(5))
    embedded = guarded.fit(texts, sensitive_features=gender).transform(texts)
    swapped = guarded.transform(CounterfactualSwap().fit_transform(texts))
    np.testing.assert_allclose(swapped, embedded, atol=1e-5)
    assert np.ptp(embedded, axis=0).max() > 0.5
