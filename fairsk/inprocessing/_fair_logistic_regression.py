"""Logistic regression whose mean scores may differ only so much between groups."""

from numbers import Integral, Real

import numpy as np
from scipy import linalg, optimize, sparse
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from fairsk.base import GroupAwareMixin
from fairsk.definitions import DEFINITIONS, FairnessDefinition, get_definition
from fairsk.utils._sklearn import (
    Interval,
    StrOptions,
    _check_sample_weight,
    _fit_context,
)

# Up to here a Hessian is cheaper than the many more steps without one.
_MAX_NEWTON_FEATURES = 1000


class FairLogisticRegression(GroupAwareMixin, ClassifierMixin, BaseEstimator):
    r"""Logistic regression with linear fairness constraints, solved to the optimum.

    The rates of a definition that is linear in the predictions are taken on the scores
    :math:`s_i = w^\top x_i + b` (log-odds) in place of the predicted classes:

    .. math:: m_{rg} = \frac{\sum_{i \in g} v_i\, (a_{y_i 1} - a_{y_i 0})\, s_i}
        {\sum_{i \in g} v_i\, b_{y_i}}

    with the tables a and b of the :class:`~fairsk.definitions.Rate` r and the sample
    weights v. For demographic parity these are the mean scores of the groups. They are
    linear in (w, b), so that

    .. math:: \min_{w, b}\; \sum_i v_i \log(1 + e^{-\tilde y_i s_i})
        + \frac{1}{2C} \lVert w \rVert^2
        \quad \text{s.t.}\quad \max_g m_{rg} - \min_g m_{rg} \le \mathrm{tolerance}

    is convex: the covariance constraint of Zafar et al. for any number of groups, and
    for the rates that condition on the label too. Without a tolerance,
    :math:`\lambda n \sum_{r, g} \pi_g (m_{rg} - m_r)^2` is added to the objective in
    its place, with the shares :math:`\pi_g` of the groups.

    Parameters
    ----------
    fairness : str or FairnessDefinition, default="demographic_parity"
        What must agree between groups: a definition that is linear.
    tolerance : float, default=None
        Largest difference between the groups' mean log-odds. None sets no limit, and
        takes the penalty.
    fairness_weight : float, default=1.0
        Weight :math:`\lambda` of the penalty. Not used where there is a `tolerance`.
    C : float, default=1.0
        Inverse strength of the L2 penalty, as in scikit-learn.
    group_by : str, int, list of str or int, or callable, default=None
        Column(s) of X that hold the sensitive features, or a function of X that returns
        them. Not used where `sensitive_features` is passed.
    fit_intercept : bool, default=True
        Whether to have an intercept.
    solver : {"auto", "newton", "lbfgs"}, default="auto"
        "newton" solves a small quadratic programme in each step; "lbfgs" needs no
        Hessian and takes the limit into an augmented Lagrangian. "auto" takes the first
        up to 1,000 features.
    tol : float, default=1e-6
        Solve until no step improves the mean objective by more.
    max_iter : int, default=100
        Largest number of steps ("newton"), or of steps between updates of the
        multipliers ("lbfgs").

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features)
        Coefficients.
    intercept_ : ndarray of shape (1,)
        Intercept.
    score_differences_ : ndarray of shape (n_rates,)
        Reached difference between the groups' mean log-odds, for each rate.
    n_iter_ : int
        Number of steps.
    classes_ : ndarray of shape (2,)
        Class labels.
    group_labels_ : list
        Labels of the groups.
    group_names_in_ : list
        Names of the sensitive features.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    FairMLPClassifier : Not linear, with a penalty on the probabilities.
    fairsk.postprocessing.ThresholdOptimizer : Limits the rates themselves.

    Notes
    -----
    The limit holds for mean scores and not for predicted classes: groups with equal
    means and unequal spread still differ in the share above a threshold. So choose
    `tolerance` by scores on other data. It holds on the training data exactly; 0 makes
    the means equal.

    A sparse X stays sparse. The groups are needed in `fit` only.

    References
    ----------
    Zafar et al. (2017), Fairness constraints: mechanisms for fair classification.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.inprocessing import FairLogisticRegression
    >>> X, y, groups = make_biased_classification(random_state=0)
    >>> clf = FairLogisticRegression(tolerance=0.0)
    >>> clf = clf.fit(X, y, sensitive_features=groups)
    >>> score = clf.decision_function(X)
    >>> gap = score[groups == 0].mean() - score[groups == 1].mean()
    >>> bool(abs(gap) < 1e-9)
    True
    """

    _parameter_constraints: dict = {
        "fairness": [StrOptions(DEFINITIONS.keys()), FairnessDefinition],
        "tolerance": [Interval(Real, 0, None, closed="left"), None],
        "fairness_weight": [Interval(Real, 0, None, closed="left")],
        "C": [Interval(Real, 0, None, closed="neither")],
        "group_by": [str, Integral, list, tuple, callable, None],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "newton", "lbfgs"})],
        "tol": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        fairness="demographic_parity",
        *,
        tolerance=None,
        fairness_weight=1.0,
        C=1.0,
        group_by=None,
        fit_intercept=True,
        solver="auto",
        tol=1e-6,
        max_iter=100,
    ):
        self.fairness = fairness
        self.tolerance = tolerance
        self.fairness_weight = fairness_weight
        self.C = C
        self.group_by = group_by
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, *, sensitive_features=None, sample_weight=None):
        """Find the best coefficients within the limit.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,)
            Class labels, two of them.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive feature(s) of the samples. None reads them by `group_by`.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights, for the loss and for the means of the groups.

        Returns
        -------
        self : object
            Fitted estimator.
        """
        definition = self._check_definition()
        X_raw = X
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=np.float64)
        sample_weight = _check_sample_weight(
            sample_weight, X, dtype=np.float64, ensure_non_negative=True
        )
        is_positive = self._check_labels(y, sample_weight)
        groups = self._check_groups(X_raw, sensitive_features)
        problem = _Problem(
            _Design(X, self.fit_intercept),
            is_positive,
            sample_weight,
            _group_means(
                definition, X, is_positive, groups, sample_weight, self.fit_intercept
            ),
            1 / self.C,
            self.fairness_weight if self.tolerance is None else 0.0,
        )
        newton = X.shape[1] <= _MAX_NEWTON_FEATURES
        if self.solver != "auto":
            newton = self.solver == "newton"
        solve = _newton if newton else _augmented_lagrangian
        theta, self.n_iter_ = solve(problem, self.tolerance, self.tol, self.max_iter)
        self.coef_ = theta[None, : X.shape[1]]
        self.intercept_ = theta[X.shape[1] :] if self.fit_intercept else np.zeros(1)
        values = problem.means @ theta
        self.score_differences_ = np.array(
            [np.ptp(values[rows]) if len(rows) else np.nan for rows in problem.rates]
        )
        return self

    def decision_function(self, X):
        """Log-odds of the second class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        score : ndarray of shape (n_samples,)
            Above 0 for ``classes_[1]``.
        """
        check_is_fitted(self, "coef_")
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float64)
        return X @ self.coef_[0] + self.intercept_[0]

    def predict_proba(self, X):
        """Probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            Samples.

        Returns
        -------
        y_score : ndarray of shape (n_samples, 2)
            Probabilities, in the order of `classes_`.
        """
        positive = expit(self.decision_function(X))
        return np.stack((1 - positive, positive), axis=1)

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
        return self.classes_[(score > 0).astype(int)]

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
        n_present = len(np.unique(y[sample_weight > 0]))
        if len(self.classes_) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(y)}."
            )
        if n_present < 2:
            raise ValueError(
                f"{type(self).__name__} needs samples of 2 classes. Got {n_present} "
                "class with positive weight."
            )
        return y == self.classes_[1]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        tags.input_tags.sparse = True
        return tags


