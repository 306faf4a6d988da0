import pickle
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from fairsk.definitions import UndefinedRateWarning
from fairsk.inprocessing._batches import GroupedDataset
from fairsk.penalties import WassersteinPenalty
from fairsk.text import FairTransformerClassifier
from fairsk.text._models import clear_models, load_model
from fairsk.text._text_net import Adversary, Schedule, TextLoss, logit_distance
from fairsk.text._tokens import LengthBatches, TokenStore


def make_texts(n_samples=60, seed=0):
    """Sentences about he or she; the label is the word "clever", and a little he."""
    rng = np.random.default_rng(seed)
    he = rng.random(n_samples) < 0.5
    y = (rng.random(n_samples) < np.where(he, 0.7, 0.3)).astype(int)
    texts = [
        f"{'he' if h else 'she'} is {'clever' if c else 'sad'} and kind {'the ' * k}at"
        for h, c, k in zip(he, y, rng.integers(1, 12, n_samples))
    ]
    return texts, y, np.where(he, "he", "she")


def swap(texts):
    other = {"he": "she", "she": "he"}
    return [" ".join(other.get(w, w) for w in t.split(" ")) for t in texts]


def make(model, **params):
    return FairTransformerClassifier(
        model, **{"device": "cpu", "random_state": 0, "max_iter": 1, **params}
    )


TRAIN = ("head", "last_k", "lora", "full")
TEXTS, Y, GROUPS = make_texts()


def flips(clf, texts):
    return np.mean(clf.predict(texts) != clf.predict(swap(texts)))


