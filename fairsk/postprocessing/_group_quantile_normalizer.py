"""GroupQuantileNormalizer: scores that rank people within their group."""

from numbers import Real

import numpy as np

from fairsk.postprocessing._base import BasePostprocessor
from fairsk.postprocessing._distributions import (
    EmpiricalDistribution,
    group_distributions,
)
from fairsk.utils._sklearn import Interval, StrOptions


class GroupQuantileNormalizer(BasePostprocessor):
    r"""Scores that are distributed alike in all groups, so that one cut suits all.

    A score s of group g becomes

    .. math:: (1 - \alpha) \, Q(F_g(s)) + \alpha s

    where :math:`F_g` is the distribution of scores in group g and Q that of the common
    scale: the mean over groups of their quantiles at equal rank (the barycentre, which
    changes scores least), the quantiles of everybody, or the rank itself. The order
    within a group stays, so any top list draws from all groups alike [1]_ [2]_.

    Parameters
    ----------
    estimator : classifier
        The base model that scores.
    scale : {"barycenter", "overall", "rank"}, default="barycenter"
        The common scale.
    alpha : float, default=0.0
        Partial repair: 0 repairs fully, 1 not at all. With ``scale="rank"`` the
        unrepaired score is the rank among everybody.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter learns the distributions from scores of models fitted
        without the row, and fits the base model on all rows. A float holds out that
        share of the rows. "prefit" takes the estimator as it is.
    response_method : str, default="auto"
        Where the scores come from: "predict_proba", "decision_function" or "predict";
        "auto" takes the first that there is.
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
    cut_ : float
        Score from which `predict` gives the positive class: that of the base model, or
        on the scale of ranks the share that the base model leaves out.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    WassersteinBarycenterRegressor : The same for regression.
    ThresholdOptimizer : One threshold for each group, for other definitions too.

    Notes
    -----
    The label is not looked at: where groups differ by right, the ranking loses
    accuracy. With a single group nothing is changed. The new scores are no
    probabilities of the label.

    References
    ----------
    .. [1] Feldman et al. (2015), Certifying and removing disparate impact.
    .. [2] Jiang et al. (2020), Wasserstein fair classification.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import GroupQuantileNormalizer
    >>> X, y, group = make_biased_classification(2000, random_state=0)
    >>> model = GroupQuantileNormalizer(LogisticRegression(), scale="rank")
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> score = model.score_samples(X, sensitive_features=group)
    >>> [round(float(score[group == g].mean()), 1) for g in model.group_labels_]
    [0.5, 0.5]
    """

    __metadata_request__decision_function = {"sensitive_features": True}

    _parameter_constraints: dict = {
        **BasePostprocessor._parameter_constraints,
        "scale": [StrOptions({"barycenter", "overall", "rank"})],
        "alpha": [Interval(Real, 0.0, 1.0, closed="both")],
    }

    def __init__(
        self,
        estimator,
        *,
        scale="barycenter",
        alpha=0.0,
        cv=5,
        response_method="auto",
        group_by=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.scale = scale
        self.alpha = alpha
        self.cv = cv
        self.response_method = response_method
        self.group_by = group_by
        self.pos_label = pos_label
        self.random_state = random_state

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        self._groups, self._shares = group_distributions(y_score, groups, sample_weight)
        self._everybody = EmpiricalDistribution.of(y_score, sample_weight)
        middle = 0.0 if self._response_name() == "decision_function" else 0.5
        self.cut_ = middle
        if self.scale == "rank" and groups.n_groups > 1:
            self.cut_ = float(np.average(y_score <= middle, weights=sample_weight))

    def score_samples(self, X, *, sensitive_features=None):
        """Scores on the common scale.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        y_score : ndarray of shape (n_samples,)
            The higher, the more the sample is like the positive class.
        """
        return self._normalized(X, sensitive_features, "decision_function")

    def decision_function(self, X, *, sensitive_features=None):
        """Scores on the common scale, less the cut, for the second of `classes_`.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        margin : ndarray of shape (n_samples,)
            Above 0 where `predict` gives the second of `classes_`.
        """
        return self._margin(X, sensitive_features, "decision_function")

    def predict(self, X, *, sensitive_features=None):
        """Predict by one cut for everybody.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predicted labels.
        """
        margin = self._margin(X, sensitive_features, "predict")
        return self.classes_[(margin > 0).astype(np.intp)]

    def _margin(self, X, sensitive_features, method):
        margin = self._normalized(X, sensitive_features, method) - self.cut_
        return margin if self._pos_index == 1 else -margin

    def _normalized(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        groups = self._check_groups(X, sensitive_features, reset=False)
        if len(self._groups) == 1:
            return y_score
        level = np.empty(len(y_score))
        for code, distribution in enumerate(self._groups):
            own = groups.codes == code
            level[own] = distribution.level(y_score[own])
        plain = self._everybody.level(y_score) if self.scale == "rank" else y_score
        return (1.0 - self.alpha) * self._quantile(level) + self.alpha * plain

    def _quantile(self, level):
        """Score of the common scale at ranks."""
        if self.scale == "rank":
            return level
        if self.scale == "overall":
            return self._everybody.quantile(level)
        parts = zip(self._shares, self._groups)
        return sum(share * group.quantile(level) for share, group in parts)
