"""Scorers hand the groups to the metric and to the predictor, in every tool."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer, roc_auc_score
from sklearn.metrics import get_scorer as sklearn_get_scorer
from sklearn.metrics import get_scorer_names as sklearn_get_scorer_names
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from fairsk import metrics
from fairsk.base import GroupAwareMixin
from fairsk.definitions import DEFINITIONS, DISPARITIES, get_disparity
from fairsk.metrics import (
    demographic_parity_difference,
    fairness_disparity,
    get_scorer,
    get_scorer_names,
    make_fairness_scorer,
)
from fairsk.pipeline import make_pipeline as make_fair_pipeline

DPD = "neg_demographic_parity_difference"
N_FOLDS = 3


class GroupThreshold(ClassifierMixin, GroupAwareMixin, BaseEstimator):
    """Predicts the positive class above a quantile of the group's first feature."""

    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}
    __metadata_request__decision_function = {"sensitive_features": True}
    calls = []

    def __init__(self, quantile=0.5, *, column=-1, group_by=None):
        self.quantile = quantile
        self.column = column
        self.group_by = group_by

    def fit(self, X, y, *, sensitive_features=None):
        values = validate_data(self, X, dtype=None)[:, self.column].astype(float)
        groups = self._check_groups(X, sensitive_features)
        self.classes_ = np.unique(y)
        self.thresholds_ = np.array(
            [np.quantile(values[groups.codes == code], self.quantile)
             for code in range(groups.n_groups)]
        )  # fmt: skip
        return self

    def _margin(self, X, sensitive_features, method):
        check_is_fitted(self)
        self.calls.append(method)
        values = validate_data(self, X, dtype=None, reset=False)[:, self.column]
        groups = self._check_groups(X, sensitive_features, reset=False)
        return values.astype(float) - self.thresholds_[groups.codes]

    def predict(self, X, *, sensitive_features=None):
        margin = self._margin(X, sensitive_features, "predict")
        return self.classes_[(margin > 0).astype(int)]

    def decision_function(self, X, *, sensitive_features=None):
        return self._margin(X, sensitive_features, "decision_function")

    def predict_proba(self, X, *, sensitive_features=None):
        margin = self._margin(X, sensitive_features, "predict_proba")
        positive = 1 / (1 + np.exp(-margin))
        return np.column_stack([1 - positive, positive])


@pytest.fixture
def data(rng):
    """A frame with a group column, labels, and the group."""
    n = 120
    group = np.where(rng.random(n) < 0.5, "a", "b")
    other = np.where(rng.random(n) < 0.5, "u", "v")
    y = (rng.random(n) < np.where(group == "a", 0.3, 0.6)).astype(int)
    signal = y + (group == "b") + rng.normal(size=n)
    return pd.DataFrame({"group": group, "other": other, "x": signal}), y, group


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


@pytest.fixture(autouse=True)
def forget_calls():
    GroupThreshold.calls.clear()


def folds(X, y):
    return list(StratifiedKFold(N_FOLDS).split(X, y))


def expected_scores(metric, X, y, group, quantile=0.5):
    """What the folds give by plain slicing, without any scorer."""
    scores = []
    for train, test in folds(X, y):
        model = GroupThreshold(quantile).fit(
            X.iloc[train], y[train], sensitive_features=group[train]
        )
        y_pred = model.predict(X.iloc[test], sensitive_features=group[test])
        scores.append(metric(y[test], y_pred, group[test]))
    return np.array(scores)


def accuracy(y_true, y_pred, group):
    return accuracy_score(y_true, y_pred)


def neg_dpd(y_true, y_pred, group):
    return -demographic_parity_difference(y_true, y_pred, sensitive_features=group)