class _Design:
    """Features, and a column of ones where there is an intercept."""

    def __init__(self, X, fit_intercept):
        self.X = X
        self.n_features = X.shape[1]
        self.n_columns = X.shape[1] + fit_intercept
        self.penalized = np.arange(self.n_columns) < X.shape[1]

    def scores(self, theta):
        score = self.X @ theta[: self.n_features]
        return score + theta[-1] if self.n_columns > self.n_features else score

    def transposed(self, values):
        product = self.X.T @ values
        has_ones = self.n_columns > self.n_features
        return np.append(product, values.sum()) if has_ones else product

    def gram(self, weights):
        scaled = self.X.multiply(weights[:, None]) if sparse.issparse(self.X) else (
            self.X * weights[:, None]
        )  # fmt: skip
        inner = self.X.T @ scaled
        inner = inner.toarray() if sparse.issparse(inner) else inner
        if self.n_columns == self.n_features:
            return inner
        edge = self.X.T @ weights
        return np.block([[inner, edge[:, None]], [edge[None], weights.sum()]])


def _group_means(definition, X, is_positive, groups, sample_weight, fit_intercept):
    """Rows that map the coefficients to the mean scores m of each group, by rate.

    Returns
    -------
    means : list of ndarray of shape (n_defined_groups, n_columns)
        One array for each rate.
    shares : list of ndarray of shape (n_defined_groups,)
        Share of each group in what the rate looks at.
    """
    codes = groups.codes.astype(np.intp)
    label = is_positive.astype(np.intp)
    means, shares = [], []
    for rate in definition.rates:
        numerator, denominator = (table[0] for table in rate.class_tables(2, 1))
        gain = numerator[:, 1] - numerator[:, 0]
        base = denominator[:, 0]
        mass = np.bincount(
            codes, sample_weight * base[label], minlength=groups.n_groups
        )
        defined = np.flatnonzero(mass > 0)
        weight = sample_weight * gain[label]
        member = sparse.csr_array(
            (weight, (codes, np.arange(len(codes)))),
            shape=(groups.n_groups, len(codes)),
        )
        rows = member @ X
        rows = rows.toarray() if sparse.issparse(rows) else rows
        if fit_intercept:
            rows = np.c_[rows, member.sum(axis=1)]
        means.append(rows[defined] / mass[defined, None])
        shares.append(mass[defined] / mass.sum())
    return means, shares


