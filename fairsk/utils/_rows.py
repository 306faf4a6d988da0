"""Count and take rows, whatever holds them."""

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse


def count_rows(values):
    """Number of rows, or None for what has no rows.

    Parameters
    ----------
    values : object
        Anything that may be passed as metadata.

    Returns
    -------
    n_rows : int or None
        None for scalars, strings, callables, and for a dict whose values are not
        columns of one length.
    """
    if isinstance(values, dict):
        counts = {count_rows(column) for column in values.values()}
        return counts.pop() if len(counts) == 1 else None
    shape = getattr(values, "shape", None)
    if shape is not None:
        return shape[0] if len(shape) > 0 else None
    if isinstance(values, (str, bytes)) or not hasattr(values, "__getitem__"):
        # Groups have rows without being indexed by them.
        return len(values) if hasattr(values, "take") else None
    return len(values) if hasattr(values, "__len__") else None


def take_rows(values, indices):
    """Rows of `values` at `indices`, in a container of the same kind.

    Parameters
    ----------
    values : array-like, sparse matrix, Series, DataFrame, Groups or dict of columns
        What :func:`count_rows` finds rows in.
    indices : int ndarray of shape (n_taken,)
        Rows to take; a row may be taken several times.

    Returns
    -------
    taken : object
        Of the type of `values`, with n_taken rows.
    """
    if isinstance(values, dict):
        return {name: take_rows(column, indices) for name, column in values.items()}
    if isinstance(values, (list, tuple)):
        return type(values)([values[index] for index in indices])
    if not hasattr(values, "shape"):
        # Groups and pyarrow's arrays take rows; other sequences become a list.
        if hasattr(values, "take"):
            return values.take(indices)
        return [values[index] for index in np.asarray(indices).tolist()]
    if sparse.issparse(values):
        return values.tocsr()[indices]
    frame = nw.from_native(
        values, eager_only=True, allow_series=True, pass_through=True
    )
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        return frame[indices].to_native()
    return values[indices]
