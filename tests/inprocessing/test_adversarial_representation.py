import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, UndefinedRateWarning, get_definition
from fairsk.inprocessing import AdversarialRepresentation
from fairsk.inprocessing._adversary import label_strata
from fairsk.inprocessing._device import seeded
from fairsk.preprocessing import ConceptProbe

FULL = {"batch_size": 10_000, "dtype": "float64", "device": "cpu", "random_state": 0}

# By the probability of the right one of three groups, as shares of the worst.
LOSSES = {
    "log_loss": lambda p: -p.log() / (3 * np.log(3)),
    "absolute_error": lambda p: (1 - p).abs() / 2,
}


def leakage(code, groups):
    """What a fresh linear probe, judged on folds, reads of the groups."""
    linear = make_pipeline(StandardScaler(), LogisticRegression())
    probe = ConceptProbe(probes={"linear": linear}, random_state=0)
    return probe.fit(code, sensitive_features=groups).leakage_["linear"]


@pytest.fixture(scope="module")
def split():
    """Training and test rows of biased data: features, labels, groups."""
    X, y, groups = make_biased_classification(
        3000, n_features=6, base_rate_gap=0.3, proxy_strength=2.0, random_state=0
    )
    X = StandardScaler().fit_transform(X)
    return (X[:2000], y[:2000], groups[:2000]), (X[2000:], y[2000:], groups[2000:])


def test_a_fresh_probe_reads_less_of_the_group_from_new_samples(split):
    (X, y, groups), (X_test, y_test, groups_test) = split
    leaks, scores = [], []
    for fairness_weight in (0.0, 2.0):
        learner = AdversarialRepresentation(
            4, fairness_weight=fairness_weight, reconstruction_weight=0, random_state=0
        ).fit(X, y, sensitive_features=groups)
        code = learner.transform(X_test)
        leaks.append(leakage(code, groups_test))
        model = LogisticRegression().fit(learner.transform(X), y)
        scores.append(model.score(code, y_test))
    assert leaks[1] < 0.5 * leaks[0]
    assert scores[1] > max(y_test.mean(), 1 - y_test.mean()) + 0.05


def test_within_labels_the_code_tells_less_of_the_group(split):
    (X, y, groups), (X_test, y_test, groups_test) = split
    leaks = []
    for fairness_weight in (0.0, 2.0):
        learner = AdversarialRepresentation(
            4,
            fairness="equalized_odds",
            fairness_weight=fairness_weight,
            reconstruction_weight=0,
            random_state=0,
        ).fit(X, y, sensitive_features=groups)
        code = learner.transform(X_test)
        leaks.append(
            [leakage(code[y_test == k], groups_test[y_test == k]) for k in (0, 1)]
        )
    assert (np.array(leaks[1]) < 0.6 * np.array(leaks[0])).all()


