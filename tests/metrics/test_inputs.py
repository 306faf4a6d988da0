"""Labels, predictions and groups of any kind become the same codes."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairsk.groups import Groups
from fairsk.metrics._inputs import code_outcomes, positive_index

Y_TRUE, Y_PRED, GROUP = [0, 1, 1, 0, 1], [0, 1, 0, 1, 1], [2, 2, 5, 5, 5]
COUNTS = [[[1, 0], [0, 1]], [[0, 1], [1, 1]]]
CONTAINERS = {
    "list": list,
    "numpy": np.array,
    "int8": lambda v: np.array(v, dtype=np.int8),
    "float": lambda v: np.array(v, dtype=float),
    "object": lambda v: np.array(v, dtype=object),
    "pandas": pd.Series,
    "pandas nullable": lambda v: pd.Series(v, dtype="Int64"),
    "polars": pl.Series,
    "pyarrow": lambda v: pa.chunked_array([v]),
    "torch": torch.tensor,
    "torch float": lambda v: torch.tensor(v, dtype=torch.float32),
}


def count(y_true, y_pred, group, **kwargs):
    return code_outcomes(y_true, y_pred, sensitive_features=group, **kwargs).counts()


@pytest.mark.parametrize("labels", CONTAINERS.values(), ids=CONTAINERS.keys())
@pytest.mark.parametrize("group", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_every_container_gives_the_same_counts(labels, group):
    counts = count(labels(Y_TRUE), labels(Y_PRED), group(GROUP))
    assert counts.tolist() == COUNTS


def test_kinds_may_be_mixed():
    counts = count(pd.Series(Y_TRUE), torch.tensor(Y_PRED), pl.Series(GROUP))
    assert isinstance(counts, torch.Tensor)
    assert counts.tolist() == COUNTS
    weights = torch.ones(5, dtype=torch.int64)
    counts = count(Y_TRUE, Y_PRED, torch.tensor(GROUP), sample_weight=weights)
    assert isinstance(counts, np.ndarray)
    assert counts.tolist() == COUNTS


def test_ready_groups_are_taken_as_they_are():
    groups = Groups.from_columns(GROUP)
    outcomes = code_outcomes(Y_TRUE, Y_PRED, sensitive_features=groups)
    assert outcomes.groups is groups


def test_two_sensitive_features_are_crossed_alike_for_arrays_and_tensors():
    columns = [[0, 1], [1, 1], [0, 1], [0, 0], [1, 1]]
    for kind in (np.array, torch.tensor):
        outcomes = code_outcomes(
            kind(Y_TRUE), kind(Y_PRED), sensitive_features=kind(columns)
        )
        assert outcomes.groups.labels == [(0, 0), (0, 1), (1, 1)]
        assert outcomes.groups.codes.tolist() == [1, 2, 1, 0, 2]
        assert outcomes.groups.sizes.tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("y_true", "y_pred", "classes"),
    [
        ([0, 0], [0, 0], [0, 1]),
        ([1, 1], [1, 1], [0, 1]),
        ([1, 1], [-1, 1], [-1, 1]),
        ([-1, -1], [-1, -1], [-1, 1]),
        ([True, True], [False, True], [0, 1]),
        (["b", "a"], ["c", "a"], ["a", "b", "c"]),
        (["b", "b"], ["b", "b"], ["b"]),
        ([2, 2], [7, 4], [2, 4, 7]),
    ],
)
def test_classes_are_the_union_of_both_columns(y_true, y_pred, classes):
    outcomes = code_outcomes(y_true, y_pred, sensitive_features=[0, 1])
    assert outcomes.classes == classes
    assert [classes[code] for code in outcomes.y_true] == y_true
    assert [classes[code] for code in outcomes.y_pred] == y_pred


def test_a_positive_class_that_a_small_sample_lacks_is_known_by_pos_label():
    outcomes = code_outcomes(
        ["no", "no"], ["no", "no"], sensitive_features=[0, 1], pos_label="yes"
    )
    assert outcomes.classes == ["no", "yes"]
    assert positive_index(outcomes.classes, "yes") == 1


def test_given_labels_are_classes_even_if_no_sample_has_them():
    outcomes = code_outcomes(
        [0, 2], [2, 2], sensitive_features=[0, 1], labels=np.array([0, 1, 2])
    )
    assert outcomes.classes == [0, 1, 2]
    assert outcomes.y_true.tolist() == [0, 2]
    outcomes = code_outcomes([0, 2], [2, 2], sensitive_features=[0, 1], labels=[0, 1])
    assert outcomes.classes == [0, 1, 2]


@pytest.mark.parametrize(
    ("classes", "pos_label", "expected"),
    [
        ([0, 1], None, 1),
        ([-1, 1], None, 1),
        ([0, 1], 0, 0),
        (["a", "b"], "a", 0),
        (["a", "b", "c"], None, None),
        (["a", "b", "c"], "c", 2),
    ],
)
def test_positive_index(classes, pos_label, expected):
    assert positive_index(classes, pos_label) == expected


def test_positive_class_of_other_pairs_is_not_guessed():
    for classes in (["no", "yes"], [1, 2], ["yes"]):
        with pytest.raises(ValueError, match="Pass `pos_label`"):
            positive_index(classes)


def test_pos_label_outside_the_labels_lists_them():
    with pytest.raises(ValueError, match=r"one of the labels \[0, 1\]. Got 2"):
        positive_index([0, 1], 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y_true": [0, 1]}, ValueError, "lengths y_true: 2, y_pred: 5"),
        ({"sensitive_features": [0, 1]}, ValueError, "sensitive_features: 2"),
        ({"sample_weight": [1, 1]}, ValueError, "sample_weight: 2"),
        ({"sample_weight": [1, 1, 1, 1, -1]}, ValueError, "at least 0.*-1.0"),
        ({"sample_weight": [1, 1, 1, 1, np.nan]}, ValueError, "finite"),
        ({"sample_weight": [1, 1, 1, 1, np.inf]}, ValueError, "finite"),
        ({"sample_weight": np.ones((5, 1))}, ValueError, r"Got shape \(5, 1\)"),
        ({"y_pred": np.zeros((5, 1))}, ValueError, r"ravel"),
        ({"y_pred": torch.zeros((5, 1))}, ValueError, r"ravel"),
        ({"y_pred": [0.2, 0.5, 0, 1, 1]}, ValueError, "continuous value 0.2"),
        ({"y_pred": [0, 0, 0, 1, np.inf]}, ValueError, "continuous value inf"),
        ({"y_true": [0, 1, None, 1, 1]}, ValueError, "missing .* in 1 of 5"),
        ({"y_true": [0, 1, 1, np.nan, np.nan]}, ValueError, "in 2 of 5"),
        ({"y_true": list("abcab")}, TypeError, "labels of one type"),
        ({"sensitive_features": None}, ValueError, "Pass `sensitive_features`"),
        (
            {"sensitive_features": [0, 1, None, 1, 1]},
            ValueError,
            "missing in 1 of 5 samples",
        ),
    ],
)
def test_bad_input_raises(change, error, message):
    arguments = {"y_true": Y_TRUE, "y_pred": Y_PRED, "sensitive_features": GROUP}
    with pytest.raises(error, match=f"some_metric.*{message}"):
        code_outcomes(**(arguments | change), owner="some_metric")


@pytest.mark.parametrize("shape", [(5,), (5, 2)])
def test_missing_values_in_a_tensor_of_groups_raise(shape):
    features = torch.zeros(shape)
    features[2] = torch.nan
    with pytest.raises(ValueError, match="missing in"):
        count(torch.tensor(Y_TRUE), torch.tensor(Y_PRED), features)


def test_no_samples_raise():
    with pytest.raises(ValueError, match="and a sample"):
        count([], [], [])


@given(
    st.lists(
        st.tuples(*[st.integers(-3, 3)] * 3, st.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_counts_match_a_loop_for_arrays_and_tensors(rows):
    y_true, y_pred, group, weight = (list(column) for column in zip(*rows))
    for kind in (np.array, torch.tensor):
        outcomes = code_outcomes(
            kind(y_true),
            kind(y_pred),
            sensitive_features=kind(group),
            sample_weight=kind(weight),
        )
        expected = np.zeros(np.shape(outcomes.counts()))
        for y, p, g, w in rows:
            position = outcomes.groups.labels.index(g)
            expected[
                position, outcomes.classes.index(y), outcomes.classes.index(p)
            ] += w
        np.testing.assert_array_equal(np.asarray(outcomes.counts()), expected)


@pytest.mark.gpu
def test_cuda_tensors_are_counted_on_their_device():
    tensors = [
        torch.tensor(column, device="cuda") for column in (Y_TRUE, Y_PRED, GROUP)
    ]
    counts = count(*tensors)
    assert counts.device.type == "cuda"
    assert counts.tolist() == COUNTS
