"""Pipelines that end in a post-processor are cross-validated and searched.

The post-processors are found; each is searched over its main parameter.
"""

import inspect

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import RegressorMixin, is_regressor
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from fairsk import postprocessing
from fairsk.datasets import make_biased_classification
from fairsk.metrics import get_scorer
from fairsk.model_selection import best_within
from fairsk.pipeline import make_pipeline as make_fair_pipeline
from fairsk.postprocessing._base import BaseScorePostprocessor

POSTPROCESSORS = [
    cls
    for _, cls in inspect.getmembers(postprocessing, inspect.isclass)
    if issubclass(cls, BaseScorePostprocessor)
]
# The main parameter is the first of these that there is.
MAIN = {
    "tolerance": [0.3, 0.05],
    "alpha": [0.9, 0.0],
    "method": ["sigmoid", "temperature"],
    "thresholds": [0.3, 0.6],
}
GAP = "neg_demographic_parity_difference"
every_postprocessor = pytest.mark.parametrize("cls", POSTPROCESSORS)
pytestmark = pytest.mark.filterwarnings("ignore:.*residual may still be above")


def main_parameter(cls):
    known = inspect.signature(cls).parameters
    return next((name, values) for name, values in MAIN.items() if name in known)


def make(cls, **params):
    base = LogisticRegression()
    if issubclass(cls, RegressorMixin):
        base = LinearRegression()
    if "cv" in inspect.signature(cls).parameters:
        params["cv"] = 2
    return cls(base, **params)


def scorers(model, **group_by):
    if is_regressor(model):
        return {"score": get_scorer("r2", **group_by)}
    return {
        "score": get_scorer("accuracy", **group_by),
        GAP: get_scorer(GAP, **group_by),
    }


@pytest.fixture(scope="module", name="frame")
def fixture_frame():
    X, y, group = make_biased_classification(600, random_state=0)
    frame = pd.DataFrame(X).add_prefix("x").assign(sex=np.array(["f", "m"])[group])
    return frame, y


def numeric(frame):
    return frame.drop(columns="sex")


def expected_scores(cls, frame, y, splits, **params):
    """Scores of each fold by hand: fit, predict, compare."""
    X, found = numeric(frame), []
    for train, test in splits:
        scaler = StandardScaler().fit(X.iloc[train])
        model = make(cls, **params)
        groups = frame["sex"]
        model.fit(
            scaler.transform(X.iloc[train]), y[train],
            sensitive_features=groups.iloc[train],
        )  # fmt: skip
        y_pred = model.predict(
            scaler.transform(X.iloc[test]), sensitive_features=groups.iloc[test]
        )
        if is_regressor(model):
            found.append(r2_score(y[test], y_pred))
        else:
            found.append(accuracy_score(y[test], y_pred))
    return found


@every_postprocessor
def test_cross_validate_gives_the_scores_by_hand(cls, frame):
    X, y = frame
    splits = list(KFold(2, shuffle=True, random_state=0).split(X))
    name, (value, _) = main_parameter(cls)
    params = {name: value}
    if "random_state" in inspect.signature(cls).parameters:
        params["random_state"] = 0
    expected = expected_scores(cls, X, y, splits, **params)
    model = make(cls, **params)
    with sklearn.config_context(enable_metadata_routing=True):
        routed = cross_validate(
            make_pipeline(StandardScaler(), model),
            numeric(X),
            y,
            cv=splits,
            scoring=scorers(model),
            params={"sensitive_features": X["sex"]},
            error_score="raise",
        )
    np.testing.assert_allclose(routed["test_score"], expected)
    read = cross_validate(
        make_fair_pipeline(
            make_column_transformer(("drop", ["sex"]), remainder=StandardScaler()),
            model,
            group_by="sex",
        ),
        X,
        y,
        cv=splits,
        scoring=scorers(model, group_by="sex"),
        error_score="raise",
    )
    np.testing.assert_allclose(read["test_score"], expected)
    for column in set(read) & {f"test_{GAP}"}:
        np.testing.assert_allclose(read[column], routed[column])