def wrappers():
    """Group-aware predictors inside the meta-estimators that people use."""
    grid = {"quantile": [0.5]}
    passed = make_column_transformer(
        ("passthrough", ["group", "x"]), verbose_feature_names_out=False
    ).set_output(transform="pandas")
    return {
        "bare": lambda model: model,
        "pipeline": lambda model: make_pipeline(passed, model),
        "nested pipeline": lambda model: make_pipeline(
            "passthrough", make_pipeline(passed, model)
        ),
        "search": lambda model: GridSearchCV(model, grid, scoring=SEARCH, cv=2),
        "search of a pipeline": lambda model: GridSearchCV(
            make_pipeline(passed, model),
            {"groupthreshold__quantile": [0.5]},
            scoring=SEARCH,
            cv=2,
        ),
        "pipeline of a search": lambda model: make_pipeline(
            passed, GridSearchCV(model, grid, scoring=SEARCH, cv=2)
        ),
    }


SEARCH = get_scorer("accuracy", group_by="group")
every_wrapper = pytest.mark.parametrize(
    "wrap", wrappers().values(), ids=wrappers().keys()
)


@every_wrapper
@pytest.mark.parametrize(
    ("name", "metric"),
    [("accuracy", accuracy), (DPD, neg_dpd)],
    ids=["accuracy", "dpd"],
)
def test_metadata_reach_metric_and_predictor(wrap, name, metric, data, routing):
    X, y, group = data
    scores = cross_val_score(
        wrap(GroupThreshold()),
        X,
        y,
        scoring=get_scorer(name),
        cv=folds(X, y),
        params={"sensitive_features": group},
    )
    np.testing.assert_allclose(scores, expected_scores(metric, X, y, group))


@every_wrapper
@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
@pytest.mark.parametrize("own", [None, "group"], ids=["scorer's", "estimator's"])
def test_group_by_reaches_metric_and_predictor(wrap, on, own, data):
    X, y, group = data

    class FromColumn(GroupThreshold):
        """Knows the groups in fit only, unless it has a group_by."""

        def fit(self, X, y):
            return super().fit(X, y, sensitive_features=X["group"])

    FromColumn.__name__ = "GroupThreshold"  # names its step in a pipeline
    for name, metric in (("accuracy", accuracy), (DPD, neg_dpd)):
        with sklearn.config_context(enable_metadata_routing=on):
            scores = cross_val_score(
                wrap(FromColumn(group_by=own)),
                X,
                y,
                scoring=get_scorer(name, group_by="group"),
                cv=folds(X, y),
                params={},
            )
        np.testing.assert_allclose(scores, expected_scores(metric, X, y, group))


SCORERS = {
    "accuracy": get_scorer("accuracy"),
    "f1": get_scorer("f1"),
    "roc_auc": get_scorer("roc_auc"),
    "neg_log_loss": get_scorer("neg_log_loss"),
    "neg_brier_score": get_scorer("neg_brier_score"),
    "difference": get_scorer(DPD),
    "ratio": get_scorer("equalized_odds_ratio"),
}


@every_wrapper
def test_each_response_method_is_called_once_a_fold(wrap, data, routing):
    X, y, group = data
    estimator = wrap(GroupThreshold()).fit(X, y, sensitive_features=group)
    GroupThreshold.calls.clear()
    scores = sklearn.metrics.check_scoring(estimator, SCORERS)(
        estimator, X, y, sensitive_features=group
    )
    assert sorted(GroupThreshold.calls) == [
        "decision_function",
        "predict",
        "predict_proba",
    ]
    alone = {
        name: scorer(estimator, X, y, sensitive_features=group)
        for name, scorer in SCORERS.items()
    }
    assert scores == alone


def test_each_response_method_is_called_once_a_fold_with_routing_off(data):
    X, y, _ = data
    scoring = {name: get_scorer(s, group_by="group") for name, s in SCORERS.items()}
    estimator = GroupThreshold(group_by="group")
    cross_validate(estimator, X, y, scoring=scoring, cv=N_FOLDS)
    assert len(GroupThreshold.calls) == 3 * N_FOLDS


def test_plain_predictions_are_shared_with_scorers_of_scikit_learn(data):
    X, y, _ = data

    class Counting(DummyClassifier):
        n_calls = 0

        def predict(self, X):
            type(self).n_calls += 1
            return super().predict(X)

    scoring = {"theirs": "accuracy", "ours": get_scorer(DPD, group_by="group")}
    cross_validate(Counting(), X, y, scoring=scoring, cv=N_FOLDS)
    assert Counting.n_calls == N_FOLDS


