"""The sensitivity curve against a recount at every threshold."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.definitions import DEFINITIONS, RATES, group_counts
from fairsk.inspection import ThresholdSensitivityDisplay

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(name="scored")
def fixture_scored(rng):
    group, y = rng.integers(3, size=200), rng.integers(2, size=200)
    score = np.round(y + group + rng.normal(size=200), 1)
    return y, score, group, rng.integers(1, 4, size=200).astype(float)


@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
def test_curves_are_the_rates_at_each_threshold(scored, fairness):
    y, score, group, weight = scored
    display = ThresholdSensitivityDisplay.from_predictions(
        y, score, sensitive_features=group, fairness=fairness, sample_weight=weight
    )
    definition = DEFINITIONS[fairness]
    np.testing.assert_array_equal(display.thresholds, np.unique(score))
    assert list(display.rates) == [rate.name for rate in definition.rates]
    for at, threshold in enumerate(display.thresholds):
        y_pred = (score >= threshold).astype(int)
        counts = group_counts(
            group, y, y_pred, n_groups=3, n_classes=2, sample_weight=weight
        )
        for rate in definition.rates:
            curves = display.rates[rate.name]
            drawn = [curves[str(g)][at] for g in range(3)]
            np.testing.assert_allclose(drawn, rate.values(counts, 1)[0], atol=1e-12)
            everybody = rate.values(counts.sum(axis=0)[None], 1).item()
            np.testing.assert_allclose(curves["overall"][at], everybody, atol=1e-12)
        np.testing.assert_allclose(
            display.disparity[at], definition.disparity(counts), atol=1e-12
        )


def test_panels_show_the_curves_and_the_threshold(scored):
    y, score, group, _ = scored
    display = ThresholdSensitivityDisplay.from_predictions(
        y, score, sensitive_features=group, fairness="equalized_odds", threshold=0.5
    )
    assert [axis.get_title() for axis in display.axes_] == [
        "true positive rate",
        "false positive rate",
        "difference",
    ]
    for axis in display.axes_:
        assert list(axis.lines[-1].get_xdata()) == [0.5, 0.5]
    first = display.axes_[0].lines
    assert [line.get_label() for line in first[:4]] == ["0", "1", "2", "overall"]
    curves = display.rates["true_positive_rate"]
    np.testing.assert_array_equal(first[1].get_ydata(), curves["1"])
    last = display.axes_[-1].lines[0]
    np.testing.assert_array_equal(last.get_ydata(), display.disparity)


def test_estimators_and_rates_and_axes_may_be_given(rng):
    import matplotlib.pyplot as plt

    X, group = rng.normal(size=(100, 2)), rng.integers(2, size=100)
    y = (X[:, 0] + group > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    _, axes = plt.subplots(2, 1)
    display = ThresholdSensitivityDisplay.from_estimator(
        model, X, y, sensitive_features=group, fairness="accuracy", ax=axes
    )
    assert list(display.axes_) == list(axes)
    half = np.searchsorted(display.thresholds, 0.5)
    accuracy = RATES["accuracy"].values(
        group_counts(group, y, model.predict(X), n_groups=2, n_classes=2)
    )[0]
    drawn = [display.rates["accuracy"][g][half] for g in "01"]
    np.testing.assert_allclose(drawn, accuracy)
    with pytest.raises(ValueError, match="needs 2 axes"):
        display.plot(ax=axes[:1])
