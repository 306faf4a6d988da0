"""Withheld scores against the closed form of two groups, and a grid for three."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import UndefinedRateWarning, demographic_parity
from fairsk.postprocessing import CalibratedEqualizedOddsClassifier


class Column(LogisticRegression):
    """A fitted model whose probability is the first column of X."""

    def __init__(self):
        super().__init__()
        self.classes_, self.coef_ = np.array([0, 1]), np.ones((1, 1))

    def predict_proba(self, X):
        return np.column_stack([1 - X[:, 0], X[:, 0]])


def drawn(rng, n_groups, n=3000):
    """Calibrated probabilities that know more of later groups."""
    group = rng.integers(n_groups, size=n)
    p = np.clip(0.5 + (0.1 + 0.12 * group) * rng.normal(size=n), 0.02, 0.98)
    y = (rng.random(n) < p).astype(int)
    return np.column_stack([p, rng.normal(size=n)]), y, group


def generalized(p, y, group, label):
    """Mean probability of the rows of each group with this label, and base rates."""
    groups = np.unique(group)
    rate = [p[(group == g) & (y == label)].mean() for g in groups]
    return np.array(rate), np.array([y[group == g].mean() for g in groups])


def prefit(**params):
    return CalibratedEqualizedOddsClassifier(
        Column(), cv="prefit", calibration=None, random_state=0, **params
    )


@pytest.mark.parametrize(
    ("fairness", "label"), [("equal_opportunity", 1), ("predictive_equality", 0)]
)
def test_two_groups_have_the_closed_form_of_pleiss(rng, fairness, label):
    X, y, group = drawn(rng, 2)
    model = prefit(fairness=fairness, tolerance=0.0)
    model.fit(X, y, sensitive_features=group)
    rate, base = generalized(X[:, 0], y, group, label)
    # Group 1 is known better: it is told less until it is where group 0 is.
    expected = (rate[1] - rate[0]) / (rate[1] - base[1])
    np.testing.assert_allclose(model.withheld_, [0.0, expected], atol=1e-8)
    np.testing.assert_allclose(model.base_rates_, base)
    assert model.disparity_ == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("tolerance", [0.02, 0.05, 0.1])
def test_three_groups_are_no_worse_than_any_on_a_grid(rng, tolerance):
    X, y, group = drawn(rng, 3)
    model = prefit(tolerance=tolerance).fit(X, y, sensitive_features=group)
    rate, base = generalized(X[:, 0], y, group, 1)
    sizes = np.bincount(group)
    agree = 1 - np.abs(y - X[:, 0])
    told = np.array([agree[group == g].mean() for g in range(3)])
    lost = (told - (base**2 + (1 - base) ** 2)) * sizes

    def disparity(share):
        return np.ptp((1 - share) * rate + share * base)

    assert disparity(model.withheld_) <= tolerance + 1e-9
    grid = map(np.array, itertools.product(np.linspace(0, 1, 41), repeat=3))
    best = min(share @ lost for share in grid if disparity(share) <= tolerance + 1e-9)
    assert model.withheld_ @ lost <= best + 1e-9


def test_probabilities_stay_calibrated_and_rates_agree(rng):
    X, y, group = drawn(rng, 3, n=60000)
    model = prefit(tolerance=0.0).fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    assert np.ptp(generalized(X[:, 0], y, group, 1)[0]) > 0.1
    assert np.ptp(generalized(p, y, group, 1)[0]) < 0.02
    for g in range(3):
        own = group == g
        hidden = p[own] == model.base_rates_[g]
        assert hidden.mean() == pytest.approx(model.withheld_[g], abs=0.02)
        level = np.minimum((p[own] * 5).astype(int), 4)
        gap = np.abs(np.bincount(level, y[own] - p[own])).sum() / own.sum()
        assert gap < 0.01


def test_draws_repeat_and_follow_the_rows(rng):
    X, y, group = drawn(rng, 2)
    model = prefit(tolerance=0.0).fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)
    order = rng.permutation(len(y))[:100]
    again = model.predict_proba(X[order], sensitive_features=group[order])
    np.testing.assert_array_equal(p[order], again)


def test_unreachable_rates_warn_and_come_as_near_as_they_can(rng):
    X, y, group = drawn(rng, 2)
    y[group == 0] = rng.random((group == 0).sum()) < 0.1
    X[group == 0, 0] = 0.1
    with pytest.warns(UserWarning, match="nearest"):
        model = prefit(fairness=demographic_parity, tolerance=0.0).fit(
            X, y, sensitive_features=group
        )
    base = generalized(X[:, 0], y, group, 1)[1]
    assert model.disparity_ == pytest.approx(np.ptp(base), abs=0.02)


def test_cross_fitted_scores_are_calibrated_first():
    X, y, group = make_biased_classification(3000, random_state=0)
    model = CalibratedEqualizedOddsClassifier(LogisticRegression(), random_state=0)
    model.fit(X, y, sensitive_features=group)
    p = model.predict_proba(X, sensitive_features=group)[:, 1]
    for label in np.unique(group):
        own = group == label
        assert np.mean(p[own]) == pytest.approx(np.mean(y[own]), abs=0.02)
    assert model.disparity_ <= 0.02 + 1e-9


def test_group_without_the_rate_is_left_as_it_is(rng):
    X, y, group = drawn(rng, 3)
    y[group == 2] = 0
    with pytest.warns(UndefinedRateWarning, match="of group 2"):
        model = prefit(tolerance=0.0).fit(X, y, sensitive_features=group)
    others = group != 2
    twin = prefit(tolerance=0.0)
    twin.fit(X[others], y[others], sensitive_features=group[others])
    np.testing.assert_allclose(model.withheld_[:2], twin.withheld_)
    assert model.withheld_[2] == 0
