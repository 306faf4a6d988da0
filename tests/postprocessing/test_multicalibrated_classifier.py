"""Multicalibration against a recount by brute force and a known truth."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from fairsk.postprocessing import MulticalibratedClassifier


class Column(LogisticRegression):
    """A fitted model whose probability is the first column of X."""

    def __init__(self):
        super().__init__()
        self.classes_, self.coef_ = np.array([0, 1]), np.ones((1, 1))

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def drawn(rng, n):
    """Scores that know neither of group 1 nor of the rows where X[:, 2] > 1."""
    group = rng.integers(3, size=n)
    X = np.column_stack([rng.normal(size=(n, 3)), group])
    truth = expit(X[:, 0] + (group == 1) * X[:, 1] - 1.5 * (X[:, 2] > 1))
    X[:, 0] = expit(X[:, 0])
    return X, (rng.random(n) < truth).astype(int), group, truth


def prefit(**params):
    return MulticalibratedClassifier(Column(), cv="prefit", random_state=0, **params)


@pytest.mark.parametrize("n_bins", [1, 4, 10])
def test_no_group_is_off_at_any_level(rng, n_bins):
    X, y, group, _ = drawn(rng, 6000)
    model = prefit(n_bins=n_bins, tolerance=0.01, min_samples=20)
    model.fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    edges = np.linspace(0, 1, n_bins + 1)
    n_held = 0
    for g in range(3):
        for low, high in pairwise(edges):
            own = (group == g) & (p >= low) & (p < high + (high == 1))
            if own.sum() >= 20:
                assert abs(np.mean(y[own] - p[own])) <= 0.01 + 1e-12
                n_held += 1
    assert n_held == np.isfinite(model.residuals_).sum() >= 3
    before = [abs(np.mean((y - X[:, 0])[group == g])) for g in range(3)]
    assert max(before) > 0.01


@pytest.mark.parametrize("auditor", [None, DecisionTreeRegressor(max_depth=2)])
def test_steps_lower_the_squared_error(rng, auditor):
    X, y, group, _ = drawn(rng, 4000)
    model = prefit(auditor=auditor).fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    errors = model.squared_errors_
    assert len(errors) == model.n_iter_ + 1 > 2
    assert (np.diff(errors) < 0).all()
    assert errors[0] == pytest.approx(np.mean((y - X[:, 0]) ** 2))
    assert errors[-1] == pytest.approx(np.mean((y - p) ** 2))


def test_probabilities_come_nearer_to_the_truth_on_new_rows(rng):
    X, y, group, _ = drawn(rng, 20000)
    fresh, _, fresh_group, truth = drawn(rng, 20000)
    auditor = DecisionTreeRegressor(max_depth=3, min_samples_leaf=50)
    errors = {}
    for name, model in {
        "groups": prefit(),
        "found": prefit(auditor=auditor),
        "accuracy": prefit(n_bins=1, auditor=auditor),
    }.items():
        model.fit(X, y, sensitive_features=group)
        p = model.predict_proba(fresh, sensitive_features=fresh_group)[:, 1]
        errors[name] = np.mean((p - truth) ** 2)
        errors["plain"] = np.mean((fresh[:, 0] - truth) ** 2)
        hidden = fresh[:, 2] > 1
        errors[name, "hidden"] = abs(np.mean((p - truth)[hidden]))
    assert errors["groups"] < 0.99 * errors["plain"]
    assert errors["found"] < 0.7 * errors["groups"]
    assert errors["accuracy"] < 0.8 * errors["groups"]
    assert errors["found", "hidden"] < 0.05 < errors["groups", "hidden"]


def test_one_bin_moves_each_group_by_its_mean_residual(rng):
    X, y, group, _ = drawn(rng, 5000)
    X[:, 0] = 0.4 + 0.2 * X[:, 0]  # far from 0 and 1, so nothing is clipped
    model = prefit(n_bins=1, tolerance=1e-6).fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    for g in range(3):
        own = group == g
        expected = X[own, 0] + np.mean(y[own] - X[own, 0])
        np.testing.assert_allclose(p[own], expected)


def test_right_probabilities_stay(rng):
    n = 40000
    p, group = rng.random(n), rng.integers(2, size=n)
    X = np.column_stack([p, group])
    y = (rng.random(n) < p).astype(int)
    model = prefit(tolerance=0.05, auditor=DecisionTreeRegressor(max_depth=3))
    model.fit(X, y, sensitive_features=group)
    assert model.n_iter_ == 0
    new = model.predict_proba(X, sensitive_features=group)
    np.testing.assert_allclose(new[:, 1], p)


def test_small_sets_are_left_alone(rng):
    X, y, group, _ = drawn(rng, 300)
    group[:5] = 7
    y[:5] = 1 - (X[:5, 0] > 0.5)
    model = prefit(n_bins=1, min_samples=6, tolerance=0.01)
    model.fit(X, y, sensitive_features=group)
    assert np.isnan(model.residuals_[-1]).all()
    assert np.isfinite(model.residuals_[:-1]).all()


def test_too_few_steps_warn(rng):
    X, y, group, _ = drawn(rng, 3000)
    with pytest.warns(ConvergenceWarning, match="1 steps"):
        prefit(max_iter=1, tolerance=1e-4).fit(X, y, sensitive_features=group)


def test_scores_of_a_margin_start_from_their_logistic(rng):
    X, y, group, _ = drawn(rng, 2000)
    base = LogisticRegression().fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = {
            name: MulticalibratedClassifier(base, cv="prefit", response_method=name)
            .fit(X, y, sensitive_features=group)
            .predict_proba(X, sensitive_features=group)
            for name in ("predict_proba", "decision_function")
        }
    np.testing.assert_allclose(model["predict_proba"], model["decision_function"])


def test_first_class_may_be_the_positive_one(rng):
    X, y, group, _ = drawn(rng, 2000)
    base = LogisticRegression().fit(X, y)
    fitted = [
        MulticalibratedClassifier(base, cv="prefit", pos_label=label, n_bins=1)
        .fit(X, y, sensitive_features=group)
        .predict_proba(X, sensitive_features=group)
        for label in (0, 1)
    ]
    np.testing.assert_allclose(*fitted)
