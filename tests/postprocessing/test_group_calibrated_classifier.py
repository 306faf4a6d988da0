"""Calibration of each group against scikit-learn on the rows of the group alone."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.svm import LinearSVC

from fairsk.postprocessing import GroupCalibratedClassifier, RareGroupWarning


@pytest.fixture(name="scored")
def fixture_scored(rng):
    """A fitted model, and rows whose risk is steeper in one group than in the other."""
    n = 4000
    group = rng.choice(["a", "b"], n)
    X = rng.normal(size=(n, 3))
    risk = expit(np.where(group == "a", 3.0, 0.5) * X[:, 0] - (group == "b"))
    y = (rng.random(n) < risk).astype(int)
    return LinearSVC().fit(X, y), X, y, group, risk


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
@pytest.mark.parametrize("weighted", [True, False])
def test_curves_are_scikit_learns_of_the_group_alone(scored, rng, method, weighted):
    base, X, y, group, _ = scored
    repeats = rng.integers(0, 4, size=len(y)) if weighted else np.ones(len(y), int)
    weight = repeats.astype(float) if weighted else None
    model = GroupCalibratedClassifier(base, method=method, cv="prefit")
    model.fit(X, y, sensitive_features=group, sample_weight=weight)
    p = model.predict_proba(X, sensitive_features=group)
    for g in "ab":
        own = group == g
        alone = CalibratedClassifierCV(FrozenEstimator(base), method=method)
        alone.fit(*(np.repeat(part[own], repeats[own], axis=0) for part in (X, y)))
        np.testing.assert_allclose(p[own], alone.predict_proba(X[own]), atol=2e-4)


def test_temperature_has_the_least_log_loss(scored):
    base, X, y, group, _ = scored
    model = GroupCalibratedClassifier(base, method="temperature", cv="prefit")
    model.fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    margin = base.decision_function(X)
    for g, curve in zip("ab", model.curves_):
        own = group == g
        reached = log_loss(y[own], p[own])
        grid = np.geomspace(0.05, 20, 400)
        losses = [log_loss(y[own], expit(k * margin[own])) for k in grid]
        assert reached <= min(losses) + 1e-12
        assert curve.slope == pytest.approx(grid[np.argmin(losses)], rel=0.02)
    np.testing.assert_array_equal(
        model.predict(X, sensitive_features=group), base.predict(X)
    )


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_out_of_fold_curves_find_the_risk(scored, method):
    _, X, y, group, risk = scored
    plain = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    model = GroupCalibratedClassifier(LogisticRegression(), method=method)
    model.fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    assert np.mean((p - risk) ** 2) < 0.2 * np.mean((plain - risk) ** 2)


def test_probabilities_and_margins_of_one_model_agree(scored):
    _, X, y, group, _ = scored
    base = LogisticRegression().fit(X, y)
    margins, probabilities = (
        GroupCalibratedClassifier(base, cv="prefit", response_method=name)
        .fit(X, y, sensitive_features=group)
        .predict_proba(X, sensitive_features=group)
        for name in ("decision_function", "predict_proba")
    )
    np.testing.assert_allclose(margins, probabilities, atol=1e-6)


def test_rare_groups_take_the_curve_of_everybody(scored):
    base, X, y, group, _ = scored
    group = group.copy()
    group[:10] = "c"
    group[(group == "b") & (y == 1)] = "a"
    model = GroupCalibratedClassifier(base, cv="prefit")
    with pytest.warns(RareGroupWarning, match=r"\['b', 'c'\]"):
        model.fit(X, y, sensitive_features=group)
    first, second, third = model.curves_
    assert second == third != first
    everybody = CalibratedClassifierCV(FrozenEstimator(base), method="sigmoid")
    expected = everybody.fit(X, y).predict_proba(X)
    rare = group != "a"
    np.testing.assert_allclose(
        model.predict_proba(X, sensitive_features=group)[rare],
        expected[rare],
        atol=2e-4,
    )