@pytest.mark.parametrize("model", ["tiny_bert", "tiny_gpt"])
@pytest.mark.parametrize("train", TRAIN)
def test_cached_prefix_changes_nothing_and_pickles_predict_the_same(
    model, train, request
):
    model = request.getfixturevalue(model)
    params = {"train": train, "n_layers": None if train == "full" else 1}
    clf = make(model, **params).fit(TEXTS, Y, sensitive_features=GROUPS)
    uncached = make(model, cache_prefix=False, **params)
    uncached.fit(TEXTS, Y, sensitive_features=GROUPS)
    expected = clf.predict_proba(TEXTS)
    np.testing.assert_allclose(uncached.predict_proba(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(uncached.loss_curve_, clf.loss_curve_, atol=1e-5)
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_allclose(copy.predict_proba(TEXTS), expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_probabilities_are_those_of_the_model_on_each_text_alone(tiny_bert, pooling):
    clf = make(tiny_bert, train="full", pooling=pooling, fairness_weight=0)
    clf.fit(TEXTS, Y)
    tokenizer = load_model(tiny_bert).tokenizer
    module = clf.module_
    for text, probability in zip(TEXTS[:5], clf.predict_proba(TEXTS)):
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.no_grad():
            hidden = module.body(input_ids=ids).last_hidden_state[0]
            pooled = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}
            expected = module.head(pooled[pooling]).softmax(0).numpy()
        np.testing.assert_allclose(probability, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("train", "prefixes"),
    [
        ("head", ("head.",)),
        ("last_k", ("head.", "body.encoder.layer.0.")),
        ("lora", ("head.", "body.encoder.layer.")),
    ],
)
def test_only_what_was_trained_is_kept(tiny_bert, train, prefixes):
    clf = make(tiny_bert, train=train, n_layers=1, fairness_weight=0).fit(TEXTS, Y)
    names = set(clf.trained_state_)
    assert all(name.startswith((*prefixes, "body.pooler.")) for name in names)
    if train == "lora":
        lora = {name for name in names if not name.startswith("head.")}
        assert lora
        assert all(name.endswith((".up", ".down")) for name in lora)


def test_the_loaded_weights_stay_as_they_are(tiny_bert):
    model = load_model(tiny_bert).model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for train in TRAIN:
        make(tiny_bert, train=train, fairness_weight=0).fit(TEXTS, Y)
    after = load_model(tiny_bert).model.state_dict()
    assert set(after) == set(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_an_unfitted_estimator_holds_no_weights(tiny_bert):
    clf = make(tiny_bert, train="full")
    assert len(pickle.dumps(clf)) < 3000
    clf.fit(TEXTS, Y, sensitive_features=GROUPS)
    assert len(pickle.dumps(clone(clf))) < 3000


def test_the_same_random_state_gives_the_same_model(tiny_bert):
    outcomes = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        clear_models()  # loading draws random numbers
        clf = make(tiny_bert).fit(TEXTS, Y, sensitive_features=GROUPS)
        outcomes.append(clf.predict_proba(TEXTS))
    np.testing.assert_array_equal(*outcomes)


def test_names_of_groups_do_not_matter(tiny_bert):
    params = {"adversary_weight": 0.5, "dro_step_size": 0.1}
    outcomes = [
        make(tiny_bert, **params)
        .fit(TEXTS, Y, sensitive_features=np.where(GROUPS == "he", *names))
        .predict_proba(TEXTS)
        for names in (("a", "b"), ("b", "a"))
    ]
    np.testing.assert_allclose(*outcomes, atol=1e-5)


def test_a_row_of_weight_0_is_no_row_and_weight_2_is_two(tiny_bert):
    params = {"train": "head", "dropout": 0.0, "batch_size": 1000, "max_iter": 3}
    weight = np.random.default_rng(0).integers(0, 3, len(TEXTS))
    weighted = make(tiny_bert, **params).fit(
        TEXTS, Y, sensitive_features=GROUPS, sample_weight=weight
    )
    rows = np.repeat(np.arange(len(TEXTS)), weight)
    repeated = make(tiny_bert, **params).fit(
        [TEXTS[i] for i in rows], Y[rows], sensitive_features=GROUPS[rows]
    )
    np.testing.assert_allclose(
        weighted.predict_proba(TEXTS), repeated.predict_proba(TEXTS), atol=1e-5
    )


def test_pairing_takes_away_flips(tiny_bert):
    params = {
        "fairness_weight": 0,
        "train": "full",
        "learning_rate_init": 3e-3,
        "head_learning_rate_init": 3e-3,
        "batch_size": 8,
        "max_iter": 4,
    }
    # Only the pronoun says anything of the label.
    texts = [text.replace("clever", "at").replace("sad", "at") for text in TEXTS]
    y = (GROUPS == "he").astype(int)
    plain = make(tiny_bert, **params).fit(texts, y)
    paired = make(tiny_bert, counterfactual=swap, pairing_weight=100.0, **params)
    paired.fit(texts, y)
    assert flips(plain, texts) > 0.5
    assert flips(paired, texts) < 0.1
    assert paired.pair_coverage_ == 1


@pytest.mark.parametrize("how", ["penalty", "list", "instance", "adversary", "dro"])
def test_every_way_to_be_fair_trains(tiny_bert, how):
    params = {
        "penalty": {"fairness": "mmd"},
        "list": {"fairness": ["equalized_odds", ("hsic", 2.0)]},
        "instance": {"fairness": WassersteinPenalty()},
        "adversary": {"fairness": "equalized_odds", "adversary_weight": 0.1},
        "dro": {"fairness_weight": 0, "dro_step_size": 0.1},
    }[how]
    clf = make(tiny_bert, fairness_warmup=0.5, **params)
    clf.fit(TEXTS, Y, sensitive_features=GROUPS)
    assert np.isfinite(clf.loss_curve_).all()
    assert ("penalty" in clf.history_[0]) == (how != "dro")


def test_a_penalty_brings_selection_rates_together(tiny_bert):
    params = {"train": "full", "learning_rate_init": 3e-3, "max_iter": 6}
    y = (GROUPS == "he").astype(int)
    gaps = []
    for fairness_weight in (0, 5.0):
        clf = make(tiny_bert, fairness_weight=fairness_weight, **params)
        scores = clf.fit(TEXTS, y, sensitive_features=GROUPS).predict_proba(TEXTS)
        he = GROUPS == "he"
        gaps.append(abs(scores[he, 1].mean() - scores[~he, 1].mean()))
    assert gaps[1] < 0.3 * gaps[0]


def test_logit_distance_is_that_of_differences_of_logits(rng):
    z, other = (torch.tensor(rng.normal(size=(5, 3))) for _ in range(2))
    expected = np.mean(
        [
            ((a - a.mean()) - (b - b.mean())) ** 2
            for a, b in zip(z.numpy(), other.numpy())
        ]
    )
    assert logit_distance(z, other).item() == pytest.approx(expected)
    assert logit_distance(z, z + 7).item() == pytest.approx(0)
    assert logit_distance(z[:0], z[:0]).item() == 0


def test_binary_logit_distance_is_half_that_of_the_log_odds(rng):
    z, other = (torch.tensor(rng.normal(size=(5, 2))) for _ in range(2))
    odds = (z[:, 1] - z[:, 0]) - (other[:, 1] - other[:, 0])
    expected = odds.square().mean() / 4
    assert logit_distance(z, other).item() == pytest.approx(expected.item())


def test_robust_weights_follow_the_exponentiated_gradient():
    loss = TextLoss(None, 2, 2, 0.0, dro_step_size=0.5)
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    y, groups = torch.tensor([0, 0, 1]), torch.tensor([0, 0, 1])
    losses = torch.nn.functional.cross_entropy(logits, y, reduction="none").numpy()
    means = np.array([losses[:2].mean(), 0, 0, losses[2]])
    q = 0.25 * np.exp(0.5 * means)
    q /= q.sum()
    expected = (q * means).sum() / q[[0, 3]].sum()  # cells without a sample are out
    assert loss((logits, None, None), y, groups).item() == pytest.approx(expected)
    np.testing.assert_allclose(loss.cell_weight.numpy(), q, rtol=1e-6)


def test_the_adversary_turns_the_gradient_round():
    adversary = Adversary(3, 2, 0)
    torch.nn.init.normal_(adversary.layers[-1].weight)
    y = torch.zeros(4, dtype=torch.long)
    gradients = []
    for weight in (-1.0, 0.3):  # -1 is the plain gradient
        embedding = torch.linspace(0, 1, 12).reshape(4, 3).requires_grad_()
        adversary(embedding, y, weight).square().sum().backward()
        gradients.append(embedding.grad)
    torch.testing.assert_close(gradients[1], -0.3 * gradients[0])


def test_fairness_and_learning_rate_follow_the_schedule():
    class Net:
        optimizer_ = SimpleNamespace(param_groups=[{"lr": 1.0}, {"lr": 10.0}])
        criterion_ = SimpleNamespace(warmth=None)

    net, schedule = Net(), Schedule(20, warmup=0.5)
    schedule.on_train_begin(net)
    rates, warmths = [], []
    for _ in range(20):
        schedule.on_batch_begin(net, training=True)
        rates.append([group["lr"] for group in net.optimizer_.param_groups])
        warmths.append(net.criterion_.warmth)
    rates = np.array(rates)
    np.testing.assert_allclose(rates[:, 1], 10 * rates[:, 0])
    assert rates[0, 0] == 0.5
    assert rates[:, 0].argmax() in (1, 2)
    assert (np.diff(rates[2:, 0]) < 0).all()
    assert rates[-1, 0] < 0.06
    np.testing.assert_allclose(warmths, np.minimum(np.arange(20) / 10, 1))


def test_bfloat16_is_near_float32(tiny_bert):
    outcomes = [
        make(tiny_bert, dtype=dtype, train="last_k", n_layers=1, fairness_weight=0)
        .fit(TEXTS, Y)
        .predict_proba(TEXTS)
        for dtype in ("float32", "bfloat16")
    ]
    np.testing.assert_allclose(*outcomes, atol=0.03)
    assert np.abs(outcomes[0] - outcomes[1]).max() > 0


def test_balanced_classes_weigh_the_same(tiny_bert):
    y = (np.arange(len(TEXTS)) < 6).astype(int)
    params = {"train": "head", "fairness_weight": 0, "max_iter": 20, "dropout": 0.0}
    means = [
        make(tiny_bert, class_weight=w, head_learning_rate_init=0.02, **params)
        .fit(TEXTS, y)
        .predict_proba(TEXTS)[:, 1]
        .mean()
        for w in (None, "balanced")
    ]
    assert means[0] < 0.25
    assert 0.3 < means[1] < 0.7


def test_it_is_searched_like_any_estimator(tiny_bert):
    search = GridSearchCV(
        make(tiny_bert, group_by=ByPronoun()),
        {"fairness_weight": [0.0, 1.0], "train": ["head", "lora"]},
        cv=2,
    )
    search.fit(TEXTS, Y)
    assert search.predict(TEXTS).shape == (len(TEXTS),)
    assert len(search.cv_results_["params"]) == 4


class ByPronoun:
    def __call__(self, X):
        return [text.split(" ")[0] for text in X]


def test_string_labels_and_containers(tiny_bert):
    names = np.array(["no", "yes"])
    expected = make(tiny_bert).fit(TEXTS, Y, sensitive_features=GROUPS)
    for X in (np.array(TEXTS), np.array(TEXTS, dtype=object)[:, None]):
        clf = make(tiny_bert).fit(X, names[Y], sensitive_features=GROUPS)
        assert list(clf.classes_) == ["no", "yes"]
        assert list(clf.predict(X)) == list(names[expected.predict(TEXTS)])


def test_batches_are_stratified_and_of_like_length(rng):
    n_samples = 480
    lengths = rng.integers(3, 100, n_samples)
    groups = torch.as_tensor(rng.integers(0, 2, n_samples))
    dataset = GroupedDataset(torch.arange(n_samples), groups=groups)
    batches = LengthBatches(dataset, 32, lengths=lengths, seed=0)
    order = batches.draw_order().numpy()
    assert sorted(order) == list(range(n_samples))
    rows = order.reshape(-1, 32)
    shares = groups.numpy()[rows].mean(axis=1)
    assert np.abs(shares - groups.numpy().mean()).max() < 0.05
    padded = (lengths[rows].max(axis=1) * 32).sum()
    at_random = (lengths[rng.permutation(n_samples)].reshape(-1, 32)).max(axis=1)
    assert padded < 0.8 * (at_random * 32).sum()
    assert (batches.draw_order().numpy() != order).any()


def test_equal_texts_are_stored_once(tiny_bert):
    texts = ["he is good", "she", "he is good"]
    store = TokenStore(texts, load_model(tiny_bert), 16)
    assert len(store) == 2
    assert list(store.index) == [0, 1, 0]


def test_too_many_layers_raise(tiny_bert):
    with pytest.raises(ValueError, match=r"n_layers.*2\. Got 3"):
        make(tiny_bert, n_layers=3).fit(TEXTS, Y, sensitive_features=GROUPS)


def test_groups_are_needed_where_they_are_compared(tiny_bert):
    with pytest.raises(ValueError, match=r"sensitive_features.*group_by"):
        make(tiny_bert).fit(TEXTS, Y)
    make(tiny_bert, train="head", fairness_weight=0).fit(TEXTS, Y)


def test_a_group_that_lacks_a_class_is_named(tiny_bert):
    groups = np.where(Y == 1, "he", GROUPS)
    clf = make(tiny_bert, train="head", fairness="equal_opportunity")
    with pytest.warns(UndefinedRateWarning, match="she"):
        clf.fit(TEXTS, Y, sensitive_features=groups)


def test_one_class_raises(tiny_bert):
    with pytest.raises(ValueError, match="at least 2 classes"):
        make(tiny_bert).fit(TEXTS, np.ones(60), sensitive_features=GROUPS)


def test_bad_counterfactuals_raise_or_warn(tiny_bert):
    clf = make(tiny_bert, fairness_weight=0, train="head", counterfactual=list)
    with pytest.warns(UserWarning, match="changes none of 60 texts"):
        clf.fit(TEXTS, Y)
    with pytest.raises(ValueError, match="Got 59 for 60"):
        clf.set_params(counterfactual=lambda texts: texts[1:]).fit(TEXTS, Y)


@pytest.mark.gpu
@pytest.mark.parametrize("train", TRAIN)
def test_it_trains_on_a_gpu(tiny_bert, train):
    params = {"counterfactual": swap, "adversary_weight": 0.1, "dro_step_size": 0.1}
    outcomes = [
        make(tiny_bert, train=train, device=device, dropout=0.0, **params)
        .fit(TEXTS, Y, sensitive_features=GROUPS)
        .predict_proba(TEXTS)
        for device in ("cpu", "cuda")
    ]
    # The model's own dropout draws other numbers on another device.
    np.testing.assert_allclose(*outcomes, atol=0.2)


def test_a_pickle_whose_model_has_changed_is_an_error(tiny_bert, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_bert, folder)
    clf = make(str(folder), n_layers=1, fairness_weight=0).fit(TEXTS, Y)
    content = pickle.dumps(clf)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config + "\n")
    with pytest.raises(ValueError, match="needs the model that it was fitted on"):
        pickle.loads(content).predict(TEXTS)
    (folder / "config.json").write_text(config)
    assert list(pickle.loads(content).predict(TEXTS)) == list(clf.predict(TEXTS))


def test_balanced_classes_leave_out_one_without_weight(tiny_bert):
    y = np.arange(len(TEXTS)) % 3
    weight = (y != 2).astype(float)
    params = {"n_layers": 1, "fairness_weight": 0, "class_weight": "balanced"}
    clf = make(tiny_bert, **params).fit(TEXTS, y, sample_weight=weight)
    assert clf.predict_proba(TEXTS).shape == (len(TEXTS), 3)
    assert np.isfinite(clf.loss_curve_).all()
