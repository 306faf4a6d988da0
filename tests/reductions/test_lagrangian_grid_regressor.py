import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from fairsk.reductions import ExponentiatedGradientRegressor, LagrangianGridRegressor


@pytest.fixture
def unequal(rng):
    group = rng.choice(2, size=500, p=[0.8, 0.2])
    X = rng.normal(size=(500, 1))
    return X, np.where(group == 0, X[:, 0], -X[:, 0]) + rng.normal(size=500), group


def test_the_grid_comes_close_to_the_saddle_point(unequal):
    X, y, group = unequal
    grid = LagrangianGridRegressor(LinearRegression(), n_multipliers=50)
    grid.fit(X, y, sensitive_features=group)
    mixture = ExponentiatedGradientRegressor(LinearRegression())
    mixture.fit(X, y, sensitive_features=group)
    worst = grid.group_losses_[grid.best_index_].max()
    assert worst == pytest.approx(mixture.group_loss_.max(), rel=0.05)


def test_the_bound_is_kept_at_the_least_loss(unequal):
    X, y, group = unequal
    model = LagrangianGridRegressor(LinearRegression(), upper_bound=2.5)
    model.fit(X, y, sensitive_features=group)
    kept = model.group_losses_.max(axis=1) <= 2.5
    assert model.losses_[model.best_index_] == model.losses_[kept].min()


def test_a_bound_out_of_reach_warns(unequal):
    X, y, group = unequal
    model = LagrangianGridRegressor(LinearRegression(), upper_bound=0.1)
    with pytest.warns(UserWarning, match="at best"):
        model.fit(X, y, sensitive_features=group)