@every_postprocessor
def test_own_score_takes_the_groups(cls, frame):
    X, y = frame
    model = make(cls).fit(numeric(X), y, sensitive_features=X["sex"])
    weight = np.arange(len(y)) % 3
    y_pred = model.predict(numeric(X), sensitive_features=X["sex"])
    metric = r2_score if is_regressor(model) else accuracy_score
    score = model.score(
        numeric(X), y, sample_weight=weight, sensitive_features=X["sex"]
    )
    assert score == pytest.approx(metric(y, y_pred, sample_weight=weight))
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(StandardScaler(), make(cls))
        pipeline.fit(numeric(X), y, sensitive_features=X["sex"])
        routed = pipeline.score(numeric(X), y, sensitive_features=X["sex"])
        y_pred = pipeline.predict(numeric(X), sensitive_features=X["sex"])
    assert routed == pytest.approx(metric(y, y_pred))


@every_postprocessor
def test_grid_search_over_the_main_parameter(cls, frame):
    X, y = frame
    name, values = main_parameter(cls)
    model = make(cls)
    splits = list(KFold(2, shuffle=True, random_state=0).split(X))
    grid = {f"{cls.__name__.lower()}__{name}": values}
    with sklearn.config_context(enable_metadata_routing=True):
        routed = GridSearchCV(
            make_pipeline(StandardScaler(), model),
            grid,
            scoring=scorers(model),
            refit="score",
            cv=splits,
            error_score="raise",
        ).fit(numeric(X), y, sensitive_features=X["sex"])
        # `predict` of a search takes no metadata, whatever its model requests.
        y_pred = routed.best_estimator_.predict(numeric(X), sensitive_features=X["sex"])
    read = GridSearchCV(
        make_pipeline(
            make_column_transformer(
                (OrdinalEncoder(), ["sex"]), remainder="passthrough"
            ),
            make(cls, group_by=0),
        ),
        grid,
        scoring=scorers(model, group_by="sex"),
        refit="score",
        cv=splits,
        error_score="raise",
    ).fit(X, y)
    for search in (routed, read):
        assert len(search.cv_results_["params"]) == 2
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert y_pred.shape == read.predict(X).shape == y.shape
    column = f"param_{cls.__name__.lower()}__{name}"
    assert list(routed.cv_results_[column]) == values


@pytest.mark.parametrize(
    "cls",
    [
        cls
        for cls in POSTPROCESSORS
        if {"tolerance", "fairness"} <= set(inspect.signature(cls).parameters)
        # Their disparity is one of probabilities.
        and not getattr(cls, "_promises_calibration", False)
    ],
)
def test_search_within_a_limit_finds_a_tolerance(cls, frame):
    X, y = frame
    params = {"fairness": "demographic_parity", "group_by": 0}
    search = GridSearchCV(
        make_pipeline(
            make_column_transformer(
                (OrdinalEncoder(), ["sex"]), remainder="passthrough"
            ),
            make(cls, **params),
        ),
        {f"{cls.__name__.lower()}__tolerance": [1.0, 0.02]},
        scoring=scorers(make(cls), group_by="sex"),
        refit=best_within("score", {"demographic_parity_difference": 0.12}),
        cv=3,
        error_score="raise",
    )
    search.fit(X, y)
    gaps = -search.cv_results_[f"mean_test_{GAP}"]
    assert gaps[1] <= gaps[0]
    assert hasattr(search.best_estimator_, "predict")


def test_every_postprocessor_is_found():
    named = {cls.__name__ for cls in POSTPROCESSORS}
    assert named >= {
        name for name in postprocessing.__all__
        if name.endswith(("Classifier", "Optimizer", "Regressor", "Normalizer"))
    }  # fmt: skip
