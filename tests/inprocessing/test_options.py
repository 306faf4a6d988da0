"""Options of all networks: attacks, mixup, individual fairness, class weights."""

import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, log_loss
from sklearn.model_selection import PredefinedSplit
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional

from fairsk.datasets import make_biased_classification
from fairsk.inprocessing import (
    AdversarialClassifier,
    AdversarialRegressor,
    CollapseWarning,
    ConditionedFairMLPClassifier,
    CounterfactualPairing,
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairMLPRegressor,
    FairNetClassifier,
    FairNetClassifierCV,
    FairNetRegressor,
    GroupDROClassifier,
    LagrangianNetClassifier,
    LipschitzPairing,
    MinimaxClassifier,
)
from fairsk.inprocessing._batches import GroupedDataset
from fairsk.inprocessing._losses import PenalizedLoss
from fairsk.inprocessing._net import warmup_share
from fairsk.inprocessing._objectives import GroupDROLoss, MinimaxLoss
from fairsk.inprocessing._options import (
    AdversarialExamples,
    FairMixup,
    LossTerm,
    balanced_class_weight,
)
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import (
    DefinitionPenalty,
    EachFeaturePenalty,
    HSICPenalty,
    PenaltySum,
)

FULL = {
    "batch_size": 10_000,
    "dtype": "float64",
    "learning_rate_init": 0.05,
    "max_iter": 60,
    "random_state": 0,
    "device": "cpu",
}
BATCHES = {**FULL, "batch_size": 100, "max_iter": 30, "n_iter_no_change": 30}


@pytest.fixture(scope="module")
def data():
    return make_biased_classification(600, base_rate_gap=0.5, random_state=0)


@pytest.fixture
def batch():
    """A linear model, and a batch whose features are far inside their range."""
    rng = np.random.default_rng(0)
    X = torch.tensor(rng.normal(size=(50, 3)))
    samples = {
        "X": X,
        "groups": torch.tensor(rng.integers(3, size=50)),
        "sample_weight": torch.tensor(rng.uniform(0.5, 2, 50)),
    }
    model = torch.nn.Linear(3, 1).double()
    y = torch.tensor(rng.integers(2, size=50))
    return model, samples, y


def prepared(term, X, margin=10.0, names=None):
    """The term on data whose range is larger than that of the batch."""
    corners = torch.cat([X, X.amin(0)[None] - margin, X.amax(0)[None] + margin])
    return term.prepare(GroupedDataset(corners), names)


def of_regression(penalty=None):
    return PenalizedLoss(penalty, None, 3, 2.0, torch.nn.MSELoss)


def of_classes(n_classes=2):
    return PenalizedLoss(DefinitionPenalty(), n_classes, 3, 2.0)


@pytest.mark.parametrize("n_steps", [1, 5])
def test_attack_on_a_linear_model_goes_along_the_signs(batch, n_steps):
    model, samples, y = batch
    term = prepared(AdversarialExamples(0.3, n_steps), samples["X"])
    attacked = term.attack(model, of_classes(), samples, y)
    # The loss of class 1 grows against the weights, that of class 0 along them.
    side = torch.where(y == 1, -1.0, 1.0)[:, None]
    expected = samples["X"] + 0.3 * side * model.weight.sign()
    torch.testing.assert_close(attacked, expected.detach())


def test_attacked_squared_loss_has_a_closed_form(batch):
    model, samples, _ = batch
    X, w = samples["X"], samples["sample_weight"]
    target = torch.randn(50, dtype=torch.double)
    term = prepared(AdversarialExamples(0.2), X)
    y_pred = model(X)
    value = term(model, of_regression(), samples, target, y_pred)
    error = (y_pred[:, 0] - target).abs()
    worst = error + 0.2 * model.weight.abs().sum()
    torch.testing.assert_close(value, 0.5 * (w * (worst**2 - error**2)).mean())


