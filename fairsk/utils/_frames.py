"""Results as a table of the library that the input came from."""

import importlib.util

import narwhals as nw
import numpy as np


def frame_kind(*inputs):
    """Library to make tables of, after the first frame or series among the inputs.

    Parameters
    ----------
    *inputs : object
        Frames, series, arrays or None.

    Returns
    -------
    kind : str or None
        Name of a library with eager frames. Inputs without any give "pandas" where it
        is installed, else None, which stands for a dict of columns.
    """
    for values in inputs:
        if isinstance(values, dict):
            values = next(iter(values.values()), None)
        native = nw.from_native(values, allow_series=True, pass_through=True)
        if isinstance(native, (nw.DataFrame, nw.Series)):
            return native.implementation.value
    return "pandas" if importlib.util.find_spec("pandas") else None


def make_table(kind, index, columns, *, name=None):
    """A table with one row per entry of the index.

    Parameters
    ----------
    kind : str or None
        What :func:`frame_kind` returned.
    index : dict of {str: list}
        Columns that name the rows: the index in pandas, the first columns elsewhere.
        Without any, the table has one row, which in pandas is a Series.
    columns : dict of {str: ndarray of shape (n_rows,)}
        Values.
    name : str, default=None
        If given, `columns` has one entry, which in pandas becomes a Series of it.

    Returns
    -------
    table : DataFrame, Series or dict
        A dict of columns where there is no library.
    """
    if kind == "pandas":
        return _make_pandas(index, columns, name)
    if kind is None:
        return {**index, **columns} if index else {k: v[0] for k, v in columns.items()}
    labels = {key: _plain(values) for key, values in index.items()}
    return nw.from_dict({**labels, **columns}, backend=kind).to_native()


def feature_names(names, default):
    """Names of the label columns; `default` and the position where there is none."""
    return [name if isinstance(name, str) else f"{default}_{i}"
            for i, name in enumerate(names)]  # fmt: skip


def _make_pandas(index, columns, name):
    import pandas as pd

    if not index:
        return pd.Series({key: values[0] for key, values in columns.items()})
    if len(index) == 1:
        ((key, labels),) = index.items()
        rows = pd.Index(labels, name=key)
    else:
        rows = pd.MultiIndex.from_arrays(list(index.values()), names=list(index))
    table = pd.DataFrame(columns, index=rows)
    return table if name is None else table[name]


def _plain(values):
    """Labels of one type, since a column holds only one; mixed labels become text."""
    kinds = {type(value) for value in values}
    if len(kinds) <= 1 or np.asarray(values).dtype.kind in "iufb":
        return values
    return [str(value) for value in values]