def test_predictions_for_different_groups_are_kept_apart(data):
    X, y, group = data
    estimator = GroupThreshold().fit(X, y, sensitive_features=group)
    # With the labels of the other column exchanged, another prediction comes out.
    swapped = X.assign(other=np.where(group == "a", "b", "a"))
    scoring = {
        "group": get_scorer("accuracy", group_by="group"),
        "other": get_scorer("accuracy", group_by="other"),
    }
    scores = sklearn.metrics.check_scoring(estimator, scoring)(estimator, swapped, y)
    for name, column in (("group", "group"), ("other", "other")):
        y_pred = estimator.predict(swapped, sensitive_features=swapped[column])
        assert scores[name] == accuracy_score(y, y_pred)
    assert scores["group"] != scores["other"]


@pytest.mark.filterwarnings("ignore")
def test_every_scorer_of_scikit_learn_gives_its_score(data):
    X, y, group = data
    classifier = LogisticRegression().fit(X[["x"]], y)
    regressor = LinearRegression().fit(X[["x"]], y + 1)
    scored = set()
    for name in sklearn_get_scorer_names():
        for estimator, target in ((classifier, y), (regressor, y + 1)):
            try:
                expected = sklearn_get_scorer(name)(estimator, X[["x"]], target)
            except (ValueError, AttributeError):  # of the other kind of estimator
                continue
            for known in ({}, {"sensitive_features": group}):
                score = get_scorer(name)(estimator, X[["x"]], target, **known)
                np.testing.assert_equal(score, expected)
            scored.add(name)
    unscored = set(sklearn_get_scorer_names()) - scored
    assert all(name.endswith("_samples") for name in unscored)  # of many labels a row


def test_names_are_those_of_scikit_learn_and_every_definition_and_disparity():
    names = get_scorer_names()
    assert names == sorted(set(names))
    assert set(sklearn_get_scorer_names()) < set(names)
    for definition in DEFINITIONS:
        for how, disparity in DISPARITIES.items():
            sign = "" if disparity.greater_is_better else "neg_"
            assert f"{sign}{definition}_{how}" in names
    assert all(callable(get_scorer(name)) for name in names)


@pytest.mark.parametrize("definition", sorted(DEFINITIONS))
@pytest.mark.parametrize("disparity", sorted(DISPARITIES))
def test_score_is_the_disparity_with_more_meaning_fairer(definition, disparity, data):
    X, y, group = data
    estimator = LogisticRegression().fit(X[["x"]], y)
    value = fairness_disparity(
        y,
        estimator.predict(X[["x"]]),
        sensitive_features=group,
        fairness=definition,
        disparity=disparity,
    )
    sign = 1 if get_disparity(disparity).greater_is_better else -1
    name = f"{'' if sign > 0 else 'neg_'}{definition}_{disparity}"
    for scorer in (
        get_scorer(name),
        make_fairness_scorer(definition, disparity=disparity),
        make_fairness_scorer(DEFINITIONS[definition], disparity=disparity),
    ):
        score = scorer(estimator, X[["x"]], y, sensitive_features=group)
        assert score == sign * value


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("demographic_parity_difference", DPD),
        ("equalized_odds_variance", "neg_equalized_odds_variance"),
        ("neg_equalized_odds_ratio", "equalized_odds_ratio"),
    ],
)
def test_a_name_whose_maximum_is_the_unfairest_model_raises(name, remedy):
    with pytest.raises(ValueError, match=f"more is better.*Use '{remedy}'"):
        get_scorer(name)


def test_an_unknown_name_suggests_a_known_one():
    with pytest.raises(
        ValueError, match=r"'equalised_odds_ratio'. Did you mean 'equali"
    ):
        get_scorer("equalised_odds_ratio")
    with pytest.raises(TypeError, match="Got 3"):
        get_scorer(3)


def test_named_metric_as_a_function_brings_its_sign(data):
    X, y, group = data
    estimator = LogisticRegression().fit(X[["x"]], y)
    scorer = make_fairness_scorer(metrics.equalized_odds_difference)
    assert repr(scorer) == repr(get_scorer("neg_equalized_odds_difference"))
    assert scorer(estimator, X[["x"]], y, sensitive_features=group) < 0


