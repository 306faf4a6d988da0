"""Who is compared: groups of samples, from any sensitive features."""

from dataclasses import dataclass

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse

from fairsk.utils._columns import as_array, as_column, factorize_column
from fairsk.utils._factorize import factorize, small_codes
from fairsk.utils._lookup import lookup
from fairsk.utils._namespace import namespace


class SingleGroupWarning(UserWarning):
    """Only one group is present, so there is nothing to compare."""


@dataclass(frozen=True, eq=False)
class Groups:
    """The group of every sample, as an integer code and a table of labels.

    Several sensitive features are crossed: each combination that occurs is one group,
    whose label is the tuple of its values.

    Parameters
    ----------
    codes : int ndarray of shape (n_samples,)
        Position in `labels` of the group of each sample.
    labels : list of length n_groups
        Label of each group, a scalar or a tuple of scalars, sorted where possible.
    names : list of length n_columns
        Name of each sensitive feature; its position where it has no name.

    Examples
    --------
    >>> from fairsk.groups import Groups
    >>> groups = Groups.from_columns({"sex": ["f", "m", "f"], "old": [1, 0, 1]})
    >>> groups.labels
    [('f', 1), ('m', 0)]
    >>> groups.codes
    array([0, 1, 0], dtype=int8)
    """

    codes: np.ndarray
    labels: list
    names: list

    @classmethod
    def from_columns(cls, sensitive_features, *, missing="error", owner="Groups"):
        """Groups from one or several columns.

        Parameters
        ----------
        sensitive_features : Groups, array-like, Series, DataFrame or dict
            One column of shape (n_samples,), or several: an array of shape (n_samples,
            n_columns), a DataFrame, or a dict of columns. Any dtype.
        missing : {"error", "code"}, default="error"
            What to do with samples that miss a value: raise, or give them the code -1.
        owner : str, default="Groups"
            Who asks, for the error messages.

        Returns
        -------
        groups : Groups
            Only groups that have a sample.
        """
        if isinstance(sensitive_features, Groups):
            return sensitive_features
        names, columns = split_columns(sensitive_features, owner)
        coded = [
            _code_column(name, column, missing, owner)
            for name, column in zip(names, columns)
        ]
        lengths = {len(codes) for _, codes in coded}
        if len(lengths) > 1:
            raise ValueError(
                f"{owner} needs sensitive features of one length. Got columns of "
                f"lengths {sorted(lengths)}."
            )
        labels, codes = coded[0] if len(coded) == 1 else _cross(coded)
        return cls(codes, labels, names)

    @property
    def n_groups(self):
        """Number of groups."""
        return len(self.labels)

    @property
    def sizes(self):
        """Number of samples of each group, shape (n_groups,)."""
        return namespace(self.codes).bincount(self.codes, minlength=self.n_groups)

    def __len__(self):
        """Number of samples."""
        return len(self.codes)

    def take(self, indices):
        """Groups of the samples at `indices`, with the same table of labels."""
        return Groups(self.codes[indices], self.labels, self.names)

    def recode(self, labels, *, unseen="error", owner="Groups"):
        """Code the samples by another table of labels, such as that of `fit`.

        Parameters
        ----------
        labels : list
            The table of labels to use.
        unseen : {"error", "code"}, default="error"
            What to do with a group that is not among `labels`: raise, or give its
            samples the code -1.
        owner : str, default="Groups"
            Who asks, for the error messages.

        Returns
        -------
        groups : Groups
            With `labels` as table of labels.
        """
        position = {label: code for code, label in enumerate(labels)}
        unknown = [label for label in self.labels if label not in position]
        if unknown and unseen == "error":
            raise ValueError(
                f"{owner} needs groups that it saw in fit: {_short(labels)}. Got the "
                f"unseen group(s) {_short(unknown)}. Fit on data that have them, or "
                "join them to a known group."
            )
        table = [position.get(label, -1) for label in self.labels]
        if table == list(range(len(table))):
            codes = self.codes
        else:
            # Missing samples have the code -1, which reads the last entry.
            codes = lookup(small_codes(np.array([*table, -1]), len(labels)), self.codes)
        return Groups(codes, list(labels), self.names)


def read_columns(X, group_by, *, owner="group_by"):
    """Sensitive features that `group_by` names in X.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        The raw data, before any validation.
    group_by : str, int, list of str or int, or callable
        Column name(s) or position(s), or a function of X that returns the sensitive
        features.
    owner : str, default="group_by"
        Who asks, for the error messages.

    Returns
    -------
    sensitive_features : dict or object
        Columns by name, or what the callable returned.
    """
    if callable(group_by):
        return group_by(X)
    keys = list(group_by) if isinstance(group_by, (list, tuple)) else [group_by]
    return {key: _read_column(X, key, owner) for key in keys}


def _read_column(X, key, owner):
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        if key in frame.columns:
            return frame.get_column(key).to_native()
        if isinstance(key, (int, np.integer)) and abs(key) < len(frame.columns):
            return frame[:, int(key)].to_native()
        raise ValueError(
            f"{owner} needs `group_by` to name a column of X. Got {key!r}; X has the "
            f"columns {_short(list(frame.columns))}."
        )
    if isinstance(key, str):
        raise ValueError(
            f"{owner} cannot read the column {key!r} by name, because X is "
            f"{type(X).__name__} without column names. Pass a DataFrame (inside a "
            "pipeline: `set_output(transform='pandas')` on the step before), give the "
            "position of the column, or pass `sensitive_features`."
        )
    return _read_position(X, key, owner)


