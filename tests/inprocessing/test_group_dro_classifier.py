"""GroupDROClassifier against the minimax solution, and its weights by hand."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import expit

from fairsk.inprocessing import FairMLPClassifier, GroupDROClassifier
from fairsk.inprocessing._objectives import GroupDROLoss

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


def group_losses(parameters, X, y, groups):
    """Mean cross entropy of a linear model in each group."""
    margin = (X @ parameters[:-1] + parameters[-1]) * np.where(y == 1, 1, -1)
    losses = -np.log(expit(margin))
    return np.array([losses[groups == g].mean() for g in np.unique(groups)])


def minimax_loss(X, y, groups, margins=0.0):
    """min over linear models of max over groups, as an epigraph, by SLSQP."""
    n = X.shape[1] + 1
    constraint = {
        "type": "ineq",
        "fun": lambda v: v[-1] - group_losses(v[:n], X, y, groups) - margins,
    }
    start = np.append(np.zeros(n), 1.0)
    result = minimize(lambda v: v[-1], start, constraints=[constraint], method="SLSQP")
    assert result.success
    return result.x[-1]


def losses_of(clf, X, y, groups):
    y_score = clf.predict_proba(X)[np.arange(len(y)), y]
    return np.array([-np.log(y_score[groups == g]).mean() for g in np.unique(groups)])


@pytest.mark.parametrize("adjustment", [0.0, 2.0])
def test_linear_model_ends_at_the_minimax_solution(conflicting, adjustment):
    X, y, groups = conflicting
    margins = adjustment / np.sqrt([180, 60])
    clf = GroupDROClassifier(
        **EXACT,
        step_size=0.2,
        adjustment=adjustment,
        learning_rate_init=0.1,
        max_iter=200,
    ).fit(X, y, sensitive_features=groups)
    expected = minimax_loss(X, y, groups, margins)
    worst = (losses_of(clf, X, y, groups) + margins).max()
    assert worst == pytest.approx(expected, abs=2e-3)
    plain = FairMLPClassifier(
        **EXACT, fairness_weight=0, learning_rate_init=0.1, max_iter=60
    ).fit(X, y, sensitive_features=groups)
    assert (losses_of(plain, X, y, groups) + margins).max() > expected + 0.05


@pytest.mark.parametrize("by_label", [False, True])
def test_step_of_the_weights_is_the_formula_by_hand(by_label):
    rng = np.random.default_rng(0)
    n, eta, adjustment = 40, 0.3, 1.5
    y, groups, weight = rng.integers(2, size=n), rng.integers(3, size=n), rng.random(n)
    logit = rng.normal(size=n)
    criterion = GroupDROLoss(
        2, 3, by_label=by_label, step_size=eta, adjustment=adjustment
    )
    tensors = [torch.as_tensor(a) for a in (logit, y, groups, weight)]

    class Data:
        X, y, groups, sample_weight = tensors

    criterion.prepare(Data, 1)
    loss = criterion(*tensors)
    cells = groups * 2 + y if by_label else groups
    losses = np.logaddexp(0, -logit * np.where(y == 1, 1, -1))
    means, sizes = [], []
    for cell in range(6 if by_label else 3):
        member = cells == cell
        means.append(np.average(losses[member], weights=weight[member]))
        sizes.append(weight[member].sum())
    q = np.exp(eta * (np.array(means) + adjustment / np.sqrt(sizes)))
    q /= q.sum()
    np.testing.assert_allclose(criterion.log_weights.exp().numpy(), q)
    assert loss.item() == pytest.approx(q @ means)


def test_cell_that_is_missing_from_a_batch_keeps_its_loss():
    criterion = GroupDROLoss(2, 2, step_size=1.0)
    y = torch.tensor([0, 1, 1, 0])
    logit = torch.tensor([0.0, -3.0, 1.0, 2.0], dtype=torch.float64)
    groups = torch.tensor([0, 0, 1, 1])

    class Data:
        X, sample_weight = logit, torch.ones(4, dtype=torch.float64)

    Data.y, Data.groups = y, groups
    criterion.prepare(Data, 2)
    criterion(logit, y, groups)
    before = criterion.cell_losses.clone()
    criterion(logit[2:], y[2:], groups[2:])
    assert criterion.cell_losses[0] == before[0]
    assert torch.isfinite(criterion.log_weights).all()


def test_cells_without_samples_have_no_weight(biased):
    X, y, groups = biased
    alone = np.where((y == 0) & (groups == 1), 0, groups)
    clf = GroupDROClassifier(**QUICK, cells="group_and_label")
    clf.fit(X, y, sensitive_features=alone)
    assert clf.cell_labels_ == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert clf.cell_weights_[2] == 0
    assert clf.cell_weights_.sum() == pytest.approx(1)
    assert np.isfinite(clf.predict_proba(X)).all()


def test_group_that_is_harder_to_serve_weighs_more(conflicting):
    X, y, groups = conflicting
    clf = GroupDROClassifier(
        **{**QUICK, "max_iter": 30}, step_size=0.1, learning_rate_init=0.02
    ).fit(X, y, sensitive_features=groups)
    # A quarter of the samples has most of the weight.
    assert clf.cell_weights_[1] > 0.5


def test_weight_two_is_the_row_twice(conflicting):
    X, y, groups = conflicting
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted, repeated = (GroupDROClassifier(**EXACT, max_iter=20) for _ in range(2))
    weighted.fit(X, y, sensitive_features=groups, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    repeated.fit(X[rows], y[rows], sensitive_features=groups[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9
    )


def test_early_stopping_keeps_the_epoch_whose_worst_cell_is_best(conflicting):
    X, y, groups = conflicting
    clf = GroupDROClassifier(
        **{**QUICK, "max_iter": 15}, early_stopping=True, validation_fraction=0.3
    ).fit(X, y, sensitive_features=groups)
    worst = [row["worst_loss"] for row in clf.history_]
    assert clf._readings["worst_loss"] == min(worst)


def test_early_stopping_reads_losses_without_the_adjustment(conflicting):
    X, y, groups = conflicting
    params = {**QUICK, "max_iter": 3, "step_size": 0.0, "early_stopping": True}
    # Weights that stand still: the adjustment cannot change the training.
    plain, adjusted = (
        GroupDROClassifier(**params, adjustment=c).fit(X, y, sensitive_features=groups)
        for c in (0.0, 5.0)
    )
    assert plain.history_ == adjusted.history_


def test_divergence_ends_with_the_epoch_before(biased):
    X, y, groups = biased

    class Breaks(torch.optim.SGD):
        n_steps = 0

        def step(self, closure=None):
            loss = super().step(closure)
            self.n_steps += 1
            if self.n_steps > 12:
                with torch.no_grad():
                    self.param_groups[0]["params"][0].fill_(torch.nan)
            return loss

    clf = GroupDROClassifier(**QUICK, optimizer=Breaks, batch_size=64)
    with pytest.warns(UserWarning, match="not finite in epoch 2"):
        clf.fit(X, y, sensitive_features=groups)
    assert np.isfinite(clf.predict_proba(X)).all()
