"""Read a table at many small integer codes."""

import numpy as np

# Rows whose codes, widened to the integers that index, stay in the cache.
_BLOCK = 1 << 14


def lookup(table, codes):
    """``table[codes]`` for codes of a small dtype, about as fast as of a wide one.

    Parameters
    ----------
    table : ndarray of shape (n_entries,)
        Values; -1 reads the last one.
    codes : int ndarray of shape (n_samples,)
        Positions.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Of the dtype of `table`.
    """
    values = np.empty(len(codes), dtype=table.dtype)
    for rows in blocks(len(codes)):
        values[rows] = table.take(codes[rows])
    return values


def blocks(n_samples):
    """Slices of consecutive rows that together are all rows."""
    return [
        slice(start, min(start + _BLOCK, n_samples))
        for start in range(0, n_samples, _BLOCK)
    ]