def test_attack_stays_within_the_range_of_the_features(batch):
    model, samples, y = batch
    X = samples["X"]
    term = AdversarialExamples(5.0, 3).prepare(GroupedDataset(X))
    attacked = term.attack(model, of_classes(), samples, y)
    assert (attacked >= X.amin(0)).all()
    assert (attacked <= X.amax(0)).all()
    assert (attacked != X).any(1).all()


def test_mixup_of_a_linear_score_is_the_gap_along_the_weights(batch):
    model, samples, y = batch
    X, groups, w = samples.values()
    torch.manual_seed(0)
    term = FairMixup(0.5, 3)
    value = term(model, of_regression(), samples, y, model(X))
    torch.manual_seed(0)
    order = torch.randperm(50)
    gaps = []
    for g, h in [(0, 1), (0, 2), (1, 2)]:
        total = mass = 0.0
        for i, j in enumerate(order.tolist()):
            if {int(groups[i]), int(groups[j])} == {g, h}:
                a, b = (i, j) if groups[i] == g else (j, i)
                total = total + w[i] * w[j] * (X[b] - X[a]) @ model.weight[0]
                mass = mass + w[i] * w[j]
        gaps.append(abs(total / mass))
    torch.testing.assert_close(value, 2.0 * sum(gaps) / 3)


def test_mixup_sees_slopes_along_the_way_that_leave_no_gap():
    class Square(torch.nn.Module):
        def forward(self, X):
            return X.square()

    # From -1 to 1 the square has the slope 4 (2 t - 1), and ends where it began.
    groups = torch.arange(400) % 2
    X = (2.0 * groups - 1.0)[:, None]
    samples = {"X": X, "groups": groups, "sample_weight": None}
    torch.manual_seed(0)
    values = [
        FairMixup(1.0, 2)(Square(), of_regression(), samples, groups, None).item()
        for _ in range(500)
    ]
    # The weight 2 times the mean of |4 (2 t - 1)| over uniform t.
    assert np.mean(values) == pytest.approx(2.0 * 2.0, rel=0.1)


def test_mixup_within_classes_joins_none_of_two(batch):
    model, samples, y = batch
    # Each group has one class of its own: nothing to join.
    y = samples["groups"] % 3
    model = torch.nn.Linear(3, 3).double()
    term = FairMixup(0.5, 3, 3)
    value = term(model, of_classes(3), samples, y, model(samples["X"]))
    assert value.item() == 0
    anywhere = FairMixup(0.5, 3)(model, of_classes(3), samples, y, None)
    assert anywhere.item() > 0


@pytest.mark.parametrize(
    ("penalty", "within"),
    [
        (DefinitionPenalty("demographic_parity"), False),
        (DefinitionPenalty("equalized_odds"), True),
        (HSICPenalty(), False),
        (HSICPenalty(given="y_true"), True),
        (EachFeaturePenalty("equal_opportunity"), True),
        (PenaltySum(["equalized_odds", "hsic"]), False),
    ],
)
def test_penalties_say_whether_they_compare_within_classes(penalty, within):
    assert penalty.conditions_on_label == within


def test_lipschitz_term_is_the_mean_excess_over_pairs(batch):
    model, samples, y = batch
    X, _, w = samples.values()
    torch.manual_seed(0)
    term = prepared(LipschitzPairing(0.1, 3.0, ["a", 2]), X, names=["a", "b", "c"])
    p = model(X)
    value = term(model, of_classes(), samples, y, p)
    torch.manual_seed(0)
    order = torch.randperm(50)
    score = p.sigmoid()[:, 0]
    near = torch.linalg.norm((X - X[order])[:, [0, 2]], dim=1)
    excess = ((score - score[order]).abs() - 0.1 * near).clamp(min=0)
    torch.testing.assert_close(value, 3.0 * (w * w[order] * excess).mean())


