"""What went wrong in training is reported with its epoch and a remedy."""

import numpy as np
import pytest
import torch
from sklearn.base import is_regressor
from skorch.callbacks import Callback

from fairsk.definitions import UndefinedRateWarning, get_definition
from fairsk.inprocessing import (
    AdversarialClassifier,
    AdversarialRegressor,
    ConditionedFairMLPClassifier,
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairMLPRegressor,
    FairNetClassifier,
    GroupDROClassifier,
    LagrangianNetClassifier,
    MinimaxClassifier,
)
from fairsk.inprocessing._adversarial_objective import AdversarialLoss
from fairsk.inprocessing._conditioned_perceptron import ConditionedLoss
from fairsk.inprocessing._objectives import GroupDROLoss, LagrangianLoss, MinimaxLoss
from fairsk.penalties import DefinitionPenalty

QUICK = {"max_iter": 2, "batch_size": 32, "random_state": 0, "device": "cpu"}


class Lacking(Callback):
    """Counts the batches of each epoch without a group, or a class of it."""

    def __init__(self, group, label=None):
        self.group = group
        self.label = label
        self.counts = []

    def on_epoch_begin(self, net, **kwargs):
        self.counts.append(0)

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        samples, y = batch
        own = samples["groups"] == self.group
        if self.label is not None:
            own &= y == self.label
        self.counts[-1] += not own.any()


@pytest.fixture
def rare(biased):
    """Four samples of a third group, two of each class, in 600."""
    X, y, groups = biased
    groups = groups.copy()
    for label in (0, 1):
        groups[np.flatnonzero(y == label)[:2]] = 2
    return X, y, groups


def make_linear(n_features):
    return torch.nn.Linear(n_features, 1)


@pytest.mark.filterwarnings("ignore:The adversary")
@pytest.mark.filterwarnings("ignore:LagrangianNetClassifier needs a tolerance")
@pytest.mark.parametrize(
    ("model", "label"),
    [
        (FairMLPClassifier(4), None),
        (FairNetClassifier(make_linear, fairness="equal_opportunity"), 1),
        (FairMLPRegressor(4, fairness="covariance"), None),
        (AdversarialClassifier(4), None),
        (AdversarialClassifier(4, method="reversal", fairness="equal_opportunity"), 1),
        (AdversarialRegressor(4), None),
        (GroupDROClassifier(4), None),
        (MinimaxClassifier(4), None),
        (LagrangianNetClassifier(fairness="equal_opportunity"), 1),
        (ConditionedFairMLPClassifier(4), None),
    ],
    ids=lambda value: getattr(type(value), "__name__", value),
)
def test_group_that_most_batches_lack_is_named_with_epoch_and_remedy(
    rare, model, label
):
    X, y, groups = rare
    lacking = Lacking(2, label)
    model.set_params(**QUICK, callbacks=[lacking])
    y = y + 0.1 * X[:, 0] if is_regressor(model) else y
    message = (
        r"first in epoch 1, had no sample of the group\(s\) \[2\].*Raise batch_size"
    )
    with pytest.warns(UndefinedRateWarning, match=message) as record:
        model.fit(X, y, sensitive_features=groups)
    lacking = dict(model.net_.callbacks_)["Lacking"]
    assert model.net_.history[:, "undefined_batches"] == lacking.counts
    (text,) = [str(w.message) for w in record if w.category is UndefinedRateWarning]
    n_batches = 2 * 19
    assert f"only {n_batches - sum(lacking.counts)} of {n_batches} batches" in text


def test_cells_of_group_and_label_vanish_too(rare):
    X, y, groups = rare
    groups = np.where((groups == 2) & (y == 0), 0, groups)
    groups[np.flatnonzero((groups == 1) & (y == 0))[0]] = 2
    clf = GroupDROClassifier(4, cells="group_and_label", **QUICK)
    with pytest.warns(
        UndefinedRateWarning, match=r"epoch 1.*\[2\], or none of a class"
    ):
        clf.fit(X, y, sensitive_features=groups)
    assert min(clf.net_.history[:, "undefined_batches"]) >= 18


def test_epoch_of_a_vanished_group_counts_on_over_calls(biased, rare):
    X, y, groups = biased
    clf = FairMLPClassifier(4, **QUICK)
    clf.partial_fit(X, y, [0, 1], sensitive_features=groups)
    clf.partial_fit(X, y, sensitive_features=groups)
    with pytest.warns(UndefinedRateWarning, match="first in epoch 3"):
        clf.partial_fit(X, y, sensitive_features=rare[2])


def test_nothing_is_said_where_groups_are_not_compared(rare):
    X, y, groups = rare
    for model in (
        FairMLPClassifier(4, fairness_weight=0),
        AdversarialClassifier(4, fairness_weight=0),
    ):
        model.set_params(**QUICK).fit(X, y, sensitive_features=groups)


def test_path_names_the_group_that_most_batches_lack(rare):
    X, y, groups = rare
    path = FairMLPClassifierCV([1.0], hidden_layer_sizes=4, cv=2, **QUICK)
    message = r"from epoch 1 on.*group\(s\) \[2\].*Raise batch_size \(now 32\)"
    with pytest.warns(UndefinedRateWarning, match=message):
        path.fit(X, y, sensitive_features=groups)


def test_objectives_know_what_strata_leave_undefined():
    rng = np.random.default_rng(0)
    strata = rng.integers(0, 2, size=(50, 3, 2))
    no_group = (strata.sum(axis=-1) == 0).any(axis=-1)
    no_cell = (strata == 0).any(axis=(-1, -2))
    no_positive = (strata[..., 1] == 0).any(axis=-1)
    definition = get_definition("equal_opportunity")
    adversary = {"n_inputs": 1, "hidden": [2]}
    both, one = np.eye(2, dtype=bool), np.array([[False, True]])
    everyone = np.array([[True, True]])
    cases = [
        (GroupDROLoss(2, 3), no_group),
        (GroupDROLoss(2, 3, by_label=True), no_cell),
        (MinimaxLoss(2, 3), no_group),
        (LagrangianLoss(definition, 2, 3, tolerance=0.1), no_positive),
        (ConditionedLoss(2, 3, penalty=DefinitionPenalty(definition)), no_positive),
        (AdversarialLoss(2, 3, strata=both, **adversary), no_cell),
        (AdversarialLoss(2, 3, strata=one, **adversary), no_positive),
        (AdversarialLoss(2, 3, strata=everyone, **adversary), no_group),
    ]
    for criterion, expected in cases:
        if isinstance(criterion, AdversarialLoss):
            criterion.kept = list(range(len(criterion.strata)))
        undefined = criterion.undefined(strata)
        np.testing.assert_array_equal(undefined.any(axis=(-1, -2)), expected)
