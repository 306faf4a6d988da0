import numpy as np
import pandas as pd
import polars as pl
from scipy import sparse, stats

from fairsk.utils._random import uniform_by_row


def test_numbers_are_uniform_and_differ_between_seeds(rng):
    X = rng.normal(size=(5000, 3))
    first, second = uniform_by_row(X, 0), uniform_by_row(X, 1)
    assert stats.kstest(first, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05
    assert abs(np.corrcoef(first, X[:, 0])[0, 1]) < 0.05


def test_neighbouring_integers_are_unrelated():
    drawn = uniform_by_row(np.arange(5000)[:, None], 0)
    assert stats.kstest(drawn, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.05


def test_the_number_belongs_to_the_row_in_every_container(rng):
    X = rng.integers(0, 3, size=(200, 4)).astype(float)
    drawn = uniform_by_row(X, 0)
    rows = rng.permutation(200)
    np.testing.assert_array_equal(uniform_by_row(X[rows], 0), drawn[rows])
    for other in (
        X.tolist(),
        sparse.csr_array(X),
        sparse.csc_array(X),
        pd.DataFrame(X),
        pl.DataFrame(X),
        X.astype(int),
    ):
        np.testing.assert_array_equal(uniform_by_row(other, 0), drawn)


def test_strings_count_and_column_order_matters():
    frame = pd.DataFrame({"a": ["x", "x", "y"], "b": [1, 2, 1]})
    assert len(set(uniform_by_row(frame, 0))) == 3
    np.testing.assert_array_equal(
        uniform_by_row(frame, 0), uniform_by_row(pl.from_pandas(frame), 0)
    )
    swapped = uniform_by_row(np.array([[1.0, 2.0], [2.0, 1.0]]), 0)
    assert swapped[0] != swapped[1]


def test_texts_have_numbers_too_and_every_letter_counts():
    texts = [
        letter + "a long tail, which is the same in all texts" * 3 for letter in "ab"
    ]
    drawn = uniform_by_row(texts, 0)
    assert drawn[0] != drawn[1]
    for other in (np.array(texts), np.array(texts, dtype=object), pd.Series(texts)):
        np.testing.assert_array_equal(uniform_by_row(other, 0), drawn)
    np.testing.assert_array_equal(uniform_by_row(np.array(texts)[:, None], 0), drawn)
