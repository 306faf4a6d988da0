"""FairNetClassifier: any module, with parameters by skorch's prefixes."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import EpochScoring, PrintLog

from fairsk.inprocessing import FairMLPClassifier, FairNetClassifier

QUICK = {"max_iter": 3, "random_state": 0, "device": "cpu"}


class Net(torch.nn.Module):
    def __init__(self, n_features, n_classes=2, hidden=8, shape="wide", dropout=0.0):
        super().__init__()
        self.shape = shape
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(n_features, hidden),
            torch.nn.ReLU(),
            torch.nn.Dropout(dropout),
            torch.nn.Linear(hidden, n_classes if shape == "wide" else 1),
        )

    def forward(self, X):
        logits = self.layers(X)
        return logits[:, 0] if self.shape == "flat" else logits


def make_net(n_features):
    return torch.nn.Linear(n_features, 2)


@pytest.mark.parametrize("shape", ["wide", "column", "flat"])
def test_every_form_of_binary_logits_trains(biased, shape):
    X, y, groups = biased
    clf = FairNetClassifier(
        Net, module__shape=shape, learning_rate_init=0.02, random_state=0, max_iter=15
    ).fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(clf.predict_proba(X).sum(axis=1), 1)
    assert clf.score(X, y) > 0.65


def test_one_column_is_the_logit_of_the_second_class(biased):
    X, y, groups = biased
    clf = FairNetClassifier(Net, module__shape="flat", **QUICK)
    clf.fit(X, np.array(["a", "b"])[y], sensitive_features=groups)
    with torch.inference_mode():
        logit = clf.net_.module_(torch.as_tensor(X, dtype=torch.float32))
    np.testing.assert_array_equal(clf.predict(X), np.where(logit.numpy() > 0, "b", "a"))


def test_perceptron_is_the_net_with_its_module(biased):
    X, y, groups = biased
    mlp = FairMLPClassifier(8, **QUICK).fit(X, y, sensitive_features=groups)
    net = FairNetClassifier(
        type(mlp.net_.module_),
        module__layer_sizes=[X.shape[1], 8, 1],
        module__activation="relu",
        optimizer__weight_decay=1e-4,
        **QUICK,
    ).fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(mlp.predict_proba(X), net.predict_proba(X))


def test_sizes_are_filled_in_unless_given(biased):
    X, y, groups = biased
    y = y + (X[:, 1] > 0.5)
    clf = FairNetClassifier(Net, **QUICK).fit(X, y, sensitive_features=groups)
    first, *_, last = clf.net_.module_.layers
    assert (first.in_features, last.out_features) == (X.shape[1], 3)
    with pytest.raises(ValueError, match="must return logits of shape"):
        clf.set_params(module__n_classes=5).fit(X, y, sensitive_features=groups)


def test_module_may_be_a_function_or_an_instance(biased):
    X, y, groups = biased
    FairNetClassifier(make_net, **QUICK).fit(X, y, sensitive_features=groups)
    instance = make_net(X.shape[1])
    before = instance.weight.clone()
    clf = FairNetClassifier(instance, **QUICK).fit(X, y, sensitive_features=groups)
    assert (clf.net_.module_.weight != before).any()
    assert (instance.weight == before).all()
    again = clone(clf).fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize(("shape", "n_classes"), [("wide", 3), ("column", 3)])
def test_module_of_the_wrong_width_raises(biased, shape, n_classes):
    X, y, groups = biased
    y = np.arange(len(y)) % n_classes
    clf = FairNetClassifier(Net, module__shape=shape, module__n_classes=4, **QUICK)
    with pytest.raises(ValueError, match=r"logits of shape \(.*, 3\).* Got shape"):
        clf.fit(X, y, sensitive_features=groups)


def test_prefixed_parameters_are_got_set_and_cloned():
    clf = FairNetClassifier(Net, module__hidden=3, optimizer__weight_decay=0.1)
    assert clf.get_params()["module__hidden"] == 3
    assert clf.module__hidden == 3
    clf.set_params(module__hidden=5, max_iter=7, criterion__label_smoothing=0.1)
    copy = clone(clf).get_params()
    assert (copy["module__hidden"], copy["max_iter"]) == (5, 7)
    assert copy["criterion__label_smoothing"] == 0.1
    assert "module__hidden=5" in repr(clf)
    with pytest.raises(ValueError, match="Invalid parameter"):
        clf.set_params(modul__hidden=5)


def test_prefixed_parameters_reach_their_object(biased):
    X, y, groups = biased
    lines = []
    clf = FairNetClassifier(
        Net,
        module__hidden=3,
        optimizer="sgd",
        optimizer__momentum=0.5,
        criterion__label_smoothing=0.2,
        iterator_train__stratify=False,
        callbacks__print_log__sink=lines.append,
        batch_size=100,
        **QUICK,
    ).fit(X, y, sensitive_features=groups)
    net = clf.net_
    assert net.module_.layers[0].out_features == 3
    assert net.optimizer_.param_groups[0]["momentum"] == 0.5
    assert net.criterion_.per_sample.label_smoothing == 0.2
    assert not net.get_iterator(net.get_dataset(X), training=True).stratify
    assert len(lines) == 3 + 2


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("modul__hidden", "module__hidden"),
        ("module_hidden", "module__hidden"),
        ("optimiser__lr", "optimizer__lr"),
        ("iterator_train_stratify", "iterator_train__stratify"),
        ("batchsize", "batch_size"),
    ],
)
def test_unknown_parameter_raises_with_a_guess(biased, name, guess):
    X, y, groups = biased
    clf = FairNetClassifier(Net, **{name: 1})
    with pytest.raises(TypeError, match=f"{name}.* Did you mean '{guess}'"):
        clf.fit(X, y, sensitive_features=groups)


def test_grid_search_over_parameters_of_the_module(biased):
    X, y, groups = biased
    X = np.column_stack([X, groups])
    search = GridSearchCV(
        FairNetClassifier(Net, group_by=X.shape[1] - 1, **QUICK),
        {"module__hidden": [2, 4], "fairness_weight": [0.0, 1.0]},
        cv=2,
        error_score="raise",
    ).fit(X, y)
    best = search.best_estimator_
    assert best.net_.module_.layers[0].out_features == best.module__hidden


@pytest.mark.parametrize("on_train", [True, False])
def test_scoring_callbacks_of_skorch_work(biased, on_train):
    X, y, groups = biased
    clf = FairNetClassifier(
        Net,
        callbacks=[EpochScoring("accuracy", on_train=on_train), PrintLog(sink=str)],
        early_stopping=True,
        learning_rate_init=0.02,
        **QUICK,
    ).fit(X, y, sensitive_features=groups)
    assert 0.5 < clf.net_.history[-1, "accuracy"] <= 1


def test_net_predicts_by_itself_like_the_estimator(biased):
    X, y, groups = biased
    clf = FairNetClassifier(Net, **QUICK).fit(X, y, sensitive_features=groups)
    np.testing.assert_allclose(
        clf.net_.predict_proba(X.astype(np.float32)), clf.predict_proba(X), rtol=1e-6
    )


def test_dropout_is_seeded_in_fit_and_off_in_predict(biased):
    X, y, groups = biased
    clf = FairNetClassifier(Net, module__dropout=0.5, batch_size=64, **QUICK)
    one = clone(clf).fit(X, y, sensitive_features=groups)
    torch.rand(3)
    two = clone(clf).fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
    np.testing.assert_array_equal(one.predict_proba(X), one.predict_proba(X))


def test_optimizer_class_without_a_fused_form(biased):
    X, y, groups = biased
    clf = FairNetClassifier(
        Net, optimizer=torch.optim.LBFGS, batch_size=1000, fairness_weight=0.1, **QUICK
    ).set_params(learning_rate_init=0.1)
    clf.fit(X, y, sensitive_features=groups)
    assert isinstance(clf.net_.optimizer_, torch.optim.LBFGS)
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]


def test_pickle_of_a_fitted_net(biased):
    X, y, groups = biased
    clf = FairNetClassifier(Net, module__hidden=4, **QUICK)
    clf.fit(X, y, sensitive_features=groups)
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    assert copy.get_params()["module__hidden"] == 4


def test_module_that_is_no_callable_raises(biased):
    X, y, groups = biased
    with pytest.raises(ValueError, match="module"):
        FairNetClassifier("Net", **QUICK).fit(X, y, sensitive_features=groups)
