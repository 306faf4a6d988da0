"""What training through the estimator costs over a bare torch loop."""

import numpy as np
import torch
from skorch import NeuralNet
from torch.nn import functional

from benchmarks.datasets import make_encoder, split
from benchmarks.objective import Bar, Entry
from fairsk.inprocessing import FairMLPClassifier
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import DefinitionPenalty

_HIDDEN = (64, 32)
_FAIRNESS = "demographic_parity"


def run(size, context):
    """Rows of one epoch at two batch sizes, and of predict_proba."""
    train, validation, test = split("adult/sex", 0, n_rows=size)
    encoder = make_encoder().fit(train.X)
    X = encoder.transform(train.X).astype(np.float32)
    everything = np.concatenate(
        [X, *(encoder.transform(p.X).astype(np.float32) for p in (validation, test))]
    )
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = []
        for batch_size in (256, 1024):
            cases = epoch_cases(X, train.y, train.group, batch_size)
            rows += [
                {"task": "epoch", "batch_size": batch_size, **row}
                for row in context.compare(cases, reference="bare torch loop")
            ]
        cases = predict_cases(X, train.y, train.group, everything)
        rows += [
            {"task": "predict_proba", "batch_size": "", **row}
            for row in context.compare(cases, reference="one forward pass")
        ]
    finally:
        torch.set_num_threads(n_threads)
    return rows


def epoch_cases(X, y, group, batch_size):
    """Callables that train the same network with the same penalty for an epoch."""
    codes = np.unique(group, return_inverse=True)[1]
    return {
        "bare torch loop": _bare_epoch(X, y, codes, batch_size),
        "FairMLPClassifier": _estimator_epoch(X, y, codes, batch_size),
        "skorch as it comes": _skorch_epoch(X, y, codes, batch_size),
    }


def _bare_epoch(X, y, codes, batch_size):
    X, labels = torch.from_numpy(X), torch.from_numpy(y).long()
    groups = torch.from_numpy(codes)
    module = MultilayerPerceptron([X.shape[1], *_HIDDEN, 1], "relu")
    optimizer = torch.optim.Adam(module.parameters(), weight_decay=1e-4, fused=True)
    penalty = DefinitionPenalty(_FAIRNESS)

    def epoch():
        order = torch.randperm(len(X))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            target, logit = labels[rows], module(X[rows])[:, 0]
            loss = functional.binary_cross_entropy_with_logits(logit, target.float())
            loss = loss + penalty(logit.sigmoid(), target, groups[rows], n_groups=2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return epoch


def _estimator_epoch(X, y, codes, batch_size):
    classifier = FairMLPClassifier(
        _HIDDEN,
        fairness=_FAIRNESS,
        batch_size=batch_size,
        max_iter=1,
        random_state=0,
        device="cpu",
    )
    net = classifier.fit(X, y, sensitive_features=codes).net_
    dataset = classifier._make_dataset(X, y, codes, None, torch.device("cpu"))
    iterator = net.get_iterator(dataset, training=True)

    def epoch():  # the body of the net's loop, callbacks included
        net.notify("on_epoch_begin", dataset_train=dataset, dataset_valid=None)
        net.run_single_epoch(iterator, True, "train", net.train_step)
        net.notify("on_epoch_end", dataset_train=dataset, dataset_valid=None)

    return epoch


class _PlainModule(MultilayerPerceptron):
    """The network, given the groups too, which skorch hands to the loss with X."""

    def forward(self, X, groups):
        return super().forward(X)


class _PlainNet(NeuralNet):
    """The penalty in skorch as its documentation would have it."""

    def get_loss(self, y_pred, y_true, X=None, training=False):
        logit = y_pred[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logit, y_true.float())
        penalty = self.criterion_(logit.sigmoid(), y_true, X["groups"], n_groups=2)
        return loss + penalty


def _skorch_epoch(X, y, codes, batch_size):
    net = _PlainNet(
        _PlainModule,
        DefinitionPenalty,
        module__layer_sizes=[X.shape[1], *_HIDDEN, 1],
        module__activation="relu",
        optimizer=torch.optim.Adam,
        optimizer__weight_decay=1e-4,
        optimizer__fused=True,
        lr=1e-3,
        batch_size=batch_size,
        iterator_train__shuffle=True,
        train_split=None,
        max_epochs=1,
        verbose=0,
    ).initialize()
    inputs, labels = {"X": X, "groups": codes}, y.astype(np.int64)
    return lambda: net.partial_fit(inputs, labels)


def predict_cases(X, y, group, everything):
    """Callables that give the probabilities of all rows."""
    classifier = FairMLPClassifier(_HIDDEN, max_iter=1, random_state=0, device="cpu")
    classifier.fit(X, y, sensitive_features=group)
    module, rows = classifier.net_.module_, torch.from_numpy(everything)

    def forward():
        with torch.inference_mode():
            return module(rows).sigmoid()

    return {
        "one forward pass": forward,
        "FairMLPClassifier": lambda: classifier.predict_proba(everything),
        "its net_, a skorch net": lambda: classifier.net_.predict_proba(everything),
    }


def _is_ours(task):
    return lambda row: row["task"] == task and row["case"] == "FairMLPClassifier"


ENTRY = Entry(
    name="epoch",
    title="FairMLPClassifier against a bare torch loop and skorch as it comes",
    run=run,
    sizes=(None,),
    bars=(
        Bar("epoch / bare torch loop", _is_ours("epoch"), "ratio", at_most=1.25),
        Bar(
            "predict_proba / one forward pass",
            _is_ours("predict_proba"),
            "ratio",
            at_most=1.5,
        ),
    ),
    notes=(
        "Adult (the training rows of a 60/20/20 split for epochs, all rows for "
        "predict_proba), one-hot, hidden layers (64, 32), demographic parity penalty, "
        "fused Adam, one thread. The bare loop slices ready tensors by a permuted "
        "index. skorch as it comes has a DataLoader that collates sample by sample. An "
        "epoch of the estimator is that of its skorch net with all callbacks."
    ),
)
