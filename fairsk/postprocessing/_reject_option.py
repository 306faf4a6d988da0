"""RejectOptionClassifier: favour the disadvantaged where the model is unsure."""

import warnings
from numbers import Integral, Real

import numpy as np

from fairsk.definitions import FairnessDefinition, get_definition
from fairsk.postprocessing._base import BasePostprocessor
from fairsk.postprocessing._noise import noise_floor_of_counts, rows_per_weight
from fairsk.postprocessing._programme import OBJECTIVES
from fairsk.utils._sklearn import Interval, StrOptions


class RejectOptionClassifier(BasePostprocessor):
    r"""Decide near the boundary by group, elsewhere by the model.

    Within the critical region :math:`|p(x) - c| \le \theta` around the cut c samples of
    disadvantaged groups are predicted positive and all others negative; outside it the
    model decides [1]_. The margin :math:`\theta` and the cut are those with the best
    objective among all that keep the tolerance, found in one sweep over counts.

    Parameters
    ----------
    estimator : classifier
        The base model, with `predict_proba`.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must hold; any definition.
    tolerance : float, default=0.02
        Largest difference between groups.
    objective : str, default="accuracy"
        What is maximised: the name of a rate, "balanced_accuracy" or "f1".
    disadvantaged : list or None, default=None
        Labels of the groups that are favoured; None takes those that the model selects
        less often than everybody.
    n_margins, n_cuts : int, default=100
        Numbers of margins in [0, 0.5] and of cuts in (0, 1) that are tried; one cut is
        the middle, 0.5.
    abstain : bool, default=False
        Predict nothing in the critical region: `predict` returns `abstain_label` there,
        and `is_rejected` says which rows are meant, for people to decide. Cut and
        margin, and what is said to be reached, are those of the form that decides.
    abstain_label : object, default=None
        Label of rejected rows with ``abstain=True``.
    cv : int, float, splitter, iterable or "prefit", default=5
        As in :class:`ThresholdOptimizer`.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    pos_label : object, default=None
        The positive class; None takes the second of `classes_`.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    disadvantaged_ : list
        Labels of the favoured groups.
    margin_, cut_ : float
        The chosen margin and cut.
    counts_ : ndarray of shape (n_groups, 2, 2)
        Counts (true class, predicted class; positive second) on the scores that the
        margin was chosen on.
    disparity_, objective_value_ : float
        Reached on these scores; the disparity of a single group is NaN.
    noise_floor_ : float
        What a perfectly fair predictor would show on these groups: the mean disparity
        where they are permuted.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    ThresholdOptimizer : The best thresholds of each group; a margin cannot beat them.

    Notes
    -----
    The rule equals two thresholds, cut - margin for the disadvantaged and cut + margin
    for the others. Where no pair keeps the tolerance, the one with the smallest
    disparity is taken.

    References
    ----------
    .. [1] Kamiran, Karim & Zhang (2012), Decision theory for discrimination-aware
       classification.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import RejectOptionClassifier
    >>> X, y, group = make_biased_classification(1000, random_state=0)
    >>> model = RejectOptionClassifier(LogisticRegression(), tolerance=0.05)
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> model.disadvantaged_
    [1]
    >>> bool(model.disparity_ <= 0.05)
    True
    """

    _parameter_constraints: dict = {
        **BasePostprocessor._parameter_constraints,
        "fairness": [str, FairnessDefinition],
        "tolerance": [Interval(Real, 0.0, 1.0, closed="both")],
        "objective": [StrOptions(set(OBJECTIVES))],
        "disadvantaged": [list, None],
        "n_margins": [Interval(Integral, 1, None, closed="left")],
        "n_cuts": [Interval(Integral, 1, None, closed="left")],
        "abstain": ["boolean"],
        "abstain_label": "no_validation",
    }

    response_method = "predict_proba"

    def __init__(
        self,
        estimator,
        *,
        fairness="demographic_parity",
        tolerance=0.02,
        objective="accuracy",
        disadvantaged=None,
        n_margins=100,
        n_cuts=100,
        abstain=False,
        abstain_label=None,
        cv=5,
        group_by=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.objective = objective
        self.disadvantaged = disadvantaged
        self.n_margins = n_margins
        self.n_cuts = n_cuts
        self.abstain = abstain
        self.abstain_label = abstain_label
        self.cv = cv
        self.group_by = group_by
        self.pos_label = pos_label
        self.random_state = random_state

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        self._favoured = self._find_favoured(y_score, groups, sample_weight)
        labels = self.group_labels_
        self.disadvantaged_ = [labels[g] for g in np.flatnonzero(self._favoured)]
        self._rows_per_weight = rows_per_weight(
            positive, groups.codes, sample_weight, 2, groups.n_groups
        )
        cut, margin = self._grid()
        if groups.n_groups == 1:
            cut, margin = np.array([0.5]), np.array([0.0])
        # The region is closed: the favoured include its lower end, others exclude the
        # upper one.
        upper = np.nextafter(cut + margin, np.inf)
        lower = np.where(self._favoured, (cut - margin)[:, None], upper[:, None])
        counts = _counts_at(lower, y_score, positive, groups, sample_weight)
        disparity = get_definition(self.fairness).disparity(counts, pos_index=1)
        objective = OBJECTIVES[self.objective]
        value = objective.values(counts)
        allowed = disparity <= self.tolerance
        score = np.where(allowed, value, -np.inf) if allowed.any() else -disparity
        best = int(np.argmax(np.nan_to_num(score, nan=-np.inf)))
        self.counts_ = counts[best]
        if groups.n_groups > 1:
            definition = get_definition(self.fairness)
            definition.warn_undefined(self.counts_, self.group_labels_, 1)
            self._warn_constant_scores(y_score)
        self.cut_, self.margin_ = float(cut[best]), float(margin[best])
        self.disparity_ = float(disparity[best])
        self.objective_value_ = float(value[best])

    def _warn_constant_scores(self, y_score):
        if y_score.min() == y_score.max():
            warnings.warn(
                f"{type(self).__name__}: the scores do not rank the samples, which "
                "are all on one side of any cut. Fit a better base model.",
                UserWarning,
                stacklevel=4,
            )

    @property
    def noise_floor_(self):
        """What a perfectly fair predictor would show on these groups."""
        return noise_floor_of_counts(
            self.counts_, self.fairness, ratio=self._rows_per_weight, pos_index=1
        )

    def _find_favoured(self, y_score, groups, sample_weight):
        if self.disadvantaged is not None:
            unknown = [g for g in self.disadvantaged if g not in self.group_labels_]
            if unknown:
                raise ValueError(
                    f"{type(self).__name__} needs `disadvantaged` to name groups of "
                    f"fit: {self.group_labels_}. Got {unknown}."
                )
            return np.array([g in self.disadvantaged for g in self.group_labels_])
        weight = np.ones(len(y_score)) if sample_weight is None else sample_weight
        selected = np.bincount(groups.codes, weight * (y_score > 0.5), groups.n_groups)
        sizes = np.bincount(groups.codes, weight, groups.n_groups)
        return selected / sizes < selected.sum() / sizes.sum()

    def _grid(self):
        """All pairs of a cut and a margin that stay within (0, 1)."""
        cuts = np.unique(np.append(np.linspace(0.01, 0.99, self.n_cuts), 0.5))
        margins = np.linspace(0, 0.5, self.n_margins)
        cut, margin = (part.ravel() for part in np.meshgrid(cuts, margins))
        inside = margin <= np.minimum(cut, 1 - cut)
        return cut[inside], margin[inside]

    def _bounds(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        groups = self._check_groups(X, sensitive_features, reset=False)
        favoured = self._favoured[groups.codes]
        return y_score, favoured

    def predict(self, X, *, sensitive_features=None):
        """Decide for every sample.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predicted labels; `abstain_label` for rejected rows with ``abstain=True``.
        """
        y_score, favoured = self._bounds(X, sensitive_features, "predict")
        positive = np.where(
            favoured,
            y_score >= self.cut_ - self.margin_,
            y_score > self.cut_ + self.margin_,
        )
        labels = self._labels_of(positive)
        if not self.abstain:
            return labels
        labels = labels.astype(object)
        labels[np.abs(y_score - self.cut_) <= self.margin_] = self.abstain_label
        return labels

    def is_rejected(self, X, *, sensitive_features=None):
        """Whether each sample is in the critical region.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features, for base models that want them.

        Returns
        -------
        rejected : bool ndarray of shape (n_samples,)
            True where the group decided, or nobody with ``abstain=True``.
        """
        y_score = self._score(X, sensitive_features, "predict")
        return np.abs(y_score - self.cut_) <= self.margin_


def _counts_at(thresholds, y_score, positive, groups, sample_weight):
    """Group counts at every row of group thresholds, from one sort per group.

    Parameters
    ----------
    thresholds : ndarray of shape (n_rules, n_groups)
        Thresholds of the groups.
    y_score, positive, groups, sample_weight
        As in `fit`.

    Returns
    -------
    counts : ndarray of shape (n_rules, n_groups, 2, 2)
        Counts (true class, predicted class).
    """
    counts = np.zeros((*thresholds.shape, 2, 2))
    for group in range(groups.n_groups):
        for label in (0, 1):
            rows = np.flatnonzero((groups.codes == group) & (positive == label))
            rows = rows[np.argsort(y_score[rows])]
            weight = np.ones(len(rows))
            if sample_weight is not None:
                weight = sample_weight[rows]
            below = np.append(0.0, np.cumsum(weight))
            negative = below[np.searchsorted(y_score[rows], thresholds[:, group])]
            counts[:, group, label, 0] = negative
            counts[:, group, label, 1] = below[-1] - negative
    return counts
