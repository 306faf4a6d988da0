import sys
import warnings

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import check_grad
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import ConvergenceWarning

from fairsk.datasets import make_biased_classification
from fairsk.definitions import (
    DEFINITIONS,
    UndefinedRateWarning,
    get_definition,
    group_counts,
)
from fairsk.inprocessing import FairGradientBoostingClassifier
from fairsk.inprocessing._fair_gradient_boosting_classifier import (
    _Lagrangian,
    _probabilities,
)

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)
OTHERS = sorted(set(DEFINITIONS) - set(LINEAR))


@pytest.fixture(scope="module")
def biased():
    return make_biased_classification(1500, base_rate_gap=0.4, random_state=0)


def multiclass(n_samples=900, seed=0):
    rng = np.random.default_rng(seed)
    groups = rng.integers(2, size=n_samples)
    X = rng.normal(size=(n_samples, 4))
    X[:, 0] += groups
    scores = X[:, :3] + rng.normal(scale=0.5, size=(n_samples, 3))
    return X, scores.argmax(axis=1), groups


def disparity(definition, codes, y, y_pred, n_classes=2):
    counts = group_counts(
        codes, y, y_pred, n_groups=codes.max() + 1, n_classes=n_classes
    )
    return get_definition(definition).disparity(counts)


def test_without_weight_it_is_plain_boosting(biased):
    X, y, groups = biased
    X = X.round(1)  # at most 255 values, whose bins are the same in both
    plain = HistGradientBoostingClassifier(
        max_iter=30, max_leaf_nodes=8, min_samples_leaf=1, early_stopping=False
    )
    trees = FairGradientBoostingClassifier(
        fairness_weight=0, max_iter=30, max_leaf_nodes=8, min_leaf_hessian=1e-3
    )
    expected = plain.fit(X, y).predict_proba(X)
    actual = trees.fit(X, y, sensitive_features=groups).predict_proba(X)
    # Gradients are rounded, and equally good splits may be another one.
    assert np.mean(abs(actual - expected) < 1e-3) > 0.98


@pytest.mark.parametrize("fairness", LINEAR)
@pytest.mark.parametrize("tolerance", [0.1, 0.03])
def test_training_samples_keep_the_tolerance(biased, fairness, tolerance):
    X, y, groups = biased
    trees = FairGradientBoostingClassifier(fairness, tolerance=tolerance, max_iter=80)
    trees.fit(X, y, sensitive_features=groups)
    codes = np.unique(groups, return_inverse=True)[1]
    reached = disparity(fairness, codes, y, trees.predict(X))
    assert reached == pytest.approx(trees.disparity_, abs=1e-12)
    assert reached <= tolerance


def test_a_loose_tolerance_changes_nothing(biased):
    X, y, groups = biased
    free = FairGradientBoostingClassifier(fairness_weight=0, max_iter=20)
    loose = FairGradientBoostingClassifier(tolerance=1.0, max_iter=20)
    np.testing.assert_array_equal(
        free.fit(X, y, sensitive_features=groups).decision_function(X),
        loose.fit(X, y, sensitive_features=groups).decision_function(X),
    )


def test_disparity_falls_with_the_weight(biased):
    X, y, groups = biased
    reached = [
        FairGradientBoostingClassifier(fairness_weight=weight, max_iter=60)
        .fit(X, y, sensitive_features=groups)
        .disparity_
        for weight in (0, 0.1, 0.4)
    ]
    assert reached[0] > reached[1] > reached[2]


def test_three_groups_keep_the_tolerance():
    rng = np.random.default_rng(0)
    groups = rng.choice(3, p=[0.6, 0.3, 0.1], size=2000)
    X = np.c_[rng.normal(size=(2000, 3)) + groups[:, None] / 2, groups]
    y = (X[:, 0] + rng.normal(size=2000) > 0.5).astype(int)
    trees = FairGradientBoostingClassifier(tolerance=0.05)
    trees.fit(X, y, sensitive_features=groups)
    assert disparity("demographic_parity", groups, y, trees.predict(X)) <= 0.05


