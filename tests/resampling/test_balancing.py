import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairsk.resampling import GroupOverSampler, GroupUnderSampler
from fairsk.utils._cells import SAMPLING_SHAPES, EmptyCellWarning

COUNTS = st.lists(st.integers(1, 30), min_size=6, max_size=6)


def rows_of(counts):
    """Rows, groups and labels that make the table of counts."""
    cells = np.repeat(np.arange(len(counts)), counts)
    return np.arange(len(cells))[:, None], cells % 2, cells // 2


def table(group, y):
    return np.bincount(group * 2 + y, minlength=6).reshape(-1, 2)


@pytest.mark.parametrize("strategy", SAMPLING_SHAPES)
@pytest.mark.parametrize("Sampler", [GroupOverSampler, GroupUnderSampler])
@given(counts=COUNTS)
def test_the_table_has_the_shape_and_grows_or_shrinks_only(Sampler, strategy, counts):
    X, y, group = rows_of(counts)
    sampler = Sampler(sampling_strategy=strategy, random_state=0)
    X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    after = table(group[X_new[:, 0]], y_new)
    before = table(group, y)
    if Sampler is GroupOverSampler:
        assert (after >= before).all()
        assert set(X_new[:, 0]) == set(X[:, 0])
    else:
        assert (after <= before).all()
        assert len(set(X_new[:, 0])) == len(X_new)
    np.testing.assert_array_equal(y_new, y[X_new[:, 0]])
    if strategy == "equal_cells":
        assert len(set(after.ravel())) == 1
        return
    # Rounding moves a cell by half a row.
    overall = y.mean()
    for of_group in after:
        expected = overall * of_group.sum()
        assert abs(of_group[1] - expected) <= 1.0
    if strategy == "equal_base_rates":
        return
    shares = after.sum(1) / after.sum()
    np.testing.assert_allclose(
        shares, before.sum(1) / before.sum(), atol=3 / after.sum()
    )


@given(COUNTS)
def test_some_cell_is_left_as_it_is(counts):
    X, y, group = rows_of(counts)
    for Sampler in (GroupOverSampler, GroupUnderSampler):
        for strategy in SAMPLING_SHAPES:
            sampler = Sampler(sampling_strategy=strategy)
            X_new, _ = sampler.fit_resample(X, y, sensitive_features=group)
            rows = X_new[:, 0]
            assert (table(group[rows], y[rows]) == table(group, y)).any()


def test_a_dict_sets_cells_by_group_and_label():
    X, y, group = rows_of([3, 4, 5, 6])
    group = np.array(["f", "m"])[group]
    over = GroupOverSampler(sampling_strategy={("f", 1): 9})
    _, y_new = over.fit_resample(X, y, sensitive_features=group)
    assert len(y_new) == 18 + 5
    under = GroupUnderSampler(sampling_strategy={("m", 0): 0})
    X_new, _ = under.fit_resample(X, y, sensitive_features=group)
    assert len(X_new) == 18 - 5


def test_bad_strategies_raise():
    X, y, group = rows_of([3, 4, 5, 6])
    for strategy, match in [
        ({("z", 1): 9}, r"keys of `sampling_strategy` to be \(group, label\)"),
        ({1: 9}, r"Got 1; the groups are \[0, 1\]"),
        ({(0, 1): 1}, "label 1 in group 0 has 4 rows, and 1 are asked for"),
        ("balanced", "sampling_strategy"),
    ]:
        with pytest.raises(ValueError, match=match):
            GroupOverSampler(sampling_strategy=strategy).fit_resample(
                X, y, sensitive_features=group
            )
    with pytest.raises(ValueError, match="none of label 1 in group 1"):
        GroupOverSampler(sampling_strategy={(1, 1): 4}).fit_resample(
            X[:12], y[:12], sensitive_features=group[:12]
        )


def test_an_empty_cell_is_named_and_stays_empty():
    X, y, group = rows_of([3, 4, 5, 0])
    with pytest.warns(EmptyCellWarning, match="label 1 in group 1"):
        X_new, _ = GroupOverSampler().fit_resample(X, y, sensitive_features=group)
    assert table(group[X_new[:, 0]], y[X_new[:, 0]])[1, 1] == 0
