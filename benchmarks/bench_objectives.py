"""What training on objectives with a second player costs over bare torch loops."""

import math

import numpy as np
import torch
from torch.nn import functional

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry
from fairsk.inprocessing import (
    AdversarialClassifier,
    ConditionedFairMLPClassifier,
    GroupDROClassifier,
    LagrangianNetClassifier,
    MinimaxClassifier,
)
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import DefinitionPenalty

_HIDDEN = (64, 32)
_BATCH_SIZES = (256, 1024)
_BARE = "bare torch loop"


def run(size, context):
    """Rows of one epoch of each estimator at two batch sizes."""
    train, _, _ = split("adult/sex", 0, n_rows=size)
    X = make_encoder().fit_transform(train.X).astype(np.float32)
    codes = np.unique(train.group, return_inverse=True)[1]
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [
            {"estimator": name, "batch_size": batch_size, **row}
            for batch_size in _BATCH_SIZES
            for name, cases in epoch_cases(X, train.y, codes, batch_size).items()
            for row in context.compare(cases, reference=_BARE)
        ]
    finally:
        torch.set_num_threads(n_threads)


def epoch_cases(X, y, codes, batch_size):
    """Two callables for each objective that train the same network for an epoch."""
    estimators = {
        "GroupDRO": (GroupDROClassifier(), _bare_group_dro),
        "Minimax": (MinimaxClassifier(), _bare_minimax),
        "Lagrangian": (LagrangianNetClassifier(), _bare_lagrangian),
        "Adversarial, reversal": (
            AdversarialClassifier(method="reversal", **_PLAYING),
            _bare_reversal,
        ),
        "Adversarial, projection": (
            AdversarialClassifier(method="projection", **_PLAYING),
            _bare_projection,
        ),
        "Conditioned": (ConditionedFairMLPClassifier(), _bare_conditioned),
    }
    return {
        name: {
            _BARE: bare(_Loop(X, y, codes, batch_size)),
            "ours": _estimator_epoch(estimator, X, y, codes, batch_size),
        }
        for name, (estimator, bare) in estimators.items()
    }


# The game is on in every epoch that is timed.
_PLAYING = {"pretrain": 0.0, "schedule": "constant"}


def _estimator_epoch(estimator, X, y, codes, batch_size):
    estimator.set_params(
        batch_size=batch_size, max_iter=2, random_state=0, device="cpu"
    )
    net = estimator.fit(X, y, sensitive_features=codes).net_
    dataset = estimator._make_dataset(X, y, codes, None, torch.device("cpu"))
    iterator = net.get_iterator(dataset, training=True)

    def epoch():  # the body of the net's loop, callbacks included
        net.notify("on_epoch_begin", dataset_train=dataset, dataset_valid=None)
        net.run_single_epoch(iterator, True, "train", net.train_step)
        net.notify("on_epoch_end", dataset_train=dataset, dataset_valid=None)

    net.notify("on_train_begin")
    return epoch


class _Loop:
    """Tensors, a network and its optimizer, and a loop over permuted batches."""

    def __init__(self, X, y, codes, batch_size):
        self.X = torch.from_numpy(X)
        self.y = torch.from_numpy(y).long()
        self.target = self.y.float()
        self.codes = torch.from_numpy(codes)
        self.member = functional.one_hot(self.codes).float()
        self.batch_size = batch_size
        self.module = MultilayerPerceptron([X.shape[1], *_HIDDEN, 1], "relu")

    def adam(self, *groups):
        groups = [{"params": list(self.module.parameters())}, *groups]
        return torch.optim.Adam(groups, lr=3e-3, weight_decay=1e-4, fused=True)

    def batches(self):
        return torch.randperm(len(self.X)).split(self.batch_size)

    def losses(self, rows):
        logit = self.module(self.X[rows])[:, 0]
        losses = functional.binary_cross_entropy_with_logits(
            logit, self.target[rows], reduction="none"
        )
        return logit, losses

    def epoch(self, loss_of, after=None, optimizer=None):
        """An epoch that descends on the loss of the rows of each batch."""
        optimizer = optimizer or self.adam()

        def epoch():
            for rows in self.batches():
                loss = loss_of(rows)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if after is not None:
                with torch.inference_mode():
                    after()

        return epoch

    def everything(self):
        """Logits and losses of all samples, for a judgement."""
        parts = [self.losses(rows) for rows in torch.arange(len(self.X)).split(4096)]
        return (torch.cat(part) for part in zip(*parts))


def _bare_group_dro(loop):
    weights = torch.full((2,), 0.5)

    def loss_of(rows):
        nonlocal weights
        _, losses = loop.losses(rows)
        member = loop.member[rows]
        means = losses @ member / member.sum(0)
        weights = weights * (0.01 * means.detach()).exp()
        weights = weights / weights.sum()
        return weights @ means

    return loop.epoch(loss_of)


def _bare_minimax(loop):
    weights, average = torch.full((2,), 0.5), torch.zeros(3, 2)

    def loss_of(rows):
        nonlocal weights, average
        logit, losses = loop.losses(rows)
        wrong = ((logit > 0) != loop.y[rows]).float()
        sums = torch.stack([losses, wrong, torch.ones_like(losses)]) @ loop.member[rows]
        average = average.lerp(sums.detach(), 0.1)
        means = (average + sums - sums.detach())[:2] / average[2]
        weights = weights * (0.1 * means[1].detach()).exp()
        weights = weights / weights.sum()
        return weights @ means[0]

    def judge():
        logit, losses = loop.everything()
        wrong = ((logit > 0) != loop.y).float()
        errors = wrong @ loop.member / loop.member.sum(0)
        return errors.max().item(), losses.mean().item()

    return loop.epoch(loss_of, judge)


