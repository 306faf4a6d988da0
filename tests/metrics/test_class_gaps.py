import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import recall_score

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import (
    class_gaps,
    gap_share_correlation,
    make_fairness_scorer,
    rms_class_gap,
)


@pytest.fixture
def data(rng):
    y = rng.choice(["nurse", "judge", "clerk", "cook"], size=400)
    pred = np.where(rng.random(400) < 0.6, y, rng.permutation(y))
    return y, pred, rng.choice(["f", "m", "x"], size=400), rng.random(400)


@pytest.mark.parametrize("weighted", [False, True])
def test_gaps_are_differences_of_recalls(data, weighted):
    y, pred, groups, weight = data
    if not weighted:
        weight = np.ones(400)
    table = class_gaps(
        y, pred, sensitive_features=groups, group="f", sample_weight=weight
    )
    inside = groups == "f"
    classes = sorted(set(y))
    recalls = [
        recall_score(
            y[rows],
            pred[rows],
            labels=classes,
            average=None,
            sample_weight=weight[rows],
        )
        for rows in (inside, ~inside)
    ]
    gaps = recalls[0] - recalls[1]
    shares = [np.average(inside[y == c], weights=weight[y == c]) for c in classes]
    assert table.index.tolist() == classes
    np.testing.assert_allclose(table["gap"], gaps)
    np.testing.assert_allclose(table["group_share"], shares)
    options = {"sensitive_features": groups, "group": "f", "sample_weight": weight}
    assert rms_class_gap(y, pred, **options) == pytest.approx(np.sqrt(np.mean(gaps**2)))
    assert gap_share_correlation(y, pred, **options) == pytest.approx(
        np.corrcoef(gaps, shares)[0, 1]
    )


def test_gap_of_the_other_of_two_groups_has_the_other_sign(data):
    y, pred, groups, _ = data
    groups = np.where(groups == "x", "m", groups)
    of_f, of_m = (
        class_gaps(y, pred, sensitive_features=groups, group=g)["gap"] for g in "fm"
    )
    np.testing.assert_allclose(of_f, -of_m)


def test_class_without_one_side_is_left_out():
    y, pred = ["a", "a", "b"], ["a", "b", "b"]
    with pytest.warns(UndefinedRateWarning, match=r"in 1 of 2 classes \(\['b'\]\)"):
        value = rms_class_gap(y, pred, sensitive_features=["f", "m", "m"], group="f")
    assert value == 1
    with pytest.warns(UndefinedRateWarning):
        correlation = gap_share_correlation(
            y, pred, sensitive_features=["f", "m", "m"], group="f"
        )
    assert np.isnan(correlation)


def test_table_is_of_the_library_of_the_input(data):
    y, pred, groups, _ = data
    table = class_gaps(y, pred, sensitive_features=pl.Series(groups), group="f")
    assert isinstance(table, pl.DataFrame)


def test_it_makes_a_scorer(data):
    y, pred, groups, _ = data
    scorer = make_fairness_scorer(rms_class_gap, greater_is_better=False, group="f")

    class Echo(ClassifierMixin, BaseEstimator):
        classes_ = np.unique(y)

        def predict(self, X):
            return X

    score = scorer(Echo(), pred, y, sensitive_features=groups)
    assert score == -rms_class_gap(y, pred, sensitive_features=groups, group="f")


def test_bad_group_and_rate_raise(data):
    y, pred, groups, _ = data
    with pytest.raises(ValueError, match=r"one of the groups .*Got 'z'"):
        class_gaps(y, pred, sensitive_features=groups, group="z")
    with pytest.raises(ValueError, match="`rate` among"):
        class_gaps(y, pred, sensitive_features=groups, group="f", rate="tpr")
