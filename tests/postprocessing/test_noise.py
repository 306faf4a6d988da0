"""Every reached disparity has its noise floor, which is that of the metrics."""

import inspect
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance
from sklearn.linear_model import LinearRegression, LogisticRegression

from fairsk import postprocessing
from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, FairnessDefinition, group_counts
from fairsk.metrics import disparity_test
from fairsk.postprocessing import (
    CalibratedEqualizedOddsClassifier,
    MulticlassThresholdOptimizer,
    RejectOptionClassifier,
    ThresholdOptimizer,
    WassersteinBarycenterRegressor,
)
from fairsk.postprocessing._noise import (
    noise_floor_of_counts,
    noise_floor_of_probabilities,
    rows_per_weight,
)

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
ESTIMATORS = [
    cls
    for _, cls in inspect.getmembers(postprocessing, inspect.isclass)
    if hasattr(cls, "fit") and "disparity_" in (cls.__doc__ or "")
]


@pytest.fixture(name="drawn")
def fixture_drawn(rng):
    group = rng.choice(3, 900, p=[0.6, 0.3, 0.1])
    y_true = rng.integers(2, size=900)
    return y_true, (rng.random(900) < 0.3 + 0.4 * y_true).astype(int), group


@pytest.mark.parametrize("disparity", ["difference", "ratio"])
@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
def test_floor_of_counts_is_that_of_the_permutation_test(drawn, fairness, disparity):
    y_true, y_pred, group = drawn
    counts = group_counts(group, y_true, y_pred, n_groups=3, n_classes=2)
    expected = disparity_test(
        y_true,
        y_pred,
        sensitive_features=group,
        fairness=fairness,
        disparity=disparity,
        random_state=1,
    )
    floor = noise_floor_of_counts(counts, fairness, disparity, pos_index=1)
    assert floor == pytest.approx(expected.noise_floor, rel=0.05)


def test_weights_count_by_the_rows_behind_them(drawn, rng):
    y_true, y_pred, group = drawn
    weight = rng.exponential(size=900) * 5
    counts = group_counts(
        group, y_true, y_pred, n_groups=3, n_classes=2, sample_weight=weight
    )
    ratio = rows_per_weight(y_true, group, weight, 2, 3)
    own = (group == 1) & (y_true == 0)
    assert ratio[1, 0] == pytest.approx(weight[own].sum() / (weight[own] ** 2).sum())
    floor = noise_floor_of_counts(counts, "equal_opportunity", ratio=ratio, pos_index=1)
    expected = disparity_test(
        y_true,
        y_pred,
        sensitive_features=group,
        fairness="equal_opportunity",
        sample_weight=weight,
        random_state=1,
    )
    assert floor == pytest.approx(expected.noise_floor, rel=0.12)


@pytest.mark.parametrize("fairness", LINEAR)
def test_floor_of_probabilities_is_that_of_permuted_groups(drawn, rng, fairness):
    y_true, _, group = drawn
    probability = np.clip(0.3 + 0.4 * y_true + rng.normal(scale=0.2, size=900), 0, 1)
    floor = noise_floor_of_probabilities(
        probability, y_true == 1, group, np.ones(900), 3, fairness
    )
    soft = np.column_stack([1 - probability, probability])
    definition = DEFINITIONS[fairness]
    by_label = definition.rates[0].conditions_on_label
    found = []
    for _ in range(400):
        permuted = group.copy()
        for rows in (
            [np.flatnonzero(y_true == k) for k in (0, 1)] if by_label else [slice(None)]
        ):
            permuted[rows] = rng.permutation(group[rows])
        counts = group_counts(permuted, y_true, soft, n_groups=3, n_classes=2)
        found.append(definition.disparity(counts))
    assert floor == pytest.approx(np.mean(found), rel=0.12)


@pytest.mark.parametrize(
    "cls", [c for c in ESTIMATORS if "fairness" in inspect.signature(c).parameters]
)
def test_every_reached_disparity_has_its_floor(cls):
    X, y, group = make_biased_classification(800, random_state=0)
    model = cls(LogisticRegression(), fairness="equal_opportunity", tolerance=0.1)
    model.fit(X, y, sensitive_features=group)
    floors, gaps = model.noise_floor_, model.disparity_
    if not isinstance(gaps, dict):
        floors, gaps = {"": floors}, {"": gaps}
    assert set(floors) == set(gaps)
    # Some 300 positives in a group: the floor of a rate near 0.8 is about 0.03.
    assert all(0.003 < floor < 0.06 for floor in floors.values())


@pytest.mark.parametrize("n_groups", [2, 4])
def test_floor_of_distances_is_that_of_permuted_groups(rng, n_groups):
    group = rng.integers(n_groups, size=400)
    X = rng.exponential(size=(400, 1))
    model = WassersteinBarycenterRegressor(
        LinearRegression().fit(X, X[:, 0]), cv="prefit"
    )
    model.fit(X, X[:, 0], sensitive_features=group)
    found = []
    for _ in range(100):
        shuffled = rng.permutation(group)
        parts = [X[shuffled == g, 0] for g in range(n_groups)]
        found.append(max(wasserstein_distance(a, b) for a, b in combinations(parts, 2)))
    assert model.noise_floor_ == pytest.approx(np.mean(found), rel=0.15)
    assert model.disparity_ == 0.0
    half = WassersteinBarycenterRegressor(model.estimator, alpha=0.5, cv="prefit")
    half.fit(X, X[:, 0], sensitive_features=group, sample_weight=np.full(400, 7.0))
    assert half.disparity_ == pytest.approx(0.5 * half.distance_)
    assert half.noise_floor_ == pytest.approx(model.noise_floor_)


def test_estimators_with_a_disparity_are_found():
    assert {
        CalibratedEqualizedOddsClassifier,
        MulticlassThresholdOptimizer,
        RejectOptionClassifier,
        ThresholdOptimizer,
        WassersteinBarycenterRegressor,
    } <= set(ESTIMATORS)


def test_definition_that_is_not_registered_has_both():
    X, y, group = make_biased_classification(800, random_state=0)
    mine = FairnessDefinition("mine", DEFINITIONS["equal_opportunity"].rates)
    model = ThresholdOptimizer(LogisticRegression(), fairness=[mine], tolerance=0.1)
    model.fit(X, y, sensitive_features=group)
    assert set(model.noise_floor_) == set(model.disparity_) == {"mine"}
    assert model.tolerance_path([0.1]).disparity["mine"] <= 0.1 + 1e-9


def test_small_groups_have_a_large_floor():
    X, y, group = make_biased_classification(2000, random_state=0)
    few, many = (
        ThresholdOptimizer(LogisticRegression(), tolerance=0.1)
        .fit(X[:n], y[:n], sensitive_features=group[:n])
        .noise_floor_["demographic_parity"]
        for n in (200, 2000)
    )
    assert few / many == pytest.approx(np.sqrt(10), rel=0.2)


def test_one_group_has_no_disparity_and_no_floor():
    X, y, _ = make_biased_classification(300, random_state=0)
    model = RejectOptionClassifier(LogisticRegression())
    with pytest.warns(UserWarning, match="two groups"):
        model.fit(X, y, sensitive_features=np.zeros(300))
    assert np.isnan(model.disparity_)
    assert np.isnan(model.noise_floor_)
    assert model.counts_.sum() == 300
