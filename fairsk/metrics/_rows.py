"""Rows by group, for the metrics that counts do not suffice for."""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np


@dataclass(frozen=True, eq=False)
class Rows:
    """Host arrays of the samples, and the cell (stratum and group) of each.

    Parameters
    ----------
    columns : dict of {str: ndarray}
        `y_true`, `y_pred`, and where given `y_score`, `sample_weight` and `y_class`,
        the index of the true class.
    codes : int ndarray of shape (n_samples,)
        ``stratum * n_groups + group`` of each sample.
    n_strata, n_groups : int
        Numbers of strata and groups.
    params : dict of {str: dict of {str: ndarray}}
        Further arguments per sample, by metric.
    """

    columns: dict
    codes: np.ndarray
    n_strata: int
    n_groups: int
    params: dict = field(default_factory=dict)

    @property
    def sample_weight(self):
        """Weights or None."""
        return self.columns.get("sample_weight")

    def take(self, indices):
        """The rows at `indices`, repeats allowed."""
        columns = {name: column[indices] for name, column in self.columns.items()}
        params = {name: {key: values[indices] for key, values in own.items()}
                  for name, own in self.params.items()}  # fmt: skip
        return replace(self, columns=columns, codes=self.codes[indices], params=params)

    def with_codes(self, codes):
        """The same rows in other cells."""
        return replace(self, codes=codes)

    def as_sorted(self):
        """The same rows, known to be sorted by cell already."""
        known = replace(self)
        known.__dict__["by_cell"] = known  # fills the cache of `by_cell`
        return known

    @cached_property
    def order(self):
        """Indices that sort the rows by cell."""
        n_cells = self.n_strata * self.n_groups
        narrow = self.codes.astype(np.min_scalar_type(n_cells), copy=False)
        return np.argsort(narrow, kind="stable")  # a radix sort of small integers

    @cached_property
    def offsets(self):
        """First sorted row of each cell, and the number of rows."""
        sizes = np.bincount(self.codes, minlength=self.n_strata * self.n_groups)
        return np.append(0, np.cumsum(sizes))

    @cached_property
    def by_cell(self):
        """The rows sorted by cell, so that each cell and stratum is a slice."""
        return self.take(self.order).as_sorted()

    def stratum(self, index):
        """Slice of `by_cell` that holds a stratum."""
        first, last = index * self.n_groups, (index + 1) * self.n_groups
        return slice(self.offsets[first], self.offsets[last])

    def cell(self, index):
        """Slice of `by_cell` that holds a cell."""
        return slice(self.offsets[index], self.offsets[index + 1])
