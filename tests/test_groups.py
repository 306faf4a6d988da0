import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fairsk.groups import Groups, read_columns

VALUES = ["m", "f", "f", "x", "m"]
CONTAINERS = {
    "list": lambda v: v,
    "unicode": np.array,
    "object": lambda v: np.array(v, dtype=object),
    "pandas": pd.Series,
    "pandas object": lambda v: pd.Series(v, dtype=object),
    "pandas category": lambda v: pd.Series(v, dtype="category"),
    "pandas frame": lambda v: pd.DataFrame({"sex": v}),
    "polars": pl.Series,
    "polars category": lambda v: pl.Series(v, dtype=pl.Categorical),
    "polars frame": lambda v: pl.DataFrame({"sex": v}),
    "pyarrow": lambda v: pa.table({"sex": v}),
    "column": lambda v: np.array(v)[:, None],
    "dict": lambda v: {"sex": v},
}


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_every_container_gives_the_same_groups(container):
    groups = Groups.from_columns(container(VALUES))
    assert groups.labels == ["f", "m", "x"]
    assert groups.codes.tolist() == [1, 0, 0, 2, 1]
    assert groups.sizes.tolist() == [2, 2, 1]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([True, False, True], [False, True]),
        ([3, -1, 3], [-1, 3]),
        ([10**9, 0, 5], [0, 5, 10**9]),
        ([0.5, 2.0, 0.5], [0.5, 2.0]),
        ([3.0, 1.0, 1.0], [1.0, 3.0]),
        (np.array([200, 3, 200], dtype=np.uint8), [3, 200]),
        (np.array([-100, 100, 100], dtype=np.int8), [-100, 100]),
        (
            np.array(["2020-01-02", "2019-05-05"], dtype="datetime64[D]"),
            [datetime.date(2019, 5, 5), datetime.date(2020, 1, 2)],
        ),
        (pd.Series([1, 2, 1], dtype="Int64"), [1, 2]),
        (pd.Series([True, False], dtype="boolean"), [False, True]),
        (np.array([2, "a", 1, 2], dtype=object), [1, 2, "a"]),
    ],
)
def test_every_dtype_is_coded_by_its_sorted_labels(values, labels):
    groups = Groups.from_columns(values)
    assert groups.labels == labels
    decoded = [groups.labels[code] for code in groups.codes]
    expected = values.tolist() if hasattr(values, "tolist") else list(values)
    assert decoded == expected


@given(st.lists(st.tuples(st.integers(-3, 3), st.sampled_from("abc")), min_size=1))
def test_crossing_matches_a_dictionary_of_tuples(rows):
    first, second = zip(*rows)
    groups = Groups.from_columns({"i": np.array(first), "s": list(second)})
    assert groups.labels == sorted(set(rows))
    assert [groups.labels[code] for code in groups.codes] == rows


@given(
    st.lists(st.one_of(st.text(max_size=2), st.integers(), st.booleans()), min_size=1)
)
def test_coding_any_objects_can_be_undone(values):
    values = np.array([*values, None], dtype=object)[:-1]
    groups = Groups.from_columns(values)
    decoded = [groups.labels[code] for code in groups.codes]
    assert decoded == values.tolist()
    assert len(set(groups.codes.tolist())) == groups.n_groups


@pytest.mark.parametrize(
    "values",
    [
        ["a", None, "b", None],
        [1.0, np.nan, 2.0, np.nan],
        np.array(["a", np.nan, "b", None], dtype=object),
        pd.Series(["a", None, "b", None]),
        pd.Series(["a", None, "b", None], dtype="category"),
        pd.Series([1, None, 2, None], dtype="Int64"),
        pd.Series([True, None, True, None], dtype="boolean"),
        pd.Series([pd.Timestamp("2020"), pd.NaT, pd.Timestamp("2021"), pd.NaT]),
        pl.Series(["a", None, "b", None]),
        pl.Series([1, None, 2, None]),
        np.array(["2020", "NaT", "2021", "NaT"], dtype="datetime64[Y]"),
    ],
)
def test_missing_values_raise_with_count_and_remedy(values):
    with pytest.raises(
        ValueError, match=r"missing in 2 of 4 samples\. Drop these rows"
    ):
        Groups.from_columns(values)


def test_missing_value_in_one_of_several_columns_names_the_column():
    frame = pd.DataFrame({"sex": ["f", "m"], "race": ["a", None]})
    with pytest.raises(ValueError, match="'race' is missing in 1 of 2"):
        Groups.from_columns(frame)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (None, "Got None"),
        (np.zeros((2, 2, 2)), "shape"),
        ({"a": [1, 2], "b": [1]}, r"lengths \[1, 2\]"),
        (np.array([[1], [2, 3]], dtype=object), "hashable"),
        ({"a": np.zeros((2, 2))}, "one value per sample"),
    ],
)
def test_malformed_sensitive_features_raise(values, match):
    with pytest.raises((ValueError, TypeError), match=match):
        Groups.from_columns(values)


def test_recode_uses_the_other_table_of_labels():
    groups = Groups.from_columns(["b", "c", "b"]).recode(["a", "b", "c"])
    assert groups.codes.tolist() == [1, 2, 1]
    assert groups.n_groups == 3


def test_recode_raises_on_unseen_groups_unless_told_to_code_them():
    groups = Groups.from_columns(["b", "z"])
    with pytest.raises(ValueError, match=r"unseen group\(s\) \['z'\]"):
        groups.recode(["a", "b"])
    assert groups.recode(["a", "b"], unseen="code").codes.tolist() == [1, -1]


FRAME = pd.DataFrame({"sex": ["f", "m"], "age": [1, 2], "z": [0.0, 1.0]})


@pytest.mark.parametrize(
    ("X", "group_by", "labels"),
    [
        (FRAME, "sex", ["f", "m"]),
        (FRAME, ["sex", "age"], [("f", 1), ("m", 2)]),
        (FRAME, 1, [1, 2]),
        (pl.from_pandas(FRAME), "sex", ["f", "m"]),
        (pl.from_pandas(FRAME), -1, [0.0, 1.0]),
        (FRAME.to_numpy(), 0, ["f", "m"]),
        (FRAME.to_numpy().tolist(), 0, ["f", "m"]),
        (sparse.csr_matrix([[0.0, 5.0], [0.0, 7.0]]), 1, [5.0, 7.0]),
        (FRAME, lambda X: X["age"] > 1, [False, True]),
    ],
)
def test_group_by_reads_columns_of_any_container(X, group_by, labels):
    assert Groups.from_columns(read_columns(X, group_by)).labels == labels


@pytest.mark.parametrize(
    ("X", "group_by", "match"),
    [
        (FRAME, "race", r"X has the columns \['sex', 'age', 'z'\]"),
        (FRAME.to_numpy(), "sex", r"set_output\(transform='pandas'\)"),
        (FRAME.to_numpy(), 3, r"X has shape \(2, 3\)"),
    ],
)
def test_group_by_that_names_no_column_says_the_remedy(X, group_by, match):
    with pytest.raises(ValueError, match=match):
        read_columns(X, group_by)
