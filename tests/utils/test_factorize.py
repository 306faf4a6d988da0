"""Codes of labels against numpy's sort."""

import numpy as np
import pytest

from fairsk.utils._factorize import factorize

INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("end", ["lowest", "highest", "middle", "both"])
def test_integers_at_the_ends_of_their_range_are_coded(dtype, end):
    limits = np.iinfo(dtype)
    values = {
        "lowest": [limits.min, limits.min + 5, limits.min],
        "highest": [limits.max, limits.max - 5, limits.max],
        "middle": [3, 100, 7],
        "both": [limits.min, limits.max, limits.min],
    }[end]
    values = np.array(values, dtype=dtype)
    labels, codes = factorize(values)
    expected = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_array_equal(codes, expected[1])
    assert labels.dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "<U3", object])
def test_other_labels_are_coded_as_by_a_sort(dtype, rng):
    values = rng.integers(5, size=200).astype(dtype)
    labels, codes = factorize(values)
    expected = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(labels, expected[0])
    np.testing.assert_array_equal(codes, expected[1])