def auc_gap(y_true, y_score, *, sensitive_features, weight=1.0):
    groups = np.asarray(sensitive_features)
    areas = [roc_auc_score(y_true[groups == g], y_score[groups == g])
             for g in np.unique(groups)]  # fmt: skip
    return weight * np.ptp(areas)


def test_any_function_becomes_a_scorer(data):
    X, y, group = data
    estimator = LogisticRegression().fit(X[["x"]], y)
    scorer = make_fairness_scorer(
        auc_gap, response_method="predict_proba", greater_is_better=False, weight=2.0
    )
    y_score = estimator.predict_proba(X[["x"]])[:, 1]
    expected = -2 * auc_gap(y, y_score, sensitive_features=group)
    assert scorer(estimator, X[["x"]], y, sensitive_features=group) == expected
    # A function without groups still scores a predictor that needs them.
    scorer = make_fairness_scorer(accuracy_score, greater_is_better=True)
    aware = GroupThreshold().fit(X, y, sensitive_features=group)
    score = scorer(aware, X, y, sensitive_features=group)
    assert score == accuracy_score(y, aware.predict(X, sensitive_features=group))


def test_a_function_must_come_with_its_direction():
    with pytest.raises(
        ValueError, match="`greater_is_better` for the function auc_gap"
    ):
        make_fairness_scorer(auc_gap)
    with pytest.raises(TypeError, match=r"function. Got 3"):
        make_fairness_scorer(3)


def test_without_groups_both_remedies_are_named(data):
    X, y, _ = data
    estimator = DummyClassifier().fit(X, y)
    with pytest.raises(ValueError, match=r"pass `sensitive_features`.*`group_by`"):
        get_scorer(DPD)(estimator, X, y)


def test_a_meta_estimator_that_passes_nothing_on_gets_a_note(data):
    X, y, group = data

    class Closed(GroupThreshold):
        """Passes no groups on where it predicts."""

        __metadata_request__predict = {}

        def predict(self, X):
            return super().predict(X)

    estimator = Closed().fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match="needs the group of each sample") as error:
        get_scorer("accuracy", group_by="group")(estimator, X, y)
    assert "Closed takes none where it predicts" in error.value.__notes__[0]
    assert "set its `group_by`" in error.value.__notes__[0]


def test_members_of_a_vote_read_the_groups_by_their_own_group_by(data):
    X, y, group = data
    vote = VotingClassifier([("only", GroupThreshold(group_by=0))])
    X = X.assign(group=(group == "a") * 1.0, other=0.0)
    scorer = get_scorer("accuracy", group_by=0)
    scores = cross_val_score(vote, X.to_numpy(), y, cv=folds(X, y), scoring=scorer)
    np.testing.assert_allclose(scores, expected_scores(accuracy, X, y, group))


@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
@pytest.mark.parametrize("scorers_own", [None, "group", "other"])
def test_group_by_of_a_pipeline_is_left_to_it(on, scorers_own, data):
    X, y, group = data
    only_x = make_column_transformer(("passthrough", ["x"]))
    scorer = get_scorer("accuracy", group_by=scorers_own)
    with sklearn.config_context(enable_metadata_routing=on):
        model = make_fair_pipeline(only_x, GroupThreshold(), group_by="group")
        scores = cross_val_score(model, X, y, scoring=scorer, cv=folds(X, y), params={})
    np.testing.assert_allclose(scores, expected_scores(accuracy, X, y, group))


@every_wrapper
@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
@pytest.mark.parametrize("own", [None, "other"])
def test_metadata_win_in_a_direct_call(wrap, on, own, data):
    X, y, group = data
    with sklearn.config_context(enable_metadata_routing=True):
        model = wrap(GroupThreshold()).fit(X, y, sensitive_features=group)
    expected = get_scorer("accuracy", group_by="group")(model, X, y)
    for inner in (model, getattr(model, "best_estimator_", model)):
        for step in (inner, *(s for _, s in getattr(inner, "steps", []))):
            if isinstance(step, GroupThreshold):
                step.set_params(group_by=own)
    with sklearn.config_context(enable_metadata_routing=on):
        score = get_scorer("accuracy")(model, X, y, sensitive_features=group)
    assert score == expected


