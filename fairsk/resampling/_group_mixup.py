"""Fill label x group cells with rows between groups."""

from numbers import Real

import numpy as np

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.resampling._synthetic import cells_to_fill
from fairsk.utils._cells import SAMPLING_SHAPES
from fairsk.utils._sklearn import Interval, StrOptions


class GroupMixup(GroupAwareSampler):
    r"""Mix rows of a small cell with rows of other groups.

    A new row of group a and label y is

    .. math:: x_{\text{new}} = \lambda x_i + (1 - \lambda) x_j, \qquad
       \lambda = \max(\beta, 1 - \beta), \; \beta \sim \mathrm{Beta}(\alpha, \alpha),

    with i in its cell and j in another group, so that a model sees what lies between
    the groups. It is nearer to its own cell and counts as one of its rows.

    Parameters
    ----------
    sampling_strategy : {"independence", "equal_base_rates", "equal_cells"} or dict, \
            default="equal_cells"
        The shape of the label x group table, see :class:`GroupOverSampler`.
    alpha : float, default=1.0
        Shape of the Beta distribution: the smaller, the nearer to a row itself.
    within_label : bool, default=True
        Whether j has the label of i; otherwise any, as in fair mixup [1]_.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, -1 for rows that were made.
    group_indices_ : ndarray of shape (n_resampled,)
        Position of a row of the same group.
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
    FairSMOTE : Makes rows within cells.

    Notes
    -----
    Numbers only: a mixture of two categories is none. Where no other group has a row to
    mix with, rows of the cell itself are mixed.

    References
    ----------
    .. [1] Chuang & Mroueh (2021). Fair mixup: fairness via interpolation. ICLR.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.resampling import GroupMixup
    >>> X, y, group = make_biased_classification(200, random_state=0)
    >>> sampler = GroupMixup(random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    >>> print(len(y_new), y_new.mean())
    220 0.5
    """

    _makes_rows = True

    _parameter_constraints: dict = {
        "sampling_strategy": [StrOptions(set(SAMPLING_SHAPES)), dict],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "within_label": ["boolean"],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        sampling_strategy="equal_cells",
        alpha=1.0,
        within_label=True,
        group_by=None,
        random_state=None,
    ):
        self.sampling_strategy = sampling_strategy
        self.alpha = alpha
        self.within_label = within_label
        self.group_by = group_by
        self.random_state = random_state

    def _fit_resample(self, strata):
        X = strata.X.toarray() if hasattr(strata.X, "toarray") else strata.X
        rng = strata.random_state
        made = [np.zeros((0, X.shape[1]))]
        rows_of_made, labels = [np.zeros(0, dtype=int)], [strata.y_codes]
        for group, label, rows, n_more in cells_to_fill(self, strata):
            partners = strata.groups.codes != group
            if self.within_label:
                partners &= strata.y_codes == label
            partners = np.flatnonzero(partners) if partners.any() else rows
            share = rng.beta(self.alpha, self.alpha, size=(n_more, 1))
            share = np.maximum(share, 1 - share)
            own, others = rng.choice(rows, n_more), rng.choice(partners, n_more)
            made.append(share * X[own] + (1 - share) * X[others])
            rows_of_made.append(own)
            labels.append(np.full(n_more, label))
        return Resampled(
            np.arange(len(X)),
            np.concatenate(labels),
            np.vstack(made),
            np.concatenate(rows_of_made),
        )
