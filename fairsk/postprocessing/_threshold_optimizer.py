"""ThresholdOptimizer: the best thresholds of each group within a tolerance."""

import warnings
from dataclasses import replace
from functools import partial
from numbers import Real

import numpy as np
from sklearn.base import clone
from sklearn.utils import Bunch, _safe_indexing
from sklearn.utils.metadata_routing import MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from fairsk.definitions import (
    FairnessDefinition,
    get_definition,
    get_disparity,
    group_counts,
)
from fairsk.postprocessing._base import BasePostprocessor, Deal, take_all
from fairsk.postprocessing._blind import BlindRule
from fairsk.postprocessing._certificate import certify
from fairsk.postprocessing._hulls import Operating, sort_groups
from fairsk.postprocessing._noise import noise_floor_of_counts, rows_per_weight
from fairsk.postprocessing._policy import Policy
from fairsk.postprocessing._programme import (
    POSITIVE,
    Bound,
    InfeasibleError,
    Programme,
    get_objective,
    read_bounds,
    read_limits,
)
from fairsk.postprocessing._smoothing import smooth_labels
from fairsk.utils._draws import row_draws
from fairsk.utils._sklearn import (
    HasMethods,
    Interval,
    StrOptions,
    _num_samples,
    _routing_enabled,
)

# A group with fewer samples behind one of its rates is warned about.
_RARE = 20
# Thresholds that single thresholds, and mixtures, choose from, per group. A hull of
# labels never has as many vertices; one of smoothed labels may have all thresholds.
_MAX_CURVE = 2000
_MAX_HULL = 500
# Objective that `randomize="auto"` gives up for one threshold per group.
_WORTH_MIXING = 1e-3
# Folds of models that are no parameter of their own.
_FOLDS = 5
# Shares of the tolerance that a certificate is sought for.
_N_CANDIDATES = 21


class RareGroupWarning(UserWarning):
    """A group has too few samples to know its rates."""


