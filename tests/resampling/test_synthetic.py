"""Samplers that make rows."""

import numpy as np
import pandas as pd
import pytest
from imblearn.over_sampling import SMOTE
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.resampling import (
    CounterfactualAugmenter,
    FairSMOTE,
    GroupMixup,
    GroupSampler,
)


@pytest.fixture
def biased():
    return make_biased_classification(300, base_rate_gap=0.6, random_state=0)


def cell_sizes(sampler, y_new, group):
    group_new = group[sampler.group_indices_]
    return [((group_new == g) & (y_new == k)).sum() for g in (0, 1) for k in (0, 1)]


@pytest.mark.parametrize(
    "sampler",
    [FairSMOTE(), GroupMixup(), GroupSampler(SMOTE())],
    ids=lambda s: type(s).__name__,
)
def test_all_cells_become_as_large_as_the_largest(sampler, biased):
    X, y, group = biased
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    largest = max(((group == g) & (y == k)).sum() for g in (0, 1) for k in (0, 1))
    assert cell_sizes(sampler, y_new, group) == [largest] * 4


def test_group_sampler_is_smote_on_the_strata(biased):
    X, y, group = biased
    sampler = GroupSampler(SMOTE(random_state=0))
    X_new, _ = sampler.fit_resample(X, y, sensitive_features=group)
    first = group[0]  # groups come in the order of their rows
    strata = 2 * (group != first) + y
    expected, strata = SMOTE(random_state=0).fit_resample(X, strata)
    np.testing.assert_array_equal(X_new, expected)
    of_other = group[sampler.group_indices_] != first
    np.testing.assert_array_equal(of_other, strata // 2)


def test_group_sampler_reaches_a_shape_of_ours(biased):
    X, y, group = biased
    sampler = GroupSampler(SMOTE(), sampling_strategy="equal_base_rates")
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    group_new = group[sampler.group_indices_]
    rates = [y_new[group_new == g].mean() for g in (0, 1)]
    assert abs(rates[0] - rates[1]) < 0.02


@pytest.mark.parametrize(
    "Sampler", [FairSMOTE, lambda **kw: GroupSampler(SMOTE(), **kw)]
)
def test_a_small_cell_raises_by_name_or_is_copied_when_asked(Sampler, biased):
    X, y, group = biased
    few = np.flatnonzero((group == 1) & (y == 1))[3:]
    keep = np.setdiff1d(np.arange(300), few)
    X, y, group = X[keep], y[keep], group[keep]
    with pytest.raises(ValueError, match=r"label 1 in group 1 has 3 .*small_cells"):
        Sampler().fit_resample(X, y, sensitive_features=group)
    sampler = Sampler(small_cells="duplicate")
    X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    sizes = cell_sizes(sampler, y_new, group)
    assert len(set(sizes)) == 1
    of_cell = (group[sampler.group_indices_] == 1) & (y_new == 1)
    assert len(np.unique(X_new[of_cell], axis=0)) == 3


def test_fair_smote_moves_by_the_difference_of_two_neighbours():
    # In one dimension with equal distances every move is a multiple of the step.
    X = np.arange(20.0)[:, None]
    y, group = np.repeat([0, 1], [14, 6]), np.zeros(20, dtype=int)
    group[[0, 19]] = 1
    sampler = FairSMOTE(
        crossover=1.0, step=0.25, n_neighbors=2, random_state=0, small_cells="duplicate"
    )
    X_new, _ = sampler.fit_resample(X, y, sensitive_features=group)
    made = X_new[sampler.sample_indices_ < 0]
    assert len(made) > 0
    np.testing.assert_array_equal(made * 4, np.rint(made * 4))


def test_fair_smote_takes_categories_from_rows(biased):
    X, y, group = biased
    X[:, 3] = np.random.default_rng(0).choice([1.0, 5.0, 7.0], size=300)
    sampler = FairSMOTE(categorical_features=[3], random_state=0)
    X_new, _ = sampler.fit_resample(X, y, sensitive_features=group)
    assert set(X_new[:, 3]) == {1.0, 5.0, 7.0}


def test_situation_testing_leaves_rows_that_the_group_does_not_decide(biased):
    X, y, group = biased
    plain, tested = (
        FairSMOTE(random_state=0),
        FairSMOTE(random_state=0, situation_testing=True),
    )
    X_all, _ = plain.fit_resample(X, y, sensitive_features=group)
    X_new, y_new = tested.fit_resample(X, y, sensitive_features=group)
    assert len(X_new) < len(X_all)
    codes = group[tested.group_indices_]
    model = LogisticRegression().fit(np.column_stack([X_new, codes]), y_new)
    flips = [
        model.predict(np.column_stack([X_new, np.full(len(X_new), g)])) for g in (0, 1)
    ]
    assert np.mean(flips[0] != flips[1]) < 0.03


def test_mixup_lies_between_two_rows_of_one_label(biased):
    X, y, group = biased
    X = np.column_stack([X[:, :1], group, y]).astype(float)
    sampler = GroupMixup(random_state=0)
    X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    made = sampler.sample_indices_ < 0
    np.testing.assert_allclose(X_new[made, 2], y_new[made])
    nearer = (X_new[made, 1] > 0.5).astype(int)
    np.testing.assert_array_equal(nearer, group[sampler.group_indices_[made]])
    across = GroupMixup(random_state=0, within_label=False)
    X_new, _ = across.fit_resample(X, y, sensitive_features=group)
    assert ((X_new[:, 2] > 0) & (X_new[:, 2] < 1)).any()


def test_counterfactuals_change_the_sensitive_columns_only():
    frame = pd.DataFrame(
        {
            "sex": pd.Categorical(list("fmmf")),
            "age": [1, 2, 3, 4],
            "title": ["Ms", "Mr", "Mr", "Ms"],
        }
    )
    y = pd.Series([0, 1, 1, 0])
    sampler = CounterfactualAugmenter(group_by="sex")
    X_new, y_new = sampler.fit_resample(frame, y)
    assert X_new["sex"].tolist() == list("fmmf") + list("ff") + list("mm")
    assert X_new["age"].tolist() == [1, 2, 3, 4, 2, 3, 1, 4]
    assert X_new["sex"].dtype == frame["sex"].dtype
    assert y_new.tolist() == [0, 1, 1, 0, 1, 1, 0, 0]
    assert frame["sex"].iloc[sampler.group_indices_].tolist() == X_new["sex"].tolist()
    assert sampler.sample_indices_.tolist() == [0, 1, 2, 3] + [-1] * 4

    def rename(rows, label):
        return rows.assign(title={"f": "Ms", "m": "Mr"}[label])

    mapped = CounterfactualAugmenter(group_by="sex", mapping=rename)
    X_new, _ = mapped.fit_resample(frame, y)
    assert X_new["title"].tolist() == ["Ms", "Mr", "Mr", "Ms", "Ms", "Ms", "Mr", "Mr"]


def test_counterfactuals_of_several_columns_cross_the_groups():
    X = np.array([[0, 0, 5], [0, 1, 6], [1, 1, 7]])
    sampler = CounterfactualAugmenter(group_by=[0, 1])
    X_new, _ = sampler.fit_resample(X, [0, 1, 1])
    assert len(X_new) == 9
    assert {tuple(row) for row in X_new} == {
        (*key, value) for key in [(0, 0), (0, 1), (1, 1)] for value in (5, 6, 7)
    }


def test_counterfactuals_of_metadata_leave_X_alone():
    X, group = np.array([[1.0], [2.0], [3.0]]), ["f", "m", "f"]
    sampler = CounterfactualAugmenter()
    X_new, _ = sampler.fit_resample(X, [0, 1, 1], sensitive_features=group)
    assert X_new.ravel().tolist() == [1, 2, 3, 2, 1, 3]
    of_rows = [group[row] for row in sampler.group_indices_]
    assert of_rows == ["f", "m", "f", "f", "m", "m"]