def _bare_lagrangian(loop):
    multipliers, average = torch.zeros(2, 2), torch.zeros(3, 2)

    def loss_of(rows):
        nonlocal multipliers, average
        logit, losses = loop.losses(rows)
        columns = [logit.sigmoid(), (logit > 0).float(), torch.ones_like(logit)]
        sums = torch.stack(columns) @ loop.member[rows]
        average = average.lerp(sums.detach(), 0.1)
        soft, hard = (average + sums - sums.detach())[:2] / average[2]
        hard = hard.detach()
        deviation = hard - (hard.max() + hard.min()) / 2
        excess = torch.stack([deviation, -deviation]) - 0.01
        multipliers = (multipliers + 0.3 * excess).relu()
        prices = (multipliers + 5 * excess).relu()
        return losses.mean() + (prices[0] - prices[1]) @ soft

    def judge():
        logit, losses = loop.everything()
        rates = (logit > 0).float() @ loop.member / loop.member.sum(0)
        return (rates.max() - rates.min()).item(), losses.mean().item()

    return loop.epoch(loss_of, judge)


def _adversary(loop):
    """An adversary of the score, and what it knows of the rows of a batch."""
    adversary = MultilayerPerceptron([2, 32, 2], "tanh")
    sizes = loop.member.sum(0)
    share = len(loop.X) / (sizes * 2 * math.log(2))

    def known(score, rows):
        seen = torch.stack([4 * score - 2, torch.ones_like(score)], dim=1)
        groups = loop.codes[rows]
        losses = functional.cross_entropy(adversary(seen), groups, reduction="none")
        return 1 - (losses * share[groups]).mean()

    params = {"params": list(adversary.parameters()), "lr": 0.03, "weight_decay": 0.0}
    return adversary, known, params


def _bare_reversal(loop):
    _, known, params = _adversary(loop)

    def loss_of(rows):
        logit, losses = loop.losses(rows)
        score = logit.sigmoid()
        # The value of the score, and its gradient turned round.
        return losses.mean() - known(2 * score.detach() - score, rows)

    return loop.epoch(loss_of, optimizer=loop.adam(params))


def _bare_projection(loop):
    adversary, known, params = _adversary(loop)
    optimizer = loop.adam(params)
    network, opponent = list(loop.module.parameters()), list(adversary.parameters())

    def epoch():
        for rows in loop.batches():
            logit, losses = loop.losses(rows)
            own = torch.autograd.grad(losses.mean(), network, retain_graph=True)
            theirs = torch.autograd.grad(
                known(logit.sigmoid(), rows), network + opponent
            )
            g = torch.cat([gradient.flatten() for gradient in own])
            h = torch.cat([gradient.flatten() for gradient in theirs[: len(network)]])
            step = g + (1 - g.dot(h) / h.dot(h).clamp(min=1e-30)) * h
            parts = step.split([gradient.numel() for gradient in own])
            for parameter, part in zip(network, parts):
                parameter.grad = part.view_as(parameter)
            for parameter, gradient in zip(opponent, theirs[len(network) :]):
                parameter.grad = -gradient
            optimizer.step()

    return epoch


def _bare_conditioned(loop):
    condition = MultilayerPerceptron([1, 32, 2 * sum(_HIDDEN)], "tanh")
    first, activation, second, _, last = loop.module
    penalties = [DefinitionPenalty().plan(10) for _ in range(4)]
    turn = 0

    def loss_of(rows):
        nonlocal turn
        turn = (turn + 1) % 4
        position = (turn + torch.rand(())) / 4
        weight = 4 * torch.expm1(4 * position) / math.expm1(4)
        changes = condition(2 * position.view(1, 1) - 1)[0].split([*_HIDDEN, *_HIDDEN])
        hidden = changes[2] + (1 + changes[0]) * activation(first(loop.X[rows]))
        hidden = changes[3] + (1 + changes[1]) * activation(second(hidden))
        logit, target = last(hidden)[:, 0], loop.target[rows]
        loss = functional.binary_cross_entropy_with_logits(logit, target)
        penalty = penalties[turn](
            logit.sigmoid(), loop.y[rows], loop.codes[rows], n_groups=2
        )
        return (loss + weight * penalty) / (1 + weight)

    params = {"params": list(condition.parameters())}
    return loop.epoch(loss_of, optimizer=loop.adam(params))


ENTRY = Entry(
    name="objectives",
    title="Objectives with a second player against bare torch loops",
    run=run,
    sizes=(None,),
    bars=(
        Bar(
            "epoch / bare loop", lambda row: row["case"] == "ours", "ratio", at_most=1.3
        ),
    ),
    notes=(
        "An epoch on the training rows of Adult (a 60/20/20 split), one-hot, hidden "
        "layers (64, 32), fused Adam, one thread. The bare loops are written for two "
        "groups, binary labels and demographic parity, and slice ready tensors by a "
        "permuted index; they have no monitor of broken losses, no history and no "
        "weights. Minimax and Lagrangian judge all samples once an epoch, in both."
    ),
)