def test_aliases_are_respected(data, routing):
    X, y, group = data
    scorer = get_scorer(DPD).set_score_request(sensitive_features="who")
    estimator = (
        GroupThreshold()
        .set_fit_request(sensitive_features="who")
        .set_predict_request(sensitive_features="who")
    )
    scores = cross_val_score(
        make_pipeline(StandardScaler(), estimator),
        X[["x"]],
        y,
        scoring=scorer,
        cv=folds(X, y),
        params={"who": group},
    )
    np.testing.assert_allclose(scores, expected_scores(neg_dpd, X[["x"]], y, group))


def test_an_audit_by_another_attribute_leaves_the_predictor_its_own_groups(
    data, routing
):
    X, y, _ = data
    scorer = get_scorer(DPD).set_score_request(sensitive_features="audited")
    scores = cross_val_score(
        GroupThreshold(group_by="group"),
        X,
        y,
        scoring=scorer,
        cv=folds(X, y),
        params={"audited": X["other"]},
    )
    expected = []
    for train, test in folds(X, y):
        model = GroupThreshold(group_by="group").fit(X.iloc[train], y[train])
        y_pred = model.predict(X.iloc[test])
        expected.append(neg_dpd(y[test], y_pred, X["other"].iloc[test]))
    np.testing.assert_allclose(scores, expected)


def test_requests_add_up(routing):
    scorer = get_scorer(DPD).set_score_request(sample_weight=True)
    requests = scorer.get_metadata_routing().score.requests
    assert requests["sensitive_features"] is True
    assert requests["sample_weight"] is True
    scorer.set_score_request(sensitive_features="who")
    requests = scorer.get_metadata_routing().score.requests
    assert (requests["sensitive_features"], requests["sample_weight"]) == ("who", True)
    # A wrapped scorer keeps what it requested.
    inner = make_scorer(accuracy_score).set_score_request(sample_weight="w")
    requests = get_scorer(inner).get_metadata_routing().score.requests
    assert (requests["sensitive_features"], requests["sample_weight"]) == (True, "w")
    # scikit-learn's own scorers stay as they are.
    assert "sensitive_features" not in str(sklearn_get_scorer("accuracy"))


def test_a_request_needs_routing():
    with pytest.raises(RuntimeError, match="metadata routing is enabled"):
        get_scorer(DPD).set_score_request(sample_weight=True)


def test_weights_reach_the_metric(data, routing, rng):
    X, y, group = data
    weight = rng.random(len(y))
    scorers = {
        name: get_scorer(name).set_score_request(sample_weight=True)
        for name in ("accuracy", DPD)
    }
    scores = cross_validate(
        GroupThreshold(),
        X,
        y,
        scoring=scorers,
        cv=folds(X, y),
        params={"sensitive_features": group, "sample_weight": weight},
    )
    for fold, (train, test) in enumerate(folds(X, y)):
        model = GroupThreshold().fit(
            X.iloc[train], y[train], sensitive_features=group[train]
        )
        y_pred = model.predict(X.iloc[test], sensitive_features=group[test])
        expected = accuracy_score(y[test], y_pred, sample_weight=weight[test])
        np.testing.assert_allclose(scores["test_accuracy"][fold], expected)
        expected = demographic_parity_difference(
            y[test],
            y_pred,
            sensitive_features=group[test],
            sample_weight=weight[test],
        )
        np.testing.assert_allclose(scores[f"test_{DPD}"][fold], -expected)


def within_a_twentieth(results):
    """Refit rule: the most accurate of the fairer half."""
    fair = results[f"mean_test_{DPD}"]
    allowed = fair >= np.median(fair)
    return int(np.argmax(np.where(allowed, results["mean_test_accuracy"], -np.inf)))


