"""The path of weights against separate fits, searches and its own table."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV, PredefinedSplit, StratifiedKFold

from fairsk.datasets import make_biased_classification
from fairsk.inprocessing import (
    FairMLPClassifier,
    FairMLPClassifierCV,
    FairNetClassifier,
    FairNetClassifierCV,
)
from fairsk.metrics import get_scorer
from fairsk.model_selection import best_within
from fairsk.penalties import (
    DefinitionPenalty,
    EachFeaturePenalty,
    HSICPenalty,
    MemoryPenalty,
    Penalty,
)

WEIGHTS = [0.0, 0.3, 2.0]
EXACT = {
    "hidden_layer_sizes": (8, 4),
    "max_iter": 5,
    "batch_size": 64,
    "dtype": "float64",
    "random_state": 3,
    "device": "cpu",
}


class Net(torch.nn.Module):
    def __init__(self, n_features, n_classes, hidden=8):
        super().__init__()
        self.first = torch.nn.Linear(n_features, hidden)
        self.norm = torch.nn.LayerNorm(hidden)
        self.second = torch.nn.Linear(hidden, n_classes)

    def forward(self, X):
        return self.second(torch.tanh(self.norm(self.first(X))))


@pytest.fixture(scope="module")
def data():
    return make_biased_classification(400, base_rate_gap=0.5, random_state=0)


def assert_same_networks(members, fits, X):
    for member, alone in zip(members, fits, strict=True):
        np.testing.assert_allclose(
            member.predict_proba(X), alone.predict_proba(X), atol=1e-10
        )
        np.testing.assert_allclose(member.loss_curve_, alone.loss_curve_, atol=1e-10)


@pytest.mark.filterwarnings("ignore::fairsk.definitions.UndefinedRateWarning")
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"early_stopping": True, "n_iter_no_change": 2, "tol": 0.01, "max_iter": 12},
        {"n_iter_no_change": 1, "tol": 0.02, "max_iter": 12},
        {"fairness": ["hsic", ("equalized_odds", 0.5)]},
        {"fairness": "wasserstein", "learning_rate": "constant"},
        {"fairness": MemoryPenalty("wasserstein", 3), "batch_size": 50},
        {"fairness": EachFeaturePenalty(), "optimizer": "sgd"},
        {"disparity": "ratio", "activation": "tanh", "optimizer": "adamw"},
        {"hidden_layer_sizes": (), "shuffle": False},
    ],
)
def test_networks_are_those_of_separate_fits(data, params):
    X, y, groups = data
    groups = {"a": groups, "b": np.arange(len(y)) % 3}
    params = EXACT | params
    path = FairMLPClassifierCV(WEIGHTS, cv=2, **params)
    path.fit(X, y, sensitive_features=groups)
    fits = [
        FairMLPClassifier(fairness_weight=weight, **params).fit(
            X, y, sensitive_features=groups
        )
        for weight in WEIGHTS
    ]
    assert_same_networks(path.estimators_, fits, X)


def test_members_stop_at_their_own_epochs(data):
    X, y, groups = data
    params = EXACT | {"n_iter_no_change": 1, "tol": 0.02, "max_iter": 30}
    path = FairMLPClassifierCV(WEIGHTS, cv=2, **params)
    path.fit(X, y, sensitive_features=groups)
    epochs = [member.n_iter_ for member in path.estimators_]
    assert len(set(epochs)) > 1
    assert max(epochs) < 30


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("batch_size", [64, 70])
def test_folds_of_unequal_sizes_are_those_of_a_search(n_classes, weighted, batch_size):
    X, y = make_classification(
        401, n_classes=n_classes, n_informative=5, random_state=0
    )
    groups = np.arange(401) % 3
    # 301, 300 and 201 rows to train on: other numbers of batches, other last batches.
    folds = np.repeat([0, 1, 2], [100, 101, 200])
    weight = np.linspace(0.5, 2, 401) if weighted else None
    params = EXACT | {"batch_size": batch_size}
    cv = PredefinedSplit(folds)
    path = FairMLPClassifierCV(WEIGHTS, cv=cv, scoring="neg_log_loss", **params)
    path.fit(X, y, sensitive_features=groups, sample_weight=weight)
    for k, (train, test) in enumerate(cv.split(X)):
        part = None if weight is None else weight[train]
        for position, value in enumerate(WEIGHTS):
            alone = FairMLPClassifier(fairness_weight=value, **params).fit(
                X[train], y[train], sensitive_features=groups[train], sample_weight=part
            )
            expected = get_scorer("neg_log_loss")(
                alone,
                X[test],
                y[test],
                sample_weight=None if weight is None else weight[test],
            )
            score = path.path_results_[f"split{k}_test_neg_log_loss"][position]
            assert score == pytest.approx(expected, abs=1e-10)


def test_table_is_that_of_grid_search(data):
    X, y, groups = data
    X = np.c_[X, groups]
    names = ["accuracy", "neg_demographic_parity_difference"]
    scoring = {name: get_scorer(name, group_by=-1) for name in names}
    rule = best_within("accuracy", {"demographic_parity_difference": 0.3})
    cv = StratifiedKFold(3)
    search = GridSearchCV(
        FairMLPClassifier(group_by=-1, **EXACT),
        {"fairness_weight": WEIGHTS},
        scoring=scoring,
        refit=rule,
        cv=cv,
    ).fit(X, y)
    path = FairMLPClassifierCV(
        WEIGHTS, group_by=-1, cv=cv, scoring=names, refit=rule, **EXACT
    ).fit(X, y)
    # StratifiedKFold is a splitter of the user's, so it sees the classes only.
    for key, values in path.path_results_.items():
        if "_test_" in key:
            np.testing.assert_allclose(values, search.cv_results_[key], atol=1e-12)
    assert path.fairness_weight_ == search.best_params_["fairness_weight"]
    np.testing.assert_array_equal(path.predict(X), search.predict(X))


@pytest.mark.parametrize(
    "params", [{}, {"early_stopping": True, "max_iter": 8}, {"optimizer": "sgd"}]
)
def test_modules_are_those_of_separate_fits(data, params):
    X, y, groups = data
    params = {k: v for k, v in EXACT.items() if k != "hidden_layer_sizes"} | params
    path = FairNetClassifierCV(Net, WEIGHTS, cv=2, module__hidden=6, **params)
    path.fit(X, y, sensitive_features=groups)
    fits = [
        FairNetClassifier(Net, fairness_weight=w, module__hidden=6, **params).fit(
            X, y, sensitive_features=groups
        )
        for w in WEIGHTS
    ]
    assert_same_networks(path.estimators_, fits, X)


def test_another_criterion_is_that_of_separate_fits(data):
    X, y, groups = data
    params = {k: v for k, v in EXACT.items() if k != "hidden_layer_sizes"}
    params |= {"criterion__label_smoothing": 0.2}
    path = FairNetClassifierCV(Net, WEIGHTS, cv=2, **params)
    path.fit(X, y, sensitive_features=groups)
    alone = FairNetClassifier(Net, fairness_weight=2.0, **params)
    alone.fit(X, y, sensitive_features=groups)
    assert_same_networks(path.estimators_[2:], [alone], X)


def test_perceptrons_and_modules_agree(data):
    X, y, groups = data
    params = {k: v for k, v in EXACT.items() if k != "hidden_layer_sizes"}
    perceptrons = FairMLPClassifierCV(WEIGHTS, (8,), cv=2, **params)
    perceptrons.fit(X, y, sensitive_features=groups)
    module = perceptrons.estimators_[0].net_.module
    modules = FairNetClassifierCV(
        module,
        WEIGHTS,
        cv=2,
        module__layer_sizes=[X.shape[1], 8, 1],
        module__activation="relu",
        optimizer__weight_decay=1e-4,
        **params,
    )
    modules.fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(
        perceptrons.predict_proba_path(X), modules.predict_proba_path(X), atol=1e-10
    )


def test_dropout_draws_for_each_member_and_is_off_at_predict(data):
    X, y, groups = data
    net = torch.nn.Sequential(
        torch.nn.Linear(X.shape[1], 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 1)
    )
    path = FairNetClassifierCV(net, [0, 0], cv=2, max_iter=3, random_state=0)
    path.fit(X, y, sensitive_features=groups)
    first, second = path.predict_proba_path(X)
    assert abs(first - second).max() > 1e-6
    np.testing.assert_array_equal(path.predict_proba_path(X)[0], first)


@pytest.mark.parametrize("kind", ["running statistics", "branch"])
def test_what_cannot_be_stacked_raises(data, kind):
    X, y, groups = data

    class Branching(torch.nn.Linear):
        def forward(self, X):
            return super().forward(X) * (2 if X.sum() * self.weight.sum() > 0 else 1)

    if kind == "branch":
        module = Branching(X.shape[1], 1)
    else:
        module = torch.nn.Sequential(
            torch.nn.BatchNorm1d(X.shape[1]), torch.nn.Linear(X.shape[1], 1)
        )
    with pytest.raises(ValueError, match=r"can be stacked.*GridSearchCV"):
        FairNetClassifierCV(module, [0, 1]).fit(X, y, sensitive_features=groups)


def test_gap_falls_along_the_path_and_the_rule_chooses(data):
    X, y, groups = data
    rule = best_within("accuracy", {"demographic_parity_difference": 0.15})
    path = FairMLPClassifierCV(
        [0, 0.5, 5], (16,), refit=rule, max_iter=25, learning_rate_init=0.02,
        random_state=0,
    )  # fmt: skip
    path.fit(X, y, sensitive_features=groups)
    gaps = -path.path_results_["mean_test_neg_demographic_parity_difference"]
    assert gaps[0] > 0.3 > gaps[2]
    assert path.fairness_weight_ == path.fairness_weights_[path.best_index_]
    chosen = path.predict_path(X)[path.best_index_]
    np.testing.assert_array_equal(path.predict(X), chosen)


def test_without_the_path_the_chosen_network_is_the_same(data):
    X, y, groups = data
    path = FairMLPClassifierCV(WEIGHTS, cv=2, **EXACT)
    path.fit(X, y, sensitive_features=groups)
    alone = clone(path).set_params(refit_path=False)
    alone.fit(X, y, sensitive_features=groups)
    assert alone.fairness_weight_ == path.fairness_weight_
    np.testing.assert_allclose(
        alone.predict_proba(X), path.predict_proba(X), atol=1e-10
    )
    with pytest.raises(ValueError, match="refit_path=True"):
        alone.predict_path(X)


def test_frontier_has_the_rows_that_nothing_beats(data):
    X, y, groups = data
    path = FairMLPClassifierCV(6, **EXACT, cv=2).fit(X, y, sensitive_features=groups)
    names = ["accuracy", "neg_demographic_parity_difference"]
    means = np.stack([path.path_results_[f"mean_test_{n}"] for n in names], axis=1)
    expected = [
        weight
        for weight, row in zip(path.fairness_weights_, means)
        if not any((o >= row).all() and (o > row).any() for o in means)
    ]
    assert path.frontier_["fairness_weight"].tolist() == expected
    assert path.fairness_weights_[0] == 0
    assert len(path.fairness_weights_) == 6


def test_a_score_a_callable_and_a_dict_are_taken(data):
    X, y, groups = data
    path = FairMLPClassifierCV([0, 1], cv=2, **EXACT)
    by_name = clone(path).set_params(scoring="balanced_accuracy")
    by_name.fit(X, y, sensitive_features=groups)
    assert "mean_test_balanced_accuracy" in by_name.path_results_

    def score(estimator, X, y):
        return (estimator.predict(X) == y).mean()

    by_call = clone(path).set_params(scoring=score)
    by_call.fit(X, y, sensitive_features=groups)
    both = clone(path).set_params(scoring={"a": "accuracy", "b": score}, refit="b")
    both.fit(X, y, sensitive_features=groups)
    for key in ("a", "b"):
        np.testing.assert_allclose(
            both.path_results_[f"mean_test_{key}"],
            by_call.path_results_["mean_test_score"],
        )


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"fairness_weights": [-1.0, 0.0]}, "non-negative weights"),
        ({"fairness_weights": [[1.0]]}, "non-negative weights"),
        ({"fairness_weights": [np.inf]}, "finite"),
        ({"fairness_weights": 0}, "'fairness_weights' parameter"),
        ({"refit": "recall"}, r"`refit`.*accuracy"),
        ({"optimizer": torch.optim.LBFGS}, "'optimizer' parameter"),
    ],
)
def test_bad_parameters_raise(data, params, message):
    X, y, groups = data
    with pytest.raises(ValueError, match=message):
        FairMLPClassifierCV(**params).fit(X, y, sensitive_features=groups)


def test_a_fold_without_a_class_raises():
    X = np.random.default_rng(0).normal(size=(30, 2))
    y, groups = np.repeat([0, 1, 2], [13, 13, 4]), np.arange(30) % 2
    cv = PredefinedSplit(np.r_[np.zeros(26), np.ones(4)])
    with pytest.raises(ValueError, match=r"Fold 0 has none of \[0, 1\]"):
        FairMLPClassifierCV([0, 1], cv=cv).fit(X, y, sensitive_features=groups)


def test_a_network_that_diverges_is_named_and_leaves_the_others(data):
    X, y, groups = data
    params = EXACT | {"optimizer": "sgd", "learning_rate": "constant"}
    path = FairMLPClassifierCV([0.0, 1e305], cv=2, **params)
    message = r"not finite for the fairness weights \[1e.*first in the epochs \[[1-5]\]"
    with pytest.warns(UserWarning, match=message):
        path.fit(X, y, sensitive_features=groups)
    alone = FairMLPClassifier(fairness_weight=0, **params)
    alone.fit(X, y, sensitive_features=groups)
    assert_same_networks(path.estimators_[:1], [alone], X)
    with pytest.raises(ValueError, match=r"first.epoch"):
        clone(path).set_params(learning_rate_init=1e300).fit(
            1e10 * X, y, sensitive_features=groups
        )


def test_single_precision_agrees_up_to_rounding(data):
    X, y, groups = data
    params = EXACT | {"dtype": "float32", "max_iter": 2}
    path = FairMLPClassifierCV([1.0], cv=2, **params)
    path.fit(X, y, sensitive_features=groups)
    alone = FairMLPClassifier(fairness_weight=1.0, **params)
    alone.fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(path.predict_proba(X), alone.predict_proba(X), atol=1e-5)


def test_verbose_prints_a_line_an_epoch(data, capsys):
    X, y, groups = data
    FairMLPClassifierCV([0, 1], cv=2, verbose=1, **EXACT).fit(
        X, y, sensitive_features=groups
    )
    assert "epoch    1  training    4  mean loss" in capsys.readouterr().out


@pytest.mark.gpu
def test_path_on_a_gpu_agrees_with_the_cpu(data):
    X, y, groups = data
    path = FairMLPClassifierCV(WEIGHTS, cv=2, **EXACT)
    on_cpu = clone(path).fit(X, y, sensitive_features=groups)
    on_gpu = path.set_params(device="cuda").fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(
        on_gpu.predict_proba_path(X), on_cpu.predict_proba_path(X), atol=1e-8
    )


def test_processes_change_nothing(data):
    X, y, groups = data
    one, two = (
        FairMLPClassifierCV(WEIGHTS, cv=2, n_jobs=n_jobs, **EXACT).fit(
            X, y, sensitive_features=groups
        )
        for n_jobs in (None, 2)
    )
    assert_same_networks(one.estimators_, two.estimators_, X)
    assert one.fairness_weight_ == two.fairness_weight_


@pytest.mark.parametrize(
    "fairness", ["demographic_parity", "covariance", "hsic", "mmd", "wasserstein"]
)
def test_default_weights_reach_from_no_effect_to_little_disparity(data, fairness):
    X, y, groups = data
    few = np.arange(40)
    path = FairMLPClassifierCV(
        3, (8,), fairness=fairness, cv=[(few, few)], max_iter=25, batch_size=128,
        learning_rate_init=0.02, random_state=0, device="cpu",
    )  # fmt: skip
    path.fit(X, y, sensitive_features=groups)
    selected = [(y_pred == 1) for y_pred in path.predict_path(X)]
    gaps = [abs(s[groups == 0].mean() - s[groups == 1].mean()) for s in selected]
    assert gaps[0] > 0.3
    assert gaps[1] > 0.8 * gaps[0]
    assert gaps[2] < 0.2 * gaps[0]
    assert path.fairness_weights_[0] == 0


def test_default_weights_end_where_the_penalty_says():
    parts = [(HSICPenalty(), 2.0), ("demographic_parity", 0.5)]
    for fairness, end in [
        ("hsic", HSICPenalty.largest_weight),
        (MemoryPenalty("hsic"), HSICPenalty.largest_weight),
        # Where the first part has its way.
        (parts, min(HSICPenalty.largest_weight / 2, Penalty.largest_weight / 0.5)),
        (DefinitionPenalty(power=2), 10 * Penalty.largest_weight),
        (torch.nn.Identity(), Penalty.largest_weight),
    ]:
        weights = FairMLPClassifierCV(5, fairness=fairness)._check_weights()
        assert weights[-1] == pytest.approx(end)
        assert weights[1] == pytest.approx(end / 100)
