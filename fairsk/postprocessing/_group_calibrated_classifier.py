"""GroupCalibratedClassifier: a calibration curve for each group."""

import warnings
from numbers import Real

import numpy as np

from fairsk.postprocessing._calibration import (
    CALIBRATIONS,
    apply_curves,
    as_logits,
    calibrate_groups,
)
from fairsk.postprocessing._probabilities import BaseProbabilityPostprocessor
from fairsk.postprocessing._threshold_optimizer import RareGroupWarning
from fairsk.utils._sklearn import Interval, StrOptions


class GroupCalibratedClassifier(BaseProbabilityPostprocessor):
    r"""Probabilities that mean the same in every group.

    Learns for each group g a rising curve :math:`c_g` of the score s, so that

    .. math:: P(Y = 1 \mid c_g(s) = p,\; A = g) = p.

    A decision by one threshold then treats equal risks alike [1]_. Curves are learnt on
    scores that the base model was not trained on.

    Parameters
    ----------
    estimator : classifier
        The base model.
    method : {"sigmoid", "isotonic", "temperature"}, default="sigmoid"
        The curve: a line in the log odds (Platt), steps, or one factor of the log odds,
        which keeps what is predicted.
    min_samples : float, default=50
        Groups of less weight, or of one class, take the curve of everybody.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter gets the scores from models fitted without the row, and
        fits the base model on all rows. A float holds out that share of the rows.
        "prefit" takes the estimator as it is.
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
    curves_ : list of callable, of length n_groups
        Calibration curve of each group, from log odds to probabilities.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    MulticalibratedClassifier : Also mends subgroups that have to be found.
    sklearn.calibration.CalibratedClassifierCV : One curve for everybody.
    fairsk.inspection.GroupCalibrationDisplay : How well probabilities hold in groups.

    Notes
    -----
    Where base rates differ, calibration in groups excludes equal error rates [2]_. A
    single group keeps its probabilities.

    References
    ----------
    .. [1] Corbett-Davies et al. (2023), The measure and mismeasure of fairness.
    .. [2] Kleinberg, Mullainathan & Raghavan (2017), Inherent trade-offs in the fair
       determination of risk scores.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import GroupCalibratedClassifier
    >>> X, y, group = make_biased_classification(2000, random_state=0)
    >>> model = GroupCalibratedClassifier(LogisticRegression(), method="isotonic")
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> model.predict_proba(X[:3], sensitive_features=group[:3]).shape
    (3, 2)
    """

    _promises_calibration = True

    _parameter_constraints: dict = {
        **BaseProbabilityPostprocessor._parameter_constraints,
        "method": [StrOptions(set(CALIBRATIONS))],
        "min_samples": [Interval(Real, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        *,
        method="sigmoid",
        min_samples=50,
        cv=5,
        response_method="auto",
        group_by=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.method = method
        self.min_samples = min_samples
        self.cv = cv
        self.response_method = response_method
        self.group_by = group_by
        self.pos_label = pos_label
        self.random_state = random_state

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        weights = np.ones(len(positive)) if sample_weight is None else sample_weight
        logits = as_logits(y_score, self._gives_probabilities)
        self.curves_, pooled = calibrate_groups(
            self.method, logits, positive, groups, weights, self.min_samples
        )
        if pooled:
            warnings.warn(
                f"{type(self).__name__}: the group(s) "
                f"{[self.group_labels_[group] for group in pooled]} have fewer than "
                f"{self.min_samples:g} samples or one class only, and take the curve "
                "of everybody. Join rare groups, or lower `min_samples`.",
                RareGroupWarning,
                stacklevel=4,
            )

    def _probability(self, y_score, groups, X):
        logits = as_logits(y_score, self._gives_probabilities)
        return apply_curves(self.curves_, logits, groups.codes)
