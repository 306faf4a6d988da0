import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import (
    counterfactual_token_fairness_gap,
    flip_rate,
    get_scorer,
    make_counterfactual_scorer,
)
from fairsk.metrics._counterfactual import _changed_rows
from fairsk.postprocessing import ThresholdOptimizer

pairs = hnp.arrays(float, (3, 20), elements=st.floats(0, 1))


@given(pairs)
def test_metrics_equal_loops(rows):
    first, second, weight = rows
    has = np.arange(20) % 3 > 0
    total = flips = gap = 0.0
    for i in range(20):
        if has[i]:
            total += weight[i]
            flips += weight[i] * ((first[i] > 0.5) != (second[i] > 0.5))
            gap += weight[i] * abs(first[i] - second[i])
    if total == 0:
        return
    options = {"has_counterfactual": has, "sample_weight": weight}
    assert flip_rate(first > 0.5, second > 0.5, **options) == pytest.approx(
        flips / total
    )
    assert counterfactual_token_fairness_gap(first, second, **options) == pytest.approx(
        gap / total
    )


def test_gap_of_two_columns_is_that_of_one():
    rng = np.random.default_rng(0)
    p, q = rng.random((2, 30))
    both = np.stack([1 - p, p], 1), np.stack([1 - q, q], 1)
    assert counterfactual_token_fairness_gap(*both) == pytest.approx(
        counterfactual_token_fairness_gap(p, q)
    )


def test_no_counterfactual_is_undefined():
    with pytest.warns(UndefinedRateWarning, match="0 of 2 rows have a counterfactual"):
        rate = flip_rate([0, 1], [0, 1], has_counterfactual=[False, False])
    assert np.isnan(rate)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(1,\)"):
        flip_rate([0, 1], [0])
    with pytest.raises(ValueError, match="for 2 rows"):
        flip_rate([0, 1], [0, 1], sample_weight=[1])


@pytest.fixture
def data(rng):
    X = rng.normal(size=(120, 3))
    X[:, 0] = rng.integers(2, size=120)
    y = (X[:, 1] + 2 * X[:, 0] + rng.normal(size=120) > 1).astype(int)
    return X, y


def flip_column(X):
    swapped = X.copy()
    swapped[:, 0] = 1 - swapped[:, 0]
    swapped[::4, 0] = X[::4, 0]  # a quarter of the rows have no counterfactual
    return swapped


def test_scorer_is_the_negative_metric(data):
    X, y = data
    model = LogisticRegression().fit(X, y)
    has = np.arange(120) % 4 > 0
    scorer = make_counterfactual_scorer(flip_column)
    expected = flip_rate(
        model.predict(X), model.predict(flip_column(X)), has_counterfactual=has
    )
    assert expected > 0.1
    assert scorer(model, X) == pytest.approx(-expected)
    scorer = make_counterfactual_scorer(flip_column, metric="token_fairness_gap")
    gap = counterfactual_token_fairness_gap(
        model.predict_proba(X),
        model.predict_proba(flip_column(X)),
        has_counterfactual=has,
    )
    assert scorer(model, X, y) == pytest.approx(-gap)


def test_scorer_of_a_regressor_and_of_scores(data):
    X, y = data
    scorer = make_counterfactual_scorer(flip_column, metric="token_fairness_gap")
    ridge = Ridge().fit(X, y)
    assert scorer(ridge, X) == pytest.approx(-abs(ridge.coef_[0]))


def test_scorer_shares_predictions_and_keeps_the_swapped_apart(data):
    X, y = data
    scoring = {
        "accuracy": "accuracy",
        "flips": make_counterfactual_scorer(flip_column),
        "gap": make_counterfactual_scorer(flip_column, metric="token_fairness_gap"),
    }
    result = cross_validate(LogisticRegression(), X, y, scoring=scoring, cv=3)
    alone = cross_val_score(LogisticRegression(), X, y, scoring=scoring["flips"], cv=3)
    np.testing.assert_array_equal(result["test_flips"], alone)
    assert (result["test_gap"] < -0.05).all()
    search = GridSearchCV(
        LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=scoring, refit="flips", cv=3
    )
    assert search.fit(X, y).best_params_ == {"C": 1e-4}


@pytest.mark.parametrize("routing", [False, True])
def test_scorer_hands_groups_to_a_predictor_that_needs_them(data, routing):
    X, y = data
    groups = np.where(X[:, 2] > 0, "a", "b")
    model = ThresholdOptimizer(LogisticRegression(), tolerance=0.5)
    with sklearn.config_context(enable_metadata_routing=routing):
        if routing:
            scorer = make_counterfactual_scorer(flip_column)
            scores = cross_validate(
                model,
                X,
                y,
                scoring={"flips": scorer, "accuracy": get_scorer("accuracy")},
                cv=3,
                params={"sensitive_features": groups},
            )["test_flips"]
        else:
            model.set_params(group_by=lambda X: X[:, 2] > 0)
            scorer = make_counterfactual_scorer(flip_column)
            scores = cross_val_score(model, X, y, scoring=scorer, cv=3)
    assert np.isfinite(scores).all()


def test_frames_are_swapped(data):
    X, y = data
    frame = pd.DataFrame(X, columns=["g", "a", "b"])
    model = LogisticRegression().fit(frame, y)
    scorer = make_counterfactual_scorer(lambda X: X.assign(g=1 - X["g"]))
    expected = np.mean(
        model.predict(frame) != model.predict(frame.assign(g=1 - frame["g"]))
    )
    assert scorer(model, frame) == pytest.approx(-expected)


def test_bad_swaps_and_metrics_raise(data):
    X, y = data
    with pytest.raises(TypeError, match="needs `swap` to have `transform`"):
        make_counterfactual_scorer("gender")
    with pytest.raises(ValueError, match=r"one of .*Got 'flips'"):
        make_counterfactual_scorer(flip_column, metric="flips")
    with pytest.raises(ValueError, match=r"a row for each row\. Got 3 for 120"):
        make_counterfactual_scorer(lambda X: X[:3])(Ridge().fit(X, y), X)


def test_repr_says_what_it_measures():
    assert "metric=flip_rate" in repr(make_counterfactual_scorer(flip_column))


def test_missing_value_that_stays_is_no_change():
    X = np.array([[0.0, np.nan], [1.0, np.nan], [2.0, 3.0]])
    swapped = np.array([[0.0, np.nan], [1.0, 5.0], [2.0, 4.0]])
    expected = [False, True, True]
    assert _changed_rows(X, swapped).tolist() == expected
    assert _changed_rows(pd.DataFrame(X), pd.DataFrame(swapped)).tolist() == expected
