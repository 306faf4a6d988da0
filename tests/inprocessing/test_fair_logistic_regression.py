"""FairLogisticRegression against scikit-learn, a generic solver and its own limits."""

import numpy as np
import pytest
from scipy import optimize, sparse
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS
from fairsk.inprocessing import FairLogisticRegression
from fairsk.metrics import demographic_parity_difference

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
both_solvers = pytest.mark.parametrize("solver", ["newton", "lbfgs"])


@pytest.fixture(scope="module")
def data():
    X, y, groups = make_biased_classification(600, base_rate_gap=0.5, random_state=0)
    return X[:, :5], y, groups


def objective(clf, X, y, weight=1.0):
    margin = np.where(y == clf.classes_[1], 1, -1) * clf.decision_function(X)
    loss = (weight * np.logaddexp(0, -margin)).sum()
    return loss + (clf.coef_**2).sum() / 2 / clf.C


def mean_scores(clf, X, rows, groups):
    score = clf.decision_function(X)
    return np.array([score[rows & (groups == g)].mean() for g in np.unique(groups)])


@both_solvers
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_without_limit_it_is_logistic_regression(data, solver, fit_intercept):
    X, y, groups = data
    weight = np.random.default_rng(0).uniform(0.1, 2, len(y))
    params = {"C": 0.5, "fit_intercept": fit_intercept}
    ours = FairLogisticRegression(
        fairness_weight=0.0, solver=solver, tol=1e-10, **params
    )
    ours.fit(X, y, sensitive_features=groups, sample_weight=weight)
    plain = LogisticRegression(tol=1e-10, max_iter=1000, **params)
    plain.fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, plain.coef_, atol=1e-4)
    np.testing.assert_allclose(ours.intercept_, plain.intercept_, atol=1e-4)
    np.testing.assert_allclose(ours.predict_proba(X), plain.predict_proba(X), atol=1e-4)


@both_solvers
@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("tolerance", [0.02, 0.3])
def test_optimum_is_that_of_a_generic_solver(data, solver, fairness, tolerance):
    X, y, _ = data
    groups = np.arange(len(y)) % 3
    X = X + np.c_[groups, groups == 1, np.zeros((len(y), 3))]
    ours = FairLogisticRegression(
        fairness, tolerance=tolerance, solver=solver, tol=1e-9
    ).fit(X, y, sensitive_features=groups)
    samples = {
        "demographic_parity": [np.full(len(y), True)],
        "equalized_odds": [y == 0, y == 1],
    }[fairness]
    with_ones = np.c_[X, np.ones(len(y))]
    limits = []
    for rows in samples:
        means = [with_ones[rows & (groups == g)].mean(0) for g in range(3)]
        limits += [a - b for a in means for b in means if a is not b]

    def value(theta):
        margin = np.where(y == 1, 1, -1) * (with_ones @ theta)
        return np.logaddexp(0, -margin).sum() + (theta[:-1] ** 2).sum() / 2

    generic = optimize.minimize(
        value,
        np.zeros(6),
        method="SLSQP",
        constraints=optimize.LinearConstraint(np.array(limits), -np.inf, tolerance),
        options={"ftol": 1e-12, "maxiter": 500},
    )
    assert objective(ours, X, y) == pytest.approx(generic.fun, rel=1e-5)
    for rows in samples:
        assert np.ptp(mean_scores(ours, X, rows, groups)) <= tolerance + 1e-5


@pytest.mark.parametrize("fairness", LINEAR)
def test_limit_holds_on_the_training_data_and_is_reached(data, fairness):
    X, y, groups = data
    free = FairLogisticRegression(fairness, fairness_weight=0)
    free.fit(X, y, sensitive_features=groups)
    limit = free.score_differences_.max() / 3
    clf = FairLogisticRegression(fairness, tolerance=limit)
    clf.fit(X, y, sensitive_features=groups)
    assert clf.score_differences_.max() == pytest.approx(limit, rel=1e-6)
    assert objective(clf, X, y) > objective(free, X, y)


def test_zero_tolerance_makes_the_means_equal(data):
    X, y, groups = data
    clf = FairLogisticRegression(tolerance=0.0)
    clf.fit(X, y, sensitive_features=groups)
    means = mean_scores(clf, X, np.full(len(y), True), groups)
    assert np.ptp(means) < 1e-9
    plain = LogisticRegression().fit(X, y)
    gaps = [
        demographic_parity_difference(y, c.predict(X), sensitive_features=groups)
        for c in (plain, clf)
    ]
    assert gaps[1] < 0.3 * gaps[0]


@both_solvers
def test_weight_narrows_the_difference_step_by_step(data, solver):
    X, y, groups = data
    gaps = []
    for weight in (0.0, 0.1, 1.0, 100.0):
        clf = FairLogisticRegression(
            fairness_weight=weight, solver=solver, tol=1e-9
        ).fit(X, y, sensitive_features=groups)
        gaps.append(clf.score_differences_[0])
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.02 * gaps[0]


def test_sparse_features_give_the_same(data):
    X, y, groups = data
    X = X * (abs(X) > 0.5)
    params = {"fairness": "equalized_odds", "tolerance": 0.1}
    dense = FairLogisticRegression(**params).fit(X, y, sensitive_features=groups)
    for solver in ("newton", "lbfgs"):
        clf = FairLogisticRegression(solver=solver, tol=1e-10, **params)
        clf.fit(sparse.csr_matrix(X), y, sensitive_features=groups)
        np.testing.assert_allclose(clf.coef_, dense.coef_, atol=1e-3)


def test_many_features_are_solved_without_a_hessian():
    rng = np.random.default_rng(0)
    X = sparse.random(300, 3000, density=0.01, random_state=0, format="csr")
    y, groups = rng.integers(2, size=(2, 300))
    clf = FairLogisticRegression(tolerance=0.0)
    clf.fit(X, y, sensitive_features=groups)
    assert clf.score_differences_[0] < 1e-5


def test_definitions_that_are_not_linear_raise(data):
    X, y, groups = data
    with pytest.raises(ValueError, match=r"linear.*These are.*demographic_parity"):
        FairLogisticRegression("predictive_parity").fit(X, y, sensitive_features=groups)


def test_more_than_two_classes_raise(data):
    X, y, groups = data
    with pytest.raises(ValueError, match=r"Only binary classification"):
        FairLogisticRegression().fit(
            X, np.arange(len(y)) % 3, sensitive_features=groups
        )
