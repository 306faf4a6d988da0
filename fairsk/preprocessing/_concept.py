"""What is to be removed: groups, and sensitive features on a scale."""

import numpy as np

from fairsk.base import GroupAwareMixin
from fairsk.groups import (
    Groups,
    is_continuous,
    read_columns,
    read_numbers,
    split_columns,
)
from fairsk.utils._columns import as_array, as_column
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import _num_samples


class ConceptMixin(GroupAwareMixin):
    """Estimators whose sensitive features may be continuous.

    A column of floats that are not all whole is continuous. All others are crossed into
    groups, each of which has an indicator.
    """

    def _check_concept(self, X, sensitive_features=None, *, reset=True, extend=False):
        """Concept of the samples of X, learning its columns or as they were learnt."""
        owner = type(self).__name__
        if sensitive_features is None and self.group_by is not None:
            sensitive_features = read_columns(X, self.group_by, owner=owner)
        continuous = {}
        if sensitive_features is not None and not isinstance(
            sensitive_features, Groups
        ):
            names, columns = split_columns(sensitive_features, owner)
            known = None if reset else self._continuous_names
            continuous = {
                name: read_numbers(column, name, owner)
                for name, column in zip(names, columns)
                if (name in known if known is not None else is_continuous(column))
            }
            sensitive_features = {
                name: column
                for name, column in zip(names, columns)
                if name not in continuous
            } or None
        if reset:
            self._continuous_names = list(continuous)
        n_samples = _num_samples(X)
        codes = np.zeros(n_samples, dtype=int)
        if sensitive_features is None and continuous:
            if reset:
                self.group_labels_, self.group_names_in_ = [], []
        else:
            groups = self._check_groups(
                X, sensitive_features, reset=reset, extend=extend
            )
            codes = groups.codes
        return Concept(codes, len(self.group_labels_), _stack(continuous, n_samples))

    def _warn_single_group(self, groups):
        """Say nothing yet: the next batch of a stream may have another group."""

    def _warn_single_concept(self):
        """Warn, at the end of `fit`, where there is nothing to compare."""
        if not self._continuous_names:
            groups = Groups(np.zeros(0, dtype=int), self.group_labels_, [])
            super()._warn_single_group(groups)


class Concept:
    """Indicators of groups and continuous sensitive features, made a chunk at a time.

    Parameters
    ----------
    codes : int ndarray of shape (n_samples,)
        Group of each sample.
    n_groups : int
        Number of groups.
    continuous : ndarray of shape (n_samples, n_continuous)
        Continuous sensitive features.
    """

    def __init__(self, codes, n_groups, continuous):
        self.codes = codes
        self.n_groups = n_groups
        self.continuous = continuous

    @property
    def n_columns(self):
        """Number of columns."""
        return self.n_groups + self.continuous.shape[1]

    def __call__(self, rows):
        """Columns of some rows.

        Parameters
        ----------
        rows : slice
            The rows.

        Returns
        -------
        columns : ndarray of shape (n_rows, n_columns)
            Indicators first.
        """
        codes = self.codes[rows]
        columns = np.zeros((len(codes), self.n_columns))
        if self.n_groups:
            columns[np.arange(len(codes)), codes] = 1.0
        columns[:, self.n_groups :] = self.continuous[rows]
        return columns


def as_label_concept(y, n_features):
    """Indicators of the label's classes, or the label itself where it is a number.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The label.
    n_features : int
        Number of features. The means of more classes than these span all directions.

    Returns
    -------
    concept : Concept or None
        None where y is neither: many names, missing values, several columns.
    """
    y = y.to_numpy() if hasattr(y, "to_numpy") else as_array(as_column(y))
    if y.ndim != 1:
        return None
    classes, codes = factorize(y)
    if (codes < 0).any():
        return None
    if len(classes) <= n_features:
        return Concept(codes.astype(int), len(classes), np.zeros((len(y), 0)))
    if y.dtype.kind not in "biuf":
        return None
    return Concept(np.zeros(len(y), dtype=int), 0, y.astype(float)[:, None])


def _stack(continuous, n_samples):
    columns = list(continuous.values())
    return np.column_stack(columns) if columns else np.zeros((n_samples, 0))
