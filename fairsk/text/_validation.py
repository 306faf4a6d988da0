"""Read texts from whatever holds them."""

import narwhals.stable.v1 as nw
import numpy as np

from fairsk.utils._factorize import is_missing

_REMEDY = "Drop these rows, or fill them with a text of their own."


def read_texts(X, *, owner, allow_empty=False):
    """Texts of X as a list.

    Parameters
    ----------
    X : list, Series, ndarray or DataFrame of shape (n_samples,) or (n_samples, 1)
        The texts. Strings of numpy, pandas and polars are all taken.
    owner : str
        Who asks, for the error messages.
    allow_empty : bool, default=False
        Whether a text may be empty or blank.

    Returns
    -------
    texts : list of str
        As many as X has rows.
    """
    values = _one_column(X, owner)
    if not values:
        raise ValueError(
            f"{owner} needs at least one text. Found array with 0 sample(s) "
            "(shape=(0,)) while a minimum of 1 is required."
        )
    if not all(type(value) is str for value in values):
        values = _check_text(values, owner)
    if not allow_empty:
        empty = [i for i, text in enumerate(values) if not text.strip()]
        if empty:
            raise ValueError(
                f"{owner} needs texts that say something. "
                f"{_count(empty, values, 'empty or blank')} {_REMEDY}"
            )
    return values


def like_texts(X, texts):
    """Texts in a container like that of X.

    Parameters
    ----------
    X : list, Series, ndarray or DataFrame
        What :func:`read_texts` read; or any other rows of it.
    texts : list of str
        The texts.

    Returns
    -------
    X_new : of the type of X
        A Series of pandas keeps its name, and its index if there are as many texts. A
        tuple and any other sequence become a list.
    """
    native = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame):
        (name,) = native.columns
        column = like_texts(native.get_column(name).to_native(), texts)
        return nw.from_native(column, series_only=True).to_frame().to_native()
    if isinstance(native, nw.Series):
        backend = nw.get_native_namespace(native)
        new = nw.new_series(native.name, texts, backend=backend).cast(native.dtype)
        new = new.to_native()
        if hasattr(X, "index") and len(X) == len(texts):
            new.index = X.index
        return new
    if not isinstance(X, np.ndarray):
        return list(texts)
    # An array of fixed-width strings would cut what has become longer.
    dtype = object if X.dtype.kind == "O" else None
    return np.array(texts, dtype=dtype).reshape(len(texts), *X.shape[1:])


def _one_column(X, owner):
    """Values of the one column that X has."""
    if isinstance(X, (str, bytes)):
        raise ValueError(
            f"{owner} needs a sequence of texts. Got a single {type(X).__name__}. Pass "
            "a list with one text."
        )
    if isinstance(X, (list, tuple)):
        return _from_rows(list(X), owner)
    native = nw.from_native(X, eager_only=True, allow_series=True, pass_through=True)
    if isinstance(native, nw.DataFrame):
        if len(native.columns) != 1:
            raise ValueError(
                f"{owner} needs one column of texts. Got a frame with the columns "
                f"{list(native.columns)[:10]}. Select one: pass `X['name']`, or put "
                f"{owner} into a ColumnTransformer with the column's name."
            )
        native = native.get_column(native.columns[0])
    if isinstance(native, nw.Series):
        return native.to_list()
    if not hasattr(X, "shape") or not hasattr(X, "tolist"):
        if not hasattr(X, "__iter__"):
            raise TypeError(
                f"{owner} needs a sequence of texts. Got {type(X).__name__}. Pass a "
                "list, an array or a Series of strings."
            )
        return _from_rows(list(X), owner)
    if len(X.shape) == 2 and X.shape[1] == 1:
        return X[:, 0].tolist()
    if len(X.shape) != 1:
        raise ValueError(
            f"{owner} needs texts of shape (n_samples,) or (n_samples, 1). Got shape "
            f"{tuple(X.shape)}. Pass the column that holds the texts."
        )
    return X.tolist()


def _from_rows(rows, owner):
    """Texts of a list, whose entries may be rows of one column."""
    if not any(isinstance(row, (list, tuple, np.ndarray)) for row in rows):
        return rows
    widths = {np.size(row) for row in rows}
    if widths != {1}:
        raise ValueError(
            f"{owner} needs one text for each row. Got rows of {sorted(widths)} "
            "entries. Pass the column that holds the texts."
        )
    return [row[0] if np.ndim(row) else row for row in rows]


def _check_text(values, owner):
    missing = [i for i, value in enumerate(values) if is_missing(value)]
    if missing:
        raise ValueError(
            f"{owner} needs a text in every row. "
            f"{_count(missing, values, 'missing (None or NaN)')} {_REMEDY}"
        )
    other = [i for i, value in enumerate(values) if not isinstance(value, str)]
    if other:
        kind = f"of the type {type(values[other[0]]).__name__}"
        raise TypeError(
            f"{owner} needs texts (str). {_count(other, values, kind)} Convert them, "
            "such as by `X.astype(str)`."
        )
    return [str(value) for value in values]


def _count(positions, values, what):
    verb, first = ("is", "at") if len(positions) == 1 else ("are", "the first at")
    return (
        f"{len(positions)} of {len(values)} {verb} {what}, {first} position "
        f"{positions[0]}."
    )
