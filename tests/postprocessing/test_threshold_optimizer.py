import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import ShuffleSplit, cross_validate

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.groups import SingleGroupWarning
from fairsk.postprocessing import RareGroupWarning, ThresholdOptimizer
from fairsk.postprocessing._base import Deal

LINEAR = sorted(name for name, d in DEFINITIONS.items() if d.is_linear)


class Scores(ClassifierMixin, BaseEstimator):
    """Ready scores: the first column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0]

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


@pytest.fixture
def data():
    return make_biased_classification(3000, random_state=0)


@pytest.fixture
def scored(rng):
    """Ready scores, labels and three groups, with features that tell rows apart."""
    n = 4000
    group = rng.choice(["a", "b", "c"], n, p=[0.5, 0.3, 0.2])
    score = rng.normal(size=n) + (group == "a")
    y = (rng.random(n) < 1 / (1 + np.exp(-score))).astype(int)
    return np.column_stack([score, rng.normal(size=n)]), y, group


def _prefit(X, y, **params):
    return ThresholdOptimizer(Scores().fit(X, y), cv="prefit", **params)


def _disparity(name, y, y_pred, group):
    codes = np.unique(group, return_inverse=True)[1]
    counts = group_counts(codes, y, y_pred, n_groups=codes.max() + 1, n_classes=2)
    return DEFINITIONS[name].disparity(counts)


@pytest.mark.parametrize("randomize", [True, False, "auto"])
@pytest.mark.parametrize("fairness", LINEAR)
def test_disparity_is_within_tolerance_where_thresholds_were_chosen(
    scored, fairness, randomize
):
    X, y, group = scored
    model = _prefit(X, y, fairness=fairness, tolerance=0.05, randomize=randomize)
    model.fit(X, y, sensitive_features=group)
    assert model.disparity_[fairness] <= 0.05 + 1e-6
    if not randomize:
        assert model.thresholds_.shape == (3, 1)
        y_pred = model.predict(X, sensitive_features=group)
        assert _disparity(fairness, y, y_pred, group) == pytest.approx(
            model.disparity_[fairness]
        )
        assert accuracy_score(y, y_pred) == pytest.approx(model.objective_value_)


def test_mixing_is_at_least_as_good_as_single_thresholds(scored):
    X, y, group = scored
    for fairness in LINEAR:
        value = {
            randomize: _prefit(
                X, y, fairness=fairness, tolerance=0.01, randomize=randomize
            )
            .fit(X, y, sensitive_features=group)
            .objective_value_
            for randomize in (True, False, "auto")
        }
        assert value[True] >= value["auto"] - 1e-9
        assert value["auto"] >= value[True] - 2e-3
        assert value[True] >= value[False] - 1e-9


def test_probability_is_how_often_the_draw_is_positive(scored):
    X, y, group = scored
    model = _prefit(X, y, fairness="equalized_odds", tolerance=0.0, randomize=True)
    model.fit(X, y, sensitive_features=group)
    probability = model.predict_proba(X, sensitive_features=group)[:, 1]
    mixed = (probability > 0) & (probability < 1)
    assert mixed.sum() > 100
    drawn = np.mean(
        [
            clone(model)
            .set_params(estimator=model.estimator, random_state=seed)
            .fit(X, y, sensitive_features=group)
            .predict(X, sensitive_features=group)
            for seed in range(100)
        ],
        axis=0,
    )
    np.testing.assert_array_equal(drawn[~mixed], probability[~mixed])
    deviation = (drawn - probability)[mixed] / np.sqrt(
        probability * (1 - probability) / 100
    )[mixed]
    assert np.abs(deviation.mean()) < 4 / np.sqrt(mixed.sum())
    assert deviation.std() == pytest.approx(1.0, abs=0.15)


def test_draws_repeat_and_follow_the_rows(scored, rng):
    X, y, group = scored
    model = _prefit(
        X, y, fairness="equalized_odds", tolerance=0.0, randomize=True, random_state=0
    ).fit(X, y, sensitive_features=group)
    first = model.predict(X, sensitive_features=group)
    np.testing.assert_array_equal(first, model.predict(X, sensitive_features=group))
    order = rng.permutation(len(X))[:500]
    permuted = model.predict(X[order], sensitive_features=group[order])
    np.testing.assert_array_equal(first[order], permuted)


def test_mixture_reaches_its_rates_on_the_rows(scored):
    X, y, group = scored
    model = _prefit(X, y, tolerance=0.0, randomize=True, random_state=0)
    model.fit(X, y, sensitive_features=group)
    y_pred = model.predict(X, sensitive_features=group)
    assert _disparity("demographic_parity", y, y_pred, group) < 0.03


def test_integer_weights_equal_repeated_rows(scored, rng):
    X, y, group = (part[:600] for part in scored)
    weight = rng.integers(0, 4, len(y))
    weighted = _prefit(X, y).fit(X, y, sensitive_features=group, sample_weight=weight)
    rows = np.repeat(np.arange(len(y)), weight)
    repeated = _prefit(X, y).fit(X[rows], y[rows], sensitive_features=group[rows])
    np.testing.assert_allclose(weighted.thresholds_, repeated.thresholds_)
    np.testing.assert_allclose(weighted.counts_, repeated.counts_)


@pytest.mark.parametrize("pos_label", ["no", "yes", None])
def test_string_labels_and_either_positive_class(data, pos_label):
    X, y, group = data
    names = np.array(["no", "yes"])[y]
    model = ThresholdOptimizer(LogisticRegression(), pos_label=pos_label)
    model.fit(X, names, sensitive_features=group)
    y_pred = model.predict(X, sensitive_features=group)
    assert set(y_pred) == {"no", "yes"}
    assert accuracy_score(names, y_pred) > 0.6
    positive = model.pos_label_
    column = list(model.classes_).index(positive)
    probability = model.predict_proba(X, sensitive_features=group)[:, column]
    np.testing.assert_array_equal(probability[y_pred == positive] > 0, True)
    selected = model.rates_["selection_rate"]
    assert np.ptp(selected) <= 0.02 + 1e-9


def test_scores_come_from_models_that_did_not_see_the_row(data):
    X, y, group = data

    class Memory(ClassifierMixin, BaseEstimator):
        """Knows the label of every row of its training data, and guesses others."""

        def fit(self, X, y):
            self.classes_ = np.unique(y)
            self.known_ = {row.tobytes(): label for row, label in zip(X, y)}
            return self

        def decision_function(self, X):
            return np.array([self.known_.get(row.tobytes(), 0.5) for row in X])

    with pytest.warns(UserWarning, match="do not rank"):
        model = ThresholdOptimizer(Memory(), cv=4).fit(X, y, sensitive_features=group)
    assert model.objective_value_ < 0.9
    assert len(model.estimator_.known_) == len(X)


def test_folds_depend_neither_on_the_order_of_rows_nor_split_copies(data, rng):
    X, y, group = (part[:400] for part in data)
    X, y, group = (np.concatenate([part, part]) for part in (X, y, group))
    model = ThresholdOptimizer(LogisticRegression(), random_state=0)
    model.fit(X, y, sensitive_features=group)
    order = rng.permutation(len(X))
    permuted = clone(model).fit(X[order], y[order], sensitive_features=group[order])
    np.testing.assert_allclose(model.thresholds_, permuted.thresholds_)
    groups = model._check_groups(X, group)
    fold = Deal.of(X, y == 1, groups, None, 0).folds(5)
    np.testing.assert_array_equal(fold[:400], fold[400:])
    sizes = np.bincount(fold)
    assert np.ptp(sizes) <= 8


def test_held_out_share_is_not_in_the_training_data(data):
    X, y, group = data

    class Counting(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            self.n_seen_ = len(X)
            return super().fit(X, y, sample_weight)

    model = ThresholdOptimizer(Counting(), cv=0.25)
    model.fit(X, y, sensitive_features=group)
    assert model.estimator_.n_seen_ == pytest.approx(0.75 * len(X), abs=4)
    assert model.counts_.sum() == pytest.approx(0.25 * len(X), abs=4)


@pytest.mark.parametrize("cv", [ShuffleSplit(2, test_size=0.3, random_state=0), 3])
def test_any_splitter_gives_the_held_out_rows(data, cv):
    X, y, group = data
    model = ThresholdOptimizer(LogisticRegression(), cv=cv, tolerance=0.05)
    model.fit(X, y, sensitive_features=group)
    assert model.disparity_["demographic_parity"] <= 0.05 + 1e-9
    n_scores = len(X) if cv == 3 else 2 * 0.3 * len(X)
    assert model.counts_.sum() == pytest.approx(n_scores)


def test_group_by_equals_metadata(data):
    X, y, group = data
    frame = pd.DataFrame(X).assign(g=group).rename(columns=str)
    by_column = ThresholdOptimizer(LogisticRegression(), group_by="g", random_state=0)
    by_column.fit(frame, y)
    passed = ThresholdOptimizer(LogisticRegression(), random_state=0)
    passed.fit(frame, y, sensitive_features=group)
    np.testing.assert_array_equal(
        by_column.predict(frame), passed.predict(frame, sensitive_features=group)
    )


def test_routing_carries_weights_and_groups_through_cross_validation(data):
    X, y, group = data
    with sklearn.config_context(enable_metadata_routing=True):
        base = LogisticRegression().set_fit_request(sample_weight=True)
        model = ThresholdOptimizer(base, random_state=0)
        model.set_fit_request(sample_weight=True)

        def scorer(estimator, X, y, sensitive_features=None):
            return accuracy_score(
                y, estimator.predict(X, sensitive_features=sensitive_features)
            )

        model.fit(X, y, sensitive_features=group, sample_weight=np.ones(len(y)))
        routing = model.get_metadata_routing()
        assert routing.consumes("fit", ["sensitive_features", "sample_weight"]) == {
            "sensitive_features",
            "sample_weight",
        }
        assert scorer(model, X, y, group) > 0.6


def test_cross_validation_with_group_by_and_routing_off(data):
    X, y, group = data
    frame = pd.DataFrame(X).assign(g=group).rename(columns=str)
    model = ThresholdOptimizer(LogisticRegression(), group_by="g", tolerance=0.05)
    scores = cross_validate(model, frame, y, cv=3, error_score="raise")["test_score"]
    assert scores.min() > 0.6


def test_unseen_group_at_predict_raises_by_default(scored):
    X, y, group = scored
    model = _prefit(X, y).fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match=r"unseen group\(s\) \['z'\]"):
        model.predict(X[:2], sensitive_features=["a", "z"])
    with pytest.raises(ValueError, match="missing in 1 of 2"):
        model.predict(X[:2], sensitive_features=["a", None])


@pytest.mark.parametrize("unknown_group", ["overall", "strictest"])
def test_unknown_groups_are_decided_by_choice(scored, unknown_group):
    X, y, group = scored
    model = _prefit(X, y, unknown_group=unknown_group, tolerance=0.05)
    model.fit(X, y, sensitive_features=group)
    known = model.predict(X, sensitive_features=group)
    some = group.astype(object)
    some[:3] = ["z", None, np.nan]
    mixed = model.predict(X, sensitive_features=some)
    np.testing.assert_array_equal(mixed[3:], known[3:])
    unknown = model.predict(X, sensitive_features=np.full(len(X), "z"))
    rates = model.rates_["selection_rate"]
    if unknown_group == "overall":
        assert rates.min() - 0.01 <= unknown.mean() <= rates.max() + 0.01
    else:
        others = [
            model.predict(X, sensitive_features=np.full(len(X), label)).mean()
            for label in model.group_labels_
        ]
        assert unknown.mean() == pytest.approx(min(others))


def test_one_group_gives_the_plain_estimator(data):
    X, y, _ = data
    for pos_label in (0, 1):
        model = ThresholdOptimizer(LogisticRegression(), pos_label=pos_label)
        with pytest.warns(SingleGroupWarning):
            model.fit(X, y, sensitive_features=np.zeros(len(X)))
        plain = LogisticRegression().fit(X, y)
        np.testing.assert_array_equal(
            model.predict(X, sensitive_features=np.zeros(len(X))), plain.predict(X)
        )
        assert model.objective_value_ == pytest.approx(plain.score(X, y), abs=0.01)


def test_rare_group_warns_and_shrinkage_moves_it_to_everybody(scored):
    X, y, group = scored
    rare = group.astype(object)
    rare[:12] = "rare"
    y = y.copy()
    y[:12] = [0, 1] * 6
    with pytest.warns(RareGroupWarning, match="'rare' \\(12 samples\\)"):
        plain = _prefit(X, y, tolerance=1.0).fit(X, y, sensitive_features=rare)
    shrunk = _prefit(X, y, tolerance=1.0, shrinkage=10_000.0)
    shrunk.fit(X, y, sensitive_features=rare)
    everybody = _prefit(X, y, tolerance=1.0, unknown_group="overall")
    with pytest.warns(RareGroupWarning):
        everybody.fit(X, y, sensitive_features=rare)
    overall = everybody._policy.thresholds[-1, 0]
    code = shrunk.group_labels_.index("rare")
    assert abs(shrunk.thresholds_[code, 0] - overall) < 0.2
    assert abs(plain.thresholds_[code, 0] - overall) > 0.2


def test_group_with_one_label_is_named(scored):
    X, y, group = scored
    y = np.where(group == "b", 0, y)
    model = _prefit(X, y, fairness="equal_opportunity")
    with pytest.raises(ValueError, match=r"label\(s\) \[1\] in every group.*'b'"):
        model.fit(X, y, sensitive_features=group)
    _prefit(X, y).fit(X, y, sensitive_features=group)  # selection needs no label


def test_constant_scores_warn_and_give_all_or_none(scored):
    _, y, group = scored
    X = np.zeros((len(y), 1))
    model = _prefit(X, y, tolerance=1.0)
    with pytest.warns(UserWarning, match="do not rank the samples"):
        model.fit(X, y, sensitive_features=group)
    assert np.isinf(model.thresholds_).all()


def test_prefit_estimator_that_is_not_fitted_raises(data):
    X, y, group = data
    model = ThresholdOptimizer(LogisticRegression(), cv="prefit")
    with pytest.raises(NotFittedError):
        model.fit(X, y, sensitive_features=group)


def test_scores_outside_their_range_raise(data):
    X, y, group = data

    class Broken(LogisticRegression):
        def predict_proba(self, X):
            return 2 * super().predict_proba(X)

        def decision_function(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match=r"needs probabilities in \[0, 1\]"):
        ThresholdOptimizer(Broken()).fit(X, y, sensitive_features=group)
    model = ThresholdOptimizer(Broken(), response_method="decision_function")
    with pytest.raises(ValueError, match="one finite score per sample"):
        model.fit(X, y, sensitive_features=group)


def test_finite_scores_whose_sum_overflows_are_taken(scored):
    X, y, group = scored
    X = np.column_stack([np.where(X[:, 0] > 0, 1e308, 9e307), X[:, 1]])
    model = _prefit(X, y, tolerance=1.0).fit(X, y, sensitive_features=group)
    assert np.isfinite(model.objective_value_)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="one finite score per sample"):
        model.predict(X, sensitive_features=group)


def test_labels_unknown_to_the_fitted_estimator_raise(scored):
    X, y, group = scored
    model = _prefit(X, y)
    with pytest.raises(ValueError, match="labels of its fitted estimator"):
        model.fit(X, y + 1, sensitive_features=group)
    with pytest.raises(ValueError, match="`pos_label` to be one of"):
        _prefit(X, y, pos_label=7).fit(X, y, sensitive_features=group)


def test_metadata_that_the_estimator_does_not_take_raises(data):
    X, y, group = data
    with pytest.raises(TypeError, match=r"Got \['colour'\]"):
        ThresholdOptimizer(LogisticRegression()).fit(
            X, y, sensitive_features=group, colour=group
        )


def test_hard_predictions_can_be_derived_from(scored):
    X, y, group = scored
    model = _prefit(X, y, response_method="predict", tolerance=0.0, randomize=True)
    model.fit(X, y, sensitive_features=group)
    assert model.disparity_["demographic_parity"] <= 1e-9
    assert all(len(hull) == 3 for hull in model.hulls_)


def test_tolerance_path_equals_fits_at_each_tolerance(scored):
    X, y, group = scored
    tolerances = [0.0, 0.02, 0.1, 0.5]
    for fairness in ("equalized_odds", "demographic_parity"):
        model = _prefit(X, y, fairness=fairness, randomize=True)
        path = model.fit(X, y, sensitive_features=group).tolerance_path(tolerances)
        for tolerance, value, disparity in zip(
            tolerances, path.objective, path.disparity[fairness]
        ):
            single = _prefit(
                X, y, fairness=fairness, randomize=True, tolerance=tolerance
            ).fit(X, y, sensitive_features=group)
            assert value == pytest.approx(single.objective_value_, abs=1e-7)
            assert disparity <= tolerance + 1e-6
        assert (np.diff(path.objective) >= -1e-9).all()


def test_predictions_of_a_path_are_those_of_fits_at_each_tolerance(scored):
    X, y, group = scored
    model = _prefit(X, y, randomize=True, random_state=0)
    model.fit(X, y, sensitive_features=group)
    path = model.predict_path(X, [0.0, 0.3], sensitive_features=group)
    for y_pred, tolerance in zip(path, (0.0, 0.3)):
        single = _prefit(X, y, randomize=True, random_state=0, tolerance=tolerance)
        single.fit(X, y, sensitive_features=group)
        np.testing.assert_array_equal(
            y_pred, single.predict(X, sensitive_features=group)
        )
    model.set_params(group_aware=False)
    with pytest.raises(ValueError, match="group-aware thresholds for a path"):
        model.predict_path(X, [0.1], sensitive_features=group)


def test_base_scores_are_those_that_decisions_are_made_from(scored):
    X, y, group = scored
    model = _prefit(X, y, randomize=False).fit(X, y, sensitive_features=group)
    score = model.base_scores(X, sensitive_features=group)
    np.testing.assert_array_equal(score, X[:, 0])
    codes = np.unique(group, return_inverse=True)[1]
    np.testing.assert_array_equal(
        model.predict(X, sensitive_features=group),
        score >= model.thresholds_[codes, 0],
    )


def test_fitted_model_survives_pickling(scored):
    X, y, group = scored
    model = _prefit(X, y, tolerance=0.0, randomize=True)
    model.fit(X, y, sensitive_features=group)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(
        again.predict(X, sensitive_features=group),
        model.predict(X, sensitive_features=group),
    )


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("demographic_parity", "demographic_parity"),
        ("equal_opportunity", "true_positive_rate_parity"),
        ("equalized_odds", "equalized_odds"),
    ],
)
def test_objective_is_at_least_that_of_fairlearn(scored, ours, theirs):
    postprocessing = pytest.importorskip("fairlearn.postprocessing")
    X, y, group = scored
    base = Scores().fit(X, y)
    peer = postprocessing.ThresholdOptimizer(
        estimator=base,
        constraints=theirs,
        objective="accuracy_score",
        prefit=True,
        predict_method="decision_function",
        grid_size=1000,
    ).fit(X, y, sensitive_features=group)
    chance = peer._pmf_predict(X, sensitive_features=group)[:, 1]
    value = np.mean(np.where(y == 1, chance, 1 - chance))
    model = _prefit(X, y, fairness=ours, tolerance=0.0, randomize=True)
    model.fit(X, y, sensitive_features=group)
    # fairlearn rounds rates to a grid of 1,000 steps.
    assert model.objective_value_ >= value - 1e-3
