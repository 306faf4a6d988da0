"""Training steps on the `meta` device, whose tensors have no values to be read.

Whatever makes a host wait for a GPU raises there: `item`, a condition on a tensor, an
index by a mask, a copy to the host. So does a tensor that a step leaves on the CPU.
"""

from collections import deque
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from sklearn.base import clone

from fairsk.inprocessing import (
    AdversarialClassifier,
    AdversarialRegressor,
    ConditionedFairMLPClassifier,
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairMLPRegressor,
    FairNetClassifierCV,
    GroupDROClassifier,
    LagrangianNetClassifier,
    LipschitzPairing,
    MinimaxClassifier,
)
from fairsk.inprocessing import _stacked as stacked
from fairsk.inprocessing._batches import Batches, GroupedDataset
from fairsk.inprocessing._net import FairNet
from fairsk.penalties import CovariancePenalty, MemoryPenalty
from tests.common.devices import NoUploads

QUICK = {"batch_size": 150, "max_iter": 1, "random_state": 0, "device": "cpu"}

NETWORKS = {
    "classifier": FairMLPClassifier(8, **QUICK),
    "classifier with a memory": FairMLPClassifier(
        8, fairness=MemoryPenalty("wasserstein"), **QUICK
    ),
    "class weights": FairMLPClassifier(8, class_weight="balanced", **QUICK),
    "attacks": FairMLPClassifier(
        8, robustness_epsilon=0.1, robustness_steps=2, **QUICK
    ),
    "mixup": FairMLPClassifier(8, mixup_alpha=1.0, **QUICK),
    "pairs": FairMLPClassifier(8, individual_fairness=LipschitzPairing(), **QUICK),
    "regressor": FairMLPRegressor(8, **QUICK),
    "adversary, projection": AdversarialClassifier(8, method="projection", **QUICK),
    "adversary, reversal": AdversarialClassifier(8, method="reversal", **QUICK),
    "adversary of a regressor": AdversarialRegressor(8, **QUICK),
    "group DRO": GroupDROClassifier(8, **QUICK),
    "minimax": MinimaxClassifier(8, **QUICK),
    "tolerance": LagrangianNetClassifier(**QUICK),
    "conditioned": ConditionedFairMLPClassifier(8, **QUICK),
}


@pytest.fixture
def few(biased):
    return [column[:300] for column in biased]


def on_meta(dataset):
    columns = (dataset.X, dataset.y, dataset.groups, dataset.sample_weight)
    return GroupedDataset(*(c if c is None else c.to("meta") for c in columns))


def move(module):
    """Move a module, and what it was given on the device rather than moved to it."""
    for part in module.to("meta").modules():
        move_attributes(part)


def move_attributes(owner):
    for name, value in vars(owner).items():
        if isinstance(value, torch.Tensor):
            setattr(owner, name, value.to("meta"))
        elif isinstance(value, deque):
            value.clear()


def steps_on_meta(estimator, X, y, groups, weight=None):
    """Losses of an epoch of steps on the meta device, after a fit on the CPU."""
    estimator.fit(X, y, sensitive_features=groups, sample_weight=weight)
    codes = np.unique(groups, return_inverse=True)[1]
    device, net = torch.device("cpu"), estimator.net_
    dataset = estimator._make_dataset(X.astype("f4"), y, codes, weight, device)
    net.device = "meta"
    for module in (net.module_, net.criterion_):
        move(module)
    for term in net.loss_terms:
        move_attributes(term)
    net._initialize_optimizer()
    for group in net.optimizer_.param_groups:
        group["fused"] = False  # which this device has not
    net._set_training(True)
    for number, batch in enumerate(Batches(on_meta(dataset), 150)):
        net.notify("on_batch_begin", batch=batch, training=True)
        # Constants go to the device in the first step and stay there.
        with NoUploads() if number else nullcontext():
            step = net.train_step(batch)
        net.notify("on_batch_end", batch=batch, training=True, **step)
        yield step["loss"]


@pytest.mark.filterwarnings("ignore")  # of what one epoch does not reach
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_of_a_network_reads_nothing_back(few, name, weighted):
    weight = np.linspace(0.5, 2, 300).astype("f4") if weighted else None
    losses = list(steps_on_meta(clone(NETWORKS[name]), *few, weight))
    assert len(losses) == 2
    assert all(loss.is_meta for loss in losses)


class Reading(CovariancePenalty):
    def forward(self, y_score, *args, **kwargs):
        return super().forward(y_score, *args, **kwargs) / y_score.mean().item()


class Writing(CovariancePenalty):
    def forward(self, y_score, *args, **kwargs):
        return super().forward(y_score, *args, **kwargs) * y_score.new_tensor(2.0)


@pytest.mark.parametrize(
    ("penalty", "message"), [(Reading(), "meta tensors"), (Writing(), "copies numbers")]
)
def test_a_step_that_waits_is_found(few, penalty, message):
    estimator = FairMLPClassifier(8, fairness=penalty, **QUICK)
    with pytest.raises(RuntimeError, match=message):
        list(steps_on_meta(estimator, *few))


@pytest.mark.parametrize(
    "path",
    [
        FairMLPClassifierCV([0.0, 1.0], 8, cv=2, **QUICK),
        FairMLPClassifierCV([0.0, 1.0], 8, cv=2, class_weight="balanced", **QUICK),
        FairNetClassifierCV(torch.nn.Linear(6, 2), [0.0, 1.0], cv=2, **QUICK),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_step_of_a_path_reads_nothing_back(few, monkeypatch, path, weighted):
    X, y, groups = few
    step, seen = stacked._step, {}

    def watched(stack, batches, loss, optimizer, terms):
        seen.update(stack=stack, batches=batches, loss=loss)
        return step(stack, batches, loss, optimizer, terms)

    monkeypatch.setattr(stacked, "_step", watched)
    weight = np.linspace(0.5, 2, len(y)) if weighted else None
    path.fit(X, y, sensitive_features=groups, sample_weight=weight)
    stack, loss = seen["stack"], seen["loss"]
    stack.parameters = [
        p.detach().to("meta").requires_grad_() for p in stack.parameters
    ]
    move_attributes(loss)
    move(loss.penalty)
    batches = [on_meta(GroupedDataset(**X, y=y))[:] for X, y in seen["batches"]]
    optimizer = torch.optim.Adam(stack.parameters)
    step(stack, batches, loss, optimizer)
    with NoUploads():
        total, penalty = step(stack, batches, loss, optimizer)
    assert total.is_meta
    assert penalty.is_meta


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_gpu_is_not_waited_for_in_a_step(few, monkeypatch, name):
    train_step = FairNet.train_step

    def strict(self, batch, **kwargs):
        torch.cuda.set_sync_debug_mode("error")
        try:
            return train_step(self, batch, **kwargs)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(FairNet, "train_step", strict)
    X, y, groups = few
    estimator = clone(NETWORKS[name]).set_params(device="cuda")
    estimator.fit(X, y, sensitive_features=groups)
    assert next(estimator.net_.module_.parameters()).is_cuda