class _Problem:
    """Objective and constraints in the coefficients theta = (w, b)."""

    def __init__(self, design, is_positive, sample_weight, means, ridge, weight):
        self.design = design
        self.sign = np.where(is_positive, 1.0, -1.0)
        self.sample_weight = sample_weight
        self.total = sample_weight.sum()
        self.ridge = ridge * design.penalized
        by_rate, shares = means
        self.means = np.concatenate(by_rate)
        ends = np.cumsum([len(rows) for rows in by_rate])
        self.rates = np.split(np.arange(len(self.means)), ends[:-1])
        self.rates = [rows if len(rows) > 1 else rows[:0] for rows in self.rates]
        # Squared deviations of the groups' means from that of all, as one matrix.
        deviation = [
            np.sqrt(share)[:, None] * (rows - share @ rows)
            for rows, share in zip(by_rate, shares)
        ]
        scale = np.sqrt(2 * weight * self.total)
        self.deviation = scale * np.concatenate(deviation)

    def value(self, theta):
        margin = self.sign * self.design.scores(theta)
        loss = self.sample_weight @ np.logaddexp(0, -margin)
        off = self.deviation @ theta
        return loss + 0.5 * (self.ridge @ theta**2 + off @ off)

    def gradient(self, theta):
        margin = self.sign * self.design.scores(theta)
        slope = -self.sample_weight * self.sign * expit(-margin)
        gradient = self.design.transposed(slope) + self.ridge * theta
        return gradient + self.deviation.T @ (self.deviation @ theta)

    def hessian(self, theta):
        score = self.design.scores(theta)
        hessian = self.design.gram(self.sample_weight * expit(score) * expit(-score))
        hessian += np.diag(self.ridge) + self.deviation.T @ self.deviation
        return hessian

    def differences(self):
        """Rows whose products with theta are the differences of all pairs."""
        pairs = [
            self.means[g] - self.means[h]
            for rows in self.rates
            for g in rows
            for h in rows
            if g != h
        ]
        return np.array(pairs).reshape(-1, self.design.n_columns)


