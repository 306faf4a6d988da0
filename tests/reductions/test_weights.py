import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk.reductions import compute_fairness_weight
from fairsk.utils._cells import WEIGHT_TARGETS, EmptyCellWarning

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.integers(1, 5)), max_size=30
)
EVERY_CELL = [(g, k, 1) for g in range(3) for k in "ab"]


def table(group, y, weight):
    return pd.crosstab(group, y, values=weight, aggfunc="sum").to_numpy()


@given(ROWS)
def test_independence_is_the_ratio_of_expected_to_observed_mass(rows):
    group, y, w = (np.array(column) for column in zip(*rows, *EVERY_CELL))
    weight = compute_fairness_weight(y, group, sample_weight=w)
    total = w.sum()
    for i in range(len(y)):
        expected = w[group == group[i]].sum() * w[y == y[i]].sum() / total
        observed = w[(group == group[i]) & (y == y[i])].sum()
        assert weight[i] == pytest.approx(w[i] * expected / observed)


@given(ROWS)
def test_every_strategy_keeps_the_total_and_reaches_its_table(rows):
    group, y, w = (np.array(column) for column in zip(*rows, *EVERY_CELL))
    before = table(group, y, w)
    for strategy, target in WEIGHT_TARGETS.items():
        weight = compute_fairness_weight(y, group, strategy=strategy, sample_weight=w)
        after = table(group, y, weight)
        assert weight.sum() == pytest.approx(w.sum())
        np.testing.assert_allclose(after, target(before.astype(float)))
    np.testing.assert_allclose(after, after[0, 0])  # equal cells


def test_the_weights_are_those_of_aif360(rng):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        aif360 = pytest.importorskip("aif360.sklearn.preprocessing")
    group, w = rng.integers(2, size=200), rng.integers(1, 4, size=200)
    y = (rng.random(200) < 0.3 + 0.3 * group).astype(int)
    index = pd.Index(group, name="group")
    _, theirs = aif360.Reweighing("group").fit_transform(
        pd.DataFrame(rng.normal(size=(200, 2)), index=index),
        pd.Series(y, index=index),
        sample_weight=w.astype(float),
    )
    ours = compute_fairness_weight(y, group, sample_weight=w)
    np.testing.assert_allclose(ours, theirs)


def test_fair_balance_gives_every_label_half_of_its_group():
    y, group = np.array([0, 0, 0, 1, 0, 1, 1]), np.array([0, 0, 0, 0, 1, 1, 1])
    weight = compute_fairness_weight(y, group, strategy="fair_balance")
    np.testing.assert_allclose(table(group, y, weight), [[2, 2], [1.5, 1.5]])


@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series])
def test_every_container_gives_the_same_weights(container):
    y, group = container([0, 1, 0, 1, 1]), container(["f", "m", "m", "f", "f"])
    np.testing.assert_allclose(
        compute_fairness_weight(y, group),
        [3 * 2 / 5, 2 * 3 / 5, 2 * 2 / 5, 3 * 3 / 5 / 2, 3 * 3 / 5 / 2],
    )


def test_an_empty_cell_is_named():
    with pytest.warns(EmptyCellWarning, match="label 0 in group 'm'"):
        weight = compute_fairness_weight([0, 1, 1], ["f", "f", "m"])
    assert np.isfinite(weight).all()


def test_bad_input_raises():
    with pytest.raises(ValueError, match="`strategy` to be one of"):
        compute_fairness_weight([0, 1], [0, 1], strategy="magic")
    with pytest.raises(ValueError, match="2 groups for 3 labels"):
        compute_fairness_weight([0, 1, 1], [0, 1])
