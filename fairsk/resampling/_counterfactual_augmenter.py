"""Add each row as it would read in the other groups."""

import narwhals.stable.v1 as nw
import numpy as np
from scipy import sparse

from fairsk.groups import read_columns
from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.utils._rows import take_rows


class CounterfactualAugmenter(GroupAwareSampler):
    """Add each row as it would be in every other group.

    The columns that `group_by` names take the values of the other group; the label
    stays, so that a model learns that these columns do not matter. Where the group
    comes as metadata and is no column of X, only the metadata change.

    Parameters
    ----------
    group_by : str, int, list or callable, default=None
        Column(s) of X that hold the groups, and are changed; or a function of X that
        gives the groups. Where `sensitive_features` is passed, that says who is of
        which group.
    mapping : callable, default=None
        Called as ``mapping(X_changed, group_label)`` for the rows that were changed to
        a group, it returns them with other columns changed along, such as a title or a
        pronoun. None changes the sensitive columns only.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, -1 for rows that were changed.
    group_indices_ : ndarray of shape (n_resampled,)
        Position of a row of the same group.
    source_indices_ : ndarray of shape (n_resampled,)
        Position of the row that each row of the output was, before it was changed.
    sampling_strategy_ : dict of (group, label) to int
        Rows of each cell of the output.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    fairsk.preprocessing.ConceptEraser : Can be fitted to the pairs.

    Notes
    -----
    With G groups the output has G times the rows. Features that differ between groups
    for a reason (the proxies) stay as they are, unless `mapping` changes them: a model
    may still tell the groups apart by these.

    References
    ----------
    Kaushik, Hovy & Lipton (2020). Learning the difference that makes a difference with
    counterfactually-augmented data. ICLR.

    Examples
    --------
    >>> from fairsk.resampling import CounterfactualAugmenter
    >>> X, y = [[0.0, 7.0], [1.0, 8.0]], [0, 1]
    >>> X_new, y_new = CounterfactualAugmenter(group_by=0).fit_resample(X, y)
    >>> X_new, y_new
    ([[0.0, 7.0], [1.0, 8.0], [0.0, 8.0], [1.0, 7.0]], [0, 1, 1, 0])
    """

    _parameter_constraints: dict = {
        "group_by": [str, int, list, tuple, callable, None],
        "mapping": [callable, None],
    }

    _sets_named_columns_apart = True

    def __init__(self, group_by=None, *, mapping=None):
        self.group_by = group_by
        self.mapping = mapping

    def _fit_resample(self, strata):
        X, groups = strata.X, strata.groups
        rows = np.arange(len(strata.y_codes))
        made, source, group_rows = [], [rows], []
        for group, label in enumerate(groups.labels):
            others = np.flatnonzero(groups.codes != group)
            if not len(others):
                continue
            model = int(np.argmax(groups.codes == group))
            changed = take_rows(X, others)
            if self.group_by is not None and not callable(self.group_by):
                changed = self._change(changed, take_rows(X, [model]))
            if self.mapping is not None:
                changed = self.mapping(changed, label)
            made.append(changed)
            source.append(others)
            group_rows.append(np.full(len(others), model))
        self.source_indices_ = np.concatenate(source)
        if not made:
            return Resampled(rows)
        return Resampled(
            rows,
            strata.y_codes[self.source_indices_],
            _concatenate(made),
            np.concatenate(group_rows),
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = False  # of the sensitive columns
        return tags

    def _change(self, X, model):
        """Rows whose sensitive columns are those of the model row."""
        values = read_columns(model, self.group_by, owner=type(self).__name__)
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if isinstance(frame, nw.DataFrame):
            return self._change_frame(frame, model, values)
        changed = X.tolil() if sparse.issparse(X) else X.copy()
        for key, value in values.items():
            changed[:, [key]] = np.full((X.shape[0], 1), value[0], dtype=X.dtype)
        return type(X)(changed) if sparse.issparse(X) else changed

    @staticmethod
    def _change_frame(frame, model, values):
        model = nw.from_native(model, eager_only=True)
        zeros = np.zeros(len(frame), dtype=int)
        columns = list(frame.iter_columns())
        names = list(frame.columns)
        for key in values:
            position = names.index(key) if key in names else int(key)
            column = model[:, position]
            # Rows of the model's own column keep dtype and categories.
            columns[position] = nw.from_native(
                take_rows(column.to_native(), zeros), series_only=True
            )
        native = [column.to_native() for column in columns]
        if hasattr(native[0], "reset_index"):
            native = [column.reset_index(drop=True) for column in native]
        series = [nw.from_native(column, series_only=True) for column in native]
        changed = nw.from_dict({c.name: c for c in series})
        return changed.to_native()


def _concatenate(parts):
    """Stack rows of one container type."""
    first = parts[0]
    if sparse.issparse(first):
        return type(first)(sparse.vstack(parts, format=first.format))
    frame = nw.from_native(first, eager_only=True, pass_through=True)
    if isinstance(frame, nw.DataFrame):
        return nw.concat(
            [nw.from_native(p, eager_only=True) for p in parts]
        ).to_native()
    return np.vstack(parts)
