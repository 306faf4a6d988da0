"""Read one column of labels, whatever holds it."""

import narwhals.stable.v1 as nw
import numpy as np

from fairsk.utils._factorize import factorize, small_codes
from fairsk.utils._namespace import as_numpy, is_torch


def as_array(values):
    """`values` (list, array or tensor) as an ndarray that keeps each value's type."""
    if isinstance(values, np.ndarray):
        return values
    if is_torch(values) or hasattr(values, "__array_namespace__"):
        return as_numpy(values)
    try:
        array = np.asarray(values)
    except ValueError:
        return np.asarray(values, dtype=object)
    # numpy turns [1, "a", None] into strings; keep what the values were.
    return np.asarray(values, dtype=object) if array.dtype.kind in "US" else array


def as_column(values):
    """`values` as a narwhals Series if it is a series of some library, else ndarray."""
    if isinstance(values, np.ndarray):  # asking narwhals takes as long as 5,000 rows
        return values
    series = nw.from_native(
        values, eager_only=True, series_only=True, pass_through=True
    )
    return series if isinstance(series, nw.Series) else as_array(values)


def factorize_column(column):
    """Code the distinct values of a column.

    Parameters
    ----------
    column : narwhals Series or ndarray of shape (n_samples,)
        What :func:`as_column` returned.

    Returns
    -------
    labels, codes : ndarray
        As :func:`fairsk.utils._factorize.factorize` returns them.
    """
    if isinstance(column, nw.Series):
        return _factorize_series(column)
    return factorize(column)


def _factorize_series(series):
    native = series.to_native()
    numeric = series.dtype.is_numeric() or series.dtype == nw.Boolean
    if hasattr(native, "factorize") and not numeric:
        # pandas hashes its own dtypes faster than any array of objects can be coded.
        codes, labels = native.factorize(use_na_sentinel=True)
        return _sort_labels(np.asarray(labels, dtype=object), codes)
    return factorize(_with_missing(series))


def _with_missing(series):
    n_missing = series.null_count()
    return (
        np.asarray(series.to_list(), dtype=object) if n_missing else series.to_numpy()
    )


def _sort_labels(labels, codes):
    sorted_labels, position = factorize(labels)
    table = np.append(position, -1)
    return sorted_labels, small_codes(table[codes], len(labels))