def test_counterfactual_of_a_linear_model_is_the_weight_of_the_column(batch):
    model, samples, y = batch
    samples["X"][:, 1] = samples["groups"] % 2
    X, _, w = samples.values()
    value = CounterfactualPairing({1: {0: 1, 1: 0}}, 2.0)
    term = prepared(value, X)(model, of_classes(), samples, y, model(X))
    torch.testing.assert_close(term, 2.0 * model.weight[0, 1].abs() * w.mean())
    called = CounterfactualPairing(lambda X: X + torch.eye(3)[1], 2.0)
    again = prepared(called, X)(model, of_classes(), samples, y, model(X))
    torch.testing.assert_close(again, term)


def test_bad_counterfactuals_raise(data):
    X, y, groups = data
    for counterfactual, message in [
        ({0: {77: 1}}, r"values that occur in the column 0.*after any scaling"),
        ({"sex": {0: 1}}, r"a column of X.*'sex'.*without names"),
        (lambda X: X[:, :1], r"one row for each sample"),
    ]:
        term = CounterfactualPairing(counterfactual)
        clf = FairMLPClassifier(individual_fairness=term, **FULL)
        with pytest.raises(ValueError, match=message):
            clf.fit(X, y, sensitive_features=groups)
    clf = FairMLPClassifier(individual_fairness=[object()])
    with pytest.raises(ValueError, match="LipschitzPairing"):
        clf.fit(X, y, sensitive_features=groups)


def make_all(**params):
    """One of each network, with a linear module where one is needed.

    Only those that have all parameters.
    """
    params = {**FULL, "max_iter": 3, **params}
    networks = [
        FairMLPClassifier(8),
        FairNetClassifier(make_linear),
        FairMLPRegressor(8),
        FairNetRegressor(make_linear),
        AdversarialClassifier(8, method="projection"),
        AdversarialClassifier(8, method="reversal", fairness="equalized_odds"),
        AdversarialRegressor(8, adversary_input="representation"),
        GroupDROClassifier(8),
        MinimaxClassifier(8),
        LagrangianNetClassifier(make_linear, tolerance=0.5),
        ConditionedFairMLPClassifier(8),
    ]
    return [
        network.set_params(**params)
        for network in networks
        if set(params) <= set(network.get_params())
    ]


def make_linear(n_features):
    return torch.nn.Linear(n_features, 1)


class RunningRange(torch.nn.Module):
    """A layer that keeps the largest value that it has seen, anew in each pass."""

    def __init__(self, n_features):
        super().__init__()
        self.register_buffer("largest", torch.full((n_features,), -torch.inf))

    def forward(self, X):
        if self.training:
            self.largest = torch.maximum(self.largest, X.detach().amax(0))
        return X


ABSENT = {
    name: FairMLPClassifier().get_params()[name]
    for name in (
        "robustness_epsilon",
        "robustness_steps",
        "mixup_alpha",
        "individual_fairness",
        "fairness_warmup",
        "class_weight",
    )
}


@pytest.mark.filterwarnings("ignore:The adversary")  # which has had three epochs
@pytest.mark.parametrize(
    "params",
    [
        {"robustness_epsilon": 0.2},
        {"robustness_epsilon": 0.2, "robustness_steps": 3},
        {"mixup_alpha": 1.0},
        {"individual_fairness": [LipschitzPairing(0.01, 5.0)]},
        {"individual_fairness": CounterfactualPairing(lambda X: X.flip(1), 1.0)},
        {"fairness_warmup": 5},
        {"class_weight": "balanced"},
        {"class_weight": {0: 3.0}},
    ],
)
def test_every_network_honours_every_option(data, params):
    X, y, groups = data
    for net in make_all(**params):
        plain = clone(net).set_params(**{k: ABSENT[k] for k in params})
        plain.fit(X, y, sensitive_features=groups)
        net.fit(X, y, sensitive_features=groups)
        assert np.isfinite(net.loss_curve_).all()
        assert net.loss_curve_ != plain.loss_curve_


