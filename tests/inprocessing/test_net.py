"""Loss, logits and callbacks of the net."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from fairsk.inprocessing._losses import (
    PenalizedLoss,
    class_logits,
    class_probabilities,
)
from fairsk.inprocessing._net import CosineDecay
from fairsk.penalties import DefinitionPenalty


def target(n=20, n_classes=2, seed=0, weighted=False):
    rng = np.random.default_rng(seed)
    weight = torch.as_tensor(rng.random(n)) if weighted else None
    y_true, groups = rng.integers(n_classes, size=n), rng.integers(2, size=n)
    return torch.as_tensor(y_true), torch.as_tensor(groups), weight


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_one_logit_is_the_binary_cross_entropy(shape):
    logit = torch.randn(shape, dtype=torch.float64)
    batch = target()
    loss = PenalizedLoss(DefinitionPenalty(), 2, 2, fairness_weight=0.0)(logit, *batch)
    expected = functional.binary_cross_entropy_with_logits(
        logit.ravel(), batch[0].double()
    )
    torch.testing.assert_close(loss, expected)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [True, False])
def test_loss_is_mean_cross_entropy_plus_weighted_penalty(n_classes, weighted):
    logits = torch.randn((20, n_classes), dtype=torch.float64)
    y_true, groups, weight = target(n_classes=n_classes, weighted=weighted)
    penalty = DefinitionPenalty("equalized_odds")
    criterion = PenalizedLoss(penalty, n_classes, 2, fairness_weight=0.7)
    loss = criterion(logits, y_true, groups, weight)
    losses = functional.cross_entropy(logits, y_true, reduction="none")
    ones = torch.ones(20) if weight is None else weight
    gap = penalty(logits.softmax(1), y_true, groups, weight, n_groups=2)
    torch.testing.assert_close(loss, (losses * ones).mean() + 0.7 * gap)
    assert criterion.last_penalty == gap


def test_penalty_of_a_single_group_is_never_computed():
    def fail(*args, **kwargs):
        raise AssertionError

    criterion = PenalizedLoss(fail, 2, 1, fairness_weight=5.0)
    criterion(torch.zeros(20), *target())


@pytest.mark.parametrize(
    ("shape", "n_classes"),
    [((20, 3), 2), ((20, 1), 3), ((20,), 3), ((19, 2), 2), ((20, 2, 1), 2), ((), 2)],
)
def test_wrong_shape_of_logits_raises(shape, n_classes):
    with pytest.raises(ValueError, match=r"must return logits of shape .* Got shape"):
        class_logits(torch.zeros(shape), 20, n_classes)


def test_first_output_of_a_tuple_is_the_logits():
    logits = torch.randn(20, 2)
    assert class_logits((logits, None), 20, 2) is logits


@pytest.mark.parametrize("shape", [(9,), (9, 1), (9, 2), (9, 4)])
def test_probabilities_are_the_softmax_of_the_logits(shape):
    output = torch.randn(shape)
    y_score = class_probabilities(output)
    n_classes = max(2, math.prod(shape[1:]))
    expected = class_logits(output.double(), 9, n_classes).softmax(dim=1)
    torch.testing.assert_close(y_score, expected)
    torch.testing.assert_close(y_score.sum(dim=1), torch.ones(9, dtype=torch.float64))


def test_cosine_decay_falls_from_one_to_almost_zero_and_comes_back():
    class Net:
        optimizer_ = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)

    decay, rates = CosineDecay(4), []
    decay.on_train_begin(Net)
    for _ in range(4):
        decay.on_epoch_begin(Net)
        rates.append(Net.optimizer_.param_groups[0]["lr"])
    decay.on_train_end(Net)
    expected = [0.25 * (1 + math.cos(math.pi * t / 4)) for t in range(4)]
    assert rates == pytest.approx(expected)
    assert Net.optimizer_.param_groups[0]["lr"] == 0.5
