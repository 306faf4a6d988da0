"""What the objectives share: one logit or two, counts, and hooks of callbacks."""

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from fairsk.definitions import get_definition, group_counts
from fairsk.inprocessing import FairMLPClassifier
from fairsk.inprocessing._adversarial_objective import AdversarialLoss
from fairsk.inprocessing._batches import GroupedDataset
from fairsk.inprocessing._objectives import GroupDROLoss, LagrangianLoss, MinimaxLoss

N_SAMPLES, N_GROUPS = 60, 3


def make_dataset(seed=0, weighted=True):
    rng = np.random.default_rng(seed)
    return GroupedDataset(
        torch.as_tensor(rng.normal(size=(N_SAMPLES, 2))),
        torch.as_tensor(rng.integers(2, size=N_SAMPLES)),
        torch.as_tensor(rng.integers(N_GROUPS, size=N_SAMPLES)),
        torch.as_tensor(rng.uniform(0.5, 1.5, N_SAMPLES)) if weighted else None,
    )


def lagrangian(n_classes, n_groups):
    definition = get_definition("equalized_odds")
    return LagrangianLoss(definition, n_classes, n_groups, tolerance=0.01)


def adversarial(n_classes, n_groups):
    torch.manual_seed(0)
    strata = np.ones((1, n_classes), dtype=bool)
    loss = AdversarialLoss(n_classes, n_groups, n_inputs=1, strata=strata, hidden=[4])
    torch.nn.init.normal_(loss.adversary[-1].weight)
    loss.weight = 0.7
    return loss


MAKERS = {
    "dro": lambda k, g: GroupDROLoss(k, g, step_size=0.5, by_label=True),
    "minimax": lambda k, g: MinimaxLoss(k, g, step_size=0.5),
    "bounded": lambda k, g: MinimaxLoss(k, g, bound=0.1, error="log_loss"),
    "lagrangian": lagrangian,
    "adversarial": adversarial,
}


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("class_weight", [None, torch.tensor([0.3, 2.0]).double()])
def test_one_logit_is_a_logit_of_each_class_less_the_other(
    name, weighted, class_weight
):
    results = []
    for both in (False, True):
        criterion = MAKERS[name](2, N_GROUPS)
        dataset = make_dataset(weighted=weighted)
        criterion.prepare(dataset, 4)
        criterion.class_weight = class_weight
        rng, rows = np.random.default_rng(1), []
        for _ in range(3):  # what the other player holds moves too
            logit = torch.tensor(rng.normal(size=N_SAMPLES), requires_grad=True)
            zero = torch.zeros(N_SAMPLES).double()
            y_pred = torch.stack((zero, logit), dim=1) if both else logit[:, None]
            loss = criterion(y_pred, dataset.y, dataset.groups, dataset.sample_weight)
            loss.backward()
            rows += [loss.detach(), *logit.grad]
        results.append(torch.stack(rows))
    torch.testing.assert_close(*results, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_counts_of_the_lagrangian_are_group_counts(n_classes):
    rng = np.random.default_rng(0)
    criterion = lagrangian(n_classes, N_GROUPS).double()
    logits = torch.tensor(rng.normal(size=(N_SAMPLES, n_classes)))
    y = torch.as_tensor(rng.integers(n_classes, size=N_SAMPLES))
    groups = torch.as_tensor(rng.integers(N_GROUPS, size=N_SAMPLES))
    weight = torch.as_tensor(rng.random(N_SAMPLES))
    counts = criterion._counts(logits, y, groups, weight)
    expected = group_counts(
        groups.numpy(), y.numpy(), logits.argmax(1).numpy(),
        n_groups=N_GROUPS, n_classes=n_classes, sample_weight=weight.numpy(),
    )  # fmt: skip
    np.testing.assert_allclose(counts.view(expected.shape).numpy(), expected)


def test_a_rate_that_a_group_lacks_leaves_the_lagrangian_finite():
    criterion = lagrangian(2, 3).double()
    logit = torch.zeros(4, dtype=torch.double, requires_grad=True)
    y, groups = torch.tensor([0, 1, 0, 0]), torch.tensor([0, 0, 1, 1])
    for _ in range(3):
        criterion(logit, y, groups).backward()
    assert torch.isfinite(logit.grad).all()
    assert torch.isfinite(criterion.multipliers).all()
    # Nobody but group 0 has a true positive rate, which alone compares nothing.
    assert not criterion.multipliers[:, 0].any()


class Listener(Callback):
    """Notes the hooks of a batch."""

    def __init__(self):
        self.heard = []

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        self.heard.append("begin")

    def on_grad_computed(self, net, named_parameters, batch=None, **kwargs):
        names = [name for name, _ in named_parameters]
        self.heard.append(names[0])

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        self.heard.append(len(net.history[-1, "batches"]))


def test_callbacks_hear_every_hook_of_a_batch(biased):
    X, y, groups = biased
    listener = Listener()
    clf = FairMLPClassifier(
        4, batch_size=-(-len(y) // 2), max_iter=1, callbacks=[listener], device="cpu"
    )
    clf.fit(X, y, sensitive_features=groups)
    listener = dict(clf.net_.callbacks_)["Listener"]
    assert listener.heard == ["begin", "0.weight", 1, "begin", "0.weight", 2]
