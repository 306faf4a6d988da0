"""Change the labels that bias is most likely to have changed."""

import numpy as np
from sklearn.utils import ClassifierTags

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.resampling._preferential_sampler import as_ranker, fit_ranker
from fairsk.utils._sklearn import HasMethods
from fairsk.utils._validation import inherit_tags


class Massaging(GroupAwareSampler):
    r"""Change the labels nearest to the boundary until all base rates are equal.

    In groups with a smaller share of positives than the whole, the negatives that a
    ranker scores highest become positive; in the others the positives that it scores
    lowest become negative. The number of positives stays.

    Parameters
    ----------
    estimator : classifier, default=None
        The ranker, with `predict_proba`, fitted to all rows. None is a logistic
        regression on standardised features.
    pos_label : label, default=None
        The positive label. None takes the last one.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_samples,)
        Position in the input of each row of the output: all rows, in their order.
    group_indices_ : ndarray of shape (n_samples,)
        The same.
    flipped_ : ndarray of shape (n_flipped,)
        Rows whose label was changed.
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
    PreferentialSampler : Copies and drops rows, and leaves labels alone.

    Notes
    -----
    Two labels only. It invents labels: use it where the labels, and not the groups'
    circumstances, are thought to be biased, and say so where the model is described.

    References
    ----------
    Kamiran & Calders (2009). Classifying without discriminating. IC4.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.resampling import Massaging
    >>> X, y = np.arange(8.0)[:, None], np.array([0, 0, 0, 1, 0, 1, 1, 1])
    >>> _, y_new = Massaging().fit_resample(X, y, sensitive_features=list("aaaabbbb"))
    >>> y_new
    array([0, 0, 1, 1, 0, 0, 1, 1])
    """

    _parameter_constraints: dict = {
        "estimator": [HasMethods(["fit", "predict_proba"]), None],
        "pos_label": "no_validation",
        "group_by": [str, int, list, tuple, callable, None],
    }

    def __init__(self, estimator=None, *, pos_label=None, group_by=None):
        self.estimator = estimator
        self.pos_label = pos_label
        self.group_by = group_by

    def _fit_resample(self, strata):
        rows = np.arange(len(strata.y_codes))
        positive = self._check_positive(strata.classes)
        self.estimator_ = fit_ranker(self.estimator, strata)
        score = self.estimator_.predict_proba(strata.X)[:, positive]
        is_positive = strata.y_codes == positive
        targets = _apportion(is_positive.sum(), strata.groups.sizes)
        flipped = []
        for group, target in enumerate(targets):
            of_group = strata.groups.codes == group
            surplus = int(is_positive[of_group].sum() - target)
            candidates = rows[of_group & (is_positive == (surplus > 0))]
            order = score[candidates] if surplus > 0 else -score[candidates]
            nearest_first = candidates[np.argsort(order, kind="stable")]
            flipped.append(nearest_first[: abs(surplus)])
        self.flipped_ = np.sort(np.concatenate(flipped))
        y_codes = strata.y_codes.copy()
        y_codes[self.flipped_] = 1 - y_codes[self.flipped_]
        return Resampled(rows, y_codes)

    def _check_positive(self, classes):
        owner = type(self).__name__
        if len(classes) != 2:
            raise ValueError(
                f"{owner} needs two labels. Got {len(classes)} classes: "
                f"{classes.tolist()}. Use PreferentialSampler, which takes any number. "
                "Only binary classification is supported."
            )
        if self.pos_label is None:
            return 1
        if self.pos_label not in classes:
            raise ValueError(
                f"{owner} needs `pos_label` to be one of the labels "
                f"{classes.tolist()}. Got {self.pos_label!r}."
            )
        return classes.tolist().index(self.pos_label)

    def __sklearn_tags__(self):
        tags = inherit_tags(super().__sklearn_tags__(), as_ranker(self.estimator))
        tags.classifier_tags = ClassifierTags(multi_class=False)
        return tags


def _apportion(total, sizes):
    """Shares of a total in whole numbers that add up (largest remainders)."""
    exact = total * sizes / sizes.sum()
    shares = np.floor(exact).astype(int)
    rest = int(total - shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:rest]] += 1
    return shares
