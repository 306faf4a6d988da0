"""Read a bundled table and hand it out as arrays or as a frame."""

import csv
import gzip
from importlib import resources
from importlib.util import find_spec

import numpy as np
from sklearn.utils import Bunch

# Holds `data/<name>.csv.gz` and `descr/<name>.rst`.
FOLDER = resources.files("fairsk.datasets")


def load_table(
    name,
    *,
    target,
    target_names,
    sensitive,
    extras=None,
    proxies=(),
    as_frame="auto",
    return_X_y=False,
    drop_sensitive=False,
):
    """Read a bundled CSV file and split it into features, target and groups.

    Parameters
    ----------
    name : str
        Name of the files ``data/<name>.csv.gz`` and ``descr/<name>.rst``. The loader
        that calls this function is named ``load_<name>``.
    target : str
        Column to predict.
    target_names : list of str
        What the classes 0, 1, ... are called in the file. A column that holds these
        numbers already is taken as it is.
    sensitive : dict of {str: None or callable}
        The sensitive features, in order. The value says how a feature is made from
        the columns (a dict of arrays); None stands for the column of that name.
    extras : dict of {str: str}, default=None
        Columns that are no features, and the names they get in the Bunch.
    proxies : tuple of str, default=()
        Columns that state a sensitive feature in other words, dropped along with it.
    as_frame : bool or "auto", default="auto"
        Whether to return pandas objects; "auto" does so where pandas is installed.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    drop_sensitive : bool, default=False
        Leave the sensitive features and `proxies` out of the data.

    Returns
    -------
    Bunch or (data, target)
        As documented by the loaders.
    """
    as_frame = _check_as_frame(as_frame, owner=f"load_{name}")
    columns = read_csv(name)
    extras = {key: columns.pop(column) for key, column in (extras or {}).items()}
    y = _encode_target(columns.pop(target), target_names)
    groups = {
        key: columns[key] if make is None else make(columns)
        for key, make in sensitive.items()
    }
    dropped = {*sensitive, *proxies} if drop_sensitive else set()
    features = {key: values for key, values in columns.items() if key not in dropped}

    if as_frame:
        X, y, A = _to_frame(features), _to_series(target, y), _to_frame(groups)
        frame = X.assign(**{target: y})
        extras = {key: _to_series(key, values) for key, values in extras.items()}
    else:
        X, A, frame = _to_array(features), _to_array(groups), None
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        sensitive_features=A,
        frame=frame,
        feature_names=list(features),
        target_names=list(target_names),
        sensitive_feature_names=list(groups),
        DESCR=read_description(name),
        **extras,
    )


def read_csv(name):
    """Read ``data/<name>.csv.gz`` into a dict of one array per column.

    Columns of whole numbers are int64, other numbers float64, anything else is an
    object array of str. A blank is NaN.
    """
    path = FOLDER / "data" / f"{name}.csv.gz"
    with path.open("rb") as raw, gzip.open(raw, "rt", encoding="utf-8") as text:
        header, *rows = csv.reader(text)
    return {
        key: _parse_column(values)
        for key, values in zip(header, zip(*rows, strict=True))
    }


def read_description(name):
    """Return the text of ``descr/<name>.rst``."""
    path = FOLDER / "descr" / f"{name}.rst"
    return path.read_text(encoding="utf-8")


def _parse_column(values):
    values = np.array([value or "nan" for value in values])
    for dtype in (np.int64, np.float64):
        try:
            return values.astype(dtype)
        except ValueError:
            continue
    return np.where(values == "nan", np.nan, values.astype(object))


def _encode_target(values, target_names):
    if values.dtype != object:
        return values
    return np.searchsorted(target_names, values.astype(str))


def _check_as_frame(as_frame, owner):
    has_pandas = find_spec("pandas") is not None
    if isinstance(as_frame, str) and as_frame == "auto":
        return has_pandas
    if not isinstance(as_frame, bool | np.bool_):
        raise ValueError(
            f"{owner} needs `as_frame` to be True, False or 'auto'. Got {as_frame!r}."
        )
    if as_frame and not has_pandas:
        raise ImportError(
            f"{owner} needs pandas to return a frame, and pandas is not installed. "
            "Install it, or pass `as_frame=False` to get arrays."
        )
    return bool(as_frame)


def _to_array(columns):
    numeric = all(values.dtype != object for values in columns.values())
    dtype = np.float64 if numeric else object
    return np.column_stack([values.astype(dtype) for values in columns.values()])


def _is_categorical(values):
    """Whether the values of a column repeat, unlike texts."""
    return values.dtype == object and len(set(values.tolist())) <= len(values) / 2


def _to_frame(columns):
    import pandas as pd

    return pd.DataFrame(
        {
            key: pd.Categorical(values) if _is_categorical(values) else values
            for key, values in columns.items()
        }
    )


def _to_series(name, values):
    import pandas as pd

    return pd.Series(values, name=name)
