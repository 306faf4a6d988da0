"""Decisions between classes against a linear programme over all rows."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score

from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.groups import Groups
from fairsk.postprocessing import MulticlassThresholdOptimizer
from fairsk.postprocessing._multiclass_threshold_optimizer import _Problem

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)


class Columns(LogisticRegression):
    """A fitted model whose probabilities are the first columns of X."""

    def __init__(self, n_classes=3):
        super().__init__()
        self.n_classes = n_classes
        self.classes_, self.coef_ = np.arange(n_classes), np.ones((1, 1))

    def predict_proba(self, X):
        return X[:, : self.n_classes]


def drawn(rng, n, n_classes=3, n_groups=2):
    """Right probabilities, labels drawn from them, and groups that differ in them."""
    group = rng.integers(n_groups, size=n)
    tilt = rng.normal(size=(n_groups, n_classes))[group]
    p = np.exp(1.2 * rng.normal(size=(n, n_classes)) + tilt)
    p /= p.sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    return p, np.minimum(y, n_classes - 1), group


def prefit(n_classes=3, **params):
    return MulticlassThresholdOptimizer(
        Columns(n_classes), cv="prefit", random_state=0, **params
    )


def disparity(name, y, y_pred, group, n_classes=3):
    counts = group_counts(
        group, y, y_pred, n_groups=group.max() + 1, n_classes=n_classes
    )
    return float(DEFINITIONS[name].disparity(counts))


@pytest.mark.parametrize("fairness", LINEAR)
def test_true_labels_keep_the_tolerance(rng, fairness):
    p, y, group = drawn(rng, 4000)
    assert disparity(fairness, y, p.argmax(axis=1), group) > 0.05
    model = prefit(fairness=fairness, tolerance=0.03, randomize=True)
    model.fit(p, y, sensitive_features=group)
    chances = model.predict_proba(p, sensitive_features=group)
    expected = disparity(fairness, y, chances, group)
    assert expected == pytest.approx(model.disparity_)
    assert expected <= 0.035


def test_single_decisions_keep_the_tolerance(rng):
    p, y, group = drawn(rng, 4000)
    model = prefit(tolerance=0.03).fit(p, y, sensitive_features=group)
    y_pred = model.predict(p, sensitive_features=group)
    reached = disparity("demographic_parity", y, y_pred, group)
    assert reached == pytest.approx(model.disparity_)
    assert reached <= 0.035


@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
def test_objective_is_that_of_the_linear_programme(rng, fairness):
    n, k, n_groups, tolerance = 400, 3, 2, 0.05
    p, y, group = drawn(rng, n)
    numerators, denominators = DEFINITIONS[fairness].class_tables(k)
    rows = []
    for a, b in zip(numerators, denominators):
        rate = np.zeros((n_groups, n, k))
        for g in range(n_groups):
            own = group == g
            rate[g, own] = (p[own] @ a) / b[y[own], 0].sum()
        rows += [(rate[0] - rate[1]).ravel(), (rate[1] - rate[0]).ravel()]
    solution = linprog(
        -p.ravel() / n,
        A_ub=np.stack(rows),
        b_ub=np.full(len(rows), tolerance),
        A_eq=sparse.kron(sparse.eye(n), np.ones((1, k))),
        b_eq=np.ones(n),
        bounds=(0, 1),
    )
    problem = _Problem.of(
        DEFINITIONS[fairness],
        np.eye(k),
        p,
        y,
        Groups.from_columns(group),
        np.ones(n),
    )
    worth = np.einsum(
        "nj,njk->nk", p, problem.solve(tolerance, np.zeros(problem.sizes.size))[group]
    )
    chosen = np.eye(k)[worth.argmax(axis=1)].ravel()
    assert chosen @ p.ravel() / n == pytest.approx(-solution.fun, abs=0.004)
    assert max(row @ chosen for row in rows) <= tolerance + 0.02


def test_mixtures_keep_the_tolerance_where_rows_are_tied(rng):
    p, y, group = drawn(rng, 3000)
    p = np.maximum(np.round(p * 3), 0.1)
    p /= p.sum(axis=1, keepdims=True)
    X = np.column_stack([p, rng.normal(size=len(p))])
    model = prefit(randomize=True, tolerance=0.02).fit(X, y, sensitive_features=group)
    assert model.disparity_ <= 0.021
    y_pred = model.predict(X, sensitive_features=group)
    assert disparity("demographic_parity", y, y_pred, group) < 0.06
    again = model.predict(X[::-1], sensitive_features=group[::-1])
    np.testing.assert_array_equal(y_pred, again[::-1])


def test_wide_tolerance_is_the_model_itself(rng):
    p, y, group = drawn(rng, 1000)
    model = prefit(tolerance=1.0).fit(p, y, sensitive_features=group)
    y_pred = model.predict(p, sensitive_features=group)
    np.testing.assert_array_equal(y_pred, p.argmax(axis=1))


def test_costs_steer_the_decisions(rng):
    p, y, group = drawn(rng, 2000)
    costs = np.array([[0.0, 1, 1], [1, 0, 1], [5, 5, 0]])
    model = prefit(tolerance=1.0, costs=costs).fit(p, y, sensitive_features=group)
    y_pred = model.predict(p, sensitive_features=group)
    np.testing.assert_array_equal(y_pred, (p @ costs).argmin(axis=1))
    with pytest.raises(ValueError, match=r"`costs` of shape \(3, 3\)"):
        prefit(costs=costs[:2]).fit(p, y, sensitive_features=group)


def test_four_classes_and_three_groups_on_new_rows(rng):
    p, y, group = drawn(rng, 16000, n_classes=4, n_groups=3)
    model = prefit(4, tolerance=0.02)
    model.fit(p[:8000], y[:8000], sensitive_features=group[:8000])
    fresh = slice(8000, None)
    y_pred = model.predict(p[fresh], sensitive_features=group[fresh])
    reached = disparity("demographic_parity", y[fresh], y_pred, group[fresh], 4)
    plain = p[fresh].argmax(axis=1)
    before = disparity("demographic_parity", y[fresh], plain, group[fresh], 4)
    assert reached < 0.06 < 0.2 < before
    assert accuracy_score(y[fresh], y_pred) > 0.4


def test_nonlinear_definitions_raise(rng):
    p, y, group = drawn(rng, 100)
    for name in sorted(set(DEFINITIONS) - set(LINEAR)):
        with pytest.raises(ValueError, match="linear"):
            prefit(fairness=name).fit(p, y, sensitive_features=group)
