"""MulticlassThresholdOptimizer: group x class scores within a tolerance."""

import warnings
from numbers import Real

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from fairsk.definitions import (
    DEFINITIONS,
    FairnessDefinition,
    get_definition,
    group_counts,
)
from fairsk.postprocessing._base import BaseScorePostprocessor, ScoreWithGroupsMixin
from fairsk.postprocessing._dual import Effects, limit_rows, solve_prices
from fairsk.postprocessing._noise import noise_floor_of_counts, rows_per_weight
from fairsk.postprocessing._programme import Limit
from fairsk.utils._draws import row_draws
from fairsk.utils._factorize import factorize
from fairsk.utils._sklearn import Interval

_TEMPERATURE = 1e-3
# How often rates are corrected where probabilities are not quite right.
_ATTEMPTS = 6
_SLACK = 1e-3


class MulticlassThresholdOptimizer(
    ScoreWithGroupsMixin, ClassifierMixin, BaseScorePostprocessor
):
    r"""The best decisions between classes that keep the rates of groups together.

    From the probabilities p(x) of the K classes a member of group g gets the class

    .. math:: \arg\max_k \; \sum_j p_j(x) V_g[j, k]

    with one table :math:`V_g` of true by predicted class for each group: the reward
    less the price of every limited rate. This is the form of the optimum [1]_ of the
    linear programme that maximises the expected objective while, for every rate r of
    the definition, and for each class against the rest,

    .. math:: \max_g r_g - \min_g r_g \le \tau.

    The prices solve its dual, which has one number for each limit and not for each row.

    Parameters
    ----------
    estimator : classifier
        The base model, with `predict_proba`.
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must hold: a definition whose rates are linear in the predictions.
    tolerance : float, default=0.02
        Largest difference between groups, over rates and classes.
    costs : array-like of shape (n_classes, n_classes), default=None
        Cost of each true (row) and predicted (column) class, whose mean is minimised.
        None counts errors.
    randomize : bool, default=False
        Whether rows next to a boundary are decided by a draw, repeatable for each row.
        Needed where many rows have equal probabilities, and for equal accuracy, which
        no choice of single decisions gives.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter gets the probabilities from models fitted without the
        row, and fits the base model on all rows. A float holds out that share of the
        rows. "prefit" takes the estimator as it is.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of the draws.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups.
    tables_ : ndarray of shape (n_groups, n_classes, n_classes)
        V of each group.
    counts_ : ndarray of shape (n_groups, n_classes, n_classes)
        Expected counts (true class, predicted class) on the probabilities that it was
        fitted on.
    disparity_ : float
        Disparity of these counts; NaN with a single group.
    noise_floor_ : float
        What a perfectly fair predictor would show on these groups: the mean disparity
        where they are permuted.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    ThresholdOptimizer : Exact thresholds for two classes.

    Notes
    -----
    The optimum supposes that the probabilities are calibrated in groups. Where they
    are not, the rates are corrected by what the true labels show, and solved again; a
    warning says so where the true labels still disagree.

    References
    ----------
    .. [1] Xian & Zhao (2024), A unified post-processing framework for group fairness in
       classification.
    .. [2] Alghamdi et al. (2022), Beyond Adult and COMPAS: Fair multi-class prediction
       via information projection.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.postprocessing import MulticlassThresholdOptimizer
    >>> X, y = load_iris(return_X_y=True)
    >>> group = np.where(X[:, 1] > 3, "wide", "narrow")
    >>> model = MulticlassThresholdOptimizer(
    ...     LogisticRegression(max_iter=1000), tolerance=0.2
    ... )
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> model.tables_.shape
    (2, 3, 3)
    """

    __metadata_request__predict_proba = {"sensitive_features": True}

    _responses = ("predict_proba",)

    _parameter_constraints: dict = {
        **BaseScorePostprocessor._parameter_constraints,
        "fairness": [str, FairnessDefinition],
        "tolerance": [Interval(Real, 0.0, 1.0, closed="both")],
        "costs": ["array-like", None],
        "randomize": ["boolean"],
    }

    def __init__(
        self,
        estimator,
        *,
        fairness="demographic_parity",
        tolerance=0.02,
        costs=None,
        randomize=False,
        cv=5,
        group_by=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.costs = costs
        self.randomize = randomize
        self.cv = cv
        self.group_by = group_by
        self.random_state = random_state

    def _check_target(self, y):
        """Set `classes_`; the code of each label."""
        labels, codes = factorize(column_or_1d(y))
        check_classification_targets(labels)
        self.classes_ = np.asarray(getattr(self.estimator_, "classes_", labels))
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labels of two classes at least. Got "
                f"{len(self.classes_)} class: {self.classes_.tolist()}."
            )
        position = {label: code for code, label in enumerate(self.classes_.tolist())}
        unknown = [label for label in labels.tolist() if label not in position]
        if unknown:
            raise ValueError(
                f"{type(self).__name__} needs the labels of its fitted estimator, "
                f"{self.classes_.tolist()}. Got {unknown}."
            )
        codes = np.array([position[label] for label in labels.tolist()])[codes]
        return codes, codes

    def _respond(self, estimator, X, params):
        """Probability of each of `classes_`; 0 for those a fold did not have."""
        values = np.asarray(estimator.predict_proba(X, **params))
        if not (values.min() >= 0.0 and values.max() <= 1.0):  # false for NaN, too
            raise ValueError(
                f"{type(self).__name__} needs probabilities in [0, 1]. Got "
                f"{values.min():g} to {values.max():g} from predict_proba of "
                f"{type(estimator).__name__}. Mend it."
            )
        if values.shape[1] == len(self.classes_):
            return values
        full = np.zeros((len(values), len(self.classes_)))
        full[:, np.isin(self.classes_, estimator.classes_)] = values
        return full

    def _fit_scores(self, X, y_score, target, groups, sample_weight):
        definition = get_definition(self.fairness)
        if not definition.is_linear:
            linear = sorted(n for n, d in DEFINITIONS.items() if d.is_linear)
            raise ValueError(
                f"{type(self).__name__} needs a definition whose rates are linear in "
                f"the predictions. Got {definition.name!r}. Take one of {linear}."
            )
        weights = np.ones(len(target)) if sample_weight is None else sample_weight
        self._rows_per_weight = rows_per_weight(
            target, groups.codes, sample_weight, len(self.classes_), groups.n_groups
        )
        rewards = self._rewards()
        self.tables_ = np.stack([rewards] * groups.n_groups)
        self.counts_ = self._counts(self.tables_, y_score, target, groups, weights)
        self.disparity_ = float("nan")
        if groups.n_groups > 1:
            definition.warn_undefined(self.counts_, self.group_labels_)
            self._fit_tables(definition, y_score, target, groups, weights)

    @property
    def noise_floor_(self):
        """What a perfectly fair predictor would show on these groups."""
        return noise_floor_of_counts(
            self.counts_, self.fairness, ratio=self._rows_per_weight
        )

    def _rewards(self):
        n_classes = len(self.classes_)
        if self.costs is None:
            return np.eye(n_classes)
        costs = np.asarray(self.costs, dtype=float)
        if costs.shape != (n_classes, n_classes) or not np.isfinite(costs).all():
            raise ValueError(
                f"{type(self).__name__} needs finite `costs` of shape ({n_classes}, "
                f"{n_classes}), rows by true and columns by predicted class. Got shape "
                f"{costs.shape}."
            )
        return -costs

    def _fit_tables(self, definition, y_score, target, groups, weights):
        """Solve, and correct the rates by what the true labels show they miss."""
        rewards, best = self._rewards(), None
        problem = _Problem.of(definition, rewards, y_score, target, groups, weights)
        missed = np.zeros(problem.sizes.size)
        for _ in range(_ATTEMPTS):
            tables = problem.solve(self.tolerance, missed)
            chances = self._chances(tables, y_score, groups.codes)
            counts = self._counts(tables, y_score, target, groups, weights)
            excess = float(definition.disparity(counts)) - self.tolerance
            quality = (max(excess, _SLACK), -np.sum(counts * rewards))
            if best is None or quality < best[0]:
                best = quality, tables, counts
            if not excess > _SLACK:
                break
            values = np.nan_to_num(definition.values(counts)).ravel()
            missed = values - problem.planned(chances)
        _, self.tables_, self.counts_ = best
        self.disparity_ = float(definition.disparity(self.counts_))
        if self.disparity_ > self.tolerance + 0.01:
            warnings.warn(
                f"{type(self).__name__} reaches a disparity of {self.disparity_:.3f} "
                f"where {self.tolerance:g} was asked for: the probabilities are not "
                "calibrated in groups, or tied. Calibrate the estimator, raise "
                "`tolerance`, or set `randomize=True`.",
                UserWarning,
                stacklevel=5,
            )

    def _counts(self, tables, y_score, target, groups, weights):
        return group_counts(
            groups.codes,
            target,
            self._chances(tables, y_score, groups.codes),
            n_groups=groups.n_groups,
            n_classes=len(self.classes_),
            sample_weight=weights,
        )

    def _chances(self, tables, y_score, group_codes):
        """Probability that each class is predicted, for each row."""
        worth = np.einsum("nj,njk->nk", y_score, tables[group_codes])
        if self.randomize and len(tables) > 1:
            return softmax(worth / _TEMPERATURE, axis=1)
        return np.eye(worth.shape[1])[worth.argmax(axis=1)]

    def predict_proba(self, X, *, sensitive_features=None):
        """Probability of each decision: 0 or 1 unless `randomize`.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        probability : ndarray of shape (n_samples, n_classes)
            Probability that `predict` gives each of `classes_`, over its random draw.
        """
        return self._decisions(X, sensitive_features, "predict_proba")

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
        chances = self._decisions(X, sensitive_features, "predict")
        if not self.randomize or len(self.tables_) == 1:
            return self.classes_[chances.argmax(axis=1)]
        passed = chances.cumsum(axis=1) <= row_draws(X, self.draw_seed_)[:, None]
        return self.classes_[np.minimum(passed.sum(axis=1), len(self.classes_) - 1)]

    def _decisions(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        groups = self._check_groups(X, sensitive_features, reset=False)
        return self._chances(self.tables_, y_score, groups.codes)


class _Problem:
    """The dual problem of one data set, for several tolerances."""

    def __init__(self, rewards, per_group, effects, weights, sizes):
        self.rewards = rewards
        self.per_group = per_group
        self.effects = effects
        self.weights = weights
        self.sizes = sizes

    @classmethod
    def of(cls, definition, rewards, y_score, target, groups, weights):
        """Effects of each decision on each rate of each group, all of mean 1 / size."""
        n_classes, weights = len(rewards), weights / weights.sum()
        numerators, denominators = definition.class_tables(n_classes)
        mass = np.zeros((groups.n_groups, n_classes))
        np.add.at(mass, (groups.codes, target), weights)
        sizes = denominators[:, :, 0] @ mass.T
        per_group = np.divide(
            numerators[:, None],
            sizes[:, :, None, None],
            out=np.zeros((*sizes.shape, n_classes, n_classes)),
            where=sizes[:, :, None, None] > 0,
        )
        rates = np.zeros((len(y_score), n_classes, sizes.size))
        for group in range(groups.n_groups):
            own = np.flatnonzero(groups.codes == group)
            for rate in range(len(sizes)):
                column = rate * groups.n_groups + group
                rates[own, :, column] = y_score[own] @ per_group[rate, group]
        return cls(
            rewards, per_group, Effects(y_score @ rewards, rates), weights, sizes
        )

    def planned(self, chances):
        """Rates by the probabilities, where classes are predicted with these chances.

        In the order of rates, groups within.
        """
        return np.einsum("n,nk,nkr->r", self.weights, chances, self.effects.rates)

    def solve(self, tolerance, missed):
        """Table of each group at which no rate plus what it misses differs by more."""
        n_rates, n_groups = self.sizes.shape
        rows = []
        for rate in range(n_rates):
            defined = np.flatnonzero(self.sizes[rate] > 0)
            limit = Limit("", None, tolerance)
            matrix, _ = limit_rows(limit, len(defined), None)
            wide = np.zeros((len(matrix), n_rates * n_groups))
            wide[:, rate * n_groups + defined] = matrix
            rows.append(wide)
        matrix = np.vstack(rows)
        sides = tolerance - matrix @ missed
        prices = solve_prices(self.effects, matrix, sides, self.weights, _TEMPERATURE)
        prices = prices.reshape(n_rates, n_groups)
        return self.rewards - np.einsum("rg,rgjk->gjk", prices, self.per_group)
