"""Any sampler of imbalanced-learn, within label x group strata."""

import narwhals.stable.v1 as nw
import numpy as np
from imblearn.over_sampling import SMOTE
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.resampling._synthetic import require_rows
from fairsk.utils._cells import (
    SAMPLING_SHAPES,
    sampling_targets,
    warn_empty_cells,
)
from fairsk.utils._sklearn import HasMethods, StrOptions
from fairsk.utils._validation import inherit_tags


class GroupSampler(GroupAwareSampler):
    """Resample label x group strata by a sampler that knows labels only.

    The sampler is given the stratum of each row, its label and group together, in place
    of the label. So SMOTE makes rows within a stratum, near misses and Tomek links are
    sought between strata, and each row of the output belongs to the stratum that it
    came from or that made it.

    Parameters
    ----------
    sampler : sampler, default=None
        With `fit_resample`, such as those of imbalanced-learn. None is SMOTE, with this
        `random_state`.
    sampling_strategy : {"independence", "equal_base_rates", "equal_cells"}, dict or \
            None, default=None
        What an over-sampler is to reach, see :class:`GroupOverSampler`; for an
        under-sampler see :class:`GroupUnderSampler`. None leaves the sampler's own
        `sampling_strategy` to the strata: most make all of them equal.
    small_cells : {"raise", "duplicate"}, default="raise"
        Strata with no more rows than the sampler takes neighbours are an error, or
        their rows are copied instead of made.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of randomness of the copies. The sampler has its own.

    Attributes
    ----------
    sampler_ : sampler
        The fitted sampler.
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, -1 for rows that were made.
    group_indices_ : ndarray of shape (n_resampled,)
        Position of a row of the same stratum.
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
    FairSMOTE : SMOTE for all cells, with situation testing.

    Notes
    -----
    The rows that were taken come first. For a sampler without `sample_indices_` a row
    of the output was taken if the sampler over-samples and returns the input first;
    otherwise it counts as made, and only its group is known.

    Examples
    --------
    >>> from imblearn.over_sampling import SMOTE
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.resampling import GroupSampler
    >>> X, y, group = make_biased_classification(200, random_state=0)
    >>> sampler = GroupSampler(SMOTE(random_state=0))
    >>> X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    >>> print(len(y_new), y_new.mean())
    220 0.5
    """

    _parameter_constraints: dict = {
        "sampler": [HasMethods(["fit_resample", "get_params"]), None],
        "sampling_strategy": [StrOptions(set(SAMPLING_SHAPES)), dict, None],
        "small_cells": [StrOptions({"raise", "duplicate"})],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        sampler=None,
        *,
        sampling_strategy=None,
        small_cells="raise",
        group_by=None,
        random_state=None,
    ):
        self.sampler = sampler
        self.sampling_strategy = sampling_strategy
        self.small_cells = small_cells
        self.group_by = group_by
        self.random_state = random_state

    def _fit_resample(self, strata):
        cells, counts = strata.cells, strata.counts
        if (counts > 0).sum() < 2:
            return Resampled(np.arange(len(cells)))
        self.sampler_ = self._clone_sampler()
        targets = self._targets(strata)
        small = self._small_cells(strata, targets)
        if targets is not None:
            wanted = {c: t for c, t in enumerate(targets) if c not in small and t}
            self.sampler_.set_params(sampling_strategy=wanted)
        # imbalanced-learn knows pandas among the frames.
        X = strata.X if hasattr(strata.X, "iloc") else _as_array(strata.X)
        X_new, cells_new = self.sampler_.fit_resample(X, cells)
        taken, is_made = self._origin(X, X_new)
        rng = strata.random_state
        copies = [
            rng.choice(strata.rows_by_cell()[c], size=targets[c] - counts.ravel()[c])
            for c in small
        ]
        taken = np.concatenate([taken, *copies]).astype(int)
        made_cells = cells_new[is_made]
        first_of_cell = np.full(counts.size, -1)
        first_of_cell[cells[::-1]] = np.arange(len(cells))[::-1]
        y_codes = np.concatenate([cells[taken], made_cells]) % len(strata.classes)
        made = _safe_indexing(X_new, np.flatnonzero(is_made)) if is_made.any() else None
        return Resampled(taken, y_codes, made, first_of_cell[made_cells])

    def _clone_sampler(self):
        if self.sampler is None:
            return SMOTE(random_state=self.random_state)
        return clone(self.sampler)

    def _targets(self, strata):
        """Rows of each flat cell, or None where the sampler decides."""
        strategy, kind = self.sampling_strategy, self._kind()
        # What most over-samplers do by themselves, spelt out to leave cells out of it.
        if strategy is None and self.small_cells == "duplicate":
            strategy = "equal_cells" if kind == "over-sampling" else None
        if strategy is None:
            warn_empty_cells(
                strata.counts,
                strata.groups.labels,
                strata.classes.tolist(),
                type(self).__name__,
            )
            return None
        if kind not in ("over-sampling", "under-sampling"):
            raise ValueError(
                f"{type(self).__name__} needs `sampling_strategy=None` for a sampler "
                f"that neither over- nor under-samples. Got {strategy!r} for "
                f"{type(self.sampler_).__name__}."
            )
        targets = sampling_targets(
            strata.counts,
            strategy,
            grow=kind == "over-sampling",
            group_labels=strata.groups.labels,
            classes=strata.classes.tolist(),
            owner=type(self).__name__,
        )
        return targets.ravel()

    def __sklearn_tags__(self):
        sampler = SMOTE() if self.sampler is None else self.sampler
        return inherit_tags(super().__sklearn_tags__(), sampler)

    def _kind(self):
        return getattr(self.sampler_, "_sampling_type", None)

    def _small_cells(self, strata, targets):
        """Cells that grow and have no more rows than the sampler takes neighbours."""
        n_neighbors = self._n_neighbors()
        if not n_neighbors:
            return []
        counts = strata.counts
        goal = counts.max() if targets is None else targets.reshape(counts.shape)
        small = np.argwhere((counts > 0) & (counts <= n_neighbors) & (goal > counts))
        if self.small_cells == "raise" and len(small):
            group, label = small[0]
            n_rows = counts[group, label]
            require_rows(self, strata, group, label, n_rows, n_neighbors + 1)
        return [int(g * counts.shape[1] + k) for g, k in small]

    def _n_neighbors(self):
        """Neighbours within a stratum that the sampler makes rows of; 0 for none."""
        maker = self.sampler_
        if hasattr(maker, "smote"):  # an over-sampler and a cleaning one in a row
            maker = SMOTE() if maker.smote is None else maker.smote
        elif self._kind() != "over-sampling":
            return 0
        asked = (getattr(maker, name, None) for name in ("k_neighbors", "n_neighbors"))
        return max((k for k in asked if isinstance(k, int)), default=0)

    def _origin(self, X, X_new):
        """Rows of the input that were taken, and which of the output were made."""
        n_rows, n_new = X.shape[0], X_new.shape[0]
        indices = getattr(self.sampler_, "sample_indices_", None)
        if indices is not None and len(indices) == n_new:
            is_made = np.asarray(indices) < 0
            return np.asarray(indices)[~is_made], is_made
        is_made = np.ones(n_new, dtype=bool)
        if self._kind() != "over-sampling" or n_new < n_rows:
            return np.zeros(0, dtype=int), is_made
        head = _safe_indexing(X_new, np.arange(n_rows))
        if not _are_equal(head, X):
            return np.zeros(0, dtype=int), is_made
        is_made[:n_rows] = False
        return np.arange(n_rows), is_made


def _as_array(X):
    frame = nw.from_native(X, eager_only=True, pass_through=True)
    return frame.to_numpy() if isinstance(frame, nw.DataFrame) else X


def _are_equal(X, Y):
    if hasattr(X, "equals"):
        return X.reset_index(drop=True).equals(Y.reset_index(drop=True))
    difference = X != Y
    return not (difference.nnz if hasattr(difference, "nnz") else difference.any())