def test_options_work_by_partial_fit(data):
    X, y, groups = data
    networks = make_all(
        robustness_epsilon=0.1, mixup_alpha=0.5, individual_fairness=LipschitzPairing()
    )
    networks = [net for net in networks if hasattr(net, "partial_fit")]
    assert len(networks) == 4
    for net in networks:
        classes = {"classes": [0, 1]} if hasattr(net, "predict_proba") else {}
        net.partial_fit(X, y, sensitive_features=groups, **classes)
        net.partial_fit(X, y, sensitive_features=groups)
        assert net.n_iter_ == 2


@pytest.mark.parametrize(
    "params",
    [
        {"robustness_epsilon": 0.2, "robustness_steps": 2},
        {"mixup_alpha": 1.0},
        {"individual_fairness": CounterfactualPairing(lambda X: 9 + X)},
    ],
)
@pytest.mark.parametrize("norm", [torch.nn.BatchNorm1d, RunningRange])
def test_statistics_of_a_layer_are_of_the_data_alone(data, params, norm):
    X, y, groups = data

    def make(n_features):
        # What comes in does not depend on what was learnt.
        linear = torch.nn.Linear(n_features, 1)
        return torch.nn.Sequential(norm(n_features), linear)

    kept = []
    for options in ({}, params):
        net = FairNetClassifier(make, **{**BATCHES, "max_iter": 2}, **options)
        net.fit(X, y, sensitive_features=groups)
        kept.append(dict(net.net_.module_.named_buffers()))
    assert kept[0]
    torch.testing.assert_close(*kept, rtol=0, atol=0)


def test_attacked_loss_of_groups_is_in_the_weights_that_they_have(batch):
    model, samples, y = batch
    X, groups, w = samples.values()
    term = prepared(AdversarialExamples(0.3), X)
    for criterion in (
        GroupDROLoss(2, 3),
        MinimaxLoss(2, 3),
        MinimaxLoss(2, 3, bound=0.1),
    ):
        criterion.prepare(GroupedDataset(X, y, groups, w), 5)
        weights = torch.tensor([0.2, 0.7, 0.1]).double()
        if criterion.verdict[0] == "violation":
            criterion.shares, criterion.prices = weights, torch.zeros(3).double()
        else:
            criterion.log_weights = weights.log()
        logit = model(X)[:, 0]
        side = torch.where(y == 1, 1.0, -1.0)
        attacked = logit - 0.3 * side * model.weight.abs().sum()
        lost = [functional.softplus(-side * z) for z in (logit, attacked)]
        expected = 0.0
        for group, weight in enumerate(weights):
            own = w * (groups == group)
            expected += 0.5 * weight * (own * (lost[1] - lost[0])).sum() / own.sum()
        value = term(model, criterion, samples, y, model(X))
        torch.testing.assert_close(value, expected)
        assert value.detach() != 0


@pytest.mark.filterwarnings("ignore:The adversary")
def test_projected_step_has_the_gradient_of_the_terms(data):
    X, y, groups = data
    pairing = CounterfactualPairing(lambda X: X.flip(1), 3.0)
    params = {
        **FULL, "max_iter": 1, "optimizer": "sgd", "learning_rate": "constant",
        "pretrain": 0.0, "schedule": "constant", "fairness_weight": 2.0, "alpha": 0.0,
    }  # fmt: skip
    clf = AdversarialClassifier([], individual_fairness=pairing, **params)
    clf.fit(X, y, sensitive_features=groups)
    # An adversary that starts with zeros has no gradient: the step is that of the loss.
    module = MultilayerPerceptron([X.shape[1], 1], "relu").double()
    start = AdversarialClassifier([], **{**params, "learning_rate_init": 1e-300}).fit(
        X, y, sensitive_features=groups
    )
    module.load_state_dict(start.net_.module_.state_dict())
    tensor, target = torch.tensor(X), torch.tensor(y).double()
    logit = module(tensor)[:, 0]
    loss = functional.binary_cross_entropy_with_logits(logit, target)
    loss = loss + 3.0 * (logit - module(tensor.flip(1))[:, 0]).abs().mean()
    loss.backward()
    for name, parameter in module.named_parameters():
        expected = parameter.detach() - 0.05 * parameter.grad
        reached = clf.net_.module_.get_parameter(name)
        torch.testing.assert_close(reached.detach(), expected)