@pytest.mark.parametrize("adversary_loss", LOSSES)
@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
def test_an_epoch_of_one_batch_is_the_steps_of_each_side_by_hand(
    rng, fairness, adversary_loss
):
    X, y = rng.normal(size=(60, 3)), rng.integers(2, size=60)
    groups, weight = rng.integers(3, size=60), rng.uniform(0.5, 2, size=60)
    weights = {"reconstruction_weight": 0.3, "label_weight": 0.7}
    learner = AdversarialRepresentation(
        2,
        hidden_layer_sizes=4,
        activation="tanh",
        fairness=fairness,
        fairness_weight=1.5,
        adversary_loss=adversary_loss,
        adversary_steps=2,
        optimizer="sgd",
        learning_rate_init=0.1,
        max_iter=2,
        **weights,
        **FULL,
    ).fit(X, y, sensitive_features=groups, sample_weight=weight)
    n_strata = 1 if fairness == "demographic_parity" else 2
    seed = int(np.random.RandomState(0).randint(np.iinfo(np.int32).max))
    with seeded(seed, torch.device("cpu")):
        nets = learner._make_networks(True, n_strata)
    X, weight = torch.tensor(X), weight / weight.mean()
    strata = [y >= 0] if n_strata == 1 else [y == 1, y == 0]

    def known(code):
        """The objective of the adversary, over the groups and strata."""
        total = 0.0
        for s, stratum in enumerate(strata):
            seen = torch.cat([code, torch.eye(n_strata)[[s] * 60].double()], dim=1)
            told = nets["adversary"](seen).softmax(1)
            error = 0.0
            for a in range(3):
                rows = np.flatnonzero(stratum & (groups == a))
                w = torch.tensor(weight[rows])
                losses = LOSSES[adversary_loss](told[rows, a])
                error = error + (w * losses).sum() / w.sum()
            total = total + 1 - error
        return total

    def objective():
        code, w = nets["encoder"](X), torch.tensor(weight)
        seen = torch.cat([code, torch.eye(3, dtype=torch.float64)[groups]], dim=1)
        miss = ((nets["decoder"](seen) - X) ** 2).sum(1)
        log_likelihood = nets["classifier"](code).log_softmax(1)[range(60), y]
        return (
            0.3 * (w * miss).sum() / 60
            - 0.7 * (w * log_likelihood).sum() / 60
            + 1.5 * known(code)
        )

    def step(names, value):
        parameters = [p for name in names for p in nets[name].parameters()]
        gradients = torch.autograd.grad(value, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients):
                parameter -= 0.1 * gradient

    losses = []
    for _ in range(2):
        losses.append(objective())
        step(["encoder", "decoder", "classifier"], losses[-1])
        for _ in range(2):
            step(["adversary"], -known(nets["encoder"](X).detach()))
    found = [row["loss"] for row in learner.history_]
    np.testing.assert_allclose(found, [loss.item() for loss in losses], rtol=1e-12)
    for name, value in nets.state_dict().items():
        actual = learner.networks_.state_dict()[name]
        torch.testing.assert_close(actual, value, rtol=1e-9, atol=1e-12)
    assert learner.history_[0]["adversary"] == pytest.approx(0, abs=1e-12)


