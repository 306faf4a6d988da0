"""FairMLPClassifier against a hand-written loop, and what it promises."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from skorch.callbacks import Callback
from torch.nn import functional

from fairsk.definitions import DEFINITIONS, UndefinedRateWarning, group_counts
from fairsk.groups import SingleGroupWarning
from fairsk.inprocessing import FairMLPClassifier
from fairsk.inprocessing._perceptron import MultilayerPerceptron

QUICK = {"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0, "device": "cpu"}
EXACT = {**QUICK, "batch_size": 10_000, "dtype": "float64"}


def gap(clf, X, y, groups, fairness="demographic_parity"):
    y_pred = np.searchsorted(clf.classes_, clf.predict(X))
    codes = np.unique(groups, return_inverse=True)[1]
    shape = {"n_groups": codes.max() + 1, "n_classes": len(clf.classes_)}
    return DEFINITIONS[fairness].disparity(
        group_counts(codes, np.searchsorted(clf.classes_, y), y_pred, **shape)
    )


def hand_written_loop(X, y, groups, seed, penalty_weight, n_epochs):
    """Full-batch Adam on cross entropy and the gap of mean probabilities."""
    with torch.random.fork_rng([]):
        torch.manual_seed(np.random.RandomState(seed).randint(np.iinfo(np.int32).max))
        module = MultilayerPerceptron([X.shape[1], 8, 1], "relu").double()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01, weight_decay=1e-3)
    X, y, groups = map(torch.as_tensor, (X, y, groups))
    for _ in range(n_epochs):
        logit = module(X)[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logit, y.double())
        means = [logit.sigmoid()[groups == g].mean() for g in (0, 1)]
        loss = loss + penalty_weight * (means[0] - means[1]).abs()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return module(X)[:, 0].sigmoid().detach().numpy()


@pytest.mark.parametrize("fairness_weight", [0.0, 0.5])
def test_fit_is_the_hand_written_loop(biased, fairness_weight):
    X, y, groups = biased
    clf = FairMLPClassifier(
        **EXACT,
        fairness_weight=fairness_weight,
        alpha=1e-3,
        learning_rate="constant",
        learning_rate_init=0.01,
    ).set_params(max_iter=20)
    clf.fit(X, y, sensitive_features=groups)
    expected = hand_written_loop(X, y, groups, 0, fairness_weight, 20)
    np.testing.assert_allclose(clf.predict_proba(X)[:, 1], expected, rtol=1e-10)


@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
def test_disparity_falls_on_biased_data(biased, fairness):
    X, y, groups = biased
    plain, fair = (
        FairMLPClassifier(
            fairness=fairness, fairness_weight=weight, batch_size=128, random_state=0
        ).fit(X, y, sensitive_features=groups)
        for weight in (0.0, 2.0)
    )
    before, after = (gap(clf, X, y, groups, fairness) for clf in (plain, fair))
    assert after < 0.5 * before
    assert fair.score(X, y) > 0.6


@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
def test_every_definition_trains(biased, fairness):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, fairness=fairness)
    clf.fit(X, y, sensitive_features=groups)
    assert np.isfinite(clf.loss_curve_).all()
    assert len(clf.net_.history[:, "penalty"]) == clf.n_iter_ == 5


def test_weight_two_is_the_row_twice_and_weight_zero_no_row(biased):
    X, y, groups = biased
    weight = np.random.default_rng(0).integers(0, 3, size=len(y))
    weighted = FairMLPClassifier(**EXACT, fairness="equalized_odds")
    weighted.fit(X, y, sensitive_features=groups, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    repeated = clone(weighted).fit(X[rows], y[rows], sensitive_features=groups[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-9
    )


def test_scale_of_the_weights_does_not_matter(biased):
    X, y, groups = biased
    weight = np.random.default_rng(0).random(len(y))
    one, ten = (
        FairMLPClassifier(**QUICK, batch_size=100, dtype="float64")
        .fit(X, y, sensitive_features=groups, sample_weight=scale * weight)
        .predict_proba(X)
        for scale in (1, 10)
    )
    np.testing.assert_allclose(one, ten, rtol=1e-8)


def test_single_group_is_the_plain_estimator_exactly(biased):
    X, y, _ = biased
    groups = np.zeros(len(y))
    results = []
    for weight in (0.0, 3.0):
        clf = FairMLPClassifier(**QUICK, fairness_weight=weight, batch_size=64)
        with pytest.warns(SingleGroupWarning):
            clf.fit(X, y, sensitive_features=groups)
        results.append(clf.predict_proba(X))
    np.testing.assert_array_equal(*results)


def test_names_of_the_groups_do_not_matter(biased):
    X, y, groups = biased
    one, other = (
        FairMLPClassifier(**QUICK, batch_size=64).fit(X, y, sensitive_features=a)
        for a in (groups, np.array(["z", "b"])[groups])
    )
    np.testing.assert_allclose(
        one.predict_proba(X), other.predict_proba(X), rtol=1e-5, atol=1e-6
    )
    assert other.group_labels_ == ["b", "z"]


def test_group_by_is_the_same_as_metadata(biased):
    X, y, groups = biased
    X = np.column_stack([groups, X])
    metadata = FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=X[:, 0])
    by_column = FairMLPClassifier(**QUICK, group_by=0).fit(X, y)
    np.testing.assert_array_equal(metadata.predict_proba(X), by_column.predict_proba(X))


def test_group_with_one_label_warns_and_trains(biased):
    X, y, groups = biased
    groups = np.where((y == 0) & (groups == 1), 2, groups)
    with pytest.warns(UndefinedRateWarning, match="true_positive_rate of group 2"):
        clf = FairMLPClassifier(**QUICK, fairness="equalized_odds").fit(
            X, y, sensitive_features=groups
        )
    assert np.isfinite(clf.predict_proba(X)).all()
    assert not any(clf.net_.history[:, "undefined_batches"])


def test_rare_group_warns_and_names_the_remedy(biased):
    X, y, groups = biased
    rare = groups.copy()
    rare[:4] = 2
    clf = FairMLPClassifier(**QUICK, batch_size=32)
    with pytest.warns(UndefinedRateWarning, match="Raise batch_size"):
        clf.fit(X, y, sensitive_features=rare)
    assert clf.net_.history[-1]["undefined_batches"] >= 19 - 4 - 1


def test_same_seed_same_result_whatever_torch_drew_before(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, batch_size=64)
    torch.manual_seed(1)
    one = clone(clf).fit(X, y, sensitive_features=groups).predict_proba(X)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    two = clone(clf).fit(X, y, sensitive_features=groups).predict_proba(X)
    assert (torch.get_rng_state() == state).all()
    np.testing.assert_array_equal(one, two)
    clf.set_params(random_state=1).fit(X, y, sensitive_features=groups)
    assert (clf.predict_proba(X) != one).any()


def test_number_of_threads_is_left_alone(biased):
    X, y, groups = biased
    before = torch.get_num_threads()
    FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups).predict(X)
    assert torch.get_num_threads() == before


def test_pickle_predicts_and_goes_on_training_alike(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, batch_size=64, warm_start=True)
    clf.fit(X, y, sensitive_features=groups)
    copy = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))
    for one in (clf, copy):
        one.fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(copy.predict_proba(X), clf.predict_proba(X))


@pytest.mark.parametrize("as_type", [np.asarray, pd.DataFrame, pl.DataFrame])
def test_input_types_agree(biased, as_type):
    X, y, groups = biased
    names = [f"x{i}" for i in range(X.shape[1])]
    container = X if as_type is np.asarray else as_type(dict(zip(names, X.T)))
    clf = FairMLPClassifier(**QUICK).fit(container, y, sensitive_features=groups)
    expected = FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(
        clf.predict_proba(container), expected.predict_proba(X)
    )
    if as_type is not np.asarray:
        assert list(clf.feature_names_in_) == names


@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array])
def test_sparse_is_the_same_as_dense(biased, make):
    X, y, groups = biased
    X = np.where(abs(X) > 0.5, X, 0.0)
    dense = FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    clf = clone(dense).fit(make(X), y, sensitive_features=groups)
    np.testing.assert_array_equal(clf.predict_proba(make(X)), dense.predict_proba(X))


def test_multiclass_with_string_labels(biased):
    X, y, groups = biased
    labels = np.array(["low", "middle", "high"])[y + (X[:, 1] > 0.5)]
    clf = FairMLPClassifier(
        fairness="equalized_odds", fairness_weight=0.2, batch_size=64, random_state=0
    ).fit(X, labels, sensitive_features=groups)
    assert list(clf.classes_) == ["high", "low", "middle"]
    assert clf.predict_proba(X).shape == (len(y), 3)
    assert clf.score(X, labels) > 0.7


def test_several_sensitive_features_are_crossed(biased):
    X, y, groups = biased
    both = np.column_stack([groups, X[:, 2] > 0])
    clf = FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=both)
    assert len(clf.group_labels_) == 4


def test_warm_start_goes_on_and_cold_start_begins_anew(biased):
    X, y, groups = biased
    cold = FairMLPClassifier(**QUICK, batch_size=64)
    first = cold.fit(X, y, sensitive_features=groups).predict_proba(X)
    again = cold.fit(X, y, sensitive_features=groups).predict_proba(X)
    np.testing.assert_array_equal(first, again)
    warm = cold.set_params(warm_start=True)
    warm.fit(X, y, sensitive_features=groups)
    assert warm.n_iter_ == 10
    assert warm.loss_curve_[-1] < warm.loss_curve_[0]
    with pytest.raises(ValueError, match="warm_start"):
        warm.fit(X, y + 1, sensitive_features=groups)


def test_partial_fit_learns_from_a_stream_whose_groups_grow(biased):
    X, y, groups = biased
    order = np.argsort(groups, kind="stable")
    clf = FairMLPClassifier(
        hidden_layer_sizes=8, learning_rate_init=0.01, random_state=0, batch_size=50
    )
    with pytest.warns(SingleGroupWarning):
        clf.partial_fit(
            X[order[:100]],
            y[order[:100]],
            classes=[0, 1],
            sensitive_features=groups[order[:100]],
        )
    assert clf.group_labels_ == [0]
    for _ in range(10):
        clf.partial_fit(X, y, sensitive_features=groups)
    assert clf.group_labels_ == [0, 1]
    assert clf.n_iter_ == 11
    assert "penalty" in clf.net_.history[-1]
    assert clf.score(X, y) > 0.65


def test_partial_fit_of_an_unknown_class_raises(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK).partial_fit(X, y, sensitive_features=groups)
    with pytest.raises(ValueError, match="Pass all of them as `classes`"):
        clf.partial_fit(X, y + 1, sensitive_features=groups)


def test_early_stopping_ends_with_the_best_state(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(
        (64, 64),
        batch_size=32,
        learning_rate_init=0.01,
        learning_rate="constant",
        max_iter=100,
        early_stopping=True,
        validation_fraction=0.3,
        n_iter_no_change=3,
        random_state=0,
    ).fit(X, y, sensitive_features=groups)
    losses = clf.net_.history[:, "valid_loss"]
    assert clf.n_iter_ < 100
    assert min(losses) < losses[-1]
    # What stands at the end has the smallest loss on the samples set aside.
    samples = X.astype(np.float32), y, groups
    dataset, valid = clf._split(
        clf._make_dataset(*samples, None, torch.device("cpu")),
        clf.net_.iterator_train__seed,
    )
    assert (len(dataset), len(valid)) == (420, 180)
    (batch,) = clf.net_.get_iterator(valid, training=False)
    loss = clf.net_.validation_step(batch)["loss"].item()
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_training_stops_when_the_loss_no_longer_falls(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(
        **{**QUICK, "max_iter": 50}, tol=10.0, n_iter_no_change=2
    ).fit(X, y, sensitive_features=groups)
    assert clf.n_iter_ == 3


def test_callbacks_see_batches_and_epochs_and_history_is_complete(biased):
    X, y, groups = biased

    class Count(Callback):
        batches = epochs = 0

        def on_batch_end(self, net, batch=None, training=None, loss=None, **kwargs):
            assert batch[0]["X"].shape[1] == 6
            assert loss is not None
            self.batches += training

        def on_epoch_end(self, net, **kwargs):
            assert np.isfinite(net.history[-1, "train_loss"])
            self.epochs += 1

    count = Count()
    clf = FairMLPClassifier(
        **QUICK, batch_size=100, early_stopping=True, callbacks=[count]
    ).fit(X, y, sensitive_features=groups)
    assert (count.batches, count.epochs) == (5 * 6, 5)
    row = clf.net_.history[-1]
    assert {"epoch", "train_loss", "valid_loss", "penalty", "dur"} <= row.keys()
    assert len([b for b in row["batches"] if "train_loss" in b]) == 6
    means = [b["train_loss"] for b in row["batches"][:6]]
    sizes = [b["train_batch_size"] for b in row["batches"][:6]]
    assert row["train_loss"] == pytest.approx(np.average(means, weights=sizes))


def test_verbose_prints_a_line_per_epoch(biased, capsys):
    X, y, groups = biased
    FairMLPClassifier(**QUICK, verbose=True).fit(X, y, sensitive_features=groups)
    out = capsys.readouterr().out
    assert "penalty" in out
    assert len(out.strip().splitlines()) == 2 + 5
    FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups)
    assert capsys.readouterr().out == ""


class StopAt(Callback):
    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_batch_end(self, net, **kwargs):
        self.n_batches -= 1
        if self.n_batches == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("n_batches", [1, 8])
def test_interrupted_fit_leaves_a_usable_estimator(biased, n_batches):
    X, y, groups = biased
    clf = FairMLPClassifier(
        **QUICK, batch_size=100, callbacks=[StopAt(n_batches)], warm_start=True
    ).fit(X, y, sensitive_features=groups)
    assert clf.predict_proba(X).shape == (len(y), 2)
    assert clf.n_iter_ == (n_batches - 1) // 6
    clf.net_.callbacks_[-1][1].n_batches = -1
    assert np.isfinite(clf.fit(X, y, sensitive_features=groups).loss_curve_).all()


class AtEpoch(Callback):
    """Does something to the net when an epoch begins."""

    def __init__(self, epoch, act):
        self.epoch = epoch
        self.act = act

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.epoch:
            self.act(net)


def poison(net):
    with torch.no_grad():
        net.module_[0].weight.fill_(float("nan"))


def interrupt(net):
    raise KeyboardInterrupt


def test_loss_turning_nan_keeps_the_best_state_and_says_what_to_try(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, callbacks=[AtEpoch(4, poison)])
    with pytest.warns(UserWarning, match=r"not finite in epoch 4.*learning_rate_init"):
        clf.fit(X, y, sensitive_features=groups)
    # The loss fell in the epochs before, so the best state is that after the third.
    third = FairMLPClassifier(**QUICK, callbacks=[AtEpoch(4, interrupt)])
    third.fit(X, y, sensitive_features=groups)
    assert third.loss_curve_ == sorted(third.loss_curve_, reverse=True)
    np.testing.assert_array_equal(clf.predict_proba(X), third.predict_proba(X))


def test_loss_that_is_nan_from_the_start_raises(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, callbacks=[AtEpoch(1, poison)])
    with pytest.raises(ValueError, match="first epoch"):
        clf.fit(X, y, sensitive_features=groups)


def test_partial_fit_that_turns_nan_keeps_the_state_before(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**QUICK, callbacks=[AtEpoch(3, poison)])
    for _ in range(2):
        clf.partial_fit(X, y, sensitive_features=groups)
    before = clf.predict_proba(X)
    with pytest.warns(UserWarning, match="not finite in epoch 3"):
        clf.partial_fit(X, y, sensitive_features=groups)
    np.testing.assert_array_equal(clf.predict_proba(X), before)


@pytest.mark.parametrize(
    ("n_samples", "batch_size"), [(20, 20), (600, 128), (5000, 250), (50_000, 512)]
)
def test_automatic_batches_are_a_twentieth_of_the_samples_within_bounds(
    n_samples, batch_size
):
    assert FairMLPClassifier()._batch_size(n_samples) == batch_size


@pytest.mark.parametrize(
    ("params", "error", "match"),
    [
        ({"fairness_weight": -1.0}, ValueError, "fairness_weight"),
        ({"fairness": "equal_odds"}, ValueError, "fairness.*equalized_odds"),
        ({"disparity": "gap"}, ValueError, "disparity.*difference"),
        ({"activation": "gelu"}, ValueError, "activation"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction"),
        (
            {"group_by": None},
            ValueError,
            "Pass `sensitive_features`, or set `group_by`",
        ),
        ({"hidden_layer_sizes": (8, 0)}, ValueError, "hidden_layer_sizes"),
    ],
)
def test_bad_parameters_raise(biased, params, error, match):
    X, y, groups = biased
    clf = FairMLPClassifier(**{**QUICK, "group_by": 0, **params})
    with pytest.raises(error, match=match):
        clf.fit(np.column_stack([groups, X]), y)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_absent_device_raises_with_a_remedy(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**{**QUICK, "device": "cuda"})
    with pytest.raises(ValueError, match="device='auto' or 'cpu'"):
        clf.fit(X, y, sensitive_features=groups)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_missing_and_infinite_features_raise(biased, value):
    X, y, groups = biased
    X = X.copy()
    X[3, 2] = value
    with pytest.raises(ValueError, match=r"NaN|infinity"):
        FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups)


def test_text_features_raise(biased):
    _, y, groups = biased
    with pytest.raises(ValueError, match="could not convert string to float"):
        FairMLPClassifier(**QUICK).fit(
            np.full((len(y), 2), "a", dtype=object), y, sensitive_features=groups
        )


def test_weights_of_zero_only_raise(biased):
    X, y, groups = biased
    with pytest.raises(ValueError, match="weight"):
        FairMLPClassifier(**QUICK).fit(
            X, y, sensitive_features=groups, sample_weight=np.zeros(len(y))
        )


def frame_of(X, groups):
    names = [f"x{i}" for i in range(X.shape[1])]
    return pd.DataFrame(X, columns=names).assign(sex=np.array(["f", "m"])[groups])


def pipeline_of(frame, **params):
    encoder = make_column_transformer(
        (OneHotEncoder(), ["sex"]), (StandardScaler(), list(frame.columns[:-1]))
    )
    return make_pipeline(encoder, FairMLPClassifier(**QUICK, **params))


def test_grid_search_in_a_pipeline_with_routing(biased):
    X, y, groups = biased
    frame = frame_of(X, groups)
    grid = {"fairmlpclassifier__fairness_weight": [0.0, 1.0]}
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(pipeline_of(frame), grid, cv=2)
        search.fit(frame, y, sensitive_features=frame["sex"])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_cross_validation_in_a_pipeline_with_group_by(biased):
    X, y, groups = biased
    frame = frame_of(X, groups)
    # The encoder puts its two columns of the sex first.
    results = cross_validate(
        pipeline_of(frame, group_by=0), frame, y, cv=2, error_score="raise"
    )
    assert np.isfinite(results["test_score"]).all()


def test_no_warnings_in_a_plain_fit(biased):
    X, y, groups = biased
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FairMLPClassifier(**QUICK).fit(X, y, sensitive_features=groups)


def test_hidden_layers_may_be_none_at_all(biased):
    X, y, groups = biased
    clf = FairMLPClassifier(**{**QUICK, "hidden_layer_sizes": ()})
    clf.fit(X, y, sensitive_features=groups)
    assert len(clf.net_.module_) == 1


@pytest.mark.gpu
def test_cuda_agrees_with_the_cpu_and_unpickles(biased, tmp_path):
    X, y, groups = biased
    params = {**QUICK, "batch_size": 64, "dtype": "float64"}
    cpu, cuda = (
        FairMLPClassifier(**{**params, "device": device}).fit(
            X, y, sensitive_features=groups
        )
        for device in ("cpu", "cuda")
    )
    assert next(cuda.net_.module_.parameters()).is_cuda
    assert abs(cpu.predict_proba(X) - cuda.predict_proba(X)).max() < 0.5
    copy = pickle.loads(pickle.dumps(cuda))
    np.testing.assert_allclose(copy.predict_proba(X), cuda.predict_proba(X))