def test_terms_of_a_conditioned_network_are_asked_at_the_weight_of_the_batch(data):
    X, y, groups = data
    asked = []

    class Watched(LossTerm):
        def __call__(self, module, criterion, samples, y_true, y_pred):
            asked.append((module(samples["X"]), y_pred, criterion.current_weight))
            return 7.0 * y_pred[0].sum()

    clf = ConditionedFairMLPClassifier(
        8, individual_fairness=Watched(), **{**FULL, "max_iter": 9}
    )
    clf.fit(X, y, sensitive_features=groups)
    assert len({float(weight) for _, _, weight in asked}) == 9
    for again, y_pred, weight in asked:
        torch.testing.assert_close(again[0], y_pred[0])
        torch.testing.assert_close(weight, y_pred[1])
    net = clf.net_
    samples = {"X": torch.tensor(X), "groups": torch.tensor(groups)}
    samples["sample_weight"] = None
    y_pred = net.module_(samples["X"], 1.5)
    labels = torch.tensor(y)
    with_term, without = (
        net.get_loss(y_pred, labels, X=samples, training=training)
        for training in (True, False)
    )
    expected = 7.0 * y_pred[0].sum() / 2.5
    torch.testing.assert_close(with_term - without, expected, rtol=1e-3, atol=1e-3)


def test_robust_network_loses_less_under_attack(data):
    X, y, groups = data
    X = X / X.std(axis=0)
    accuracy = {}
    for epsilon in (0.0, 0.5):
        clf = FairMLPClassifier(
            32, fairness_weight=0, robustness_epsilon=epsilon, **FULL
        ).set_params(max_iter=150, learning_rate="constant", n_iter_no_change=np.inf)
        net = clf.fit(X, y, sensitive_features=groups).net_
        samples = {"X": torch.tensor(X), "groups": None, "sample_weight": None}
        attack = AdversarialExamples(0.5, 5).prepare(GroupedDataset(X))
        attacked = attack.attack(net.module_, net.criterion_, samples, torch.tensor(y))
        accuracy[epsilon] = clf.score(attacked.numpy(), y)
    assert accuracy[0.5] > accuracy[0.0] + 0.05


EVERY_TERM = {
    "robustness_epsilon": 0.2,
    "robustness_steps": 2,
    "mixup_alpha": 0.5,
    "individual_fairness": [
        LipschitzPairing(0.01, 2.0),
        CounterfactualPairing(lambda X: X.flip(1), 0.5),
    ],
}
PATH = {**FULL, "max_iter": 3, "batch_size": 150}


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "fairness": "equalized_odds"},
        {"class_weight": "balanced", "fairness_warmup": 2, "fairness": "hsic"},
    ],
)
def test_path_with_loss_terms_is_that_of_separate_fits(data, params):
    X, y, groups = data
    # Folds whose batches have other sizes draw other numbers.
    cv = PredefinedSplit(np.repeat([0, 1], [280, 320]))
    params = {**PATH, **EVERY_TERM, **params, "hidden_layer_sizes": 4}
    weights = [0.0, 1.5]
    path = FairMLPClassifierCV(weights, cv=cv, scoring="neg_log_loss", **params)
    path.fit(X, y, sensitive_features=groups)
    for position, weight in enumerate(weights):
        alone = FairMLPClassifier(fairness_weight=weight, **params)
        alone.fit(X, y, sensitive_features=groups)
        member = path.estimators_[position]
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, atol=1e-9)
        np.testing.assert_allclose(
            member.predict_proba(X), alone.predict_proba(X), atol=1e-9
        )
        for k, (train, test) in enumerate(cv.split(X)):
            alone.fit(X[train], y[train], sensitive_features=groups[train])
            score = path.path_results_[f"split{k}_test_neg_log_loss"][position]
            expected = -log_loss(y[test], alone.predict_proba(X[test]))
            assert score == pytest.approx(expected, abs=1e-9)