def test_weights_are_repetitions_of_rows(biased, rng):
    X, y, groups = biased
    weight = rng.integers(0, 3, size=len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    learner = AdversarialRepresentation(
        3, fairness="equalized_odds", hidden_layer_sizes=8, max_iter=20, **FULL
    )
    weighted = learner.fit(
        X, y, sensitive_features=groups, sample_weight=weight
    ).transform(X)
    repeated = learner.fit(X[rows], y[rows], sensitive_features=groups[rows])
    np.testing.assert_allclose(weighted, repeated.transform(X), rtol=1e-6, atol=1e-8)


def test_batches_estimate_the_term_of_all_data_without_bias(biased):
    X, y, groups = biased
    learner = AdversarialRepresentation(
        3,
        fairness="equalized_odds",
        optimizer="sgd",
        learning_rate_init=1e-12,  # the networks stay as they are
        adversary_steps=2,
        max_iter=1,
        dtype="float64",
        random_state=0,
    )
    by_batch, at_once = (
        learner.set_params(batch_size=size)
        .fit(X, y, sensitive_features=groups)
        .history_[0]
        for size in (37, 600)
    )
    assert by_batch == pytest.approx(at_once, rel=1e-9, abs=1e-9)


def test_torchs_global_generator_is_neither_read_nor_changed(biased):
    X, y, groups = biased
    codes = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        learner = AdversarialRepresentation(max_iter=2, random_state=3)
        learner.fit(X, y, sensitive_features=groups)
        assert torch.equal(state, torch.get_rng_state())
        codes.append(learner.transform(X))
    np.testing.assert_array_equal(*codes)


def test_labels_are_optional_and_names_are_given(biased):
    X, y, groups = biased
    learner = AdversarialRepresentation(3, max_iter=2, random_state=0)
    learner.fit(X, y, sensitive_features=groups).fit(X, sensitive_features=groups)
    assert list(learner.networks_) == ["encoder", "decoder", "adversary"]
    assert not hasattr(learner, "classes_")
    code = learner.set_output(transform="pandas").transform(X)
    assert isinstance(code, pd.DataFrame)
    assert list(code) == [f"adversarialrepresentation{k}" for k in range(3)]
    assert (code.dtypes == "float32").all()


def test_what_has_no_weight_is_not_trained(biased):
    X, y, groups = biased
    learner = AdversarialRepresentation(
        reconstruction_weight=0, fairness_weight=0, max_iter=3, random_state=0
    ).fit(X, y, sensitive_features=groups)
    assert list(learner.networks_) == ["encoder", "classifier"]
    assert [list(row) for row in learner.history_] == [["loss", "label"]] * 3
    assert learner.n_iter_ == 3
    assert learner.loss_ == learner.history_[-1]["loss"]


def test_a_code_that_is_to_keep_nothing_raises(biased):
    X, y, groups = biased
    learner = AdversarialRepresentation(reconstruction_weight=0)
    with pytest.raises(ValueError, match="Got reconstruction_weight=0"):
        learner.fit(X, sensitive_features=groups)
    with pytest.raises(ValueError, match="Got reconstruction_weight=0"):
        learner.set_params(label_weight=0).fit(X, y, sensitive_features=groups)


def test_without_labels_none_can_be_conditioned_on(biased):
    X, _, groups = biased
    learner = AdversarialRepresentation(fairness="equalized_odds")
    with pytest.raises(ValueError, match="Got fairness='equalized_odds' without y"):
        learner.fit(X, sensitive_features=groups)


def test_a_group_without_a_label_is_left_out_there_with_a_warning(biased):
    X, y, groups = biased
    y = np.where(groups == groups[0], 1, y)
    learner = AdversarialRepresentation(
        fairness="equalized_odds", max_iter=2, random_state=0
    )
    with pytest.warns(UndefinedRateWarning, match="false_positive_rate"):
        learner.fit(X, y, sensitive_features=groups)
    # Code, and the one stratum in which two groups are left.
    assert learner.networks_["adversary"][0].in_features == 8 + 1


def test_a_loss_that_diverges_stops_with_the_epoch_and_a_remedy(biased):
    X, y, groups = biased
    learner = AdversarialRepresentation(
        activation="identity",
        optimizer="sgd",
        learning_rate_init=0.3,
        reconstruction_weight=1,
        random_state=0,
        batch_size=600,
    )
    message = r"not finite in epoch \d+\. .*before\. Lower learning_rate_init"
    with pytest.warns(UserWarning, match=message):
        learner.fit(X, y, sensitive_features=groups)
    assert 0 < learner.n_iter_ < 50
    assert np.isfinite(learner.transform(X)).all()
    with pytest.raises(ValueError, match=r"first epoch\. Lower learning"):
        learner.fit(X * 1e30, y, sensitive_features=groups)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_definition_holds_where_the_code_is_independent_in_its_strata(rng, name):
    definition = get_definition(name)
    # Groups with base rates of their own.
    labels = rng.dirichlet(np.ones(2), size=3)
    by_label = labels[:, :, None] * rng.dirichlet(np.ones(2), size=2)
    alike = labels[:, :, None] * rng.dirichlet(np.ones(2))
    holds = [definition.disparity(counts) < 1e-12 for counts in (alike, by_label)]
    if not holds[0] or not definition.is_linear:
        with pytest.raises(ValueError, match=f"Got '{name}'.* Take one of"):
            label_strata(definition, 2, "test")
        return
    strata = label_strata(definition, 2, "test")
    # Where predictions that heed the label are fair too, labels are strata.
    assert holds[1] == definition.conditions_on_label == (strata.sum(axis=1) == 1).all()
    for label in np.flatnonzero(~strata.any(axis=0)):
        by_label[:, label] = labels[:, [label]] * rng.dirichlet(np.ones(2), size=3)
        assert definition.disparity(by_label) < 1e-12


def test_more_than_two_labels_are_each_against_the_rest():
    strata = label_strata(get_definition("equal_opportunity"), 3, "test")
    np.testing.assert_array_equal(strata[::-1], np.eye(3))
    strata = label_strata(get_definition("predictive_equality"), 3, "test")
    np.testing.assert_array_equal(strata, 1 - np.eye(3))
