"""Copy rows of label x group cells that have too few."""

import numpy as np

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.utils._cells import SAMPLING_SHAPES, sampling_targets
from fairsk.utils._sklearn import StrOptions


class GroupOverSampler(GroupAwareSampler):
    r"""Copy random rows until the label x group table is balanced.

    No row is lost: with :math:`n_{ay}` rows of group a and label y, the smallest table
    that has the shape asked for and :math:`t_{ay} \ge n_{ay}` is filled.

    Parameters
    ----------
    sampling_strategy : {"independence", "equal_base_rates", "equal_cells"} or dict, \
            default="independence"
        The shape of the table:

        - "independence": label and group are independent, the shares of groups and
          labels stay (up to rounding), as after uniform sampling [1]_;
        - "equal_base_rates": each group has the labels in the overall shares, with the
          fewest copies; groups may change their share;
        - "equal_cells": all cells as large as the largest.

        A dict gives the number of rows by (group, label), of the cells to enlarge.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output.
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
    GroupUnderSampler : Drops rows instead.
    PreferentialSampler : Copies and drops rows near the decision boundary.
    fairsk.reductions.ReweighingClassifier : Weights do the same without copies.

    References
    ----------
    .. [1] Kamiran & Calders (2012). Data preprocessing techniques for classification
       without discrimination. Knowledge and Information Systems 33.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.resampling import GroupOverSampler
    >>> X, y = np.arange(6)[:, None], [1, 1, 0, 1, 0, 0]
    >>> sampler = GroupOverSampler(sampling_strategy="equal_cells", random_state=0)
    >>> _, y_new = sampler.fit_resample(X, y, sensitive_features=list("aaabbb"))
    >>> len(y_new), sum(y_new)
    (8, 4)
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
            grow=True,
            group_labels=strata.groups.labels,
            classes=strata.classes.tolist(),
            owner=type(self).__name__,
        )
        missing = (targets - strata.counts).ravel()
        copies = [
            strata.random_state.choice(rows, size=n_more)
            for rows, n_more in zip(strata.rows_by_cell(), missing)
            if n_more
        ]
        return Resampled(np.concatenate([np.arange(len(strata.y_codes)), *copies]))