@pytest.mark.parametrize("search", [GridSearchCV, HalvingGridSearchCV])
@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
def test_searches_select_by_the_scores(search, on, data):
    X, y, group = data
    grid = {"quantile": [0.2, 0.5, 0.8]}
    group_by = None if on else "group"
    options = {"cv": folds(X, y), "error_score": "raise"}
    if search is GridSearchCV:
        names = ["accuracy", DPD]
        options["scoring"] = {n: get_scorer(n, group_by=group_by) for n in names}
        options["refit"] = within_a_twentieth
    else:
        options["scoring"] = get_scorer(DPD, group_by=group_by)
        options |= {"cv": 2, "random_state": 0, "min_resources": 60}
    params = {"sensitive_features": group} if on else {}
    with sklearn.config_context(enable_metadata_routing=on):
        model = search(GroupThreshold(group_by=group_by), grid, **options)
        model.fit(X, y, **params)
    if search is GridSearchCV:
        for i, quantile in enumerate(grid["quantile"]):
            for name, metric in (("accuracy", accuracy), (DPD, neg_dpd)):
                np.testing.assert_allclose(
                    model.cv_results_[f"mean_test_{name}"][i],
                    expected_scores(metric, X, y, group, quantile).mean(),
                )
        assert model.best_index_ == within_a_twentieth(model.cv_results_)
    assert model.best_params_["quantile"] in grid["quantile"]


@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
def test_nested_cross_validation(on, data):
    X, y, group = data
    group_by = None if on else "group"
    scorers = {n: get_scorer(n, group_by=group_by) for n in ("accuracy", DPD)}
    params = {"sensitive_features": group} if on else {}
    with sklearn.config_context(enable_metadata_routing=on):
        search = GridSearchCV(
            make_pipeline("passthrough", GroupThreshold(group_by=group_by)),
            {"groupthreshold__quantile": [0.4, 0.6]},
            scoring=scorers,
            refit="accuracy",
            cv=2,
            error_score="raise",
        )
        scores = cross_validate(
            search, X, y, scoring=scorers, cv=folds(X, y), params=params,
            return_estimator=True, error_score="raise",
        )  # fmt: skip
    for fold, (train, test) in enumerate(folds(X, y)):
        quantile = scores["estimator"][fold].best_params_["groupthreshold__quantile"]
        model = GroupThreshold(quantile).fit(
            X.iloc[train], y[train], sensitive_features=group[train]
        )
        y_pred = model.predict(X.iloc[test], sensitive_features=group[test])
        assert scores["test_accuracy"][fold] == accuracy_score(y[test], y_pred)
        expected = neg_dpd(y[test], y_pred, group[test])
        assert scores[f"test_{DPD}"][fold] == expected


@pytest.mark.parametrize("on", [False, True], ids=["routing off", "routing on"])
def test_learning_curve(on, data):
    X, y, group = data
    options = {"params": {"sensitive_features": group}} if on else {}
    group_by = None if on else "group"
    with sklearn.config_context(enable_metadata_routing=on):
        _, _, test_scores = learning_curve(
            GroupThreshold(group_by=group_by),
            X,
            y,
            train_sizes=[1.0],
            cv=folds(X, y),
            scoring=get_scorer(DPD, group_by=group_by),
            error_score="raise",
            **options,
        )
    expected = expected_scores(neg_dpd, X, y, group)
    np.testing.assert_allclose(test_scores[0], expected)


def test_permutation_importance(data):
    X, y, _ = data
    X, y = X[["group", "x"]], (X["x"] > 1).to_numpy().astype(int)
    estimator = GroupThreshold(group_by="group").fit(X, y)
    importance = permutation_importance(
        estimator,
        X,
        y,
        scoring=get_scorer("accuracy", group_by="group"),
        random_state=0,
    ).importances_mean
    assert importance[1] > 0.1


def test_string_labels_take_the_second_class_of_the_estimator(data):
    X, y, group = data
    names = np.array(["no", "yes"])
    strings = LogisticRegression().fit(X[["x"]], names[y])
    numbers = LogisticRegression().fit(X[["x"]], y)
    for name in (DPD, "demographic_parity_ratio", "equalized_odds_ratio"):
        score = get_scorer(name)(strings, X[["x"]], names[y], sensitive_features=group)
        expected = get_scorer(name)(numbers, X[["x"]], y, sensitive_features=group)
        assert score == expected
    for name in ("demographic_parity_ratio", "f1"):
        scorer = get_scorer(name, pos_label="no")
        score = scorer(strings, X[["x"]], names[y], sensitive_features=group)
        expected = get_scorer(name, pos_label=0)(
            numbers, X[["x"]], y, sensitive_features=group
        )
        assert score == expected
    with pytest.raises(ValueError, match="has a positive class"):
        get_scorer("accuracy", pos_label="no")


