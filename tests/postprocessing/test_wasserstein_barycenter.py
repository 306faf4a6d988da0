import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression

from fairsk.postprocessing import WassersteinBarycenterRegressor


class First(RegressorMixin, BaseEstimator):
    """Predicts the first column of X."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0]


@pytest.fixture
def data(rng):
    group = np.repeat(["a", "b", "c"], [300, 200, 100])
    score = rng.normal(size=600) * np.repeat([1, 2, 1.5], [300, 200, 100])
    return (score + (group == "b"))[:, None], score, group


def _fit(data, **params):
    X, y, group = data
    model = WassersteinBarycenterRegressor(First().fit(X, y), cv="prefit", **params)
    return model.fit(X, y, sensitive_features=group)


def test_groups_get_one_distribution_and_keep_their_order(data):
    X, _, group = data
    repaired = _fit(data).predict(X, sensitive_features=group)
    for label in "bc":
        gap = wasserstein_distance(repaired[group == "a"], repaired[group == label])
        assert gap < 0.05
    for label in "abc":
        own = group == label
        order = np.argsort(X[own, 0])
        assert (np.diff(repaired[own][order]) >= 0).all()


def test_equal_sizes_give_the_mean_of_equal_ranks():
    X = np.array([1.0, 2.0, 4.0, 10.0, 30.0, 20.0])[:, None]
    group = np.repeat([0, 1], 3)
    repaired = _fit((X, X[:, 0], group)).predict(X, sensitive_features=group)
    np.testing.assert_allclose(repaired, [5.5, 11.0, 17.0, 5.5, 17.0, 11.0])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_alpha_shrinks_the_distance_by_its_factor(data, alpha):
    X, _, group = data
    model = _fit(data, alpha=alpha)
    repaired = model.predict(X, sensitive_features=group)
    before = wasserstein_distance(X[group == "a", 0], X[group == "b", 0])
    after = wasserstein_distance(repaired[group == "a"], repaired[group == "b"])
    assert after == pytest.approx(alpha * before, abs=0.05)


def test_tolerance_sets_the_largest_alpha_that_keeps_it(data):
    X, _, group = data
    model = _fit(data, tolerance=0.4)
    repaired = model.predict(X, sensitive_features=group)
    gaps = [
        wasserstein_distance(repaired[group == a], repaired[group == b])
        for a in "abc"
        for b in "abc"
    ]
    assert max(gaps) == pytest.approx(0.4, abs=0.05)
    assert 0 < model.alpha_ < 1
    assert _fit(data, tolerance=100.0).alpha_ == 1.0


def test_scores_beyond_those_of_fit_keep_their_distance_to_the_end(data):
    X, _, group = data
    model = _fit(data)
    top = X[group == "a", 0].max()
    new = model.predict([[top], [top + 2.0]], sensitive_features=["a", "a"])
    assert new[1] - new[0] == pytest.approx(2.0)


def test_cross_fitted_predictions_are_repaired(rng):
    group = rng.integers(0, 2, 2000)
    X = rng.normal(size=(2000, 2)) + group[:, None]
    y = X @ [1.0, 2.0] + rng.normal(size=2000)
    model = WassersteinBarycenterRegressor(LinearRegression(), random_state=0)
    repaired = model.fit(X, y, sensitive_features=group).predict(
        X, sensitive_features=group
    )
    assert abs(repaired[group == 0].mean() - repaired[group == 1].mean()) < 0.05
