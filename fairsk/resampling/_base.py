"""The contract of samplers that know groups."""

from dataclasses import dataclass

import narwhals.stable.v1 as nw
import numpy as np
from imblearn.base import BaseSampler
from imblearn.utils import check_target_type
from scipy import sparse
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from fairsk.base import GroupAwareMixin
from fairsk.utils._cells import combine_codes, count_cells
from fairsk.utils._factorize import factorize
from fairsk.utils._rows import take_rows
from fairsk.utils._sklearn import _fit_context
from fairsk.utils._validation import check_fit_input


@dataclass
class Strata:
    """What a sampler resamples: rows, and the (group, label) cell of each.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows.
    y_codes : int ndarray of shape (n_samples,)
        Label of each row.
    classes : ndarray of shape (n_classes,)
        The labels.
    groups : Groups
        The groups.
    random_state : RandomState
        Source of randomness.
    """

    X: object
    y_codes: np.ndarray
    classes: np.ndarray
    groups: object
    random_state: np.random.RandomState

    @property
    def cells(self):
        """Position of each row in the flat (group, label) table."""
        codes = self.groups.codes, self.y_codes
        return combine_codes(codes, self.shape).astype(int)

    @property
    def shape(self):
        """Numbers of groups and classes."""
        return self.groups.n_groups, len(self.classes)

    @property
    def counts(self):
        """Rows of each cell, shape (n_groups, n_classes)."""
        return count_cells((self.groups.codes, self.y_codes), self.shape)

    @property
    def row_of_class(self):
        """A row of each class, shape (n_classes,)."""
        return np.unique(self.y_codes, return_index=True)[1]

    def table(self, group_rows, y_codes):
        """Rows by (group, label) of an output.

        Parameters
        ----------
        group_rows : int ndarray of shape (n_resampled,)
            For each row of the output a row of the input that is of its group.
        y_codes : int ndarray of shape (n_resampled,)
            Label of each row of the output.

        Returns
        -------
        table : dict of (group, label) to int
            Of the cells that have rows.
        """
        counts = count_cells((self.groups.codes[group_rows], y_codes), self.shape)
        labels, classes = self.groups.labels, self.classes.tolist()
        return {
            (labels[g], classes[k]): int(counts[g, k]) for g, k in np.argwhere(counts)
        }

    def rows_by_cell(self):
        """Rows of each cell, in their order."""
        order = np.argsort(self.cells, kind="stable")
        return np.split(order, np.cumsum(self.counts.ravel())[:-1])


@dataclass
class Resampled:
    """Rows that were taken, followed by rows that were made.

    Parameters
    ----------
    taken : int ndarray of shape (n_taken,)
        Positions in the input.
    y_codes : int ndarray of shape (n_taken + n_made,), default=None
        Labels; None where nothing was made and all labels are as before.
    made : ndarray, sparse matrix or DataFrame of shape (n_made, n_features), \
            default=None
        Rows that were made.
    group_rows : int ndarray of shape (n_made,), default=None
        For each of them a row of the input that is of its group.
    """

    taken: np.ndarray
    y_codes: np.ndarray = None
    made: object = None
    group_rows: np.ndarray = None


