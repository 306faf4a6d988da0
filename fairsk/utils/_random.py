"""Random numbers that belong to the row, not to its place among others."""

import hashlib

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def uniform_by_row(X, seed):
    """Draw a uniform number for each row from its values and a seed.

    A randomised prediction that draws by position gives the same person another answer
    in another batch. Here the number is a hash: it stays with the row whatever rows
    stand around it, and equal rows share it.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features), or \
            texts of shape (n_samples,)
        The rows, of numbers or anything that has a `str`.
    seed : int
        Another seed gives numbers that are independent of these.

    Returns
    -------
    uniforms : ndarray of shape (n_samples,)
        In [0, 1).
    """
    with np.errstate(over="ignore"):  # the hash counts modulo 2 ** 64
        if sparse.issparse(X):
            total = _hash_sparse(X.tocsr(), seed)
        else:
            total = sum(
                _hash_column(column, _salt(position, seed))
                for position, column in enumerate(_columns(X))
            )
        return (_mix(total + _salt(-1, seed)) >> np.uint64(11)) * 2.0**-53


def _columns(X):
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return [column.to_numpy() for column in frame.iter_columns()]
    values = np.asarray(X)
    return [values] if values.ndim == 1 else list(values.T)


def _hash_column(column, salt):
    if column.dtype.kind not in "biuf":
        _, first, codes = np.unique(
            column.astype(str), return_index=True, return_inverse=True
        )
        numbers = [_hash_text(str(column[row])) for row in first]
        return _mix(np.array(numbers, dtype=np.uint64)[codes] ^ salt)
    return _hash_numbers(column, salt)


def _hash_text(text):
    """A number of 64 bits: all of a text counts, however long it is."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(digest.digest(), "little")


def _hash_numbers(numbers, salt):
    # Zeros add nothing, so that a sparse matrix hashes like its dense twin.
    bits = numbers.astype(np.float64).view(np.uint64)
    return np.where(numbers == 0, np.uint64(0), _mix(bits ^ salt))


def _hash_sparse(X, seed):
    salts = np.array([_salt(j, seed) for j in range(X.shape[1])], dtype=np.uint64)
    X.sum_duplicates()
    hashes = _hash_numbers(X.data, salts[X.indices])
    total = np.concatenate([[np.uint64(0)], np.cumsum(hashes, dtype=np.uint64)])
    return total[X.indptr[1:]] - total[X.indptr[:-1]]


def _salt(position, seed):
    return _mix(np.uint64((position + 2) & 0xFFFFFFFF) * _GOLDEN ^ np.uint64(seed))


def _mix(bits):
    """Finaliser of splitmix64: a bijection that scrambles all 64 bits."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