def test_path_of_modules_with_loss_terms_is_that_of_separate_fits(data):
    X, y, groups = data

    def make(n_features):
        layers = torch.nn.Linear(n_features, 3), torch.nn.LayerNorm(3), torch.nn.ELU()
        return torch.nn.Sequential(*layers, make_linear(3))

    params = {**PATH, **EVERY_TERM}
    path = FairNetClassifierCV(make, [0.0, 2.0], cv=2, refit_path=True, **params)
    path.fit(X, y, sensitive_features=groups)
    for weight, member in zip([0.0, 2.0], path.estimators_):
        alone = FairNetClassifier(make, fairness_weight=weight, **params)
        alone.fit(X, y, sensitive_features=groups)
        np.testing.assert_allclose(
            member.predict_proba(X), alone.predict_proba(X), atol=1e-9
        )


def test_terms_of_a_path_that_are_none_raise(data):
    X, y, groups = data
    path = FairMLPClassifierCV([0.0, 1.0], individual_fairness=[object()], **PATH)
    with pytest.raises(ValueError, match="LipschitzPairing"):
        path.fit(X, y, sensitive_features=groups)


@pytest.mark.parametrize("weighted", [False, True])
def test_balanced_class_weight_is_that_of_scikit_learn(weighted):
    y = np.repeat([0, 1, 2], [50, 30, 20])
    weight = np.random.default_rng(0).integers(1, 4, 100) if weighted else None
    tensor = None if weight is None else torch.tensor(weight, dtype=torch.double)
    dataset = GroupedDataset(
        torch.zeros(100, 1).double(), torch.tensor(y), None, tensor
    )
    repeated = y if weight is None else np.repeat(y, weight)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=repeated)
    np.testing.assert_allclose(balanced_class_weight(dataset, 3), expected)


@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.25, 1: 3.0}])
@pytest.mark.parametrize(
    "clf",
    [
        FairMLPClassifier([], fairness_weight=0, alpha=0, n_iter_no_change=np.inf),
        AdversarialClassifier([], fairness_weight=0, alpha=0),
        GroupDROClassifier([], alpha=0, step_size=0),
        LagrangianNetClassifier(make_linear, tolerance=1.0),
    ],
    ids=lambda clf: type(clf).__name__,
)
def test_class_weight_is_that_of_logistic_regression(class_weight, clf):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    y = (X[:, 0] + rng.normal(size=500) > 1.3).astype(int)
    clf = clone(clf).set_params(
        **{**FULL, "max_iter": 250, "learning_rate_init": 0.2},
        class_weight=class_weight,
    )
    # Of groups of one size, the mean of their losses is that of all.
    clf.fit(X, y, sensitive_features=np.arange(500) % 2)
    plain = LogisticRegression(C=np.inf, class_weight=class_weight, tol=1e-8)
    expected = plain.fit(X, y).predict_proba(X)
    np.testing.assert_allclose(clf.predict_proba(X), expected, atol=2e-3)


def test_balanced_classes_do_better_by_balanced_accuracy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 3))
    y = (X[:, 0] + rng.normal(size=800) > 2).astype(int)
    groups = rng.integers(2, size=800)
    scores = []
    for class_weight in (None, "balanced"):
        clf = FairMLPClassifier(8, class_weight=class_weight, **FULL)
        clf.fit(X, y, sensitive_features=groups)
        scores.append(balanced_accuracy_score(y, clf.predict(X)))
    assert scores[1] > scores[0] + 0.1


