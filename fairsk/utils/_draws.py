"""A repeatable random number for every row, from what the row holds."""

import hashlib

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse

from fairsk.utils._columns import as_array, factorize_column


def row_draws(X, seed):
    """One uniform number in [0, 1) per row, a function of the row and the seed.

    The number depends neither on the position of the row nor on the other rows, so that
    calls repeat and a permutation of the rows permutes the numbers. Equal rows get
    equal numbers.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows of any dtype.
    seed : int
        Another seed gives independent numbers.

    Returns
    -------
    draws : float ndarray of shape (n_samples,)
        Uniform on [0, 1) over distinct rows.
    """
    total = _sum_of_hashes(X, np.uint64(seed))
    return (_mix(total) >> np.uint64(11)) * 2.0**-53


def _sum_of_hashes(X, seed):
    if sparse.issparse(X):
        return _hash_sparse(X.tocsr(), seed)
    columns = _columns(X)
    with np.errstate(over="ignore"):
        total = np.zeros(len(columns[0]) if columns else 0, dtype=np.uint64)
        for position, column in enumerate(columns):
            total += _hash_column(column, seed, position)
    return total


def _columns(X):
    frame = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return [frame[:, position] for position in range(len(frame.columns))]
    if isinstance(frame, nw.Series):
        return [frame]
    array = as_array(X)
    return [array] if array.ndim == 1 else list(array.reshape(len(array), -1).T)


def _hash_column(column, seed, position):
    if isinstance(column, nw.Series) and (
        column.dtype.is_numeric() or column.dtype == nw.Boolean
    ):
        column = column.to_numpy()
    if isinstance(column, np.ndarray) and column.dtype.kind in "biuf":
        return _hash_numbers(column, seed, np.uint64(position))
    if isinstance(column, np.ndarray) and column.dtype.kind == "O":
        column = _numbers_or_same(column)
        if column.dtype.kind == "f":
            return _hash_numbers(column, seed, np.uint64(position))
    labels, codes = factorize_column(column)
    table = [_hash_label(label, seed, position) for label in labels]
    table.append(_hash_label(None, seed, position))  # code -1, a missing value
    return np.array(table, dtype=np.uint64)[codes]


def _numbers_or_same(column):
    try:
        return column.astype(float)
    except (TypeError, ValueError):
        return column


def _hash_numbers(values, seed, position):
    # Adding 0.0 turns -0.0 into 0.0. Zeros hash to 0, as in a sparse matrix.
    numbers = np.ascontiguousarray(values, dtype=np.float64) + 0.0
    bits = numbers.view(np.uint64)
    with np.errstate(over="ignore"):
        key = _mix(seed + position * np.uint64(0x9E3779B97F4A7C15))
        return np.where(bits == 0, np.uint64(0), _mix(bits ^ key))


def _hash_sparse(X, seed):
    hashes = _hash_numbers(X.data, seed, X.indices.astype(np.uint64))
    total = np.append(np.uint64(0), np.cumsum(hashes, dtype=np.uint64))
    with np.errstate(over="ignore"):
        return total[X.indptr[1:]] - total[X.indptr[:-1]]


def _hash_label(label, seed, position):
    text = f"{int(seed)}|{position}|{label!s}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def _mix(bits):
    """Steele, Lea & Flood (2014), SplitMix64: every bit depends on every bit."""
    with np.errstate(over="ignore"):
        bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return bits ^ (bits >> np.uint64(31))
