"""MinimaxClassifier against convex solutions and thresholds by brute force."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from fairsk.inprocessing import MinimaxClassifier

EXACT = {
    "hidden_layer_sizes": (),
    "alpha": 0.0,
    "batch_size": 10_000,
    "dtype": "float64",
    "device": "cpu",
    "random_state": 0,
}
QUICK = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def conflicting():
    """Two groups that ask for opposite slopes; the second has a quarter of the rows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(240, 2))
    groups = np.repeat([0, 0, 0, 1], 60)
    slope = np.where(groups == 0, 2.0, -1.0)
    y = (X[:, 0] + slope * X[:, 1] + rng.logistic(size=240) > 0).astype(int)
    return X, y, groups


def sample_losses(parameters, X, y):
    margin = (X @ parameters[:-1] + parameters[-1]) * np.where(y == 1, 1, -1)
    return -np.log(expit(margin))


def group_means(values, groups):
    return np.array([values[groups == g].mean() for g in np.unique(groups)])


def solve(X, y, groups, bound=None):
    """The linear model that is asked for, by SLSQP: worst and mean loss."""
    n = X.shape[1] + 1

    def losses(v):
        return sample_losses(v[:n], X, y)

    constraint = {
        "type": "ineq",
        "fun": lambda v: (
            (v[n] if bound is None else bound) - group_means(losses(v), groups)
        ),
    }
    goal = (lambda v: v[n]) if bound is None else (lambda v: losses(v).mean())
    result = minimize(
        goal, np.append(np.zeros(n), 1.0), constraints=[constraint], method="SLSQP"
    )
    assert result.success
    return group_means(losses(result.x), groups).max(), losses(result.x).mean()


@pytest.mark.parametrize("slack", [None, 0.03, 10.0])
def test_log_loss_of_a_linear_model_is_that_of_the_convex_solution(conflicting, slack):
    X, y, groups = conflicting
    lowest, _ = solve(X, y, groups)
    bound = None if slack is None else lowest + slack
    worst, mean = solve(X, y, groups, bound)
    clf = MinimaxClassifier(
        **EXACT,
        max_error=bound,
        error="log_loss",
        step_size=0.2,
        learning_rate_init=0.1,
        max_iter=200,
    ).fit(X, y, sensitive_features=groups)
    assert clf.worst_error_ == pytest.approx(worst, abs=2e-3)
    assert clf.mean_error_ == pytest.approx(mean, abs=5e-3)
    if bound is not None:
        assert clf.worst_error_ <= bound
    if slack == 10.0:  # nothing to do for the player
        assert not clf.multipliers_.any()


def test_error_of_a_threshold_is_nearly_the_best_by_brute_force():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 0, 0, 1], 100)
    X = rng.normal(size=(400, 1))
    cut = np.where(groups == 0, -0.5, 0.8)
    y = (X[:, 0] + 0.3 * rng.normal(size=400) > cut).astype(int)
    errors = [
        group_means((X[:, 0] > cut) != y, groups) for cut in np.append(X[:, 0], -9.0)
    ]
    best = min(row.max() for row in errors)
    plain = min(errors, key=lambda row: row @ [0.75, 0.25]).max()
    assert plain > best + 0.05
    clf = MinimaxClassifier(**EXACT, learning_rate_init=0.05, max_iter=200)
    clf.fit(X, y, sensitive_features=groups)
    wrong = clf.predict(X) != y
    assert group_means(wrong, groups).max() == pytest.approx(clf.worst_error_)
    assert wrong.mean() == pytest.approx(clf.mean_error_)
    assert best <= clf.worst_error_ <= best + 0.01


def test_looser_bounds_cost_less_of_the_average(conflicting):
    X, y, groups = conflicting
    params = {**EXACT, "learning_rate_init": 0.05, "max_iter": 100, "step_size": 0.3}
    tight = MinimaxClassifier(**params).fit(X, y, sensitive_features=groups)
    loose = MinimaxClassifier(**params, max_error=tight.worst_error_ + 0.05)
    loose.fit(X, y, sensitive_features=groups)
    assert loose.worst_error_ <= tight.worst_error_ + 0.05
    assert loose.mean_error_ < tight.mean_error_
    assert tight.group_weights_.sum() == pytest.approx(1)
    assert loose.group_weights_.sum() == pytest.approx(1)


def test_bound_out_of_reach_warns_of_what_was_reached(conflicting):
    X, y, groups = conflicting
    clf = MinimaxClassifier(**QUICK, max_error=0.01)
    with pytest.warns(UserWarning, match="the smallest error of the worst group"):
        clf.fit(X, y, sensitive_features=groups)
    wrong = clf.predict(X) != y
    assert clf.worst_error_ == pytest.approx(group_means(wrong, groups).max())
    assert clf.worst_error_ == min(row["worst_error"] for row in clf.history_)


def test_history_has_every_epoch_and_the_best_one_is_kept(conflicting):
    X, y, groups = conflicting
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clf = MinimaxClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    assert len(clf.history_) == clf.n_iter_ == 5
    assert clf.worst_error_ == min(row["worst_error"] for row in clf.history_)


def test_early_stopping_judges_on_samples_set_aside(conflicting):
    X, y, groups = conflicting
    clf = MinimaxClassifier(**QUICK, early_stopping=True, validation_fraction=0.5)
    clf.fit(X, y, sensitive_features=groups)
    # A hundred and twenty samples, of which thirty are of the small group.
    assert (clf.mean_error_ * 120) == pytest.approx(round(clf.mean_error_ * 120))


def test_three_groups_and_three_classes_train(biased):
    X, y, groups = biased
    y = y + (X[:, 1] > 0.5)
    groups = groups + (X[:, 2] > 1)
    clf = MinimaxClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    assert clf.predict_proba(X).shape == (len(y), 3)
    assert len(clf.group_weights_) == 3
