"""LagrangianNetClassifier: tolerances by independent metrics, steps by hand."""

import numpy as np
import pytest
import torch

from fairsk.definitions import DEFINITIONS, get_definition, group_counts
from fairsk.inprocessing import FairMLPClassifier, LagrangianNetClassifier
from fairsk.inprocessing._objectives import LagrangianLoss

QUICK = {"max_iter": 5, "random_state": 0, "device": "cpu"}
LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)


def net(n_features, n_classes=2, hidden=16):
    return torch.nn.Sequential(
        torch.nn.Linear(n_features, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, n_classes),
    )


def disparity(fairness, y, y_pred, groups):
    counts = group_counts(
        groups, y, y_pred, n_groups=groups.max() + 1, n_classes=y.max() + 1
    )
    return get_definition(fairness).disparity(counts)


@pytest.mark.parametrize("fairness", LINEAR)
def test_tolerance_holds_for_the_predicted_classes(biased, fairness):
    X, y, groups = biased
    clf = LagrangianNetClassifier(
        net,
        fairness=fairness,
        tolerance=0.05,
        max_iter=40,
        learning_rate_init=0.01,
        random_state=0,
        device="cpu",
    ).fit(X, y, sensitive_features=groups)
    reached = disparity(fairness, y, clf.predict(X), groups)
    assert reached == pytest.approx(clf.disparity_, abs=1e-6)
    assert reached <= 0.05
    assert clf.score(X, y) > 0.65


def test_loose_tolerance_is_the_plain_network(biased):
    X, y, groups = biased
    params = {
        "max_iter": 20,
        "random_state": 0,
        "device": "cpu",
        "batch_size": 10_000,
        "dtype": "float64",
    }
    clf = LagrangianNetClassifier(tolerance=1.0, **params)
    clf.fit(X, y, sensitive_features=groups)
    plain = FairMLPClassifier(fairness_weight=0, alpha=0.0, **params)
    plain.fit(X, y, sensitive_features=groups)
    assert not clf.multipliers_.any()
    np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), rtol=1e-9)


def test_accuracy_is_that_of_the_best_penalty_within_the_tolerance(biased):
    X, y, groups = biased
    clf = LagrangianNetClassifier(tolerance=0.1, random_state=0, device="cpu")
    clf.fit(X, y, sensitive_features=groups)
    best = 0.0
    for weight in (0.3, 0.5, 1.0, 2.0):
        other = FairMLPClassifier(
            fairness_weight=weight, random_state=0, device="cpu"
        ).fit(X, y, sensitive_features=groups)
        if disparity("demographic_parity", y, other.predict(X), groups) <= 0.1:
            best = max(best, other.score(X, y))
    assert best > 0.6
    assert clf.score(X, y) > best - 0.02


def test_step_is_the_formula_by_hand():
    rng = np.random.default_rng(0)
    n, tolerance, eta, rho = 60, 0.05, 0.3, 2.0
    y, groups = rng.integers(2, size=n), rng.integers(3, size=n)
    logit = torch.tensor(rng.normal(size=n) + groups, requires_grad=True)
    definition = get_definition("equalized_odds")
    criterion = LagrangianLoss(
        definition, 2, 3, tolerance=tolerance, step_size=eta, damping=rho
    ).double()
    y_true, codes = torch.as_tensor(y), torch.as_tensor(groups)
    loss = criterion(logit, y_true, codes)
    z = logit.detach().numpy()
    p = 1 / (1 + np.exp(-z))
    expected = np.logaddexp(0, -z * np.where(y == 1, 1, -1)).mean()
    slope = (p - y) / n
    for label in (1, 0):  # true positive rates, then false positive rates
        inside = [(groups == g) & (y == label) for g in range(3)]
        hard = np.array([(z[rows] > 0).mean() for rows in inside])
        middle = (hard.max() + hard.min()) / 2
        above = hard - middle - tolerance / 2
        below = middle - hard - tolerance / 2
        multipliers = [np.maximum(eta * v, 0) for v in (above, below)]
        price = np.maximum(multipliers[0] + rho * above, 0)
        price = price - np.maximum(multipliers[1] + rho * below, 0)
        row = 0 if label else 1
        np.testing.assert_allclose(criterion.multipliers[:, row].numpy(), multipliers)
        expected += price @ [p[rows].mean() for rows in inside]
        for one, rows in zip(price, inside):
            slope = slope + one * rows / rows.sum() * p * (1 - p)
    assert loss.item() == pytest.approx(expected)
    loss.backward()
    np.testing.assert_allclose(logit.grad.numpy(), slope, atol=1e-12)


def test_tolerance_out_of_reach_warns_of_the_disparity_that_was_reached(biased):
    X, y, groups = biased
    clf = LagrangianNetClassifier(tolerance=0.0, **QUICK)
    with pytest.warns(UserWarning, match=r"Got 0.0; the smallest disparity"):
        clf.fit(X, y, sensitive_features=groups)
    reached = disparity("demographic_parity", y, clf.predict(X), groups)
    assert clf.disparity_ == pytest.approx(reached, abs=1e-6)
    assert clf.disparity_ == min(row["disparity"] for row in clf.history_)


def test_definition_that_is_not_linear_raises_and_names_those_that_are(biased):
    X, y, groups = biased
    for fairness in sorted(set(DEFINITIONS) - set(LINEAR)):
        with pytest.raises(ValueError, match="Take one of"):
            LagrangianNetClassifier(fairness=fairness, **QUICK).fit(
                X, y, sensitive_features=groups
            )


def test_prefixed_parameters_reach_module_and_optimizer(biased):
    X, y, groups = biased
    clf = LagrangianNetClassifier(
        net,
        tolerance=0.9,
        module__hidden=3,
        optimizer="sgd",
        optimizer__momentum=0.5,
        **QUICK,
    ).fit(X, y, sensitive_features=groups)
    assert clf.net_.module_[0].out_features == 3
    assert clf.net_.optimizer_.param_groups[0]["momentum"] == 0.5
    assert clf.get_params()["module__hidden"] == 3


def test_multiclass_and_three_groups_train(biased):
    X, y, groups = biased
    y = y + (X[:, 1] > 0.5)
    groups = groups + (X[:, 2] > 1)
    clf = LagrangianNetClassifier(
        fairness="equalized_odds", tolerance=0.9, **QUICK
    ).fit(X, y, sensitive_features=groups)
    assert clf.multipliers_.shape == (6, 3)
    reached = disparity("equalized_odds", y, clf.predict(X), groups)
    assert clf.disparity_ == pytest.approx(reached, abs=1e-6)