@pytest.mark.parametrize("fairness", LINEAR)
def test_multiclass_rates_get_closer(fairness):
    X, y, groups = multiclass()
    free, fair = (
        FairGradientBoostingClassifier(fairness, fairness_weight=weight, max_iter=40)
        .fit(X, y, sensitive_features=groups)
        .disparity_
        for weight in (0, 1.0)
    )
    assert fair < 0.9 * free or fair < 0.02


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("fairness", LINEAR)
def test_gradient_is_that_of_loss_and_soft_rates(fairness, n_classes):
    rng = np.random.default_rng(0)
    n = 30
    codes, y = rng.integers(3, size=n), rng.integers(n_classes, size=n)
    weight = rng.uniform(0.5, 2, size=n)
    lagrangian = _Lagrangian(
        get_definition(fairness),
        codes,
        y,
        weight,
        (3, n_classes),
        tolerance=None,
        bound=np.inf,
        rate=1.0,
    )
    push = rng.uniform(size=lagrangian._multipliers.shape)
    lagrangian._push = lambda differences: push
    shape = (n,) if n_classes == 2 else (n, n_classes)

    def objective(score):
        p = _probabilities(score.reshape(shape))
        loss = weight @ -np.log(p[np.arange(n), y])
        counts = group_counts(
            codes, y, p, n_groups=3, n_classes=n_classes, sample_weight=weight
        )
        rates = get_definition(fairness).values(counts)
        gaps = np.nan_to_num(rates[:, :, None] - rates[:, None, :])
        return loss + weight.sum() * (push * gaps).sum()

    def gradient(score):
        return lagrangian(score.reshape(shape))[0].ravel()

    score = rng.normal(size=shape).ravel()
    assert check_grad(objective, gradient, score) < 1e-3  # gradients are rounded


def test_curvature_is_bounded_by_the_hessian():
    rng = np.random.default_rng(0)
    codes, y = rng.integers(2, size=50), rng.integers(2, size=50)
    lagrangian = _Lagrangian(
        get_definition("demographic_parity"),
        codes,
        y,
        np.ones(50),
        (2, 2),
        tolerance=None,
        bound=np.inf,
        rate=1.0,
    )
    lagrangian._push = lambda differences: np.full_like(differences, [[0, 1], [0, 0]])
    score, step = rng.normal(size=50), 1e-2
    above, below = lagrangian(score + step)[0], lagrangian(score - step)[0]
    curvature = (above - below) / (2 * step)
    assert (curvature <= lagrangian(score)[1] + 1e-2).all()


def test_unreachable_tolerance_warns_with_what_was_reached():
    # The only feature is the group, and two rounds do not undo it.
    groups = np.repeat([0, 1], 200)
    X, y = groups[:, None].astype(float), groups
    trees = FairGradientBoostingClassifier(tolerance=0.0, max_iter=2, learning_rate=1.0)
    with pytest.warns(ConvergenceWarning, match=r"within 0 .* is 1 .*max_iter"):
        trees.fit(X, y, sensitive_features=groups)
    assert trees.disparity_ == 1


def test_kept_rounds_are_those_that_predict(biased):
    X, y, groups = biased
    trees = FairGradientBoostingClassifier(tolerance=0.05, max_iter=60)
    trees.fit(X, y, sensitive_features=groups)
    assert 30 <= trees.n_iter_ <= 60
    assert trees.booster_.num_boosted_rounds() == 60


def test_sparse_binary_features_are_as_good_as_dense(biased):
    X, y, groups = biased
    X = (X > 0.5).astype(float)
    trees = FairGradientBoostingClassifier(fairness_weight=0.2, max_iter=20)
    dense = trees.fit(X, y, sensitive_features=groups).decision_function(X)
    stored = sparse.csr_matrix(X)
    trees.fit(stored, y, sensitive_features=groups)
    np.testing.assert_allclose(trees.decision_function(stored), dense, atol=1e-6)
    np.testing.assert_allclose(trees.decision_function(X), dense, atol=1e-6)


