"""What the displays draw, against scikit-learn and the report."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import auc, roc_auc_score
from sklearn.svm import LinearSVC

from fairsk.datasets import make_biased_classification
from fairsk.inspection import (
    GroupCalibrationDisplay,
    GroupMetricsDisplay,
    GroupRocDisplay,
)
from fairsk.metrics import group_metrics
from fairsk.postprocessing import FixedThresholdClassifier, ThresholdOptimizer

mpl.use("Agg")
DISPLAYS = [GroupMetricsDisplay, GroupRocDisplay, GroupCalibrationDisplay]


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(name="fitted")
def fixture_fitted(rng):
    X, y = make_classification(400, random_state=0)
    return LogisticRegression().fit(X, y), X, y, rng.integers(3, size=400)


@pytest.mark.parametrize("display", DISPLAYS)
def test_estimator_and_its_predictions_draw_the_same(display, fitted):
    model, X, y, group = fitted
    response = model.predict(X)
    if display is not GroupMetricsDisplay:
        response = model.predict_proba(X)
    one = display.from_estimator(model, X, y, sensitive_features=group)
    other = display.from_predictions(y, response, sensitive_features=group)
    axes = [
        np.ravel(getattr(d, "axes_", getattr(d, "ax_", None))) for d in (one, other)
    ]
    for axis, twin in zip(*axes):
        for line, copy in zip(axis.lines, twin.lines):
            np.testing.assert_array_equal(line.get_xydata(), copy.get_xydata())


def test_points_are_the_values_and_bars_the_intervals(fitted):
    model, X, y, group = fitted
    display = GroupMetricsDisplay.from_estimator(model, X, y, sensitive_features=group)
    expected = group_metrics(
        ["selection_rate", "true_positive_rate", "false_positive_rate"],
        y,
        model.predict(X),
        sensitive_features=group,
    )
    interval = expected.confidence_interval("wilson")
    for column, axis in enumerate(display.axes_):
        (drawn,) = axis.containers[-1:]
        np.testing.assert_array_equal(drawn[0].get_xdata(), expected.values[0, column])
        (bars,) = drawn[2]
        ends = np.array([segment[:, 0] for segment in bars.get_segments()])
        np.testing.assert_allclose(ends[:, 0], interval.low_values[0, column])
        np.testing.assert_allclose(ends[:, 1], interval.high_values[0, column])
    labels = [text.get_text() for text in display.axes_[0].get_yticklabels()]
    assert labels == [f"{g} ({(group == g).sum()})" for g in range(3)]


def test_bands_hold_the_groups_of_a_fair_predictor():
    import matplotlib.pyplot as plt

    inside = []
    for seed in range(40):
        y_true, y_pred, group = np.random.default_rng(seed).integers(2, size=(3, 300))
        display = GroupMetricsDisplay.from_predictions(
            y_true, y_pred, sensitive_features=group, n_resamples=500, method=None
        )
        values = display.result.values[0]
        inside.append((display.null_low <= values) & (values <= display.null_high))
        plt.close(display.figure_)
    assert np.mean(inside) > 0.9


def test_functions_are_displayed_by_a_bootstrap_of_rows(fitted):
    model, X, y, group = fitted
    display = GroupMetricsDisplay.from_predictions(
        y,
        model.predict(X),
        sensitive_features=group,
        metrics={"mine": lambda t, p: float((t == p).mean())},
        n_resamples=50,
        kind="bar",
    )
    assert display.intervals.method == "percentile"
    assert display.axes_[0].get_title() == "mine"


def test_axes_may_be_given(fitted):
    import matplotlib.pyplot as plt

    model, X, y, group = fitted
    _, axes = plt.subplots(1, 3)
    display = GroupMetricsDisplay.from_estimator(
        model, X, y, sensitive_features=group, ax=axes
    )
    assert list(display.axes_) == list(axes)
    for other in (GroupRocDisplay, GroupCalibrationDisplay):
        drawn = other.from_estimator(model, X, y, sensitive_features=group, ax=axes[0])
        assert drawn.ax_ is axes[0]


def test_roc_curves_have_the_areas_of_scikit_learn(fitted):
    model, X, y, group = fitted
    scores = model.predict_proba(X)[:, 1]
    display = GroupRocDisplay.from_estimator(
        model, X, y, sensitive_features=group, threshold=0.5
    )
    for g, line in zip(range(3), display.lines_):
        own = group == g
        area = roc_auc_score(y[own], scores[own])
        assert line.get_label() == f"{g} (AUC = {area:.2f})"
        mark = display.curves[str(g)][3]
        chosen = model.predict(X)[own]
        np.testing.assert_allclose(mark, [chosen[y[own] == k].mean() for k in (0, 1)])


@pytest.fixture(name="optimized")
def fixture_optimized():
    X, y, group = make_biased_classification(1200, n_groups=3, random_state=0)
    model = ThresholdOptimizer(
        LogisticRegression(), fairness="equalized_odds", randomize=True, random_state=0
    )
    model.fit(X[:600], y[:600], sensitive_features=group[:600])
    return model, X[600:], y[600:], group[600:]


def test_thresholds_are_drawn_on_the_hulls(optimized):
    model, *_ = optimized
    display = GroupRocDisplay.from_thresholds(model)
    rates = {name: model.rates_[f"{name}_positive_rate"] for name in ("false", "true")}
    for g, (false, true, area, mark, parts) in enumerate(display.curves.values()):
        np.testing.assert_allclose(mark, [rates["false"][g], rates["true"][g]])
        assert area == pytest.approx(auc(false, true))
        weights = model.threshold_weights_[g]
        weights = weights[weights > 0]
        if len(weights) > 1:
            np.testing.assert_allclose(weights @ parts, mark, atol=1e-9)
            vertices = set(zip(false, true))
            assert all(tuple(part) in vertices for part in parts)
        else:
            assert parts is None
    assert (model.threshold_weights_ > 0).sum() > 3  # some group mixes


def test_thresholds_are_drawn_on_the_curves_of_new_data(optimized):
    model, X, y, group = optimized
    display = GroupRocDisplay.from_estimator(model, X, y, sensitive_features=group)
    chance = model.predict_proba(X, sensitive_features=group)[:, 1]
    base = model.estimator_.predict_proba(X)[:, 1]
    for g, (_, _, area, mark, _) in enumerate(display.curves.values()):
        own = group == g
        assert area == pytest.approx(roc_auc_score(y[own], base[own]))
        expected = [chance[own & (y == k)].mean() for k in (0, 1)]
        np.testing.assert_allclose(mark, expected)


def test_given_thresholds_are_drawn_for_their_groups(optimized):
    _, X, y, group = optimized
    cuts = {0: 0.3, 1: 0.5, 2: 0.7}
    model = FixedThresholdClassifier(LogisticRegression(), thresholds=cuts)
    model.fit(X, y, sensitive_features=group)
    one = GroupRocDisplay.from_estimator(model, X, y, sensitive_features=group)
    other = GroupRocDisplay.from_predictions(
        y, model.base_scores(X), sensitive_features=group, threshold=cuts
    )
    y_pred = model.predict(X, sensitive_features=group)
    for g in cuts:
        mark = one.curves[str(g)][3]
        np.testing.assert_array_equal(mark, other.curves[str(g)][3])
        own = group == g
        np.testing.assert_allclose(
            mark, [y_pred[own & (y == k)].mean() for k in (0, 1)]
        )


def test_blind_thresholds_have_no_point_on_hulls(optimized):
    _, X, y, group = optimized
    blind = ThresholdOptimizer(LogisticRegression(), group_aware=False, tolerance=0.3)
    blind.fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match="`group_aware=True`"):
        GroupRocDisplay.from_thresholds(blind)


def test_decision_functions_have_roc_curves(fitted):
    _, X, y, group = fitted
    model = LinearSVC().fit(X, y)
    assert len(GroupRocDisplay.from_estimator(
        model, X, y, sensitive_features=group
    ).lines_) == 3  # fmt: skip
    with pytest.raises(ValueError, match="one of the methods"):
        GroupCalibrationDisplay.from_estimator(model, X, y, sensitive_features=group)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_calibration_curves_are_scikit_learns(fitted, strategy):
    model, X, y, group = fitted
    scores = model.predict_proba(X)[:, 1]
    display = GroupCalibrationDisplay.from_predictions(
        y, scores, sensitive_features=group, n_bins=5, strategy=strategy
    )
    for g in range(3):
        own = group == g
        happened, promised = calibration_curve(
            y[own], scores[own], n_bins=5, strategy=strategy
        )
        np.testing.assert_allclose(display.curves[str(g)], (promised, happened))


def test_a_group_with_one_class_has_no_roc_curve():
    display = GroupRocDisplay.from_predictions(
        [0, 1, 1, 1], [0.1, 0.9, 0.3, 0.4], sensitive_features=list("aabb")
    )
    assert [line.get_label() for line in display.lines_] == ["a (AUC = 1.00)"]


@pytest.mark.parametrize(
    ("display", "change", "message"),
    [
        (GroupMetricsDisplay, {"kind": "pie"}, "'point' or 'bar'"),
        (GroupRocDisplay, {"y_score": [[0.1]] * 4}, "one score for each of the 4"),
        (GroupRocDisplay, {"y_true": [0, 1, 2, 1]}, "labels of two classes"),
        (GroupCalibrationDisplay, {"y_score": [3.0, 1, 1, 1]}, "probabilities in"),
        (GroupCalibrationDisplay, {"strategy": "magic"}, "'uniform' or 'quantile'"),
    ],
)
def test_bad_input_raises(display, change, message):
    arguments = {
        "y_true": [0, 1, 0, 1],
        "sensitive_features": [0, 0, 1, 1],
    }
    name = "y_pred" if display is GroupMetricsDisplay else "y_score"
    arguments[name] = [0, 1, 1, 1]
    with pytest.raises(ValueError, match=message):
        display.from_predictions(**arguments | change)


def test_several_strata_cannot_be_one_display(rng):
    y_true, y_pred, group, site = rng.integers(2, size=(4, 200))
    result = group_metrics(
        "accuracy", y_true, y_pred, sensitive_features=group, control_features=site
    )
    with pytest.raises(ValueError, match="report of one stratum"):
        GroupMetricsDisplay.from_result(result)


def test_wrong_number_of_axes_raises(rng):
    import matplotlib.pyplot as plt

    y_true, y_pred, group = rng.integers(2, size=(3, 200))
    with pytest.raises(ValueError, match="needs 3 axes"):
        GroupMetricsDisplay.from_predictions(
            y_true, y_pred, sensitive_features=group, ax=plt.figure().subplots()
        )
