"""MulticalibratedClassifier: probabilities that hold in every group that is found."""

import warnings
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import has_fit_parameter

from fairsk.postprocessing._probabilities import BaseProbabilityPostprocessor
from fairsk.utils._draws import row_draws
from fairsk.utils._sklearn import HasMethods, Interval

# Share of the rows that judges what the auditor found on the others.
_JUDGES = 0.5


class MulticalibratedClassifier(BaseProbabilityPostprocessor):
    r"""Probabilities that are right on average in every group and at every level.

    A probability is multicalibrated where

    .. math:: |E[Y - p(X) \mid X \in S,\; p(X) \in I]| \le \alpha

    for every set :math:`S` of a collection and every interval :math:`I` of a grid
    [1]_; with one interval it is multiaccurate [2]_. The collection holds the groups,
    everybody, and whatever an auditor finds that predicts the residual from X: then the
    condition is :math:`|E[(Y - p) h(X)]| \le \alpha E[|h(X)|]` with its prediction
    :math:`h`. While some condition is broken, :math:`p` moves along :math:`h` as far as
    lowers the squared error most, on the rows that showed it.

    Parameters
    ----------
    estimator : classifier
        The base model.
    tolerance : float, default=0.02
        :math:`\alpha`, the allowed mean residual.
    n_bins : int, default=10
        Intervals of equal width of the probability; 1 asks for multiaccuracy only.
    auditor : regressor, default=None
        Finds subgroups of rows of X whose residual it can predict, such as a shallow
        tree. It learns them on one half of the rows and the other half judges them.
        None audits the groups only.
    min_samples : float, default=30
        Sets with less weight are not held to the tolerance: chance alone would break
        it.
    max_iter : int, default=100
        Most steps.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter gets the scores from models fitted without the row, and
        fits the base model on all rows. A float holds out that share of the rows.
        "prefit" takes the estimator as it is.
    response_method : str, default="auto"
        Where the scores come from: "predict_proba", "decision_function" (through the
        logistic function) or "predict"; "auto" takes the first that there is.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    pos_label : object, default=None
        The positive class; None takes the second of `classes_`.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of the halves, and of an auditor that has none.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    n_iter_ : int
        Number of steps.
    squared_errors_ : ndarray of shape (n_iter_ + 1,)
        Mean squared error of the probability before and after each step, on the scores
        that it was fitted on.
    residuals_ : ndarray of shape (n_groups, n_bins)
        Mean residual of each group at each level after the last step; NaN where there
        is less than `min_samples`.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    GroupCalibratedClassifier : One calibration curve for each group.
    fairsk.inspection.GroupCalibrationDisplay : How well probabilities hold in groups.

    Notes
    -----
    With a single group nothing is changed, whatever an auditor would find. Sets of few
    rows make the result noisy: raise `min_samples`, or take fewer bins, where data are
    few.

    References
    ----------
    .. [1] Hebert-Johnson, Kim, Reingold & Rothblum (2018), Multicalibration:
       Calibration for the (computationally-identifiable) masses.
    .. [2] Kim, Ghorbani & Zou (2019), Multiaccuracy: Black-box post-processing for
       fairness in classification.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import MulticalibratedClassifier
    >>> X, y, group = make_biased_classification(2000, random_state=0)
    >>> model = MulticalibratedClassifier(LogisticRegression(), tolerance=0.02)
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> bool(np.nanmax(np.abs(model.residuals_)) <= 0.02)
    True
    """

    _promises_calibration = True

    _parameter_constraints: dict = {
        **BaseProbabilityPostprocessor._parameter_constraints,
        "tolerance": [Interval(Real, 0.0, 1.0, closed="neither")],
        "n_bins": [Interval(Integral, 1, None, closed="left")],
        "auditor": [HasMethods(["fit", "predict"]), None],
        "min_samples": [Interval(Real, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        *,
        tolerance=0.02,
        n_bins=10,
        auditor=None,
        min_samples=30,
        max_iter=100,
        cv=5,
        response_method="auto",
        group_by=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.tolerance = tolerance
        self.n_bins = n_bins
        self.auditor = auditor
        self.min_samples = min_samples
        self.max_iter = max_iter
        self.cv = cv
        self.response_method = response_method
        self.group_by = group_by
        self.pos_label = pos_label
        self.random_state = random_state

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        weights = np.ones(len(positive)) if sample_weight is None else sample_weight
        rows = _Rows(X, positive.astype(float), groups, weights)
        probability = self._as_probability(y_score)
        audits = self._audits(rows)
        self._steps, errors = [], [rows.squared_error(probability)]
        while len(self._steps) < self.max_iter:
            step = self._next_step(audits, probability)
            if step is None:
                break
            self._steps.append(step)
            probability = step.move(probability, groups.codes, X)
            errors.append(rows.squared_error(probability))
        else:
            warnings.warn(
                f"{type(self).__name__} took {self.max_iter} steps, and some mean "
                f"residual may still be above {self.tolerance:g}. Raise `max_iter`, "
                "`tolerance` or `min_samples`.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.n_iter_, self.squared_errors_ = len(self._steps), np.array(errors)
        self.residuals_, _ = rows.residuals(probability, self.n_bins, self.min_samples)

    def _audits(self, rows):
        """Functions that find a step, from the cheapest to the dearest."""
        if rows.groups.n_groups == 1:
            return []
        audits = [
            lambda p: _audit_groups(rows, p, self),
            lambda p: _audit_groups(rows.joined(), p, self),
        ]
        if self.auditor is not None:
            learn = row_draws(rows.X, self.draw_seed_ + 2) >= _JUDGES
            halves = rows.take(learn), rows.take(~learn)
            audits.append(
                lambda p: _audit_features(halves, (p[learn], p[~learn]), self)
            )
        return audits

    def _next_step(self, audits, probability):
        found = (audit(probability) for audit in audits)
        return next((step for step in found if step is not None), None)

    def _probability(self, y_score, groups, X):
        probability = self._as_probability(y_score)
        for step in self._steps:
            probability = step.move(probability, groups.codes, X)
        return probability


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows with their true labels (0 or 1), groups and weights."""

    X: object
    y_true: np.ndarray
    groups: object
    weights: np.ndarray

    def take(self, chosen):
        rows = np.flatnonzero(chosen)
        return _Rows(
            _safe_indexing(indexable(self.X)[0], rows),
            self.y_true[rows],
            self.groups.take(rows),
            self.weights[rows],
        )

    def joined(self):
        """The same rows as one group."""
        everybody = type(self.groups)(
            np.zeros(len(self.y_true), dtype=np.intp), ["everybody"], [0]
        )
        return _Rows(self.X, self.y_true, everybody, self.weights)

    def squared_error(self, probability):
        return float(np.average((self.y_true - probability) ** 2, weights=self.weights))

    def residuals(self, probability, n_bins, min_samples):
        """Mean residual of each group and level, NaN in those of less weight."""
        shape = self.groups.n_groups, n_bins
        cells = self.groups.codes.astype(np.intp) * n_bins + _bins(probability, n_bins)
        residual = self.weights * (self.y_true - probability)
        mass, total = (
            np.bincount(cells, part, minlength=shape[0] * n_bins).reshape(shape)
            for part in (self.weights, residual)
        )
        enough = mass >= min_samples
        return np.divide(total, mass, out=np.full(shape, np.nan), where=enough), mass


@dataclass(frozen=True, eq=False)
class _GroupStep:
    """Add a number to the probability of each group and level."""

    table: np.ndarray

    def move(self, probability, group_codes, X):
        bins = _bins(probability, self.table.shape[1])
        if len(self.table) == 1:
            return np.clip(probability + self.table[0, bins], 0.0, 1.0)
        return np.clip(probability + self.table[group_codes, bins], 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class _FeatureStep:
    """Add a multiple of what an auditor predicts at one level."""

    auditor: object
    size: float
    level: int
    n_bins: int

    def move(self, probability, group_codes, X):
        own = np.flatnonzero(_bins(probability, self.n_bins) == self.level)
        moved = probability.copy()
        if len(own):
            found = self.auditor.predict(_safe_indexing(indexable(X)[0], own))
            moved[own] = np.clip(probability[own] + self.size * found, 0.0, 1.0)
        return moved


def _bins(probability, n_bins):
    return np.minimum((probability * n_bins).astype(np.intp), n_bins - 1)


def _audit_groups(rows, probability, params):
    """Step that mends all groups and levels whose mean residual is too large."""
    means, _ = rows.residuals(probability, params.n_bins, params.min_samples)
    broken = np.abs(means) > params.tolerance  # NaN compares false
    return _GroupStep(np.where(broken, means, 0.0)) if broken.any() else None


def _audit_features(halves, probabilities, params):
    """Step along what the auditor learns on one half, if the other half agrees."""
    best, best_drop = None, 0.0
    learners, judges = (_bins(p, params.n_bins) for p in probabilities)
    for level in np.unique(learners):
        learn, judge = (
            (half.take(bins == level), p[bins == level])
            for half, p, bins in zip(halves, probabilities, (learners, judges))
        )
        if min(part.weights.sum() for part, _ in (learn, judge)) < params.min_samples:
            continue
        auditor = _fit_auditor(*learn, params)
        size, drop = _judge(auditor, *judge, params)
        if drop > best_drop:
            best = _FeatureStep(auditor, size, int(level), params.n_bins)
            best_drop = drop
    return best


def _fit_auditor(rows, probability, params):
    auditor = clone(params.auditor)
    if auditor.get_params(deep=False).get("random_state", 0) is None:
        auditor.set_params(random_state=params.draw_seed_)
    known = {}
    if has_fit_parameter(auditor, "sample_weight"):
        known["sample_weight"] = rows.weights
    return auditor.fit(rows.X, rows.y_true - probability, **known)


def _judge(auditor, rows, probability, params):
    """Best step along the auditor's prediction, and how far the squared error falls.

    A drop of 0 where the condition holds, or where the prediction rests on few rows.
    """
    found = auditor.predict(rows.X)
    mass = rows.weights @ np.abs(found)
    energy = rows.weights @ found**2
    agreement = rows.weights @ ((rows.y_true - probability) * found)
    # The number of rows that a mean by these weights rests on (Kish); the weight of
    # the set where the prediction is constant on a set and 0 elsewhere.
    if mass**2 < params.min_samples * energy or agreement <= params.tolerance * mass:
        return 0.0, 0.0
    return agreement / energy, agreement**2 / energy