class GroupAwareSampler(GroupAwareMixin, BaseSampler):
    """Base of the samplers: checks, containers, and what the pipeline asks.

    Subclasses write ``_fit_resample(strata)``, which returns a :class:`Resampled`, and
    set `_makes_rows` where these rows are computed from numbers.
    """

    __metadata_request__fit_resample = {"sensitive_features": True}

    _makes_rows = False

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sensitive_features=None):
        """Check the input, and learn the groups.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            The labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups.

        Returns
        -------
        self : object
            The sampler, with `group_labels_`.
        """
        self._check_strata(X, y, sensitive_features)
        return self

    @_fit_context(prefer_skip_nested_validation=False)
    def fit_resample(self, X, y, *, sensitive_features=None):
        """Resample the rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            The rows.
        y : array-like of shape (n_samples,)
            The labels, or their indicators in n_classes columns.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            The groups. :class:`fairsk.pipeline.Pipeline` resamples them, too.

        Returns
        -------
        X_resampled : of the type of X, with n_resampled rows
            Rows that were taken, then rows that were made. Indices of pandas start
            anew.
        y_resampled : of the type of y
            Their labels.
        """
        strata = self._check_strata(X, y, sensitive_features)
        resampled = self._fit_resample(strata)
        taken = np.asarray(resampled.taken)
        n_made = 0 if resampled.made is None else resampled.made.shape[0]
        self.sample_indices_ = np.concatenate([taken, np.full(n_made, -1)])
        self.group_indices_ = taken
        X_resampled = take_rows(X if hasattr(X, "shape") else strata.X, taken)
        if n_made:
            self.group_indices_ = np.concatenate([taken, resampled.group_rows])
            X_resampled = append_rows(X_resampled, resampled.made)
        y_codes = resampled.y_codes
        y_codes = strata.y_codes[taken] if y_codes is None else y_codes
        self.sampling_strategy_ = strata.table(self.group_indices_, y_codes)
        # Any row of a label has it as it came: container, dtype, categories.
        y_resampled = take_rows(y, strata.row_of_class[y_codes])
        if isinstance(X, list):
            X_resampled = X_resampled.tolist()
        return number_anew(X_resampled), number_anew(y_resampled)

    def _check_strata(self, X, y, sensitive_features):
        if getattr(y, "ndim", 1) == 2 and y.shape[1] > 1:
            y = check_target_type(np.asarray(y))  # indicators become positions
        if self._makes_rows:
            checked, y_checked = validate_data(self, X, y, accept_sparse="csr")
        else:
            checked, y_checked = check_fit_input(self, X, y)
            self._check_finite(checked)
        check_classification_targets(y_checked)
        groups = self._check_groups(
            X if hasattr(X, "shape") else checked, sensitive_features
        )
        # Groups in the order of their rows: what they are called changes nothing.
        first = np.unique(groups.codes, return_index=True)[1]
        groups = groups.recode([groups.labels[g] for g in np.argsort(first)])
        classes, y_codes = factorize(y_checked)
        if len(classes) < 2:
            raise ValueError(
                f"{type(self).__name__} needs two classes. Got one class: "
                f"{classes.tolist()}. Collect samples of another."
            )
        random_state = check_random_state(getattr(self, "random_state", None))
        return Strata(checked, y_codes.astype(int), classes, groups, random_state)

    def _check_finite(self, X):
        """Raise where an array has missing or infinite numbers that must not be."""
        frame = nw.from_native(X, eager_only=True, pass_through=True)
        if not (isinstance(frame, nw.DataFrame) or get_tags(self).input_tags.allow_nan):
            check_array(X, dtype=None, accept_sparse=True, estimator=self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.sampler_tags.sample_indices = True
        tags.input_tags.allow_nan = not self._makes_rows
        # What copies rows can copy anything.
        tags.input_tags.string = tags.input_tags.categorical = not self._makes_rows
        return tags


def append_rows(X, made):
    """Rows of numbers behind those of a container, in its dtypes.

    Parameters
    ----------
    X : ndarray, sparse matrix or DataFrame of shape (n_samples, n_features)
        What to append to.
    made : ndarray, sparse matrix or DataFrame of shape (n_made, n_features)
        What to append.

    Returns
    -------
    X_longer : of the type of X
        Whole-number columns of a frame get rounded numbers.
    """
    if sparse.issparse(X):
        made = sparse.csr_array(made) if not sparse.issparse(made) else made
        stacked = sparse.vstack([X, made.astype(X.dtype)], format=X.format)
        return type(X)(stacked)
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    if not isinstance(frame, nw.DataFrame):
        return np.vstack([X, _round_to(made, X.dtype)])
    if not hasattr(made, "columns"):
        made = made.toarray() if sparse.issparse(made) else made
        backend = nw.get_native_namespace(frame)
        made = nw.from_dict(
            {name: made[:, j] for j, name in enumerate(frame.columns)}, backend=backend
        )
    columns = [
        _cast_like(more, kept)
        for kept, more in zip(
            frame.iter_columns(), nw.from_native(made, eager_only=True).iter_columns()
        )
    ]
    more = columns[0].to_frame().with_columns(*columns[1:])
    return nw.concat([frame, more]).to_native()


def number_anew(values):
    """Number the rows of a pandas container from 0; leave others as they are.

    Parameters
    ----------
    values : array-like, sparse matrix, Series or DataFrame
        The container.

    Returns
    -------
    numbered : of the type of `values`
        The same values.
    """
    frame = nw.from_native(
        values, eager_only=True, allow_series=True, pass_through=True
    )
    if isinstance(frame, (nw.DataFrame, nw.Series)):
        return nw.maybe_reset_index(frame).to_native()
    return values


def _cast_like(more, kept):
    if kept.dtype == more.dtype:  # categories are kept, which a cast would renew
        return more
    if kept.dtype.is_integer():
        more = more.round()
    if kept.dtype == nw.Unknown:  # a sparse column, which only pandas itself knows
        native = more.to_native().astype(kept.to_native().dtype)
        return nw.from_native(native, series_only=True)
    return more.cast(kept.dtype)


def _round_to(made, dtype):
    rounded = np.rint(made) if dtype.kind in "iu" else made
    return rounded.astype(dtype)
