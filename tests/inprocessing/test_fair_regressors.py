"""FairMLPRegressor and FairNetRegressor: targets, penalties, continuous attributes."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression

from fairsk.definitions import DEFINITIONS
from fairsk.groups import SingleGroupWarning
from fairsk.inprocessing import (
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairMLPRegressor,
    FairNetRegressor,
)
from fairsk.metrics import group_metrics
from fairsk.penalties import PENALTIES, EachFeaturePenalty, WorstLossPenalty

LINEAR = {
    "hidden_layer_sizes": [],
    "batch_size": 10_000,
    "dtype": "float64",
    "learning_rate_init": 0.05,
    "max_iter": 150,
    "tol": 0,
    "n_iter_no_change": np.inf,
    "random_state": 0,
    "device": "cpu",
}
QUICK = {"max_iter": 3, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def data():
    """Features, target and two groups whose means and noise differ."""
    rng = np.random.default_rng(0)
    group = rng.integers(2, size=300)
    X = rng.normal(size=(300, 3)) + np.outer(group, [1.0, 0, 0])
    noise = rng.normal(scale=np.where(group == 0, 0.3, 1.0))
    return X, X @ [1.0, 2.0, 0.0] + noise, group


@pytest.fixture(scope="module")
def aged():
    """Features, target and a continuous attribute that both depend on."""
    rng = np.random.default_rng(1)
    age = rng.uniform(20, 60, 300)
    X = np.column_stack([rng.normal(size=(300, 2)), age / 10 + rng.normal(size=300)])
    return X, X.sum(axis=1) + age / 20, age


def mean_gap(values, group):
    return abs(values[group == 0].mean() - values[group == 1].mean())


def test_linear_network_without_penalty_is_least_squares(data):
    X, y, group = data
    reg = FairMLPRegressor(fairness_weight=0, alpha=0, **LINEAR)
    reg.set_params(max_iter=300).fit(X, y, sensitive_features=group)
    expected = LinearRegression().fit(X, y).predict(X)
    np.testing.assert_allclose(reg.predict(X), expected, atol=1e-3)


def test_absolute_error_is_less_moved_by_outliers(data):
    X, y, group = data
    y = y.copy()
    y[:15] += 50
    errors = {}
    for loss in ("squared_error", "absolute_error"):
        reg = FairMLPRegressor(loss=loss, fairness_weight=0, alpha=0, **LINEAR)
        y_pred = reg.fit(X, y, sensitive_features=group).predict(X)
        errors[loss] = np.abs(y - y_pred)[15:].mean()
    assert errors["absolute_error"] < 0.5 * errors["squared_error"]


def test_unit_of_the_target_changes_nothing_but_the_unit(data):
    X, y, group = data
    reg = FairMLPRegressor(dtype="float64", **QUICK)
    y_pred = reg.fit(X, y, sensitive_features=group).predict(X)
    other = clone(reg).fit(X, 1e6 + 1000 * y, sensitive_features=group).predict(X)
    np.testing.assert_allclose((other - 1e6) / 1000, y_pred, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "weight"),
    [("mean_prediction", 2), ("wasserstein", 2), ("mmd", 20), ("hsic", 100),
     ("covariance", 5), ("distance_correlation", 10)],
)  # fmt: skip
def test_every_independence_penalty_narrows_the_gap_of_means(data, name, weight):
    X, y, group = data
    fair = FairMLPRegressor(fairness=name, fairness_weight=weight, **LINEAR)
    fair.set_params(max_iter=60).fit(X, y, sensitive_features=group)
    assert mean_gap(fair.predict(X), group) < 0.5 * mean_gap(y, group)


def test_penalty_of_the_history_is_the_gap_in_standard_deviations(data):
    X, y, group = data
    reg = FairMLPRegressor(fairness_weight=0.5, **{**LINEAR, "max_iter": 1})
    reg.set_params(learning_rate_init=1e-12).fit(X, y, sensitive_features=group)
    assert reg.target_scale_ == pytest.approx(y.std())
    assert reg.target_mean_ == pytest.approx(y.mean())
    gap = mean_gap(reg.predict(X), group) / y.std()
    assert reg.net_.history[-1, "penalty"] == pytest.approx(gap)


@pytest.mark.parametrize("fairness", ["loss_gap", "mean_squared_error"])
def test_gap_of_losses_falls(data, fairness):
    X, y, group = data
    # A linear model serves the groups alike only by serving one worse.
    y = np.where(group == 0, y, y + X[:, 2])
    gaps = {}
    for weight in (0, 2):
        reg = FairMLPRegressor(fairness=fairness, fairness_weight=weight, **LINEAR)
        y_pred = reg.fit(X, y, sensitive_features=group).predict(X)
        gaps[weight] = mean_gap((y - y_pred) ** 2, group)
    assert gaps[2] < 0.5 * gaps[0]


def test_worst_loss_is_lower_with_its_penalty(data):
    X, y, group = data
    group = (np.arange(len(y)) % 4 == 0).astype(int)
    y = np.where(group == 0, X[:, 1], -X[:, 1])
    worst = {}
    for weight in (0, 20):
        reg = FairMLPRegressor(
            fairness=WorstLossPenalty(), fairness_weight=weight, **LINEAR
        )
        y_pred = reg.fit(X, y, sensitive_features=group).predict(X)
        table = group_metrics(
            ["mean_squared_error"], y, y_pred, sensitive_features=group
        )
        worst[weight] = max(table.by_group["mean_squared_error"])
    assert worst[20] < 0.6 * worst[0]


@pytest.mark.parametrize(
    "name", sorted(n for n, make in PENALTIES.items() if make().takes_regression)
)
def test_every_penalty_that_takes_regression_trains(data, name):
    X, y, group = data
    reg = FairMLPRegressor(fairness=name, **QUICK).fit(X, y, sensitive_features=group)
    assert np.isfinite(reg.predict(X)).all()
    assert reg.net_.history[-1, "penalty"] >= 0


@pytest.mark.parametrize(
    "name",
    sorted({n for n, make in PENALTIES.items() if not make().takes_regression})
    + sorted(DEFINITIONS),
)
def test_penalty_of_classes_lists_those_that_take_a_target(data, name):
    X, y, group = data
    with pytest.raises(ValueError, match=r"continuous target.*'mean_prediction'"):
        FairMLPRegressor(fairness=name).fit(X, y, sensitive_features=group)


def test_continuous_attribute_by_each_penalty_that_takes_one(aged):
    X, y, age = aged
    plain = FairMLPRegressor(fairness_weight=0, **LINEAR)
    before = stats.pearsonr(plain.fit(X, y, sensitive_features=age).predict(X), age)[0]
    for name, weight in [
        ("covariance", 5),
        ("hsic", 300),
        ("distance_correlation", 10),
    ]:
        fair = FairMLPRegressor(fairness=name, fairness_weight=weight, **LINEAR)
        fair.set_params(max_iter=60).fit(X, y, sensitive_features=age)
        after = stats.pearsonr(fair.predict(X), age)[0]
        assert abs(after) < 0.5 * before, name
        assert fair.group_labels_ == []


def test_classifier_takes_a_continuous_attribute(aged):
    X, y, age = aged
    y = (y > np.median(y)).astype(int)
    scores = {}
    for weight in (0, 5):
        clf = FairMLPClassifier(
            fairness="distance_correlation", fairness_weight=weight, **LINEAR
        )
        clf.set_params(max_iter=60).fit(X, y, sensitive_features={"age": age})
        scores[weight] = stats.pearsonr(clf.predict_proba(X)[:, 1], age)[0]
    assert abs(scores[5]) < 0.5 * scores[0]
    assert clf.group_names_in_ == ["age"]


def test_mixup_needs_groups(aged):
    X, y, age = aged
    reg = FairMLPRegressor(fairness="covariance", mixup_alpha=0.5, max_iter=1)
    with pytest.raises(ValueError, match="between which mixup_alpha draws"):
        reg.fit(X, y, sensitive_features=age)


def test_continuous_attribute_is_read_from_X_too(aged):
    X, y, age = aged
    X = np.column_stack([X, age])
    reg = FairMLPRegressor(fairness="covariance", group_by=3, **QUICK)
    by_column = reg.fit(X, y).predict(X)
    passed = clone(reg).set_params(group_by=None).fit(X, y, sensitive_features=age)
    np.testing.assert_array_equal(passed.predict(X), by_column)


def test_penalty_of_groups_says_which_take_a_continuous_attribute(aged):
    X, y, age = aged
    for fairness in ("mean_prediction", EachFeaturePenalty("covariance")):
        with pytest.raises(ValueError, match=r"continuous sensitive.*'hsic'.*interval"):
            FairMLPRegressor(fairness).set_params(
                hidden_layer_sizes=4, fairness=fairness
            ).fit(X, y, sensitive_features=age)


def test_bad_continuous_attributes_raise(aged):
    X, y, age = aged
    reg = FairMLPRegressor(fairness="hsic", **QUICK)
    with pytest.raises(ValueError, match=r"only one.*'age', 'sex'.*intervals"):
        reg.fit(X, y, sensitive_features={"age": age, "sex": age > 40})
    with pytest.raises(ValueError, match="missing or infinite"):
        reg.fit(X, y, sensitive_features=np.where(age > 59, np.nan, age))
    with pytest.raises(ValueError, match="200 values for 300 samples"):
        reg.fit(X, y, sensitive_features=age[:200])
    path = FairMLPClassifierCV(fairness="hsic")
    with pytest.raises(ValueError, match=r"folds and scores.*FairMLPClassifier"):
        path.fit(X, y > 5, sensitive_features=age)


def test_partial_fit_keeps_the_unit_of_the_first_call(data):
    X, y, group = data
    reg = FairMLPRegressor(**QUICK)
    for part in (slice(0, 150), slice(150, 300)):
        reg.partial_fit(X[part], y[part], sensitive_features=group[part])
    assert reg.target_mean_ == pytest.approx(y[:150].mean())
    assert reg.n_iter_ == 2


def test_constant_target_is_predicted(data):
    X, _, group = data
    reg = FairMLPRegressor(**{**LINEAR, "max_iter": 100})
    reg.fit(X, np.full(len(X), 0.1), sensitive_features=group)
    np.testing.assert_allclose(reg.predict(X), 0.1, atol=0.05)


def test_one_group_warns_and_trains_without_penalty(data):
    X, y, _ = data
    reg = FairMLPRegressor(**QUICK)
    with pytest.warns(SingleGroupWarning):
        alone = reg.fit(X, y, sensitive_features=np.zeros(len(y))).predict(X)
    assert np.isfinite(alone).all()
    assert "penalty" not in reg.net_.history[-1]


class Flat(torch.nn.Linear):
    def __init__(self, n_features, width=1, flat=True):
        super().__init__(n_features, width)
        self.flat = flat

    def forward(self, X):
        values = super().forward(X)
        return values[:, 0] if self.flat else values


@pytest.mark.parametrize("flat", [True, False])
def test_module_may_return_a_vector_or_a_column(data, flat):
    X, y, group = data
    reg = FairNetRegressor(
        Flat, module__flat=flat, fairness_weight=0, learning_rate_init=0.05,
        random_state=0, criterion=torch.nn.SmoothL1Loss, criterion__beta=0.5,
    ).fit(X, y, sensitive_features=group)  # fmt: skip
    assert reg.score(X, y) > 0.8


def test_module_of_the_wrong_width_raises(data):
    X, y, group = data
    reg = FairNetRegressor(Flat, module__width=2, module__flat=False, **QUICK)
    with pytest.raises(ValueError, match=r"predictions of shape.*width.*to 1"):
        reg.fit(X, y, sensitive_features=group)


def test_target_that_is_no_number_raises(data):
    X, y, group = data
    with pytest.raises(ValueError, match="target of numbers"):
        FairMLPRegressor().fit(X, np.full(len(y), "high"), sensitive_features=group)
