"""Copy and drop the rows nearest to the decision boundary."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.utils._cells import independent, warn_empty_cells
from fairsk.utils._sklearn import HasMethods
from fairsk.utils._validation import inherit_tags


class PreferentialSampler(GroupAwareSampler):
    r"""Make label and group independent by the rows nearest to the boundary.

    Each label x group cell gets the :math:`n_{a+} n_{+y} / n` rows it would have if
    label and group were independent: the number of rows stays. In a cell that is too
    large the rows that a ranker is least sure of are dropped, in one that is too small
    they are copied, since these are the rows that bias is most likely to have touched
    and that move the boundary most.

    Parameters
    ----------
    estimator : classifier, default=None
        The ranker, with `predict_proba`, fitted to all rows. None is a logistic
        regression on standardised features.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output.
    group_indices_ : ndarray of shape (n_resampled,)
        The same.
    estimator_ : classifier
        The fitted ranker.
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
    Massaging : Changes labels instead.
    GroupOverSampler : Copies random rows.

    References
    ----------
    Kamiran & Calders (2012). Data preprocessing techniques for classification without
    discrimination. Knowledge and Information Systems 33.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.resampling import PreferentialSampler
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> sampler = PreferentialSampler()
    >>> X_new, y_new = sampler.fit_resample(X, y, sensitive_features=list("aaaabbbb"))
    >>> print(y_new[sampler.sample_indices_ < 4].mean())
    0.5
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "group_by": [str, int, list, tuple, callable, None],
    }

    def __init__(self, estimator=None, *, group_by=None):
        self.estimator = estimator
        self.group_by = group_by

    def _fit_resample(self, strata):
        counts = strata.counts
        warn_empty_cells(
            counts, strata.groups.labels, strata.classes.tolist(), type(self).__name__
        )
        targets = np.rint(independent(counts.astype(float))).astype(int).ravel()
        self.estimator_ = fit_ranker(self.estimator, strata)
        sure = self.estimator_.predict_proba(strata.X)
        sure = sure[np.arange(len(sure)), strata.y_codes]
        chosen = []
        for rows, target in zip(strata.rows_by_cell(), targets):
            nearest_first = rows[np.argsort(sure[rows], kind="stable")]
            if target <= len(rows):
                chosen.append(nearest_first[len(rows) - target :])
            elif len(rows):
                chosen += [rows, np.resize(nearest_first, target - len(rows))]
        return Resampled(np.concatenate(chosen))

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), as_ranker(self.estimator))


def as_ranker(estimator):
    """The ranker that an estimator, or None, stands for.

    Parameters
    ----------
    estimator : classifier or None
        The ranker; None is a logistic regression on standardised features.

    Returns
    -------
    ranker : classifier
        Unfitted; may be `estimator` itself.
    """
    if estimator is not None:
        return estimator
    return make_pipeline(
        # Uncentred, which leaves sparse rows sparse.
        StandardScaler(with_mean=False),
        LogisticRegression(max_iter=1000),
    )


def fit_ranker(estimator, strata):
    """The ranker, fitted to the positions of the labels.

    Parameters
    ----------
    estimator : classifier or None
        The ranker, see :func:`as_ranker`.
    strata : Strata
        The rows.

    Returns
    -------
    fitted : classifier
        A clone.
    """
    return clone(as_ranker(estimator)).fit(strata.X, strata.y_codes)
