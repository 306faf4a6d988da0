import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse

from fairsk.groups import Groups
from fairsk.utils._rows import count_rows, take_rows

VALUES = [5, 6, 7]
CONTAINERS = {
    "list": lambda v: v,
    "tuple": tuple,
    "numpy": np.array,
    "numpy 2d": lambda v: np.array(v)[:, None],
    "pandas": lambda v: pd.Series(v, index=list("cba")),
    "pandas frame": lambda v: pd.DataFrame({"a": v}, index=list("cba")),
    "pandas index": pd.Index,
    "polars": pl.Series,
    "polars frame": lambda v: pl.DataFrame({"a": v}),
    "pyarrow": pa.chunked_array,
    "pyarrow array": pa.array,
    "pyarrow table": lambda v: pa.table({"a": v}),
    "csr": lambda v: sparse.csr_array(np.array(v)[:, None]),
    "coo": lambda v: sparse.coo_array(np.array(v)[:, None]),
    "torch": torch.tensor,
    "range": lambda v: range(5, 8),
}
CONTAINERS["pyarrow"] = lambda v: pa.chunked_array([v])


def plain(values):
    if sparse.issparse(values):
        values = values.toarray()
    if hasattr(values, "to_pydict"):
        values = values.to_pydict()["a"]
    if hasattr(values, "to_pylist"):
        values = values.to_pylist()
    return np.ravel(np.asarray(values)).tolist()


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_rows_are_counted_and_taken_from_every_container(container):
    values = container(VALUES)
    assert count_rows(values) == 3
    taken = take_rows(values, np.array([2, 0, 0, 1]))
    assert plain(taken) == [7, 5, 5, 6]
    if not (sparse.issparse(values) or isinstance(values, range)):
        assert type(taken) is type(values)


def test_rows_of_a_dict_are_those_of_its_columns():
    columns = {"a": [1, 2], "b": np.array(["x", "y"])}
    assert count_rows(columns) == 2
    taken = take_rows(columns, np.array([1, 1]))
    assert taken["a"] == [2, 2]
    assert taken["b"].tolist() == ["y", "y"]
    assert count_rows({"a": [1, 2], "b": 3}) is None


def test_rows_of_groups_keep_the_table_of_labels():
    groups = Groups.from_columns(["m", "f", "m"])
    assert count_rows(groups) == 3
    taken = take_rows(groups, np.array([0, 0]))
    assert taken.labels == ["f", "m"]
    assert taken.codes.tolist() == [1, 1]


@pytest.mark.parametrize("value", [None, 3, 2.5, "abc", b"abc", len, np.array(1.0), {}])
def test_scalars_have_no_rows(value):
    assert count_rows(value) is None
