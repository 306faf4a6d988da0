"""What the frontier shows, against metrics of scikit-learn and recounts."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from sklearn.model_selection import GridSearchCV

from fairsk import metrics
from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS
from fairsk.inprocessing import FairMLPClassifierCV
from fairsk.inspection import FrontierDisplay
from fairsk.penalties import CovariancePenalty
from fairsk.postprocessing import ThresholdOptimizer

mpl.use("Agg")
SCORES = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "f1": f1_score,
}


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(name="predicted")
def fixture_predicted(rng):
    y_true, group = rng.integers(2, size=300), rng.integers(3, size=300)
    y_preds = [np.where(rng.random(300) < p, y_true, 1 - y_true) for p in (0.9, 0.6)]
    return y_true, [*y_preds, np.ones(300, int)], group


@pytest.fixture(scope="module", name="fitted")
def fixture_fitted():
    X, y, group = make_biased_classification(2000, random_state=0)
    model = ThresholdOptimizer(LogisticRegression(), tolerance=0.05, random_state=0)
    model.fit(X[:1000], y[:1000], sensitive_features=group[:1000])
    return model, X[1000:], y[1000:], group[1000:]


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("disparity", ["difference", "ratio"])
@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
@pytest.mark.filterwarnings("ignore::fairsk.definitions.UndefinedRateWarning")
def test_points_are_the_metrics_of_the_predictions(
    predicted, rng, fairness, disparity, score
):
    y_true, y_preds, group = predicted
    weight = rng.integers(1, 4, 300).astype(float)
    display = FrontierDisplay.from_predictions(
        y_true,
        y_preds,
        sensitive_features=group,
        fairness=fairness,
        disparity=disparity,
        score=score,
        sample_weight=weight,
        chosen=1,
    )
    for at, y_pred in enumerate(y_preds):
        expected = SCORES[score](y_true, y_pred, sample_weight=weight)
        assert display.score[at] == pytest.approx(expected)
        gap = metrics.fairness_disparity(
            y_true,
            y_pred,
            sensitive_features=group,
            fairness=fairness,
            disparity=disparity,
            sample_weight=weight,
        )
        assert display.disparity[at] == pytest.approx(gap, nan_ok=True)
    assert display.greater_is_fairer == (disparity == "ratio")
    assert display.chosen[1] == display.score[1]


def test_either_class_may_be_the_positive_one(predicted):
    y_true, y_preds, group = predicted
    names = np.array(["yes", "no"])
    shown = FrontierDisplay.from_predictions(
        names[y_true],
        [names[y] for y in y_preds],
        sensitive_features=group,
        fairness="equal_opportunity",
        score="f1",
        pos_label="no",
    )
    plain = FrontierDisplay.from_predictions(
        y_true,
        y_preds,
        sensitive_features=group,
        fairness="equal_opportunity",
        score="f1",
    )
    np.testing.assert_allclose(shown.disparity, plain.disparity)
    np.testing.assert_allclose(shown.score, plain.score)


def test_line_joins_what_no_other_point_beats(rng):
    disparity, score = rng.random((2, 40)).round(1)
    for ratio in (False, True):
        display = FrontierDisplay(disparity, score, greater_is_fairer=ratio).plot()
        unfair = -disparity if ratio else disparity
        kept = set()
        for a in range(40):
            beaten = (unfair <= unfair[a]) & (score >= score[a])
            beaten &= (unfair < unfair[a]) | (score > score[a])
            if not beaten.any():
                kept.add((disparity[a], score[a]))
        drawn = set(map(tuple, display.line_.get_xydata()))
        assert drawn == kept


def test_points_without_a_disparity_are_left_out():
    display = FrontierDisplay(np.array([np.nan, 0.1]), np.array([0.9, 0.8])).plot()
    assert display.frontier_.tolist() == [1]


def test_region_holds_new_samples_as_often_as_promised(rng):
    y_true, group = rng.integers(2, size=2000), rng.integers(2, size=2000)
    chance = np.where(group == 1, 0.6, 0.3)
    y_pred = (rng.random(2000) < chance).astype(int)
    display = FrontierDisplay.from_predictions(
        y_true, [y_pred], sensitive_features=group, chosen=0
    )
    path, inside = mpl.path.Path(display.region), []
    for _ in range(300):
        rows = rng.integers(2000, size=2000)
        gap = np.ptp([y_pred[rows][group[rows] == g].mean() for g in (0, 1)])
        accuracy = np.mean(y_pred[rows] == y_true[rows])
        inside.append(path.contains_point((gap, accuracy)))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)
    assert path.contains_point(display.chosen)


def test_no_region_without_a_level_or_spread(predicted):
    y_true, y_preds, group = predicted
    shown = FrontierDisplay.from_predictions(
        y_true, y_preds, sensitive_features=group, chosen=0, confidence_level=None
    )
    assert shown.region is None
    everybody = FrontierDisplay.from_predictions(
        y_true, y_preds, sensitive_features=group, chosen=2
    )
    assert everybody.region is None


def test_noise_floor_is_that_of_the_chosen_predictions(predicted):
    y_true, y_preds, group = predicted
    display = FrontierDisplay.from_predictions(
        y_true, y_preds, sensitive_features=group, chosen=0
    )
    expected = metrics.disparity_test(
        y_true, y_preds[0], sensitive_features=group, random_state=3
    )
    assert display.noise_floor == pytest.approx(expected.noise_floor, rel=0.05)


def test_path_of_thresholds_on_new_data(fitted):
    model, X, y, group = fitted
    display = FrontierDisplay.from_estimator(
        model, X, y, sensitive_features=group, tolerances=[0.0, 0.1, 1.0]
    )
    for tolerance, gap, score in zip((0.0, 0.1, 1.0), display.disparity, display.score):
        path = model.predict_path(X, [tolerance], sensitive_features=group)
        assert score == pytest.approx(accuracy_score(y, path[0]))
        rates = [path[0][group == g].mean() for g in (0, 1)]
        assert gap == pytest.approx(np.ptp(rates))
    own = model.predict(X, sensitive_features=group)
    assert display.chosen[1] == pytest.approx(accuracy_score(y, own))
    assert display.disparity[0] < display.disparity[2]


@pytest.mark.parametrize(
    ("fairness", "shown"),
    [
        ("equal_opportunity", "equal opportunity difference"),
        (CovariancePenalty(), "demographic parity difference"),
    ],
)
def test_path_of_a_network_on_new_data(fitted, fairness, shown):
    _, X, y, group = fitted
    model = FairMLPClassifierCV(
        fairness_weights=[0.0, 2.0],
        fairness=fairness,
        scoring="accuracy",
        refit="accuracy",
        hidden_layer_sizes=4,
        max_iter=3,
        cv=2,
        device="cpu",
        random_state=0,
    ).fit(X, y, sensitive_features=group)
    display = FrontierDisplay.from_estimator(model, X, y, sensitive_features=group)
    expected = [accuracy_score(y, y_pred) for y_pred in model.predict_path(X)]
    np.testing.assert_allclose(display.score, expected)
    assert display.chosen[1] == display.score[model.best_index_]
    assert display.ax_.get_xlabel() == shown
    other = FrontierDisplay.from_cv_results(
        model.path_results_, disparity="accuracy", chosen=model.best_index_
    )
    np.testing.assert_array_equal(
        other.score, model.path_results_["mean_test_accuracy"]
    )


def test_tolerance_path_is_drawn_as_it_is(fitted):
    model, *_ = fitted
    path = model.tolerance_path([0.0, 0.05, 0.2])
    display = FrontierDisplay.from_path(path, chosen=0.06)
    np.testing.assert_array_equal(
        display.disparity, path.disparity["demographic_parity"]
    )
    np.testing.assert_array_equal(display.score, path.objective)
    assert display.chosen == (display.disparity[1], display.score[1])
    with pytest.raises(ValueError, match="a definition of the path"):
        FrontierDisplay.from_path(path, fairness="equalized_odds")


def test_results_of_a_search_are_drawn(fitted):
    _, X, y, group = fitted
    frame = np.column_stack([X, group])
    model = ThresholdOptimizer(LogisticRegression(), group_by=X.shape[1], cv=2)
    search = GridSearchCV(
        model,
        {"tolerance": [0.01, 0.3]},
        scoring={
            "accuracy": metrics.get_scorer("accuracy"),
            "gap": metrics.get_scorer(
                "neg_demographic_parity_difference", group_by=X.shape[1]
            ),
            "neg_gap": metrics.get_scorer(
                "neg_demographic_parity_difference", group_by=X.shape[1]
            ),
        },
        refit="accuracy",
        cv=2,
    ).fit(frame, y)
    display = FrontierDisplay.from_cv_results(
        search.cv_results_, disparity="neg_gap", chosen=search.best_index_
    )
    np.testing.assert_array_equal(
        display.disparity, -search.cv_results_["mean_test_neg_gap"]
    )
    assert display.disparity[0] < display.disparity[1]
    assert display.chosen[1] == search.best_score_
    with pytest.raises(ValueError, match=r"a score of the results: \['accuracy'"):
        FrontierDisplay.from_cv_results(search.cv_results_, disparity="dp")


def test_several_frontiers_share_axes(predicted):
    y_true, y_preds, group = predicted
    first = FrontierDisplay.from_predictions(
        y_true, y_preds, sensitive_features=group, label="one"
    )
    other = FrontierDisplay.from_predictions(
        y_true, y_preds, sensitive_features=group, ax=first.ax_, label="two", color="C1"
    )
    assert other.figure_ is first.figure_
    assert first.ax_.get_legend_handles_labels()[1] == ["one", "two"]


def test_bad_input_raises(fitted, predicted):
    model, X, y, group = fitted
    with pytest.raises(ValueError, match="an estimator with `predict_path`"):
        FrontierDisplay.from_estimator(model.estimator_, X, y, sensitive_features=group)
    y_true, y_preds, group = predicted
    with pytest.raises(ValueError, match="labels of two classes"):
        FrontierDisplay.from_predictions(
            y_true, [*y_preds, np.full(300, 2)], sensitive_features=group
        )