class ThresholdOptimizer(BasePostprocessor):
    r"""The best decision thresholds of each group that keep rates together.

    Predicts positive where the score :math:`s(x)` of a base model is at least the
    threshold :math:`t_g` of the sample's group, with thresholds that

    .. math::
        \max_t \; u(t) \quad\text{subject to}\quad
        \max_g r_g(t_g) - \min_g r_g(t_g) \le \tau

    for every rate :math:`r` of the definitions asked for. The optimum may mix two
    thresholds in a group. It is exact: what thresholds can reach in a group is the
    convex hull of its ROC curve [1]_, on whose vertices the problem is a small linear
    programme. Thresholds are chosen on scores that the base model was not trained on.

    With ``group_aware=False`` the threshold depends on the probability of each group
    given X instead of the group [3]_.

    Parameters
    ----------
    estimator : classifier
        The base model; the better it ranks, the better the decisions.
    fairness : str, FairnessDefinition, list, dict or None, default="demographic_parity"
        What must hold: one or several definitions whose rates are linear in the
        predictions. A dict gives each definition its own tolerance.
    tolerance : float, default=0.02
        Allowed disparity: the largest difference, or the largest shortfall of the
        ratio from 1 (0.2 is the four-fifths rule).
    objective : str, dict, array-like of shape (2, 2) or Rate, default="accuracy"
        What is maximised: "balanced_accuracy", "f1", "worst_group_accuracy", the name
        of a rate, a dict of weights of rates, or a cost matrix (rows by true and
        columns by predicted class, the positive class second), whose mean is minimised.
    disparity : {"difference", "ratio"}, default="difference"
        How rates of groups are compared.
    reference : {"groups", "overall"}, default="groups"
        Whether each group is compared with each other one, or with everybody.
    bounds : dict or None, default=None
        Floor and ceiling of rates in every group, None for no limit, such as
        ``{"true_positive_rate": (0.8, None)}``.
    randomize : bool or "auto", default="auto"
        True mixes thresholds (optimal), False takes one threshold per group, "auto"
        mixes only where one threshold per group cannot hold the tolerance or costs
        more than 0.001 of the objective.
    cv : int, float, splitter, iterable or "prefit", default=5
        An integer or splitter gets the scores from models fitted without the row, and
        fits the base model on all rows. A float holds out that share of the rows.
        "prefit" takes the estimator as it is.
    response_method : str, default="auto"
        Where the scores come from: "predict_proba", "decision_function" or "predict";
        "auto" takes the first that there is.
    group_by : str, int, list or callable, default=None
        Columns of X that hold the groups, where no `sensitive_features` are passed.
    group_aware : bool, default=True
        False decides without the group: the sensitive features are needed in `fit`
        only. Thresholds then depend on how likely each group is given X.
    group_estimator : classifier, default=None
        Model of group and label given X for ``group_aware=False``, with calibrated
        `predict_proba`; None takes a clone of `estimator`.
    unknown_group : {"error", "overall", "strictest"}, default="error"
        What to do at prediction with groups that are missing or that `fit` did not see:
        raise; use the best threshold for everybody within the rates of the groups; or
        use the thresholds of the group that is selected least by them. Decisions that
        are not group aware have no use for it.
    shrinkage : float, default=0.0
        Each group's rates are estimated as if so many samples, spread as everybody is,
        were added to it. Helps groups of some dozens of samples.
    smoothing : bool, default=False
        Whether thresholds are chosen on the probability of a positive given score and
        group instead of the labels: a logistic curve with an offset and a slope of each
        group, shrunk towards everybody's. It takes the noise out of the labels, which
        thresholds otherwise follow: on small data accuracy rises, and the disparity of
        new data a little with it. The tolerance then holds for the expected labels.
        Decisions that are not group aware have no use for it.
    confidence : float, default=None
        With this probability over the draw of the calibration rows, the true disparity
        is within `tolerance`; `certificate_` says so. Needs rows that neither the base
        model nor the thresholds saw: with a float `cv` the held-out share (thresholds
        are chosen on the others, cross-fitted), with "prefit" half of the rows. Raises
        where the rows are too few, and says how many would do.
    pos_label : object, default=None
        The positive class; None takes the second of `classes_`.
    random_state : int, RandomState instance or None, default=None
        Seed of the folds and of mixtures.

    Attributes
    ----------
    estimator_ : classifier
        The fitted base model.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list of length n_groups
        Labels of the groups, in the order of all arrays below.
    thresholds_ : ndarray of shape (n_groups, n_thresholds)
        Thresholds of each group, one where nothing is mixed. Infinity is nobody, minus
        infinity everybody. Only with ``group_aware=True``, as the next.
    threshold_weights_ : ndarray of shape (n_groups, n_thresholds)
        Probability with which each threshold is used.
    counts_ : ndarray of shape (n_groups, 2, 2)
        Expected counts (true class, predicted class; positive second) on the scores
        that the thresholds were chosen on.
    rates_ : dict of str to ndarray of shape (n_groups,)
        Rates on these scores.
    disparity_ : dict of str to float
        Disparity of each definition on these scores, between groups.
    noise_floor_ : dict of str to float
        What a perfectly fair predictor would show on these groups: the mean disparity
        where they are permuted. A smaller `disparity_` says nothing of new data.
    objective_value_ : float
        Objective on these scores.
    hulls_ : list of length n_groups
        What thresholds can reach: `thresholds` and `counts` of the vertices of each
        group's ROC hull; of its upper part, where no demand calls for the lower one.
    certificate_ : Certificate
        With `confidence`: what is certified (`statement`), the share of the tolerance
        that thresholds were solved for (`solved_tolerance`), `p_value`, `n_test`, and
        the `counts` of the test rows.
    group_estimator_ : classifier
        The fitted model of group and label, with ``group_aware=False``. Its classes are
        ``2 * group + (label is positive)``.
    n_features_in_, feature_names_in_
        As the base model has them.

    See Also
    --------
    sklearn.model_selection.TunedThresholdClassifierCV : One threshold for everybody.

    Notes
    -----
    The tolerance holds exactly on the scores that the thresholds were chosen on. On new
    data the disparity varies around it, and may be above it half of the time. With
    `confidence` it holds on new data by the following theorem: candidates for ever
    larger shares of the tolerance are tested in turn on rows that they were chosen
    without, and the last before the first failure is taken (fixed-sequence testing
    [4]_). A candidate passes if for all rates and pairs of groups the exact
    unconditional binomial test rejects a violation at level 1 - `confidence`; no level
    is lost to the number of pairs (intersection-union test). The population must stay
    as it is, and the rows must be independent.

    A mixture draws its random number from what a row holds and `random_state`: calls
    agree, and people who are equal in every feature are decided equally. It therefore
    needs rows that differ.

    References
    ----------
    .. [1] Hardt, Price & Srebro (2016), Equality of opportunity in supervised learning.
    .. [2] Cruz & Hardt (2024), Unprocessing seven years of algorithmic fairness.
    .. [3] Xian & Zhao (2024), A unified post-processing framework for group fairness in
       classification.
    .. [4] Angelopoulos et al. (2021), Learn then test: calibrating predictive
       algorithms to achieve risk control.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.postprocessing import ThresholdOptimizer
    >>> X, y, group = make_biased_classification(2000, random_state=0)
    >>> model = ThresholdOptimizer(LogisticRegression(), tolerance=0.05)
    >>> model = model.fit(X, y, sensitive_features=group)
    >>> bool(model.disparity_["demographic_parity"] <= 0.05 + 1e-9)
    True
    >>> model.predict(X[:3], sensitive_features=group[:3]).shape
    (3,)
    """

    _parameter_constraints: dict = {
        **BasePostprocessor._parameter_constraints,
        "fairness": [str, FairnessDefinition, list, tuple, dict, None],
        "tolerance": [Interval(Real, 0.0, 1.0, closed="both")],
        "objective": "no_validation",
        "disparity": [StrOptions({"difference", "ratio"})],
        "reference": [StrOptions({"groups", "overall"})],
        "bounds": [dict, None],
        "randomize": ["boolean", StrOptions({"auto"})],
        "group_aware": ["boolean"],
        "group_estimator": [HasMethods(["fit", "predict_proba"]), None],
        "unknown_group": [StrOptions({"error", "overall", "strictest"})],
        "shrinkage": [Interval(Real, 0.0, None, closed="left")],
        "smoothing": ["boolean"],
        "confidence": [Interval(Real, 0.0, 1.0, closed="neither"), None],
    }

    def __init__(
        self,
        estimator,
        *,
        fairness="demographic_parity",
        tolerance=0.02,
        objective="accuracy",
        disparity="difference",
        reference="groups",
        bounds=None,
        randomize="auto",
        cv=5,
        response_method="auto",
        group_by=None,
        group_aware=True,
        group_estimator=None,
        unknown_group="error",
        shrinkage=0.0,
        smoothing=False,
        confidence=None,
        pos_label=None,
        random_state=None,
    ):
        self.estimator = estimator
        self.fairness = fairness
        self.tolerance = tolerance
        self.objective = objective
        self.disparity = disparity
        self.reference = reference
        self.bounds = bounds
        self.randomize = randomize
        self.cv = cv
        self.response_method = response_method
        self.group_by = group_by
        self.group_aware = group_aware
        self.group_estimator = group_estimator
        self.unknown_group = unknown_group
        self.shrinkage = shrinkage
        self.smoothing = smoothing
        self.confidence = confidence
        self.pos_label = pos_label
        self.random_state = random_state

    def _unseen_scores(self, X, y, deal, params):
        """Rows and scores; with `confidence` the test rows come last."""
        if self.confidence is None:
            return super()._unseen_scores(X, y, deal, params)
        prefit = isinstance(self.cv, str)
        if not (prefit or self._is_held_out):
            raise ValueError(
                f"{type(self).__name__} needs rows that the thresholds do not see, for "
                f'`confidence`. Got cv={self.cv!r}. Set cv to "prefit" or to the share '
                "of rows to hold out."
            )
        deal = deal()
        is_test = deal.share(0.5 if prefit else self.cv)
        learn, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        rows, self._n_learn = np.concatenate([learn, test]), len(learn)
        if prefit:
            return rows, self._respond(self.estimator_, X, params["respond"])[rows]
        self.estimator_ = self._fit_rows(X, y, learn, params)
        fold = deal.take(learn).folds(_FOLDS)
        scores = np.empty(len(rows))
        for k in np.unique(fold):
            part = self._fit_rows(X, y, learn[fold != k], params)
            own = np.flatnonzero(fold == k)
            scores[own] = self._respond_rows(part, X, learn[own], params)
        scores[len(learn) :] = self._respond_rows(self.estimator_, X, test, params)
        return rows, scores

    def _fit_scores(self, X, y_score, positive, groups, sample_weight):
        test = None
        if self.confidence is not None:
            self._check_certifiable(sample_weight)
            learn, test = slice(self._n_learn), slice(self._n_learn, None)
            test = (_safe_indexing(X, test), y_score[test], positive[test],
                    groups.codes[test])  # fmt: skip
            X, y_score, positive = (
                _safe_indexing(X, learn),
                y_score[learn],
                positive[learn],
            )
            groups = groups.take(learn)
        data = (y_score, positive, groups.codes, sample_weight)
        self._rows_per_weight = rows_per_weight(
            positive, groups.codes, sample_weight, 2, len(self.group_labels_)
        )
        programme = self._prepare(*data)
        self._check_labels_of_groups(programme.limits + programme.bounds)
        self._warn_constant_scores()
        if self.smoothing and self.group_aware and groups.n_groups > 1:
            data = self._smooth(*data)
            programme = self._prepare(*data)
        if self.group_aware or groups.n_groups == 1:
            policy = self._fit_policy(programme, test)
            self._policy = policy
            if self.unknown_group != "error":
                self._policy = policy.append(self._unknown_policy(policy, *data))
        else:
            self._fit_blind(X, y_score, positive, groups, sample_weight, programme)
        del self._sorted
        self._report(programme)

    def _fit_policy(self, programme, test):
        if len(self.group_labels_) == 1:
            policy = Policy.of_thresholds([self._plain_threshold()])
            above = _at_threshold(self._sorted[0], policy.thresholds[0, 0])
            self.counts_ = above.counts[1:2]
        else:
            certified = self.confidence is not None
            solve = partial(self._certify, test) if certified else self._solve
            points, weights = solve(programme)
            policy = Policy.of_mixture(points, weights)
            self.counts_ = np.stack([p.mixed(w) for p, w in zip(points, weights)])
        self.thresholds_, self.threshold_weights_ = policy.thresholds, policy.weights
        return policy

    def _check_certifiable(self, sample_weight):
        if sample_weight is not None or not self.group_aware:
            raise ValueError(
                f"{type(self).__name__} needs unweighted rows and group-aware "
                "thresholds to certify. Got sample weights or group_aware=False. "
                "Set `confidence=None`."
            )

    def _certify(self, test, programme):
        """The boldest solution that is certified on the test rows."""
        X, y_score, positive, codes = test
        odd = [p.rate.name for p in programme.limits if not p.rate.is_proportion]
        if odd or not programme.limits:
            raise ValueError(
                f"{type(self).__name__} needs definitions whose rates are proportions, "
                f"to certify. Got {odd or None}. Set `confidence=None`."
            )

        def candidates():
            for share in np.linspace(0, 1, _N_CANDIDATES):
                tight = [
                    replace(limit, tolerance=share * limit.tolerance)
                    for limit in programme.limits
                ]
                try:
                    solution = self._solve(replace(programme, limits=tight))
                except InfeasibleError:
                    if share == 1:
                        raise
                    continue  # the first candidate is the safest that there is
                yield share, solution

        def count(solution):
            decided = Policy.of_mixture(*solution).decide(
                y_score, codes, X, self.draw_seed_
            )
            return group_counts(
                codes,
                positive.astype(np.intp),
                decided.astype(np.intp),
                n_groups=len(self.group_labels_),
                n_classes=2,
            ).astype(float)

        solution, self.certificate_ = certify(
            candidates(), count, programme.limits, self.confidence
        )
        return solution

    def _fit_blind(self, X, y_score, positive, groups, sample_weight, programme):
        if not programme.objective.is_linear or programme.objective.worst_group:
            raise ValueError(
                f"{type(self).__name__} needs an objective that is linear in the "
                f"predictions to decide without the group. Got {self.objective!r}. Set "
                "`group_aware=True`."
            )
        if self._response_name() != "predict_proba":
            raise ValueError(
                f"{type(self).__name__} needs probabilities to decide without the "
                f"group. Got {self._response_name()!r}. Set "
                '`response_method="predict_proba"`, or `group_aware=True`.'
            )
        cells = 2 * groups.codes.astype(np.intp) + positive
        model = self._group_model
        params = self._group_params(sample_weight)
        self.group_estimator_ = clone(model).fit(X, cells, **params)
        joint = np.empty((len(cells), 2 * len(self.group_labels_)))
        seed = self.draw_seed_ + 1
        fold = Deal.of(X, positive, groups, sample_weight, seed).folds(_FOLDS)
        for k in np.unique(fold):
            train, test = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
            part = clone(model).fit(
                _safe_indexing(X, train), cells[train], **take_all(params, train)
            )
            joint[test] = self._joint(part, _safe_indexing(X, test))
        self._blind, self.counts_ = BlindRule.fit(
            programme,
            _split_by_group(joint, y_score),
            positive,
            groups.codes,
            sample_weight,
            self.randomize is not False,
        )
        self._warn_unpredictable(programme)

    @property
    def _group_model(self):
        return self.estimator if self.group_estimator is None else self.group_estimator

    def _group_params(self, sample_weight):
        """Metadata for the fit of the model of group and label."""
        if sample_weight is None:
            return {}
        if _routing_enabled():
            routed = process_routing(self, "fit", sample_weight=sample_weight)
            return routed.group_estimator.fit
        takes = has_fit_parameter(self._group_model, "sample_weight")
        return {"sample_weight": sample_weight} if takes else {}

    def get_metadata_routing(self):
        """Metadata that this estimator, its base model and its group model request.

        Returns
        -------
        routing : MetadataRouter
            Requests of this estimator, its models and its splitter.
        """
        router = super().get_metadata_routing()
        if not self.group_aware:
            mapping = MethodMapping().add(caller="fit", callee="fit")
            router.add(group_estimator=self._group_model, method_mapping=mapping)
        return router

    def _own_request(self):
        request = super()._own_request()
        if not self.group_aware:
            for method in (request.predict, request.predict_proba, request.score):
                method.add_request(param="sensitive_features", alias=False)
        return request

    def _joint(self, model, X):
        """Probability of each cell, 0 for cells that the model has not seen."""
        joint = np.zeros((_num_samples(X), 2 * len(self.group_labels_)))
        joint[:, model.classes_] = model.predict_proba(X)
        return joint

    def _warn_unpredictable(self, programme):
        for needed in programme.limits + programme.bounds:
            rates = needed.rate.values(self.counts_, POSITIVE)[0]
            sizes = needed.rate.totals(self.counts_, POSITIVE)[1][0]
            noise = np.sqrt(
                np.sum(
                    (rates * (1 - rates) / sizes)[[np.argmin(rates), np.argmax(rates)]]
                )
            )
            if needed.excess(self.counts_) > 2 * noise:
                warnings.warn(
                    f"{type(self).__name__}: the groups cannot be told from X well "
                    f"enough to hold {needed}. Without the group the rates are "
                    f"{rates.min():.3f} to {rates.max():.3f}. Add features, a better "
                    "`group_estimator`, or set `group_aware=True`.",
                    UserWarning,
                    stacklevel=5,
                )

    def _prepare(self, y_score, positive, codes, sample_weight):
        """Sort the rows; the programme on the hulls of the groups."""
        self._sorted = self._sort(y_score, positive, codes, sample_weight)
        lower = self._programme([]).needs_lower_hull
        hulls = [rows.hull(lower=lower) for rows in self._sorted]
        self.hulls_ = [hull.thin(_MAX_HULL) for hull in hulls]
        return self._programme(self.hulls_)

    def _smooth(self, y_score, positive, codes, sample_weight):
        """The same rows with the probability of a positive in place of the label."""
        chance = smooth_labels(
            y_score,
            positive,
            codes,
            len(self.group_labels_),
            sample_weight,
            is_probability=self._response_name() == "predict_proba",
        )
        weight = np.ones(len(chance)) if sample_weight is None else sample_weight
        return y_score, chance, codes, weight

    def _sort(self, y_score, positive, codes, sample_weight):
        n_groups = len(self.group_labels_)
        if self.shrinkage > 0 and n_groups > 1:
            return _sort_shrunk(
                y_score, positive, codes, n_groups, sample_weight, self.shrinkage
            )
        return sort_groups(y_score, positive, codes, n_groups, sample_weight)

    def _programme(self, points):
        return Programme(
            points,
            get_objective(self.objective),
            read_limits(self.fairness, self.tolerance, self.disparity, self.reference),
            read_bounds(self.bounds),
        )

    def _solve(self, programme):
        """Operating points of each group and their weights."""
        if self.randomize is True:
            return programme.points, programme.mix()
        curves = [rows.curve(_MAX_CURVE) for rows in self._sorted]
        single = replace(programme, points=curves)
        if not self.randomize:
            return curves, single.choose()
        mixed = programme.mix()
        best = programme.objective.value(programme.counts(mixed))
        try:
            chosen = single.choose()
        except InfeasibleError:
            return programme.points, mixed
        value = programme.objective.value(single.counts(chosen))
        if value >= best - _WORTH_MIXING:
            return curves, chosen
        return programme.points, mixed

    def _check_labels_of_groups(self, needs):
        """Every rate must be defined in every group; warn of rare ones."""
        rare = []
        for label, points in zip(self.group_labels_, self.hulls_):
            for need in needs:
                size = need.rate.totals(points.counts[:1, None], POSITIVE)[1].item()
                if size <= 0:
                    wanted = self.classes_[self._labels_behind(need.rate)]
                    raise ValueError(
                        f"{type(self).__name__} needs samples of the label(s) "
                        f"{wanted.tolist()} in every group, for {need.rate.name}. Got "
                        f"none in group {label!r}. Join it to another group, or drop "
                        "the definition or bound."
                    )
                if size < _RARE:
                    rare.append(f"{need.rate.name} of {label!r} ({size:g} samples)")
        if rare and not self.shrinkage:
            warnings.warn(
                f"{type(self).__name__}: few samples stand behind "
                f"{', '.join(dict.fromkeys(rare))}. The tolerance will not hold there "
                "on new data. Join rare groups, or set `shrinkage`.",
                RareGroupWarning,
                stacklevel=4,
            )

    def _labels_behind(self, rate):
        """Positions in `classes_` of the labels in the denominator of a rate."""
        behind = [label for label in (0, 1) if any(rate.denominator[label])]
        return behind if self._pos_index == 1 else [1 - label for label in behind]

    def _warn_constant_scores(self):
        constant = [
            label
            for label, rows in zip(self.group_labels_, self._sorted)
            if rows.scores[0] == rows.scores[-1]
        ]
        if constant:
            warnings.warn(
                f"{type(self).__name__}: the scores do not rank the samples of the "
                f"group(s) {constant}. Thresholds can only select all or none there. "
                "Fit a better base model.",
                UserWarning,
                stacklevel=4,
            )

    def _plain_threshold(self):
        """Threshold at which the base model decides."""
        middle = 0.0 if self._response_name() == "decision_function" else 0.5
        # scikit-learn gives ties to the first class.
        return np.nextafter(middle, np.inf) if self._pos_index == 1 else middle

    def _report(self, programme):
        asked = [] if self.fairness is None else self.fairness
        single = isinstance(asked, (str, FairnessDefinition))
        found = map(get_definition, [asked] if single else asked)
        self._definitions = {definition.name: definition for definition in found}
        self.rates_ = {
            need.rate.name: need.rate.values(self.counts_, POSITIVE)[0]
            for need in programme.limits + programme.bounds
        }
        self.disparity_ = {
            name: float(definition.disparity(self.counts_, self.disparity))
            for name, definition in self._definitions.items()
        }
        self.objective_value_ = programme.objective.value(self.counts_)

    @property
    def noise_floor_(self):
        """What a perfectly fair predictor would show on these groups."""
        return {
            name: noise_floor_of_counts(
                self.counts_,
                definition,
                self.disparity,
                ratio=self._rows_per_weight,
                pos_index=POSITIVE,
            )
            for name, definition in self._definitions.items()
        }

    def _unknown_policy(self, policy, y_score, positive, codes, sample_weight):
        """Thresholds for samples of no known group."""
        if self.unknown_group == "strictest":
            selected = [
                policy.row(group).probability(y_score, np.zeros(len(y_score), int))
                for group in range(len(policy.thresholds))
            ]
            means = [np.average(p, weights=sample_weight) for p in selected]
            return policy.row(int(np.argmin(means)))
        everybody = sort_groups(
            y_score, positive, np.zeros(len(codes), np.int8), 1, sample_weight
        )
        programme = self._programme([everybody[0].hull()])
        within = [
            Bound(limit.rate, values.min() - 1e-9, values.max() + 1e-9)
            for limit in programme.limits
            for values in [limit.rate.values(self.counts_, POSITIVE)[0]]
        ]
        programme = Programme(
            programme.points, programme.objective, [], programme.bounds + within
        )
        return Policy.of_mixture(programme.points, programme.mix())

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
        check_is_fitted(self, "estimator_")
        if self.group_aware or len(self.group_labels_) == 1:
            y_score, codes = self._scores_and_codes(X, sensitive_features, "predict")
            positive = self._policy.decide(y_score, codes, X, self.draw_seed_)
        else:
            chance = self._blind_probability(X, sensitive_features, "predict")
            positive = row_draws(X, self.draw_seed_) < chance
        return self._labels_of(positive)

    def predict_proba(self, X, *, sensitive_features=None):
        """Probability of each decision: 0 or 1 where no thresholds are mixed.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample; None reads them from X by `group_by`.

        Returns
        -------
        probability : ndarray of shape (n_samples, 2)
            Probability that `predict` gives each of `classes_`, over its random draw.
            For the probability of the label ask `estimator_`.
        """
        check_is_fitted(self, "estimator_")
        if self.group_aware or len(self.group_labels_) == 1:
            y_score, codes = self._scores_and_codes(
                X, sensitive_features, "predict_proba"
            )
            positive = self._policy.probability(y_score, codes)
        else:
            positive = self._blind_probability(X, sensitive_features, "predict_proba")
        columns = [1.0 - positive, positive]
        return np.column_stack(columns if self._pos_index == 1 else columns[::-1])

    def _scores_and_codes(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        if not self.group_aware:  # a single group
            return y_score, np.zeros(len(y_score), dtype=np.int8)
        unseen = "error" if self.unknown_group == "error" else "code"
        groups = self._check_groups(X, sensitive_features, reset=False, unseen=unseen)
        return y_score, groups.codes

    def _blind_probability(self, X, sensitive_features, method):
        y_score = self._score(X, sensitive_features, method)
        joint = self._joint(self.group_estimator_, X)
        return self._blind.probability(_split_by_group(joint, y_score))

    def tolerance_path(self, tolerances):
        """The best mixtures at other tolerances, without fitting again.

        Parameters
        ----------
        tolerances : array-like of shape (n_tolerances,)
            Tolerances, each for all definitions.

        Returns
        -------
        path : Bunch
            With `tolerances`; `objective` of shape (n_tolerances,); `disparity`, for
            each definition an array of this shape; `greater_is_fairer`, whether larger
            ones are the fairer; `counts` of shape (n_tolerances, n_groups, 2, 2);
            `thresholds` and `threshold_weights`, lists of arrays as the attributes are.
        """
        programme, solutions = self._solve_path(tolerances)
        counts = np.stack([programme.counts(weights) for weights in solutions])
        policies = [Policy.of_mixture(self.hulls_, w) for w in solutions]
        tolerances = np.asarray(tolerances, dtype=float)
        return Bunch(
            greater_is_fairer=get_disparity(self.disparity).greater_is_better,
            tolerances=tolerances,
            objective=programme.objective.values(counts),
            disparity={
                name: definition.disparity(counts, self.disparity)
                for name, definition in self._definitions.items()
            },
            counts=counts,
            thresholds=[policy.thresholds for policy in policies],
            threshold_weights=[policy.weights for policy in policies],
        )

    def predict_path(self, X, tolerances, *, sensitive_features=None):
        """Decide for every sample at other tolerances, by `tolerance_path`.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Samples.
        tolerances : array-like of shape (n_tolerances,)
            Tolerances, each for all definitions.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features of each sample, all seen in `fit`; None reads them from X
            by `group_by`.

        Returns
        -------
        y_pred : ndarray of shape (n_tolerances, n_samples)
            Predicted labels.
        """
        _, solutions = self._solve_path(tolerances)
        y_score = self._score(X, sensitive_features, "predict")
        codes = self._check_groups(X, sensitive_features, reset=False).codes
        policies = [Policy.of_mixture(self.hulls_, w) for w in solutions]
        return np.stack(
            [
                self._labels_of(policy.decide(y_score, codes, X, self.draw_seed_))
                for policy in policies
            ]
        )

    def _solve_path(self, tolerances):
        check_is_fitted(self, "hulls_")
        if not self.group_aware:
            raise ValueError(
                f"{type(self).__name__} needs group-aware thresholds for a path of "
                "tolerances. Got group_aware=False. Fit at each tolerance instead."
            )
        programme = self._programme(self.hulls_)
        return programme, programme.mix_all(np.asarray(tolerances, dtype=float))


def _split_by_group(joint, y_score):
    """P(group, label | x) from P(label | x) of the base model and P(group | label, x).

    Returns
    -------
    cells : ndarray of shape (n_samples, n_groups, 2)
        The base model tells labels best, the joint model groups.
    """
    cells = joint.reshape(len(joint), -1, 2)
    label = cells.sum(axis=1, keepdims=True)
    share = np.divide(cells, label, out=np.zeros_like(cells), where=label > 0)
    # Where a label has no chance at all any split of it will do.
    share[np.broadcast_to(label == 0, cells.shape)] = 1 / cells.shape[1]
    return share * np.stack([1 - y_score, y_score], axis=1)[:, None, :]


def _at_threshold(rows, threshold):
    """The operating point of one threshold, between none and all."""
    start = int(np.searchsorted(rows.scores, threshold))
    inner = 0 < start < len(rows.scores)
    points = rows._points(np.array([0, start] if inner else [0]))
    if inner:
        return points
    pick = [0, 0, 1] if start else [0, 1, 1]
    return Operating(points.thresholds[pick], points.counts[pick])


def _sort_shrunk(y_score, positive, codes, n_groups, sample_weight, shrinkage):
    """Groups to each of which everybody is added with the weight of some samples."""
    n_samples = len(y_score)
    weight = np.ones(n_samples) if sample_weight is None else sample_weight
    everybody = weight * (shrinkage / weight.sum())
    merged = []
    for group in range(n_groups):
        own = codes == group
        mass = weight[own].sum()
        both = np.concatenate([weight[own], everybody])
        merged += sort_groups(
            np.concatenate([y_score[own], y_score]),
            np.concatenate([positive[own], positive]),
            np.zeros(len(both), np.int8),
            1,
            # The group still counts as much in the objective as it did.
            both * (mass / both.sum()),
        )
    return merged
