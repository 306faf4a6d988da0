"""AdversarialClassifier and AdversarialRegressor: gradients by hand, what is left."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import cross_val_predict

from fairsk.definitions import get_definition, group_counts
from fairsk.inprocessing import (
    AdversarialClassifier,
    AdversarialRegressor,
    FairMLPClassifier,
)
from fairsk.inprocessing._adversarial_objective import (
    AdversarialLoss,
    AdversarySchedule,
    adversary_inputs,
    project,
)

QUICK = {"hidden_layer_sizes": 8, "max_iter": 4, "random_state": 0, "device": "cpu"}
LINEAR = {
    "hidden_layer_sizes": (),
    "adversary_hidden_layer_sizes": (),
    "batch_size": 10_000,
    "dtype": "float64",
    "device": "cpu",
    "random_state": 0,
    "pretrain": 0.0,
    "schedule": "constant",
    "alpha": 0.0,
    "learning_rate": "constant",
    "optimizer": "sgd",
}


def expit(z):
    return 1 / (1 + np.exp(-z))


def gradients_by_hand(X, y, groups, coef, adversary):
    """Of the loss and of K, for a linear network and a linear adversary.

    The adversary is [[slope of group 0, of group 1], [constants]].
    """
    X = np.column_stack([X, np.ones(len(X))])
    p = expit(X @ coef)
    loss = X.T @ (p - y) / len(y)
    seen = 4 * p - 2
    told = expit(seen * (adversary[0, 1] - adversary[0, 0]) + np.diff(adversary[1]))
    share = np.where(groups == 1, 1 / (groups == 1).sum(), 1 / (groups == 0).sum())
    share = share / (2 * np.log(2))
    # K = 1 - sum of share * cross entropy of the groups.
    through = -share * (told - groups) * (adversary[0, 1] - adversary[0, 0])
    known = X.T @ (through * 4 * p * (1 - p))
    slope = -(share * (told - groups)) @ np.column_stack([seen, np.ones(len(y))])
    value = 1 + (share * np.log(np.where(groups == 1, told, 1 - told))).sum()
    return loss, known, np.column_stack([-slope, slope]), value


@pytest.mark.filterwarnings("ignore:The adversary")  # no time to learn
@pytest.mark.parametrize("method", ["projection", "reversal"])
def test_first_steps_of_a_linear_game_are_those_by_hand(biased, method):
    X, y, groups = biased
    weight, rate, adversary_rate, n_steps = 0.7, 0.5, 2.0, 4
    clf = AdversarialClassifier(
        **LINEAR,
        method=method,
        fairness_weight=weight,
        learning_rate_init=rate,
        adversary_learning_rate_init=adversary_rate,
        max_iter=n_steps,
    ).fit(X, y, sensitive_features=groups)
    start = AdversarialClassifier(
        **{**LINEAR, "max_iter": 1}, learning_rate_init=1e-12
    ).fit(X, y, sensitive_features=groups)
    layer = start.net_.module_[0]
    coef = np.append(layer.weight.detach().numpy(), layer.bias.detach().numpy())
    adversary = np.zeros((2, 2))
    for _ in range(n_steps):
        g, h, ascent, _ = gradients_by_hand(X, y, groups, coef, adversary)
        if method == "projection" and h.any():
            g = g - (g @ h) / (h @ h) * h
        coef = coef - rate * (g + weight * h)
        # The constant is that of the stratum and the bias, and both move.
        adversary = adversary + adversary_rate * ascent * [[1], [2]]
    layer = clf.net_.module_[0]
    np.testing.assert_allclose(layer.weight.detach().numpy()[0], coef[:-1], rtol=1e-8)
    np.testing.assert_allclose(layer.bias.detach().numpy(), coef[-1:], rtol=1e-8)
    told = clf.adversary_[0]
    np.testing.assert_allclose(told.weight.detach().numpy().T[0], adversary[0])
    np.testing.assert_allclose(2 * told.bias.detach().numpy(), adversary[1])


def test_projected_gradient_is_orthogonal_but_for_the_weighted_part():
    rng = np.random.default_rng(0)
    own, theirs = (
        [torch.as_tensor(rng.normal(size=shape)) for shape in ((3, 2), (3,), ())]
        for _ in range(2)
    )
    g, h = (np.concatenate([t.numpy().ravel() for t in ts]) for ts in (own, theirs))
    parts = project(own, theirs, 0.3)
    step = np.concatenate([part.numpy().ravel() for part in parts])
    assert [part.shape for part in parts] == [gradient.shape for gradient in own]
    assert (step - 0.3 * h) @ h == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(step, g - g @ h / (h @ h) * h + 0.3 * h)


def test_adversary_that_knows_nothing_changes_nothing():
    own = [torch.randn(4)]
    (step,) = project(own, [torch.zeros(4)], 5.0)
    torch.testing.assert_close(step, own[0])


def objective(n_classes=2, n_groups=2, strata=((True, True),), n=50, **kwargs):
    """An objective that was shown data, and a batch of them."""
    rng = np.random.default_rng(0)
    strata = np.array(strata)
    criterion = AdversarialLoss(
        n_classes, n_groups, n_inputs=1, strata=strata, hidden=[5], **kwargs
    ).double()
    y = rng.integers(2, size=n) if n_classes else rng.normal(size=n)
    groups = rng.integers(2, size=n) if n_groups else rng.normal(size=n)

    class Data:
        sample_weight = None

        def __len__(self):
            return n

    data = Data()
    data.X = torch.as_tensor(rng.normal(size=(n, 1)))
    data.y, data.groups = torch.as_tensor(y), torch.as_tensor(groups)
    criterion.prepare(data, 1)
    with torch.no_grad():
        for parameter in criterion.adversary.parameters():
            parameter.copy_(torch.as_tensor(rng.normal(size=parameter.shape)))
    return criterion, data


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"strata": ((True, False), (False, True))},
        {"strata": ((False, True),)},
        {"n_groups": 0},
        {"n_classes": None, "strata": ((True,),)},
        {"n_classes": None, "n_groups": 0, "strata": ((True,),)},
    ],
)
def test_gradients_are_finite_differences_of_the_loss_and_of_what_is_known(case):
    kinds = {"criterion": torch.nn.MSELoss} if "n_classes" in case else {}
    criterion, data = objective(**case, **kinds)
    criterion.weight = 0.6
    scores = data.X[:, 0].clone().requires_grad_()

    def sides(z):
        loss, known = criterion.sides(z, data.y, data.groups)
        return loss, known()

    loss = criterion(scores, data.y, data.groups)
    loss.backward()
    expected = sum(part for part in (sides(scores)[0], 0.6 * sides(scores)[1]))
    assert loss.item() == pytest.approx(expected.item())
    for i in (0, 7):
        step = torch.zeros_like(scores)
        step[i] = 1e-6
        with torch.no_grad():
            up, down = sides(scores + step), sides(scores - step)
        slope = ((up[0] - down[0]) + 0.6 * (up[1] - down[1])) / 2e-6
        assert scores.grad[i].item() == pytest.approx(slope.item(), abs=1e-7)
    bias = criterion.adversary[-1].bias
    with torch.no_grad():
        bias[0] += 1e-6
        up = sides(scores)[1]
        bias[0] -= 2e-6
        down = sides(scores)[1]
    # The adversary descends on -K.
    slope = -((up - down) / 2e-6).item()
    assert bias.grad[0].item() == pytest.approx(slope, abs=1e-7)


@pytest.mark.parametrize("n_groups", [2, 0])
def test_knowledge_is_nothing_by_a_constant_and_all_by_the_truth(n_groups):
    criterion, data = objective(n_groups=n_groups)
    del criterion.adversary
    shape = len(data), 1, max(n_groups, 1)
    criterion.adversary = lambda seen: torch.zeros(shape, dtype=torch.float64)
    known = criterion.known(data.X, data.y, data.groups)
    assert known.item() == pytest.approx(0, abs=1e-12)
    if n_groups:
        truth = 100.0 * torch.nn.functional.one_hot(data.groups)[:, None].double()
    else:
        spread = data.groups.std(correction=0)
        truth = ((data.groups - data.groups.mean()) / spread)[:, None, None]
    criterion.adversary = lambda seen: truth
    assert criterion.known(data.X, data.y, data.groups).item() == pytest.approx(1)


@pytest.mark.parametrize("method", ["projection", "reversal"])
@pytest.mark.parametrize(
    ("adversary_input", "fairness"),
    [
        ("score", "demographic_parity"),
        ("score", "equalized_odds"),
        ("representation", "demographic_parity"),
    ],
)
def test_disparity_and_leakage_fall(biased, method, adversary_input, fairness):
    X, y, groups = biased
    before, after = (
        AdversarialClassifier(
            fairness=fairness,
            fairness_weight=weight,
            method=method,
            adversary_input=adversary_input,
            learning_rate_init=0.01,
            random_state=0,
            device="cpu",
        ).fit(X, y, sensitive_features=groups)
        for weight in (0, 5)
    )
    gaps = [
        get_definition(fairness).disparity(
            group_counts(groups, y, clf.predict(X), n_groups=2, n_classes=2)
        )
        for clf in (before, after)
    ]
    assert gaps[1] < 0.6 * gaps[0]
    # It is harder to leave nothing in a representation.
    share = 0.7 if adversary_input == "score" else 0.95
    assert after.leakage_ < share * before.leakage_
    assert after.score(X, y) > 0.6


def test_weight_zero_is_the_plain_network(biased):
    X, y, groups = biased
    params = {**QUICK, "batch_size": 64}
    clf = AdversarialClassifier(**params, fairness_weight=0)
    clf.fit(X, y, sensitive_features=groups)
    plain = FairMLPClassifier(**params, fairness_weight=0)
    plain.fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(clf.predict_proba(X), plain.predict_proba(X), rtol=1e-5)


def test_leakage_is_that_of_a_fresh_classifier(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    score = clf.predict_proba(X)[:, [1]]
    told = cross_val_predict(LogisticRegression(), score, groups, cv=5)
    expected = 2 * balanced_accuracy_score(groups, told) - 1
    assert clf.leakage_ == pytest.approx(expected, abs=0.05)
    probes = clf.probe(X, sensitive_features=groups)
    assert probes["linear"] == pytest.approx(expected, abs=0.05)
    assert set(probes) == {"linear", "mlp"}


def test_probe_asked_twice_answers_alike(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    first, second = (
        clf.probe(X[:200], sensitive_features=groups[:200]) for _ in range(2)
    )
    assert first == second


def test_probe_within_labels_needs_them_and_takes_the_worst(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(**QUICK, fairness="equalized_odds")
    clf.fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="needs y to probe"):
        clf.probe(X, sensitive_features=groups)
    score = clf.predict_proba(X)[:, [1]]
    leaks = []
    for label in (0, 1):
        rows = y == label
        model = LogisticRegression()
        told = cross_val_predict(model, score[rows], groups[rows], cv=5)
        leaks.append(2 * balanced_accuracy_score(groups[rows], told) - 1)
    probes = clf.probe(X, y, sensitive_features=groups)
    assert probes["linear"] == pytest.approx(max(*leaks, 0), abs=0.06)


def test_blind_adversary_is_reported_with_epoch_and_remedy(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(
        **QUICK, adversary_learning_rate_init=1e-9, learning_rate_init=0.05
    )
    with pytest.warns(UserWarning, match=r"collapsed in epoch 1: .* Raise adversary"):
        clf.fit(X, y, sensitive_features=groups)
    assert clf.leakage_ > 0.2


def test_course_of_the_weight():
    class Net:
        history = [{"epoch": 0}]

        class criterion_:
            weight = None

    def course(name):
        schedule = AdversarySchedule(2.0, name, pretrain=2, n_epochs=10)
        weights = []
        for epoch in range(1, 11):
            Net.history[-1]["epoch"] = epoch
            schedule.on_epoch_begin(Net)
            weights.append(Net.criterion_.weight)
        return weights

    np.testing.assert_allclose(course("constant"), [0, 0] + [2] * 8)
    np.testing.assert_allclose(course("ramp"), [0, 0, 0.5, 1, 1.5, 2, 2, 2, 2, 2])
    np.testing.assert_allclose(course("sqrt"), [0, 0, *2 * np.sqrt(np.arange(1, 9))])


def test_inverse_learning_rate_is_that_of_the_network_alone(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(
        **QUICK, pretrain=0.5, learning_rate="inverse", schedule="sqrt"
    ).fit(X, y, sensitive_features=groups)
    adversary, network = clf.net_.optimizer_.param_groups
    assert network["lr"] == pytest.approx(0.003 / 2)
    assert adversary["lr"] == 0.03
    assert adversary["weight_decay"] == 0


def test_representation_needs_a_hidden_layer(biased):
    X, y, groups = biased
    clf = AdversarialClassifier(
        **{**QUICK, "hidden_layer_sizes": ()}, adversary_input="representation"
    )
    with pytest.raises(ValueError, match="needs a hidden layer"):
        clf.fit(X, y, sensitive_features=groups)


def test_three_groups_three_classes_and_a_group_of_one_label(biased):
    X, y, groups = biased
    y = y + (X[:, 1] > 0.5)
    groups = np.where((y == 2) & (groups == 1), 2, groups)
    clf = AdversarialClassifier(**QUICK, fairness="equalized_odds")
    with pytest.warns(UserWarning, match="undefined"):
        clf.fit(X, y, sensitive_features=groups)
    assert np.isfinite(clf.predict_proba(X)).all()
    assert np.isfinite(clf.leakage_)


@pytest.fixture(scope="module")
def graded():
    """A target that rises with a continuous attribute, which the features show."""
    rng = np.random.default_rng(0)
    age = rng.normal(size=600)
    X = np.column_stack([age + 0.5 * rng.normal(size=600), rng.normal(size=600)])
    y = X[:, 0] + X[:, 1] + 0.3 * rng.normal(size=600)
    return X, y, age


def explained(y_pred, attribute):
    model = LinearRegression().fit(y_pred[:, None], attribute)
    return model.score(y_pred[:, None], attribute)


def test_regressor_of_a_continuous_attribute(graded):
    X, y, age = graded
    before, after = (
        AdversarialRegressor(
            fairness_weight=weight, learning_rate_init=0.01, random_state=0
        ).fit(X, y, sensitive_features=age)
        for weight in (0, 5)
    )
    assert explained(before.predict(X), age) > 0.3
    assert explained(after.predict(X), age) < 0.05
    assert before.leakage_ == pytest.approx(explained(before.predict(X), age), abs=0.03)
    assert after.score(X, y) > 0.2


def test_classifier_of_a_continuous_attribute(graded):
    X, y, age = graded
    before, after = (
        AdversarialClassifier(
            fairness_weight=weight, learning_rate_init=0.01, random_state=0
        ).fit(X, y > 0, sensitive_features=age)
        for weight in (0, 5)
    )
    leaks = [explained(clf.predict_proba(X)[:, 1], age) for clf in (before, after)]
    assert leaks[1] < 0.3 * leaks[0]


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
def test_regressor_gap_of_groups_falls(graded, loss):
    X, y, age = graded
    groups = (age > 0).astype(int)
    gaps, fits = [], []
    for weight in (0, 3):
        reg = AdversarialRegressor(loss=loss, fairness_weight=weight, random_state=0)
        y_pred = reg.fit(X, y, sensitive_features=groups).predict(X)
        gaps.append(np.ptp([y_pred[groups == g].mean() for g in (0, 1)]))
        fits.append(reg.score(X, y))
    assert gaps[1] < 0.4 * gaps[0]
    assert fits[1] > 0.2
    probes = reg.probe(X, sensitive_features=groups)
    assert probes["linear"] < 0.15


def test_what_the_adversary_reads():
    logit = torch.tensor([[0.0, 2.0], [0.0, -1.0]])
    seen = adversary_inputs(logit, logit, 2)
    torch.testing.assert_close(adversary_inputs(None, logit[:, 1], 2), seen)
    torch.testing.assert_close(seen[:, 0], 4 * logit[:, 1].sigmoid() - 2)
    hidden = torch.ones(2, 5)
    assert adversary_inputs((logit, hidden), logit, 2) is hidden
    assert adversary_inputs(torch.ones(2), torch.ones(2), None).shape == (2, 1)
    assert adversary_inputs(None, torch.zeros(2, 3), 3).shape == (2, 3)


def test_outputs_that_overflow_are_an_error(graded):
    X, y, attribute = graded
    model = AdversarialRegressor(
        hidden_layer_sizes=8,
        optimizer="sgd",
        learning_rate_init=1.0,
        batch_size=len(y),
        max_iter=1,
        pretrain=0.0,
        random_state=0,
    )
    with pytest.raises(ValueError, match="needs finite outputs"):
        model.fit(1e10 * X, y, sensitive_features=attribute)
