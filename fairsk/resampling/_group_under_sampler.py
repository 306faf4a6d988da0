"""Drop rows of label x group cells that have too many."""

import numpy as np

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.utils._cells import SAMPLING_SHAPES, sampling_targets
from fairsk.utils._sklearn import StrOptions


class GroupUnderSampler(GroupAwareSampler):
    r"""Drop random rows until the label x group table is balanced.

    With :math:`n_{ay}` rows of group a and label y, the largest table that has the
    shape asked for and :math:`t_{ay} \le n_{ay}` is kept. No row is copied.

    Parameters
    ----------
    sampling_strategy : {"independence", "equal_base_rates", "equal_cells"} or dict, \
            default="independence"
        The shape of the table, see :class:`GroupOverSampler`. A dict gives the number
        of rows by (group, label), of the cells to reduce.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, ascending.
    group_indices_ : ndarray of shape (n_resampled,)
        The same.
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
    GroupOverSampler : Copies rows instead.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.resampling import GroupUnderSampler
    >>> X, y = np.arange(6)[:, None], [1, 1, 0, 1, 0, 0]
    >>> sampler = GroupUnderSampler(random_state=0)
    >>> _, y_new = sampler.fit_resample(X, y, sensitive_features=list("aaabbb"))
    >>> y_new
    [1, 0, 1, 0]
    """

    _parameter_constraints: dict = {
        "sampling_strategy": [StrOptions(set(SAMPLING_SHAPES)), dict],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self, *, sampling_strategy="independence", group_by=None, random_state=None
    ):
        self.sampling_strategy = sampling_strategy
        self.group_by = group_by
        self.random_state = random_state

    def _fit_resample(self, strata):
        targets = sampling_targets(
            strata.counts,
            self.sampling_strategy,
            grow=False,
            group_labels=strata.groups.labels,
            classes=strata.classes.tolist(),
            owner=type(self).__name__,
        )
        kept = [
            strata.random_state.choice(rows, size=target, replace=False)
            for rows, target in zip(strata.rows_by_cell(), targets.ravel())
        ]
        return Resampled(np.sort(np.concatenate(kept)).astype(int))