def test_missing_values_tell_something(biased):
    X, y, groups = biased
    X = X.copy()
    X[(y == 1) & (np.arange(len(y)) % 2 == 0), 0] = np.nan
    trees = FairGradientBoostingClassifier(fairness_weight=0, max_iter=20)
    trees.fit(X, y, sensitive_features=groups)
    assert (trees.predict(X)[np.isnan(X[:, 0])] == 1).all()


def test_weight_zero_is_no_sample(biased):
    X, y, groups = biased
    kept = np.arange(len(y)) % 3 > 0
    trees = FairGradientBoostingClassifier(tolerance=0.05, max_iter=20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        trees.fit(X, y, sensitive_features=groups, sample_weight=kept.astype(float))
        expected = trees.decision_function(X)
        trees.fit(X[kept], y[kept], sensitive_features=groups[kept])
    np.testing.assert_array_equal(trees.decision_function(X), expected)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("tolerance", [None, 0.05, 0.0])
def test_weights_are_repetitions_in_any_order(fairness, tolerance):
    rng = np.random.default_rng(0)
    groups, weight = rng.integers(3, size=300), rng.integers(4, size=300)
    X = np.c_[rng.normal(size=(300, 3)).round(1), rng.integers(2, size=300)]
    y = (X[:, 0] + groups / 2 + rng.normal(size=300) > 0.5).astype(int)
    rows = rng.permutation(np.repeat(np.arange(300), weight))
    trees = FairGradientBoostingClassifier(fairness, tolerance=tolerance, max_iter=50)
    trees.fit(X, y, sensitive_features=groups, sample_weight=weight)
    weighted = trees.decision_function(X)
    trees.fit(X[rows], y[rows], sensitive_features=groups[rows])
    np.testing.assert_allclose(trees.decision_function(X), weighted, rtol=1e-6)


def test_threads_change_nothing(biased):
    X, y, groups = biased
    one, two = (
        FairGradientBoostingClassifier(max_iter=20, n_jobs=n_jobs)
        .fit(X, y, sensitive_features=groups)
        .decision_function(X)
        for n_jobs in (None, 2)
    )
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("fairness", OTHERS)
def test_definition_that_is_not_linear_raises(biased, fairness):
    X, y, groups = biased
    with pytest.raises(ValueError, match=f"linear.*{fairness}.*demographic_parity"):
        FairGradientBoostingClassifier(fairness).fit(X, y, sensitive_features=groups)


def test_group_without_a_class_warns_and_is_left_out():
    X, y, groups = multiclass(300)
    y = np.where(groups == 0, 0, y > 0)
    trees = FairGradientBoostingClassifier("equal_opportunity", max_iter=5)
    with pytest.warns(UndefinedRateWarning, match="true_positive_rate of group 0"):
        trees.fit(X, y, sensitive_features=groups)
    assert np.isnan(trees.disparity_)


def test_class_without_weight_raises(biased):
    X, y, groups = biased
    y = np.where(np.arange(len(y)) < 5, 2, y)
    weight = (y < 2).astype(float)
    with pytest.raises(ValueError, match=r"each class. Got none in \[2\]"):
        FairGradientBoostingClassifier().fit(
            X, y, sensitive_features=groups, sample_weight=weight
        )


def test_without_xgboost_the_error_names_the_extra(biased, monkeypatch):
    monkeypatch.setitem(sys.modules, "xgboost", None)
    X, y, groups = biased
    with pytest.raises(ImportError, match=r"XGBoost.*fairsk\[trees\]"):
        FairGradientBoostingClassifier().fit(X, y, sensitive_features=groups)