def test_class_weights_leave_the_errors_of_the_minimax_game(batch):
    model, samples, y = batch
    X, groups, w = samples.values()
    for error in ("zero_one", "log_loss"):
        criterion = MinimaxLoss(2, 3, error=error)
        criterion.prepare(GroupedDataset(X, y, groups, w), 5)
        plain = criterion.sums(model(X), y, groups, w)
        criterion.class_weight = torch.tensor([0.5, 3.0]).double()
        weighted = criterion.sums(model(X), y, groups, w)
        torch.testing.assert_close(weighted[1:], plain[1:])
        factor = criterion.class_weight[y] * w
        losses = functional.softplus((1 - 2 * y) * model(X)[:, 0])
        for group in range(3):
            own = (factor * losses)[groups == group].sum()
            torch.testing.assert_close(weighted[0, group], own)


def test_conditioned_network_warms_up(data):
    X, y, groups = data
    clf = ConditionedFairMLPClassifier(8, fairness_warmup=3, **FULL)
    ramps = []
    for max_iter in (1, 2, 4):
        clf.set_params(max_iter=max_iter).fit(X, y, sensitive_features=groups)
        ramps.append(clf.net_.criterion_.ramp)
    assert ramps == [0, pytest.approx(1 / 3), 1]
    criterion = clf.net_.criterion_
    criterion.ramp = 0.0
    logit, labels = torch.randn(len(y)).double(), torch.tensor(y)
    weight = torch.tensor(3.0).double()
    loss = criterion((logit, weight, 0), labels, torch.tensor(groups))
    expected = functional.binary_cross_entropy_with_logits(logit, labels.double())
    torch.testing.assert_close(loss, expected)


def test_bad_class_weights_raise(data):
    X, y, groups = data
    with pytest.raises(ValueError, match=r"to be classes: \[0, 1\]. Got \['yes'\]"):
        FairMLPClassifier(class_weight={"yes": 2}).fit(X, y, sensitive_features=groups)
    clf = FairMLPClassifier(class_weight="balanced")
    with pytest.raises(ValueError, match=r"partial_fit\. Pass the weights"):
        clf.partial_fit(X, y, [0, 1], sensitive_features=groups)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_path_with_class_weights_and_warmup_is_that_of_separate_fits(
    data, early_stopping
):
    X, y, groups = data
    params = {
        **FULL,
        "max_iter": 8,
        "batch_size": 100,
        "hidden_layer_sizes": 6,
        "class_weight": "balanced",
        "fairness_warmup": 3,
        "early_stopping": early_stopping,
        "n_iter_no_change": 2,
    }
    path = FairMLPClassifierCV([0.5, 2.0], cv=2, **params)
    path.fit(X, y, sensitive_features=groups)
    for member, weight in zip(path.estimators_, [0.5, 2.0]):
        alone = FairMLPClassifier(fairness_weight=weight, **params)
        alone.fit(X, y, sensitive_features=groups)
        assert member.n_iter_ == alone.n_iter_
        np.testing.assert_allclose(
            member.predict_proba(X), alone.predict_proba(X), atol=1e-9
        )


def test_warmup_raises_the_weight_in_equal_steps():
    assert [warmup_share(e, 4) for e in range(1, 7)] == [0, 0.25, 0.5, 0.75, 1, 1]
    assert warmup_share(1, 0) == 1


def test_first_epochs_of_a_warmup_train_without_the_penalty(data):
    X, y, groups = data
    fits = [
        FairMLPClassifier(8, **{**FULL, "max_iter": 1, "batch_size": 50}, **params)
        for params in ({"fairness_warmup": 3}, {"fairness_weight": 0.0})
    ]
    warm, plain = (clf.fit(X, y, sensitive_features=groups) for clf in fits)
    np.testing.assert_array_equal(warm.predict_proba(X), plain.predict_proba(X))