def _read_position(X, key, owner):
    array = X if sparse.issparse(X) or hasattr(X, "shape") else np.asarray(X)
    if len(array.shape) != 2 or not -array.shape[1] <= key < array.shape[1]:
        raise ValueError(
            f"{owner} needs `group_by` to be the position of a column of X. "
            f"Got {key!r}; X has shape {tuple(array.shape)}."
        )
    if sparse.issparse(array):
        return np.ravel(array.tocsc()[:, [key]].toarray())
    return array[:, key]


def split_columns(sensitive_features, owner):
    """Names and 1d columns of whatever holds the sensitive features.

    Parameters
    ----------
    sensitive_features : array-like, Series, DataFrame or dict
        One or several columns.
    owner : str
        Who asks, for the error messages.

    Returns
    -------
    names : list of length n_columns
        Name of each column; its position where it has no name.
    columns : list of length n_columns
        Arrays or series.
    """
    if sensitive_features is None:
        raise ValueError(
            f"{owner} needs the group of each sample. Got None. Pass "
            "`sensitive_features`."
        )
    if isinstance(sensitive_features, dict):
        return list(sensitive_features), list(sensitive_features.values())
    if isinstance(sensitive_features, np.ndarray):
        return _columns_of_array(sensitive_features, owner)
    native = nw.from_native(
        sensitive_features, eager_only=True, allow_series=True, pass_through=True
    )
    if isinstance(native, nw.Series):
        return [native.name if native.name is not None else 0], [native]
    if isinstance(native, nw.DataFrame):
        return list(native.columns), list(native.iter_columns())
    return _columns_of_array(as_array(sensitive_features), owner)


def is_continuous(column):
    """Whether a sensitive feature is on a scale: floats that are not all whole.

    Parameters
    ----------
    column : array-like or Series of shape (n_samples,)
        One sensitive feature.

    Returns
    -------
    continuous : bool
        False for everything that is coded into groups.
    """
    values = column.to_numpy() if isinstance(column, nw.Series) else as_array(column)
    if values.dtype.kind != "f" or values.ndim != 1:
        return False
    return bool((np.isfinite(values) & (values != np.floor(values))).any())


def read_numbers(column, name, owner):
    """Values of a continuous sensitive feature.

    Parameters
    ----------
    column : array-like or Series of shape (n_samples,)
        The sensitive feature.
    name : str or int
        Its name.
    owner : str
        Who asks, for the error messages.

    Returns
    -------
    values : float ndarray of shape (n_samples,)
        Finite.
    """
    values = column.to_numpy() if isinstance(column, nw.Series) else as_array(column)
    values = values.astype(float)
    n_missing = int((~np.isfinite(values)).sum())
    if n_missing:
        raise ValueError(
            f"{owner} needs finite values of the sensitive feature {name!r}. "
            f"{n_missing} of {len(values)} are missing or infinite. Drop these rows, "
            "or fill them."
        )
    return values


def _columns_of_array(array, owner):
    if array.ndim == 1:
        return [0], [array]
    if array.ndim == 2 and array.shape[1] > 0:
        return list(range(array.shape[1])), list(array.T)
    raise ValueError(
        f"{owner} needs sensitive features of shape (n_samples,) or (n_samples, "
        f"n_columns). Got shape {array.shape}."
    )


def _code_column(name, column, missing, owner):
    column = as_column(column)
    if getattr(column, "ndim", 1) != 1:
        raise ValueError(
            f"{owner} needs one value per sample in the sensitive feature {name!r}. "
            f"Got shape {column.shape}."
        )
    try:
        labels, codes = factorize_column(column)
    except TypeError as error:
        raise TypeError(
            f"{owner} needs hashable group labels in the sensitive feature {name!r}. "
            f"{error}."
        ) from None
    n_missing = int((codes == -1).sum()) if codes.size and codes.min() < 0 else 0
    if n_missing and missing == "error":
        raise ValueError(
            f"{owner} needs the group of each sample. The sensitive feature {name!r} "
            f"is missing in {n_missing} of {len(codes)} samples. Drop these rows, or "
            'fill them with a label of their own, such as "unknown".'
        )
    return labels.tolist(), codes


def _cross(coded):
    """Cross the columns into the combinations that occur, column by column."""
    labels, codes = [(label,) for label in coded[0][0]], coded[0][1]
    for more_labels, more_codes in coded[1:]:
        n_more = len(more_labels)
        cells = codes.astype(np.intp) * n_more + more_codes
        is_missing = (codes < 0) | (more_codes < 0)
        # Only combinations that occur are spelt out: the full product may be huge.
        observed, kept_codes = factorize(cells[~is_missing])
        codes = np.full(len(cells), -1, dtype=kept_codes.dtype)
        codes[~is_missing] = kept_codes
        labels = [(*labels[cell // n_more], more_labels[cell % n_more])
                  for cell in observed.tolist()]  # fmt: skip
    return labels, codes


def _short(labels, limit=10):
    shown = ", ".join(repr(label) for label in labels[:limit])
    more = f", ... ({len(labels)} in all)" if len(labels) > limit else ""
    return f"[{shown}{more}]"