def _newton(problem, tolerance, tol, max_iter):
    """Newton steps, each within the limit: it is a polyhedron around the start 0."""
    theta = np.zeros(problem.design.n_columns)
    limits = problem.differences() if tolerance is not None else np.zeros((0, 1))
    value = problem.value(theta)
    n_iter = 0
    while n_iter < max_iter:
        n_iter += 1
        gradient, hessian = problem.gradient(theta), problem.hessian(theta)
        step = _quadratic_step(hessian, gradient, limits, theta, tolerance)
        decrease = -(gradient @ step)
        scale = 1.0
        while scale > 1e-10:
            candidate = problem.value(theta + scale * step)
            if candidate <= value - 1e-4 * scale * decrease:
                break
            scale /= 2
        else:
            break
        theta, value = theta + scale * step, candidate
        if decrease <= tol * problem.total:
            break
    return theta, n_iter


def _quadratic_step(hessian, gradient, limits, theta, tolerance):
    r"""Minimise the quadratic model of the objective within the limits.

    With the Cholesky factor L of the Hessian and :math:`z = L^\top step + L^{-1} g` it
    is a least-distance problem, min |z| s.t. G z >= h, which one non-negative least
    squares solves (Lawson & Hanson, 1974, chapter 23).
    """
    jitter = 1e-10 * np.trace(hessian) / len(hessian)
    factor = linalg.cholesky(hessian + jitter * np.eye(len(hessian)), lower=True)
    start = linalg.solve_triangular(factor, gradient, lower=True)
    z = np.zeros(len(gradient))
    if len(limits):
        G = -linalg.solve_triangular(factor, limits.T, lower=True).T
        h = limits @ theta - tolerance + G @ start
        z = _least_distance(G, h)
    return linalg.solve_triangular(factor.T, z - start, lower=False)


def _least_distance(G, h):
    """The shortest z with G z >= h."""
    norms = np.maximum(np.linalg.norm(G, axis=1), np.finfo(float).tiny)
    G, h = G / norms[:, None], h / norms
    if (h <= 0).all():
        return np.zeros(G.shape[1])
    # Its scale is free, and a residual of the order of the right side is well posed.
    size = abs(h).max()
    E = np.vstack([G.T, h / size])
    f = np.zeros(len(E))
    f[-1] = 1.0
    u, _ = optimize.nnls(E, f)
    residual = f - E @ u
    return -size * residual[:-1] / residual[-1]


def _augmented_lagrangian(problem, tolerance, tol, max_iter):
    """L-BFGS steps between updates of the multipliers of the limits."""
    limits = problem.differences() if tolerance is not None else np.zeros((0, 1))
    theta = np.zeros(problem.design.n_columns)
    limits = limits if len(limits) else np.zeros((0, len(theta)))
    bound = tolerance or 0.0
    multipliers, stiffness, n_iter = np.zeros(len(limits)), 1.0, 0
    violation = np.inf
    for _ in range(30):

        def lagrangian(theta, multipliers=multipliers, stiffness=stiffness):
            push = np.maximum(multipliers + stiffness * (limits @ theta - bound), 0)
            value = problem.value(theta) / problem.total + push @ push / 2 / stiffness
            slope = problem.gradient(theta) / problem.total + limits.T @ push
            return value, slope

        result = optimize.minimize(
            lagrangian,
            theta,
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": max_iter, "ftol": 1e-3 * tol, "gtol": 0.1 * tol},
        )
        theta, n_iter = result.x, n_iter + result.nit
        excess = limits @ theta - bound
        worst = max(excess.max(initial=0.0), 0.0)
        if worst <= tol and result.success:
            break
        multipliers = np.maximum(multipliers + stiffness * excess, 0)
        # Stiffer only where the multipliers alone do not get there.
        stiffness *= 1.0 if worst < 0.25 * violation else 4.0
        violation = worst
    return theta, max(n_iter, 1)
