"""Gradient boosted trees within a limit on the disparity, or with a weight on it."""

import warnings
from importlib import import_module
from numbers import Integral, Real

import numpy as np
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.definitions import (
    DEFINITIONS,
    FairnessDefinition,
    get_definition,
    group_counts,
)
from fairsk.inprocessing._binning import WeightedBinner
from fairsk.utils._sklearn import (
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)

# Share of the samples, in what a rate looks at, from which a group's multipliers move
# at full speed. The rates of a rarer group answer to smaller steps.
_FULL_SHARE = 0.2
# Where the tolerance is out of reach, rounds are as fair as each other within this.
_SLACK = 1e-3
# Gradients are multiples of this: then sums of them do not depend on the order of the
# rows, nor on whether a row is there twice or has the weight 2.
_GRADIENT_STEP = 2.0**-16


class FairGradientBoostingClassifier(GroupAwareMixin, ClassifierMixin, BaseEstimator):
    r"""Gradient boosting whose rates may differ only so much between groups.

    With the rates :math:`r_{kg}` of the definition in each group, it looks for

    .. math:: \min_F\; \frac{1}{n} \sum_i v_i\, \ell(y_i, F(x_i)) \quad\text{s.t.}\quad
        r_{kg} - r_{kh} \le \mathrm{tolerance}\ \text{ for all } k, g, h

    through the Lagrangian: each tree is a Newton step on the loss plus
    :math:`\sum \mu_{kgh} (r_{kg} - r_{kh})`, and after each tree the multipliers
    :math:`\mu \ge 0` of the limits that are broken grow, those of the others shrink
    [1]_. Trees see the rates on soft counts, which have a gradient; multipliers see
    them on the predicted classes [2]_. Without a tolerance, the multipliers grow up to
    a sum of `fairness_weight`: what is minimised then is the loss plus that weight
    times the largest difference.

    The trees are grown by XGBoost, which comes with the extra ``fairsk[trees]``.

    Parameters
    ----------
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a definition that is linear in the predictions.
    tolerance : float, default=None
        Largest difference of a rate between two groups, on the training samples. None
        sets no limit, and takes the weight.
    fairness_weight : float, default=1.0
        Weight of the difference. Not used where there is a `tolerance`.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    learning_rate : float, default=0.1
        Factor of each tree.
    max_iter : int, default=100
        Number of rounds; each grows one tree, or one for each of more than two classes.
    max_leaf_nodes : int, default=15
        Largest number of leaves of a tree.
    max_depth : int, default=None
        Largest depth of a tree; None sets no limit.
    min_leaf_hessian : float, default=1.0
        Smallest sum of :math:`v\, p (1 - p)` in a leaf; a sample adds at most 1/4.
    l2_regularization : float, default=0.0
        Penalty on the squared values of leaves.
    max_bins : int, default=255
        Largest number of bins of a feature, not counting that of missing values.
    multiplier_rate : float, default=1.0
        How fast the multipliers move.
    n_jobs : int, default=None
        Number of threads; None is one, -1 takes all processors.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    booster_ : xgboost.Booster
        The trees. They split on the bins of features.
    n_iter_ : int
        Number of rounds that predictions use.
    disparity_ : float
        Largest difference between groups on the training samples, of the predicted
        classes.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has any.
    group_labels_ : list
        Groups.
    group_names_in_ : list of str
        Names of the sensitive features.

    See Also
    --------
    FairMLPClassifier : A network with any penalty.
    FairLogisticRegression : A linear model within a limit, solved to the optimum.
    fairsk.postprocessing.ThresholdOptimizer : Mends a model that is trained already.
    fairsk.reductions.ExponentiatedGradientClassifier : Any classifier that takes
        weights.

    Notes
    -----
    Predictions do not read the group, unless it is a column of X. What is promised
    about the training samples need not hold on others: trees can fit the rates of a
    small group as they fit labels. Choose the tolerance on data that were not trained
    on.

    With a tolerance, the model is that of the round with the least loss among those of
    the second half that keep it. If none does, it is one of the fairest of them, with
    a warning that says what was reached.

    Missing values go to the side of a split where they fit best. So do the zeros of a
    sparse X, as one value that may be on either side of the others. Nothing is drawn at
    random.

    References
    ----------
    .. [1] Cruz, Belém, Jesus, Bravo, Saleiro & Bizarro (2023), FairGBM: gradient
       boosting with fairness constraints, ICLR.
    .. [2] Cotter et al. (2019), Optimization with non-differentiable constraints with
       applications to fairness, recall, churn, and other goals, JMLR 20.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairGradientBoostingClassifier
    >>> X, y, groups = make_biased_classification(
    ...     1000, base_rate_gap=0.4, random_state=0
    ... )
    >>> trees = FairGradientBoostingClassifier(tolerance=0.05, max_iter=50)
    >>> trees = trees.fit(X, y, sensitive_features=groups)
    >>> bool(trees.disparity_ <= 0.05)
    True
    """

    _parameter_constraints: dict = {
        "fairness": [StrOptions(DEFINITIONS.keys()), FairnessDefinition],
        "tolerance": [Interval(Real, 0, 1, closed="both"), None],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "group_by": [str, Integral, list, tuple, callable, None],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_leaf_nodes": [Interval(Integral, 2, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "min_leaf_hessian": [Interval(Real, 0, None, closed="neither")],
        "l2_regularization": [Interval(Real, 0, None, closed="left")],
        "max_bins": [Interval(Integral, 2, None, closed="left")],
        "multiplier_rate": [Interval(Real, 0, None, closed="neither")],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        fairness="demographic_parity",
        *,
        tolerance=None,
        fairness_weight=1.0,
        group_by=None,
        learning_rate=0.1,
        max_iter=100,
        max_leaf_nodes=15,
        max_depth=None,
        min_leaf_hessian=1.0,
        l2_regularization=0.0,
        max_bins=255,
        multiplier_rate=1.0,
        n_jobs=None,
    ):
        self.fairness = fairness
        self.tolerance = tolerance
        self.fairness_weight = fairness_weight
        self.group_by = group_by
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_leaf_hessian = min_leaf_hessian
        self.l2_regularization = l2_regularization
        self.max_bins = max_bins
        self.multiplier_rate = multiplier_rate
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Grow the trees.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples. NaN is a missing value.
        y : array-like of shape (n_samples,)
            Class labels.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for the rates of the groups.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        xgboost = _import_xgboost(type(self).__name__)
        definition = self._check_definition()
        X_raw = X
        X, y = self._validate(X, y, reset=True)
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        self._check_labels(y, sample_weight)
        groups = self._check_groups(X_raw, sensitive_features)
        # A sample of weight 0 is no sample.
        kept = np.flatnonzero(sample_weight)
        X, sample_weight = X[kept], sample_weight[kept]
        self._binner = WeightedBinner(self.max_bins).fit(X, sample_weight)
        objective = _Lagrangian(
            definition,
            groups.codes[kept].astype(np.int64),
            np.searchsorted(self.classes_, y[kept]),
            sample_weight,
            (groups.n_groups, len(self.classes_)),
            tolerance=self.tolerance,
            bound=self.fairness_weight if self.tolerance is None else np.inf,
            rate=self.multiplier_rate,
        )
        objective.warn_undefined(groups.labels)
        self._init_score = objective.constant_score()
        self._grow(xgboost, X, objective)
        return self

    def decision_function(self, X):
        """Log-odds of the second class, or unnormalised log-probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Of two classes, above 0 for ``classes_[1]``.
        """
        check_is_fitted(self, "booster_")
        bins = self._binner.transform(self._validate(X, reset=False))
        return self._scores(bins)

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return _probabilities(self.decision_function(X))

    def predict(self, X):
        """Most probable class of samples.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        score = self.decision_function(X)
        return self.classes_[_decide(score)]

    def _validate(self, X, *y, reset):
        return validate_data(
            self,
            X,
            *y,
            reset=reset,
            accept_sparse="csr",
            dtype=np.float64,
            ensure_all_finite="allow-nan",
        )

    def _check_definition(self):
        definition = get_definition(self.fairness)
        if not definition.is_linear:
            able = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
            raise ValueError(
                f"{type(self).__name__} needs a definition that is linear in the "
                f"predictions. Got {definition.name!r}. These are: {able}."
            )
        return definition

    def _check_labels(self, y, sample_weight):
        check_classification_targets(y)
        y = column_or_1d(y)
        self.classes_ = np.unique(y)
        present = np.unique(y[sample_weight > 0])
        if len(present) < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of 2 classes. Got {len(present)} "
                "class with positive weight."
            )
        if len(present) < len(self.classes_):
            missing = np.setdiff1d(self.classes_, present).tolist()
            raise ValueError(
                f"{type(self).__name__} needs a sample of positive weight in each "
                f"class. Got none in {missing}. Leave these samples out."
            )

    def _grow(self, xgboost, X, objective):
        bins = self._binner.transform(X)
        data = xgboost.QuantileDMatrix(
            bins,
            missing=np.nan,
            nthread=_n_threads(self.n_jobs),
            max_bin=self._params()["max_bin"],
        )
        self.booster_ = xgboost.train(
            self._params(),
            data,
            num_boost_round=self.max_iter,
            obj=lambda raw, _: objective(raw + self._init_score),
        )
        self.n_iter_ = self.max_iter
        objective.watch(self._scores(bins))
        if self.tolerance is not None:
            self.n_iter_ = objective.best_round()
        self.disparity_ = objective.disparities[self.n_iter_]
        if self.tolerance is not None and self.disparity_ > self.tolerance:
            warnings.warn(
                f"{type(self).__name__} could not keep {objective.definition.name} "
                f"within {self.tolerance:g} on the training samples: the difference is "
                f"{self.disparity_:.4g} in the best round. Raise max_iter or "
                "multiplier_rate, or the tolerance.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _params(self):
        n_classes = len(self.classes_)
        return {
            "num_class": n_classes if n_classes > 2 else 1,
            "base_score": 0.0,
            "disable_default_eval_metric": True,
            "tree_method": "hist",
            "grow_policy": "lossguide",
            "eta": self.learning_rate,
            "max_leaves": self.max_leaf_nodes,
            "max_depth": self.max_depth or 0,
            "min_child_weight": self.min_leaf_hessian,
            "reg_lambda": self.l2_regularization,
            # Features come binned: each number of a bin is a bin.
            "max_bin": max(self.max_bins, 2),
            "nthread": _n_threads(self.n_jobs),
            "verbosity": 0,
        }

    def _scores(self, bins):
        raw = self.booster_.inplace_predict(
            bins,
            iteration_range=(0, self.n_iter_),
            predict_type="margin",
            missing=np.nan,
        )
        return raw + self._init_score

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


class _Lagrangian:
    """Gradient of loss plus multipliers times differences; moves the multipliers.

    Parameters
    ----------
    definition : FairnessDefinition
        What must agree.
    codes, y : int ndarray of shape (n_samples,)
        Group and class of each sample.
    sample_weight : ndarray of shape (n_samples,)
        Positive weights.
    shape : (int, int)
        Numbers of groups and classes.
    tolerance : float or None
        Largest difference; None is 0.
    bound : float
        Largest sum of the multipliers.
    rate : float
        How fast the multipliers move.
    """

    def __init__(
        self, definition, codes, y, sample_weight, shape, *, tolerance, bound, rate
    ):
        self.definition = definition
        self.codes, self.y, self.sample_weight = codes, y, sample_weight
        self.n_groups, self.n_classes = shape
        self.tolerance, self.bound, self.rate = tolerance, bound, rate
        self.disparities, self.losses = [], []
        gain, base = definition.class_tables(self.n_classes)
        counts = self._counts(y)
        # Weight that each rate looks at in each group, as a share of all samples.
        total = sample_weight.sum()
        share = np.einsum("gi,ri->rg", counts.sum(axis=2), base[:, :, 0]) / total
        self._defined = share > 0
        smaller = np.minimum(share[:, :, None], share[:, None, :])
        self._speed = np.minimum(smaller / _FULL_SHARE, 1.0)
        # Effect of a unit of each class's probability on the rate, times n.
        safe = np.where(self._defined, share, 1.0)
        self._effect = gain[:, None] * (self._defined / safe)[..., None, None]
        self._multipliers = np.zeros_like(self._speed)

    def warn_undefined(self, group_labels):
        """Warn of the rates that a group can never define."""
        if self.n_groups > 1 and self.bound > 0:
            self.definition.warn_undefined(self._counts(self.y), group_labels)

    def constant_score(self):
        """Scores of the best constant: log-odds, or log-shares of more than two."""
        share = np.bincount(self.y, self.sample_weight) / self.sample_weight.sum()
        if self.n_classes == 2:
            return float(np.log(share[1] / share[0]))
        return np.log(share)

    def __call__(self, score):
        """Gradient and Hessian of each sample (and class).

        Parameters
        ----------
        score : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores of the trees so far.

        Returns
        -------
        gradient, hessian : ndarray of the shape of `score`
            Their sums over samples are those of n times the mean objective.
        """
        differences = self.watch(score)
        push = self._push(differences)
        # Coefficient of each group's rates, then of each class given group and class.
        net = push.sum(axis=2) - push.sum(axis=1)
        table = np.einsum("rg,rgyk->gyk", net, self._effect)
        cells = self.codes * self.n_classes + self.y
        gradient, hessian = self._derivatives(
            score, table.reshape(-1, self.n_classes), cells
        )
        weight = self.sample_weight if score.ndim == 1 else self.sample_weight[:, None]
        hessian = np.maximum(_on_grid(hessian), _GRADIENT_STEP)
        return weight * _on_grid(gradient), weight * hessian

    def watch(self, score):
        """Record loss and disparity; differences of rates, 0 where undefined."""
        values = self.definition.values(self._counts(_decide(score)))
        # Sums of multiples of a step do not depend on the order of the samples.
        loss = _on_grid(_log_loss(score, self.y))
        self.losses.append(self.sample_weight @ loss)
        differences = values[:, :, None] - values[:, None, :]
        defined = self._defined[:, :, None] & self._defined[:, None, :]
        comparable = (self._defined.sum(axis=1) > 1).any()
        differences = np.where(defined, differences, 0.0)
        self.disparities.append(float(differences.max()) if comparable else np.nan)
        return differences

    def best_round(self):
        """Number of rounds with the least loss within the tolerance.

        Of the second half of the rounds, since a few trees are fair by being constant.
        """
        n_rounds = len(self.losses) - 1
        rounds = np.arange((n_rounds + 1) // 2, n_rounds + 1)
        disparity = np.nan_to_num(np.array(self.disparities)[rounds])
        reached = disparity.min()
        limit = self.tolerance if reached <= self.tolerance else reached + _SLACK
        loss = np.array(self.losses)[rounds]
        return int(rounds[np.where(disparity <= limit, loss, np.inf).argmin()])

    def _push(self, differences):
        """Forces on the differences: multipliers plus what damps their swings."""
        step = self.rate * self._speed * (differences - (self.tolerance or 0.0))
        push = np.maximum(self._multipliers + step, 0.0)
        self._multipliers = self._within_bound(push)
        return self._within_bound(np.maximum(push + step, 0.0))

    def _within_bound(self, multipliers):
        total = multipliers.sum()
        return multipliers * (self.bound / total) if total > self.bound else multipliers

    def _derivatives(self, score, table, cells):
        if score.ndim == 1:
            coefficient = (table[:, 1] - table[:, 0])[cells]
            p = expit(score)
            slope = p * (1 - p)
            # The price of soft counts is not convex: where it bends down, the steps
            # are those of the loss alone.
            bend = np.maximum(coefficient * (1 - 2 * p), 0.0)
            return p - self.y + coefficient * slope, slope * (1 + bend)
        p = softmax(score, axis=1)
        coefficient = table[cells]
        coefficient = coefficient - (p * coefficient).sum(axis=1, keepdims=True)
        gradient = p * (1 + coefficient)
        gradient[np.arange(len(p)), self.y] -= 1
        # Classes move together: K / (K - 1) keeps their joint step a Newton step.
        factor = self.n_classes / (self.n_classes - 1)
        bend = np.maximum(coefficient * (1 - 2 * p), 0.0)
        return gradient, factor * p * (1 - p + bend)

    def _counts(self, y_pred):
        return group_counts(
            self.codes,
            self.y,
            y_pred,
            n_groups=self.n_groups,
            n_classes=self.n_classes,
            sample_weight=self.sample_weight,
        )


def _on_grid(values):
    """Values rounded to multiples of the step."""
    return np.rint(values / _GRADIENT_STEP) * _GRADIENT_STEP


def _decide(score):
    """Index of the most probable class."""
    if score.ndim == 1:
        return (score > 0).astype(np.intp)
    return score.argmax(axis=1)


def _probabilities(score):
    if score.ndim == 1:
        positive = expit(score)
        return np.stack((1 - positive, positive), axis=1)
    return softmax(score, axis=1)


def _log_loss(score, y):
    if score.ndim == 1:
        return np.logaddexp(0, np.where(y == 1, -score, score))
    top = score.max(axis=1, keepdims=True)
    return np.log(np.exp(score - top).sum(axis=1)) + (
        top[:, 0] - score[np.arange(len(y)), y]
    )


def _n_threads(n_jobs):
    """Threads as XGBoost counts them: 0 stands for all."""
    if n_jobs is None:
        return 1
    return max(n_jobs, 0)


def _import_xgboost(owner):
    try:
        return import_module("xgboost")
    except ImportError as error:
        raise ImportError(
            f"{owner} needs XGBoost, which is not installed. Install it by `pip "
            "install fairsk[trees]`, or take xgboost-cpu, which is smaller."
        ) from error