def test_warmup_goes_on_over_calls_of_partial_fit(data):
    X, y, groups = data
    clf = FairMLPClassifier(8, fairness_warmup=2, **FULL)
    ramps = []
    for _ in range(4):
        clf.partial_fit(X, y, [0, 1], sensitive_features=groups)
        ramps.append(clf.net_.criterion_.ramp)
    assert ramps == [0, 0.5, 1, 1]


def test_early_stopping_keeps_no_state_of_the_warmup(data):
    X, y, groups = data
    clf = FairMLPClassifier(
        8, fairness_weight=20.0, fairness_warmup=5, early_stopping=True,
        **{**FULL, "max_iter": 12, "n_iter_no_change": 1},
    ).fit(X, y, sensitive_features=groups)  # fmt: skip
    losses = clf.net_.history[:, "valid_loss"]
    assert clf.n_iter_ > 5
    assert dict(clf.net_.callbacks_)["monitor"].best_loss_ == min(losses[5:])


@pytest.mark.parametrize("fairness", ["hsic", "wasserstein"])
def test_collapse_at_a_large_weight_warns_with_remedies(data, fairness):
    X, y, groups = data
    clf = FairMLPClassifier(8, fairness=fairness, fairness_weight=3000.0, **BATCHES)
    with pytest.warns(CollapseWarning, match=r"fairness_warmup.*balanced accuracy"):
        clf.fit(X, y, sensitive_features=groups)
    score = clf.predict_proba(X)[:, 1]
    assert score.std() < 0.01 or len(set(clf.predict(X))) == 1


def test_collapse_of_a_regressor_warns(data):
    X, _, groups = data
    clf = FairMLPRegressor(8, fairness="wasserstein", fairness_weight=1000.0, **BATCHES)
    with pytest.warns(CollapseWarning, match="predicts the same for everyone"):
        clf.fit(X, X[:, 0] + groups, sensitive_features=groups)


@pytest.mark.parametrize(
    "make",
    [
        FairMLPClassifier,
        FairMLPRegressor,
        AdversarialClassifier,
        AdversarialRegressor,
        ConditionedFairMLPClassifier,
        LagrangianNetClassifier,
    ],
)
def test_remedies_of_a_collapse_are_parameters_of_the_estimator(
    make, data, monkeypatch
):
    X, y, groups = data
    monkeypatch.setattr(make, "_collapse", lambda *args: "says nothing")
    monkeypatch.setattr("fairsk.inprocessing._reports._LEAST_STEPS", 0)
    model = make(max_iter=2, random_state=0, device="cpu")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y, sensitive_features=groups)
    (message,) = [str(w.message) for w in caught if w.category is CollapseWarning]
    names = re.findall(r"[a-z]+(?:_[a-z]+)+", message)
    assert set(names) <= set(model.get_params())
    assert "Lower" in message or "Raise" in message


def test_collapse_of_a_conditioned_network_is_judged_at_its_own_weight(data):
    X, y, groups = data
    seen = []

    class Watched(ConditionedFairMLPClassifier):
        def _collapse(self, outputs, y):
            seen.append(outputs)

    clf = Watched(max_iter=10, batch_size=100, random_state=0, device="cpu")
    clf.fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(seen[0].numpy(), clf.predict_proba(X), rtol=1e-6)


def test_remedy_of_a_divergence_is_a_parameter_of_the_estimator(data):
    X, y, groups = data
    clf = GroupDROClassifier(
        optimizer="sgd", learning_rate_init=1e30, random_state=0, device="cpu"
    )
    with pytest.raises(ValueError, match="or scale the features") as raised:
        clf.fit(X, y, sensitive_features=groups)
    assert "fairness_weight" not in str(raised.value)


def test_collapse_of_the_chosen_member_of_a_path_warns(data):
    X, y, groups = data
    path = FairMLPClassifierCV([300.0], hidden_layer_sizes=8, cv=2, **BATCHES)
    path.set_params(fairness="wasserstein")
    with pytest.warns(CollapseWarning, match="FairMLPClassifierCV"):
        path.fit(X, y, sensitive_features=groups)
