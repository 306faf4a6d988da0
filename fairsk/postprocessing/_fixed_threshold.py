"""FixedThresholdClassifier: thresholds of each group as the user gives them."""

from numbers import Real

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk.postprocessing._base import BasePostprocessor
from fairsk.postprocessing._policy import Policy


class FixedThresholdClassifier(BasePostprocessor):
    r"""Decide by given thresholds, one for each group.

    Predicts positive where :math:`s(x) \ge t_g`. For deployment of thresholds that were
    agreed on, and for what-if questions.

    Parameters
    ----------
    estimator : classifier
        The base model.
    thresholds : dict or float, default=0.5
        Threshold of each group by its label (a tuple of labels where several sensitive
        features are crossed), or one for all groups of `fit`.
    default_threshold : float, default=None
        Threshold of groups that `thresholds` does not name, or that `fit` did not see,
        and of missing groups; None raises where there are some.
    prefit : bool, default=False
        Take the estimator as it is, instead of fitting a clone.
    response_method : {"auto", "predict_proba", "decision_function", "predict"}, \
            default="auto"
        Where the scores come from; "auto" takes the first that there is.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    pos_label : object, default=None
        The positive class; None takes the second of `classes_`.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups in `fit`, and of others that `thresholds` names.
    thresholds_, threshold_weights_ : ndarray of shape (n_groups, 1)
        Threshold of each group, which is used with probability 1.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    ThresholdOptimizer : Finds thresholds that keep rates together.
    sklearn.model_selection.FixedThresholdClassifier : One threshold, without groups.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import FixedThresholdClassifier
    >>> X, y, group = make_biased_classification(500, random_state=0)
    >>> model = FixedThresholdClassifier(
    ...     LogisticRegression(), thresholds={0: 0.6, 1: 0.4}
    ... ).fit(X, y, sensitive_features=group)
    >>> model.predict(X[:4], sensitive_features=group[:4]).shape
    (4,)
    """

    _parameter_constraints: dict = {
        **{
            name: allowed
            for name, allowed in BasePostprocessor._parameter_constraints.items()
            if name not in ("cv", "random_state")
        },
        "prefit": ["boolean"],
        "thresholds": [dict, Real],
        "default_threshold": [Real, None],
    }

    def __init__(
        self,
        estimator,
        *,
        thresholds=0.5,
        default_threshold=None,
        prefit=False,
        response_method="auto",
        group_by=None,
        pos_label=None,
    ):
        self.estimator = estimator
        self.thresholds = thresholds
        self.default_threshold = default_threshold
        self.prefit = prefit
        self.response_method = response_method
        self.group_by = group_by
        self.pos_label = pos_label

    # Nothing is drawn or fitted on scores.
    random_state = 0

    @property
    def cv(self):
        """Prefit or not, in the words of the other post-processors."""
        return "prefit" if self.prefit else None

    def _unseen_scores(self, X, y, deal, params):
        return None, None

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        by_group = self.thresholds if isinstance(self.thresholds, dict) else {}
        default = self.default_threshold
        if not isinstance(self.thresholds, dict):
            default = self.thresholds
        lacking = [label for label in self.group_labels_ if label not in by_group]
        if lacking and default is None:
            raise ValueError(
                f"{type(self).__name__} needs a threshold for every group. Got none "
                f"for {lacking}. Add them to `thresholds`, or set `default_threshold`."
            )
        # Groups that only `thresholds` names may still come at prediction.
        self.group_labels_ += [g for g in by_group if g not in self.group_labels_]
        values = [by_group.get(label, default) for label in self.group_labels_]
        self.thresholds_ = np.array(values, dtype=float)[:, None]
        self.threshold_weights_ = np.ones_like(self.thresholds_)
        # Code -1, an unknown group, reads the last entry.
        last = self.default_threshold
        values.append(np.nan if last is None else last)
        self._policy = Policy.of_thresholds(values)

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
            Predicted labels.
        """
        y_score = self._score(X, sensitive_features, "predict")
        groups = self._known_groups(X, sensitive_features)
        positive = self._policy.decide(y_score, groups.codes, X, 0)
        return self._labels_of(positive)

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, X, *, sensitive_features=None):
        """Probability of each class by the base model.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        probability : ndarray of shape (n_samples, 2)
            As `estimator_` gives it.
        """
        check_is_fitted(self, "estimator_")
        params = self._response_params(sensitive_features, "predict_proba")
        probability = self.estimator_.predict_proba(X, **params)
        self._known_groups(X, sensitive_features)
        return probability

    def _known_groups(self, X, sensitive_features):
        unseen = "error" if self.default_threshold is None else "code"
        return self._check_groups(X, sensitive_features, reset=False, unseen=unseen)
