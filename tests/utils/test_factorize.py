"""Codes against numpy's unique, for every dtype."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fairsk.utils._factorize import factorize, factorize_tensor

DTYPES = ["bool", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "U2"]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def assert_matches_unique(values):
    labels, codes = factorize(values)
    expected_labels, expected_codes = np.unique(values, return_inverse=True)
    np.testing.assert_array_equal(labels, expected_labels)
    np.testing.assert_array_equal(codes, expected_codes)
    assert codes.dtype.kind == "i"


@every_dtype
@given(data=st.data())
def test_any_values_are_coded_as_numpy_does(dtype, data):
    options = {"allow_nan": False} if dtype.startswith("f") else {}
    elements = hnp.from_dtype(np.dtype(dtype), **options)
    assert_matches_unique(
        data.draw(hnp.arrays(dtype, st.integers(0, 20), elements=elements))
    )


@every_dtype
@given(values=st.lists(st.integers(0, 200), max_size=20))
def test_small_integers_of_any_dtype_are_coded_as_numpy_does(dtype, values):
    if dtype == "i1":
        values = [value - 100 for value in values]
    assert_matches_unique(np.array(values).astype(dtype))


@pytest.mark.parametrize("low", [-129, -128, -1, 0, 1, 126, 127, 128, 255, 40_000])
@pytest.mark.parametrize("width", [1, 2, 3, 127, 128, 129, 70_000])
def test_ranges_around_the_limits_of_the_dtypes(low, width):
    values = np.array([low, low + width - 1, low, low + width // 2])
    assert_matches_unique(values)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32"])
@given(values=st.lists(st.integers(0, 200), max_size=20))
def test_tensors_are_coded_as_numpy_does(dtype, values):
    tensor = torch.tensor(values, dtype=getattr(torch, dtype))
    labels, codes = factorize_tensor(tensor)
    expected_labels, expected_codes = np.unique(tensor.numpy(), return_inverse=True)
    assert labels == expected_labels.tolist()
    assert codes.tolist() == expected_codes.tolist()


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
