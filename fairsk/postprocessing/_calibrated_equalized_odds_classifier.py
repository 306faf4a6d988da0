"""CalibratedEqualizedOddsClassifier: calibrated probabilities of equal mean cost."""

import warnings
from numbers import Real

import numpy as np

from fairsk.definitions import FairnessDefinition, get_definition, group_counts
from fairsk.postprocessing._calibration import (
    CALIBRATIONS,
    apply_curves,
    as_logits,
    calibrate_groups,
)
from fairsk.postprocessing._hulls import Operating
from fairsk.postprocessing._noise import noise_floor_of_probabilities
from fairsk.postprocessing._probabilities import BaseProbabilityPostprocessor
from fairsk.postprocessing._programme import (
    POSITIVE,
    InfeasibleError,
    Programme,
    get_objective,
    read_limits,
)
from fairsk.utils._draws import row_draws
from fairsk.utils._sklearn import Interval, StrOptions


class CalibratedEqualizedOddsClassifier(BaseProbabilityPostprocessor):
    r"""Probabilities that stay calibrated in groups and have equal generalized rates.

    With probability :math:`\alpha_g` the score of a member of group g is withheld and
    replaced by the base rate :math:`\mu_g` of the group [1]_. Both are calibrated, so
    the mixture is, and its generalized rate, such as the mean probability of the
    positives, moves along a line:

    .. math::
        r_g(\alpha_g) = (1 - \alpha_g) \, r_g + \alpha_g \, \mu_g.

    The :math:`\alpha_g` that lose the least generalized accuracy
    :math:`E[1 - |Y - p|]` while the rates of all groups agree within the tolerance
    solve a linear programme, for any number of groups.

    Parameters
    ----------
    estimator : classifier
        The base model.
    fairness : str or FairnessDefinition, default="equal_opportunity"
        Which generalized rate has to agree: a definition with linear rates. One rate
        can be brought together, several hardly ever (Theorem 5 of [1]_).
    tolerance : float, default=0.02
        Largest difference between groups. Where no mixture reaches it, the smallest
        that one reaches is taken, with a warning.
    calibration : {"sigmoid", "isotonic", "temperature"} or None, default="sigmoid"
        Curve that calibrates each group first, as in
        :class:`GroupCalibratedClassifier`; None takes the probabilities as they are.
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
        Seed of the folds and of the draw of withheld scores.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups, in the order of all arrays below.
    withheld_ : ndarray of shape (n_groups,)
        Share of scores that are withheld.
    base_rates_ : ndarray of shape (n_groups,)
        Share of positives.
    rates_ : dict of str to ndarray of shape (n_groups,)
        Generalized rates on the scores that it was fitted on.
    disparity_ : float
        Their largest difference; NaN where fewer than two groups have the rates.
    noise_floor_ : float
        What it would be if the groups were random samples of everybody with their
        label.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    ThresholdOptimizer : Equal rates of decisions, without calibration.
    GroupCalibratedClassifier : Calibration alone.

    Notes
    -----
    Fairness is bought by knowing less about some people, drawn at random by what their
    row holds: calls agree. A group that lacks the rates, for want of a label, is left
    as it is, with a warning. A decision made from the probabilities by a threshold need
    not have equal rates.

    References
    ----------
    .. [1] Pleiss, Raghavan, Wu, Kleinberg & Weinberger (2017), On fairness and
       calibration.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import CalibratedEqualizedOddsClassifier
    >>> X, y, group = make_biased_classification(2000, random_state=0)
    >>> model = CalibratedEqualizedOddsClassifier(LogisticRegression(), tolerance=0.01)
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> round(model.disparity_, 3)
    0.01
    """

    _promises_calibration = True

    _parameter_constraints: dict = {
        **BaseProbabilityPostprocessor._parameter_constraints,
        "fairness": [str, FairnessDefinition],
        "tolerance": [Interval(Real, 0.0, 1.0, closed="both")],
        "calibration": [StrOptions(set(CALIBRATIONS)), None],
    }

    def __init__(
        self,
        estimator,
        *,
        fairness="equal_opportunity",
        tolerance=0.02,
        calibration="sigmoid",
        cv=5,
        response_method="auto",
        group_by=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.calibration = calibration
        self.cv = cv
        self.response_method = response_method
        self.group_by = group_by
        self.pos_label = pos_label
        self.random_state = random_state

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        weights = np.ones(len(positive)) if sample_weight is None else sample_weight
        self._curves = None
        if self.calibration is not None:
            logits = as_logits(y_score, self._gives_probabilities)
            self._curves, _ = calibrate_groups(
                self.calibration, logits, positive, groups, weights, min_samples=2
            )
        mass, hits = (
            np.bincount(groups.codes, part, minlength=groups.n_groups)
            for part in (weights, weights * positive)
        )
        self.base_rates_ = np.divide(
            hits, mass, where=mass > 0, out=np.zeros_like(mass)
        )
        told, withheld = (
            _soft_counts(p, positive, groups, weights)
            for p in (
                self._calibrated(y_score, groups),
                self.base_rates_[groups.codes],
            )
        )
        definition = get_definition(self.fairness)
        definition.warn_undefined(told, self.group_labels_, POSITIVE)
        defined = ~np.isnan(definition.values(told, POSITIVE)).any(axis=0)
        self.withheld_ = np.zeros(groups.n_groups)
        if defined.sum() > 1:
            self.withheld_[defined] = self._solve(told[defined], withheld[defined])
        share = self.withheld_[:, None, None]
        counts = (1 - share) * told + share * withheld
        values = definition.values(counts, POSITIVE)
        self.rates_ = dict(zip(definition.value_names(2, POSITIVE), values))
        self.disparity_ = float(definition.disparity(counts))
        self.noise_floor_ = noise_floor_of_probabilities(
            (1 - self.withheld_[groups.codes]) * self._calibrated(y_score, groups)
            + self.withheld_[groups.codes] * self.base_rates_[groups.codes],
            positive,
            groups.codes,
            weights,
            groups.n_groups,
            definition,
        )

    def _solve(self, told, withheld):
        """Share of withheld scores of each group."""
        limits = read_limits(self.fairness, self.tolerance)
        # What a group mixes are not thresholds, but being told and being withheld.
        points = [
            Operating(np.array([np.inf, -np.inf]), np.stack(pair))
            for pair in zip(told, withheld)
        ]
        programme = Programme(points, get_objective("accuracy"), limits, [])
        try:
            weights = programme.mix()
        except InfeasibleError:
            nearest = programme.nearest_tolerance()
            warnings.warn(
                f"{type(self).__name__}: no share of withheld scores brings "
                f"{self.fairness!r} within {self.tolerance:g}. The nearest within "
                f"reach, {nearest:.3f}, is taken. Raise `tolerance`.",
                UserWarning,
                stacklevel=5,
            )
            weights = programme.with_tolerance(nearest).mix()
        return np.array([share for _, share in weights])

    def _calibrated(self, y_score, groups):
        if self._curves is None:
            return self._as_probability(y_score)
        logits = as_logits(y_score, self._gives_probabilities)
        return apply_curves(self._curves, logits, groups.codes)

    def _probability(self, y_score, groups, X):
        probability = self._calibrated(y_score, groups)
        if not self.withheld_.any():
            return probability
        hidden = row_draws(X, self.draw_seed_) < self.withheld_[groups.codes]
        return np.where(hidden, self.base_rates_[groups.codes], probability)


def _soft_counts(probability, positive, groups, weights):
    """Generalized group counts: each row is predicted by its probability."""
    return group_counts(
        groups.codes,
        positive.astype(np.intp),
        np.column_stack([1.0 - probability, probability]),
        n_groups=groups.n_groups,
        n_classes=2,
        sample_weight=weights,
    )
