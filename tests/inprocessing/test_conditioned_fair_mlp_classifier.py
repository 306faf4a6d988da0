"""ConditionedFairMLPClassifier: one network against a network for each weight."""

import pickle

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional

from fairsk.inprocessing import ConditionedFairMLPClassifier, FairMLPClassifier
from fairsk.inprocessing._conditioned_perceptron import (
    N_RANGES,
    ConditionedLoss,
    ConditionedPerceptron,
)
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import DefinitionPenalty

QUICK = {"hidden_layer_sizes": 8, "max_iter": 4, "random_state": 0, "device": "cpu"}


@pytest.fixture(scope="module")
def fitted(biased):
    X, y, groups = biased
    clf = ConditionedFairMLPClassifier(
        learning_rate_init=0.01, random_state=0, device="cpu"
    )
    return clf.fit(X, y, sensitive_features=groups)


def gap(y_pred, groups):
    return abs(y_pred[groups == 0].mean() - y_pred[groups == 1].mean())


def test_one_network_has_the_trade_off_of_a_network_for_each_weight(biased, fitted):
    X, y, groups = biased
    gaps, scores = [], []
    for weight in (0.0, 0.5, 2.0):
        alone = FairMLPClassifier(
            fairness_weight=weight, random_state=0, device="cpu", max_iter=60
        ).fit(X, y, sensitive_features=groups)
        predictions = fitted.predict(X, fairness_weight=weight), alone.predict(X)
        gaps.append([gap(y_pred, groups) for y_pred in predictions])
        scores.append([(y_pred == y).mean() for y_pred in predictions])
    gaps, scores = np.array(gaps), np.array(scores)
    assert (np.diff(gaps[:, 0]) < 0).all()
    np.testing.assert_allclose(gaps[:, 0], gaps[:, 1], atol=0.1)
    np.testing.assert_allclose(scores[:, 0], scores[:, 1], atol=0.06)


def test_weight_set_and_weight_passed_agree_and_nothing_is_fitted_again(biased, fitted):
    X, _, _ = biased
    clf = pickle.loads(pickle.dumps(fitted))
    passed = clf.predict_proba(X, fairness_weight=2.0)
    assert (passed != clf.predict_proba(X)).any()
    n_iter = clf.n_iter_
    assert clf.set_fairness_weight(2.0) is clf
    np.testing.assert_array_equal(clf.predict_proba(X), passed)
    assert (clf.fairness_weight_, clf.n_iter_) == (2.0, n_iter)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[passed.argmax(axis=1)])


@pytest.mark.parametrize("weight", [-0.1, 4.1, "1", True, np.nan])
def test_weight_that_was_not_trained_raises(biased, fitted, weight):
    X, _, _ = biased
    for call in (
        lambda: fitted.predict(X, fairness_weight=weight),
        lambda: fitted.set_fairness_weight(weight),
    ):
        with pytest.raises(ValueError, match=r"needs a fairness_weight in \[0, 4.0\]"):
            call()


def test_default_weight_beyond_the_largest_raises(biased):
    X, y, groups = biased
    clf = ConditionedFairMLPClassifier(**QUICK, max_fairness_weight=0.5)
    with pytest.raises(ValueError, match="needs a fairness_weight in"):
        clf.fit(X, y, sensitive_features=groups)


def test_weight_reaches_predict_through_a_pipeline(biased):
    X, y, groups = biased
    network = ConditionedFairMLPClassifier(**QUICK)
    pipeline = make_pipeline(StandardScaler(), network)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline.fit(X, y, sensitive_features=groups)
        passed = pipeline.predict(X, fairness_weight=3.0)
    scaled = pipeline[0].transform(X)
    expected = pipeline[-1].predict(scaled, fairness_weight=3.0)
    np.testing.assert_array_equal(passed, expected)


def test_network_starts_as_the_plain_one_at_every_weight():
    torch.manual_seed(0)
    conditioned = ConditionedPerceptron([3, 5, 4, 1], "relu", 4.0)
    torch.manual_seed(0)
    plain = MultilayerPerceptron([3, 5, 4, 1], "relu")
    X = torch.randn(10, 3)
    for weight in (0.0, 1.0, 4.0):
        logits, given, _ = conditioned(X, weight)
        torch.testing.assert_close(logits, plain(X))
        assert given == weight


def test_layers_are_scaled_and_shifted_by_functions_of_the_weight():
    module = ConditionedPerceptron([3, 5, 1], "tanh", 4.0)
    for parameter in module.condition.parameters():
        torch.nn.init.normal_(parameter)
    X = torch.randn(10, 3)
    position = np.log1p(1.5 / 4 * np.expm1(4)) / 4
    told = torch.tensor([[2 * position - 1]], dtype=torch.float32)
    scale, shift = module.condition(told)[0].split(5)
    hidden = (1 + scale) * module[0](X).tanh() + shift
    torch.testing.assert_close(module(X, 1.5)[0], module[2](hidden))


def test_weights_are_drawn_from_all_ranges_in_turn():
    torch.manual_seed(0)
    module = ConditionedPerceptron([3, 5, 1], "relu", 4.0)
    draws = [module(torch.zeros(1, 3))[1:] for _ in range(400)]
    turns = np.array([turn for _, turn in draws])
    weights = np.array([weight.item() for weight, _ in draws])
    edges = 4 * np.expm1(4 * np.arange(N_RANGES + 1) / N_RANGES) / np.expm1(4)
    np.testing.assert_array_equal(np.bincount(turns), 100)
    for turn in range(N_RANGES):
        drawn = weights[turns == turn]
        assert edges[turn] <= drawn.min()
        assert drawn.max() <= edges[turn + 1]


def test_loss_is_the_objective_at_the_weight_of_the_batch():
    rng = np.random.default_rng(0)
    y, groups = (torch.as_tensor(rng.integers(2, size=30)) for _ in range(2))
    logits, weight = torch.randn(30, 2), torch.tensor(0.7)
    criterion = ConditionedLoss(2, 2, penalty=DefinitionPenalty())
    loss = criterion((logits, weight, 1), y, groups)
    penalty = DefinitionPenalty()(logits.softmax(1), y, groups, n_groups=2)
    expected = (functional.cross_entropy(logits, y) + 0.7 * penalty) / 1.7
    torch.testing.assert_close(loss, expected)


def test_averages_of_counts_are_kept_apart_by_range():
    y, groups = torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1])
    criterion = ConditionedLoss(2, 2, penalty=DefinitionPenalty(window=10))
    unfair = torch.tensor([[0.0, 9.0], [0.0, 9.0], [9.0, 0.0], [9.0, 0.0]])
    for _ in range(3):
        criterion((unfair, torch.tensor(1.0), 0), y, groups)
        criterion((torch.zeros(4, 2), torch.tensor(1.0), 1), y, groups)
        assert criterion.last_penalty == 0


def test_no_hidden_layer_raises(biased):
    X, y, groups = biased
    clf = ConditionedFairMLPClassifier(**{**QUICK, "hidden_layer_sizes": ()})
    with pytest.raises(ValueError, match="needs a hidden layer"):
        clf.fit(X, y, sensitive_features=groups)


def test_same_seed_same_network_and_any_penalty(biased):
    X, y, groups = biased
    clf = ConditionedFairMLPClassifier(**QUICK, fairness=["equalized_odds", "hsic"])
    one = clf.fit(X, y, sensitive_features=groups).predict_proba(X)
    two = clone(clf).fit(X, y, sensitive_features=groups).predict_proba(X)
    np.testing.assert_array_equal(one, two)