def test_a_fold_that_lacks_a_class_is_still_scored_for_all(rng):
    X, y = rng.normal(size=(60, 2)), np.repeat([0, 1, 2], 20)
    estimator = LogisticRegression().fit(X, y)
    rows = y != 1
    group = np.tile(["a", "b"], 20)
    y_pred = estimator.predict(X[rows])
    score = get_scorer("demographic_parity_ratio")(
        estimator, X[rows], y[rows], sensitive_features=group
    )
    per_class = [
        metrics.demographic_parity_ratio(
            y_pred == label, y_pred == label, sensitive_features=group
        )
        for label in estimator.classes_
    ]
    assert score == min(per_class)


def test_scorer_survives_pickle_and_processes(data):
    X, y, _ = data
    scorer = get_scorer(DPD, group_by="group", pos_label=1)
    copied = pickle.loads(pickle.dumps(scorer))
    assert repr(copied) == repr(scorer)
    scores = cross_val_score(
        DummyClassifier(strategy="stratified", random_state=0),
        X, y, scoring=copied, cv=folds(X, y), n_jobs=2,
    )  # fmt: skip
    alone = cross_val_score(
        DummyClassifier(strategy="stratified", random_state=0),
        X, y, scoring=scorer, cv=folds(X, y),
    )  # fmt: skip
    np.testing.assert_array_equal(scores, alone)


@pytest.mark.parametrize(
    ("scorer", "text"),
    [
        (
            get_scorer(DPD, group_by="sex", pos_label="yes"),
            "make_fairness_scorer('demographic_parity', disparity='difference', "
            "pos_label='yes', group_by='sex')",
        ),
        (
            get_scorer("accuracy"),
            "make_fairness_scorer(accuracy_score, greater_is_better=True)",
        ),
        (
            make_fairness_scorer(
                auc_gap, response_method="predict_proba", greater_is_better=False
            ),
            "make_fairness_scorer(auc_gap, greater_is_better=False, "
            "response_method='predict_proba')",
        ),
    ],
)
def test_repr_is_the_call_that_makes_it(scorer, text):
    assert repr(scorer) == text
    assert repr(eval(text, {**vars(metrics), **globals()})) == text


def test_group_by_of_a_scorer_that_is_given_again_is_kept_or_replaced():
    scorer = get_scorer("accuracy", group_by="sex")
    assert repr(get_scorer(scorer)) == repr(scorer)
    assert "group_by='race'" in repr(get_scorer(scorer, group_by="race"))


def test_several_columns_are_crossed(data):
    X, y, _ = data
    estimator = LogisticRegression().fit(X[["x"]], y)
    bound = make_pipeline(make_column_transformer(("passthrough", ["x"])), estimator)
    score = get_scorer(DPD, group_by=["group", "other"])(bound.fit(X, y), X, y)
    expected = neg_dpd(y, bound.predict(X), X[["group", "other"]])
    assert score == expected


def test_fairlearns_group_aware_predictor_can_be_cross_validated(data, routing):
    postprocessing = pytest.importorskip("fairlearn.postprocessing")
    X, y, group = data
    estimator = postprocessing.ThresholdOptimizer(
        estimator=LogisticRegression(), predict_method="predict_proba"
    )
    estimator.set_fit_request(sensitive_features=True)
    estimator.set_predict_request(sensitive_features=True)
    scores = cross_validate(
        estimator,
        X[["x"]].to_numpy(),
        y,
        scoring={name: get_scorer(name) for name in ("accuracy", DPD)},
        cv=N_FOLDS,
        params={"sensitive_features": group},
        error_score="raise",
    )
    assert np.isfinite(scores[f"test_{DPD}"]).all()
