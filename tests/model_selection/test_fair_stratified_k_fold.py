"""Folds share out every cell, label and group evenly."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)

from fairsk.model_selection import FairStratifiedKFold
from fairsk.model_selection._fair_stratified_k_fold import share_out


@st.composite
def tables(draw):
    n_labels, n_groups = draw(st.integers(1, 4)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    largest = draw(st.sampled_from([2, 7, 40]))
    return rng.integers(0, largest + 1, size=(n_labels, n_groups))


@given(counts=tables(), n_splits=st.integers(2, 10))
def test_cells_labels_groups_and_sizes_differ_by_at_most_one(counts, n_splits):
    shares = share_out(counts, n_splits)
    np.testing.assert_array_equal(shares.sum(axis=0), counts)
    assert shares.min() >= 0
    for axes in ((), 1, 2, (1, 2)):
        part = shares.sum(axis=axes) if axes else shares
        assert np.ptp(part, axis=0).max() <= 1


@given(
    n_samples=st.integers(12, 90),
    n_splits=st.integers(2, 6),
    shuffle=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_folds_are_a_balanced_partition(n_samples, n_splits, shuffle, seed):
    rng = np.random.default_rng(seed)
    y = rng.choice(["no", "yes", "maybe"], size=n_samples)
    frame = pd.DataFrame(
        {"sex": rng.choice(["f", "m"], n_samples), "old": rng.random(n_samples) < 0.3}
    )
    folds = FairStratifiedKFold(
        n_splits, shuffle=shuffle, random_state=0 if shuffle else None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        splits = list(folds.split(frame, y, sensitive_features=frame))
    assert len(splits) == folds.get_n_splits() == n_splits
    tests = [test for _, test in splits]
    assert sorted(np.concatenate(tests)) == list(range(n_samples))
    for train, test in splits:
        assert sorted([*train, *test]) == list(range(n_samples))
    group = frame["sex"] + frame["old"].astype(str)
    for values in (group + y, group, pd.Series(y), pd.Series(np.zeros(n_samples))):
        counts = pd.DataFrame([values[test].value_counts() for test in tests])
        assert (counts.fillna(0).max() - counts.fillna(0).min()).max() <= 1


def test_groups_are_better_balanced_than_by_the_crossed_label():
    rng = np.random.default_rng(0)
    y, group = rng.integers(4, size=100), rng.integers(9, size=100)
    crossed = [f"{label}{code}" for label, code in zip(y, group)]

    def spread(splits):
        sizes = [np.bincount(group[test], minlength=9) for _, test in splits]
        return np.ptp(sizes, axis=0).max()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert spread(StratifiedKFold(5).split(y, crossed)) > 1
        ours = FairStratifiedKFold(5).split(y, y, sensitive_features=group)
        assert spread(ours) == 1


def test_shuffling_follows_the_seed():
    y, group = np.tile([0, 1], 30), np.repeat([0, 1, 2], 20)

    def tests(**options):
        splits = FairStratifiedKFold(5, **options).split(y, y, sensitive_features=group)
        return [test.tolist() for _, test in splits]

    assert tests(shuffle=True, random_state=0) == tests(shuffle=True, random_state=0)
    assert tests(shuffle=True, random_state=0) != tests(shuffle=True, random_state=1)
    assert tests() == tests() != tests(shuffle=True, random_state=0)


def test_folds_do_not_depend_on_what_labels_and_groups_are_called(rng):
    y, group = rng.integers(2, size=70), rng.integers(3, size=70)
    splitter = FairStratifiedKFold(4, shuffle=True, random_state=0)
    splits = splitter.split(y, y, sensitive_features=group)
    renamed = splitter.split(y, 1 - y, sensitive_features=np.array(list("zay"))[group])
    for (_, test), (_, test_renamed) in zip(splits, renamed):
        np.testing.assert_array_equal(test, test_renamed)


def test_small_cells_warn_with_label_group_count_and_remedy():
    y = [0] * 10 + [1] * 3
    group = ["f"] * 5 + ["m"] * 7 + ["f"]
    folds = FairStratifiedKFold(3).split(y, y, sensitive_features=group)
    with pytest.warns(UserWarning, match="1 of label 1 in group 'f'") as record:
        next(folds)
    message = str(record[0].message)
    assert "2 of label 1 in group 'm'" in message
    assert "Use fewer folds" in message
    assert "label 0" not in message


@pytest.mark.parametrize("container", [np.asarray, list, pd.Series, pl.Series])
def test_labels_and_groups_of_any_container(container):
    y, group = ["a", "b"] * 10, ["f"] * 10 + ["m"] * 10
    expected = list(FairStratifiedKFold(2).split(y, y, sensitive_features=group))
    given = FairStratifiedKFold(2).split(
        np.zeros((20, 1)), container(y), sensitive_features=container(group)
    )
    for (_, test), (_, test_expected) in zip(given, expected):
        np.testing.assert_array_equal(test, test_expected)


@pytest.fixture
def people(rng):
    X = pd.DataFrame({"a": rng.normal(size=80), "sex": np.tile([0, 1], 40)})
    return X, (X["a"] + rng.normal(size=80) > 0).astype(int)


@pytest.fixture
def expected(people):
    X, y = people
    splits = list(FairStratifiedKFold(4).split(X, y, sensitive_features=X["sex"]))
    return cross_val_score(LogisticRegression(), X, y, cv=splits)


def test_routing_brings_the_sensitive_features(people, expected):
    X, y = people
    routed = {"sensitive_features": X["sex"]}
    splitter = FairStratifiedKFold(4)
    with sklearn.config_context(enable_metadata_routing=True):
        results = cross_validate(LogisticRegression(), X, y, cv=splitter, params=routed)
        search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=splitter)
        search.fit(X, y, **routed)
    np.testing.assert_allclose(results["test_score"], expected)
    assert search.best_score_ == pytest.approx(expected.mean())


def test_group_by_needs_no_routing(people, expected):
    X, y = people
    splitter = FairStratifiedKFold(4, group_by="sex")
    scores = cross_val_score(LogisticRegression(), X, y, cv=splitter)
    np.testing.assert_allclose(scores, expected)
    search = GridSearchCV(LogisticRegression(), {"C": [1]}, cv=splitter)
    assert clone(search).fit(X, y).best_score_ == pytest.approx(expected.mean())
    assert "group_by='sex'" in repr(splitter)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensitive_features": None}, "Pass `sensitive_features`, or set `group_by`"),
        ({"sensitive_features": [0, 1]}, "one group per sample. Got 2 groups for 6"),
        ({"sensitive_features": [0, 1, None] * 2}, "missing in 2 of 6"),
        ({"y": np.linspace(0, 1, 6)}, "needs class labels"),
        ({"y": [0, 1]}, "one label per sample. Got 2 labels for 6"),
        ({"groups": [0] * 6}, "does not use `groups`"),
    ],
)
def test_bad_input_raises(arguments, message):
    defaults = {"X": np.zeros((6, 1)), "y": [0, 1] * 3, "sensitive_features": [0] * 6}
    with pytest.raises(ValueError, match=message):
        next(FairStratifiedKFold(2).split(**{**defaults, **arguments}))


def test_more_folds_than_samples_raise():
    folds = FairStratifiedKFold().split([0] * 3, [0, 1, 0], sensitive_features=[0] * 3)
    with pytest.raises(ValueError, match="Got 3 samples for 5 folds"):
        next(folds)


@pytest.mark.parametrize("n_splits", [1, 2.5, "3"])
def test_bad_number_of_folds_raises(n_splits):
    with pytest.raises(ValueError, match="an integer of at least 2"):
        FairStratifiedKFold(n_splits)


def test_seed_without_shuffling_raises():
    with pytest.raises(ValueError, match="Set shuffle=True"):
        FairStratifiedKFold(random_state=0)
