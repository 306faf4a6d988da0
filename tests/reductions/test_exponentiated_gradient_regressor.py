import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.metrics import mean_squared_error

from fairsk.reductions import ExponentiatedGradientRegressor


@pytest.fixture
def unequal(rng):
    group = rng.choice(3, size=600, p=[0.7, 0.2, 0.1])
    X = rng.normal(size=(600, 2))
    slopes = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -2.0]])
    return X, (X * slopes[group]).sum(1) + rng.normal(size=600) / 2, group


def group_mse(X, y, group, beta):
    error = (y - beta[0] - X @ beta[1:]) ** 2
    return np.array([error[group == g].mean() for g in range(3)])


def test_minimax_loss_is_that_of_the_best_linear_model(unequal):
    X, y, group = unequal
    convex = minimize(
        lambda v: v[0],
        np.full(4, 5.0),
        constraints={
            "type": "ineq",
            "fun": lambda v: v[0] - group_mse(X, y, group, v[1:]),
        },
        options={"maxiter": 500},
    )
    model = ExponentiatedGradientRegressor(LinearRegression(), tol=1e-4, max_iter=200)
    model.fit(X, y, sensitive_features=group)
    assert model.group_loss_.max() == pytest.approx(convex.fun, rel=2e-3)


def test_the_bound_holds_and_costs_least(unequal):
    X, y, group = unequal
    bound = 3.0
    convex = minimize(
        lambda v: np.bincount(group) / 600 @ group_mse(X, y, group, v),
        np.zeros(3),
        constraints={
            "type": "ineq",
            "fun": lambda v: bound - group_mse(X, y, group, v),
        },
    )
    model = ExponentiatedGradientRegressor(
        LinearRegression(), upper_bound=bound, tol=1e-4, max_iter=200
    ).fit(X, y, sensitive_features=group)
    assert model.loss_ == pytest.approx(convex.fun, rel=2e-3)
    y_pred = model.predict(X)
    for g in range(3):
        achieved = mean_squared_error(y[group == g], y_pred[group == g])
        assert achieved <= bound + 1e-6  # the mean is no worse than the mixture


def test_a_loose_bound_gives_the_plain_regressor(unequal):
    X, y, group = unequal
    model = ExponentiatedGradientRegressor(LinearRegression(), upper_bound=1e6)
    model.fit(X, y, sensitive_features=group)
    np.testing.assert_allclose(
        model.predict(X), LinearRegression().fit(X, y).predict(X)
    )


def test_absolute_error_with_its_own_learner(unequal):
    X, y, group = unequal
    learner = QuantileRegressor(alpha=0.0)
    model = ExponentiatedGradientRegressor(learner, loss="absolute_error", max_iter=30)
    model.fit(X, y, sensitive_features=group)
    plain = np.abs(y - learner.fit(X, y).predict(X))
    assert model.group_loss_.max() < max(plain[group == g].mean() for g in range(3))


def test_a_bound_that_no_mixture_keeps_warns(unequal):
    X, y, group = unequal
    model = ExponentiatedGradientRegressor(LinearRegression(), upper_bound=0.01)
    with pytest.warns(ConvergenceWarning, match="needs regressors that keep the bound"):
        model.fit(X, y, sensitive_features=group)
