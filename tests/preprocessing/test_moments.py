import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk.preprocessing._moments import Moments, pool


def of(X, Z, weight=None, *, full=True):
    moments = Moments(X.shape[1], Z.shape[1], full=full)
    moments.update(X, lambda rows: Z[rows], weight)
    return moments


@pytest.mark.parametrize("full", [True, False])
def test_moments_are_those_of_numpy(rng, full):
    X, Z = rng.normal(1e3, 1, size=(9000, 4)), rng.normal(size=(9000, 2))
    weight = rng.integers(1, 4, size=9000)
    moments = of(X, Z, weight, full=full)
    expected = np.cov(np.hstack([X, Z]).T, fweights=weight, bias=True)
    np.testing.assert_allclose(moments.cross, expected[:4, 4:], atol=1e-12)
    np.testing.assert_allclose(moments.target_covariance, expected[4:, 4:])
    if full:
        np.testing.assert_allclose(moments.covariance, expected[:4, :4])


@given(st.lists(st.integers(0, 60), max_size=4), st.integers(0, 5))
def test_any_split_of_the_rows_gives_the_same_moments(cuts, seed):
    rng = np.random.default_rng(seed)
    X, Z = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    total = Moments(3, 2)
    for rows in np.split(np.arange(60), sorted(cuts)):
        total.merge(of(X[rows], Z[rows]))
    whole = of(X, Z)
    np.testing.assert_allclose(total.scatter, whole.scatter, atol=1e-10)
    np.testing.assert_allclose(total.mean, whole.mean, atol=1e-12)


@pytest.mark.parametrize("full", [True, False])
def test_inserted_targets_were_zero_and_can_be_reordered(rng, full):
    X, Z = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    moments = of(X, Z, full=full)
    moments.insert_targets(1, 2)
    padded = np.insert(Z, [1, 1], 0.0, axis=1)
    np.testing.assert_allclose(moments.cross, of(X, padded).cross)
    moments.reorder_targets([3, 0, 1, 2])
    np.testing.assert_allclose(moments.cross, of(X, padded[:, [3, 0, 1, 2]]).cross)


def test_pooled_covariance_is_that_about_each_mean(rng):
    X, Z = rng.normal(size=(50, 3)), rng.normal(size=(50, 1))
    parts = [of(X[:20], Z[:20]), of(X[20:] + 5, Z[20:])]
    centred = np.vstack([X[:20] - X[:20].mean(0), X[20:] - X[20:].mean(0)])
    np.testing.assert_allclose(pool(parts), centred.T @ centred / 50)
