import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from fairsk.inprocessing._binning import WeightedBinner


def binned(X, max_bins=255, sample_weight=None, other=None):
    weight = np.ones(X.shape[0]) if sample_weight is None else sample_weight
    return (
        WeightedBinner(max_bins).fit(X, weight).transform(X if other is None else other)
    )


def test_few_values_have_a_bin_each():
    X = np.array([[3.0], [-1.0], [7.0], [3.0]])
    np.testing.assert_array_equal(binned(X)[:, 0], [1, 0, 2, 1])


def test_new_values_go_to_the_nearest():
    X, new = np.array([[0.0], [1.0], [3.0]]), np.array([[-9.0], [0.6], [2.1], [99.0]])
    np.testing.assert_array_equal(binned(X, other=new)[:, 0], [0, 1, 2, 2])


def test_values_next_to_each_other_are_told_apart():
    value = 1.0
    X = np.array([[value], [np.nextafter(value, 2)]])
    np.testing.assert_array_equal(binned(X)[:, 0], [0, 1])


def test_missing_values_stay_missing():
    X = np.array([[np.nan], [1.0], [np.nan], [2.0]])
    np.testing.assert_array_equal(binned(X)[:, 0], [np.nan, 0, np.nan, 1])


def test_many_values_share_bins_of_equal_weight():
    X = np.random.default_rng(0).permutation(1000.0 + np.arange(1000))[:, None]
    bins = binned(X, max_bins=10)[:, 0].astype(int)
    np.testing.assert_array_equal(np.bincount(bins), 100)
    assert (np.diff(bins[X[:, 0].argsort()]) >= 0).all()


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_weights_are_repetitions(seed, max_bins):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 40, size=(60, 2)).astype(float)
    weight = rng.integers(1, 4, size=60)
    rows = rng.permutation(np.repeat(np.arange(60), weight))
    weighted = binned(X, max_bins, weight.astype(float))
    repeated = binned(X[rows], max_bins, other=X)
    np.testing.assert_array_equal(weighted, repeated)


def test_of_sparse_data_only_what_is_stored_is_binned():
    X = np.array([[0.0, -2.0], [5.0, 0.0], [7.0, 3.0]])
    bins = binned(sparse.csr_matrix(X)).toarray()
    np.testing.assert_array_equal(bins, [[0, 0], [0, 0], [1, 1]])
    assert binned(sparse.csr_matrix(X)).nnz == 4


@pytest.mark.parametrize("fitted_as", [np.asarray, sparse.csr_matrix])
def test_layout_at_transform_changes_nothing(fitted_as):
    X = np.random.default_rng(0).integers(0, 3, size=(20, 3)).astype(float)
    binner = WeightedBinner(255).fit(fitted_as(X), np.ones(20))
    dense, stored = binner.transform(X), binner.transform(sparse.csr_matrix(X))
    assert sparse.issparse(dense) == sparse.issparse(stored)
    if sparse.issparse(dense):
        np.testing.assert_array_equal(dense.indices, stored.indices)
        dense, stored = dense.data, stored.data
    np.testing.assert_array_equal(dense, stored)
