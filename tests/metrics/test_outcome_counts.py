"""Counts from arrays, from any frame, and their sum, against loops over the rows."""

import os

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fairsk.metrics import OutcomeCounts


def columns(seed, n=300, n_classes=2):
    rng = np.random.default_rng(seed)
    return {
        "y": rng.integers(n_classes, size=n),
        "p": rng.integers(n_classes, size=n),
        "race": rng.choice(["a", "b", "c"], n),
        "old": rng.integers(2, size=n),
        "site": rng.choice(["north", "south"], n),
        "weight": rng.integers(0, 4, size=n) / 2,
    }


def loop(table, counts, values):
    """Cell sums by a loop, in the order of the labels of `counts`."""
    expected = np.zeros(counts.counts.shape)
    for row in range(len(table["y"])):
        stratum = counts.stratum_labels.index((table["site"][row],))
        group = counts.group_labels.index((table["race"][row], table["old"][row]))
        true = counts.classes.index(table["y"][row])
        pred = counts.classes.index(table["p"][row])
        expected[stratum, group, true, pred] += values[row]
    return expected


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), k=st.integers(2, 4))
def test_arrays_are_counted_as_by_a_loop(seed, n, k):
    table = columns(seed, n, k)
    counts = OutcomeCounts.from_arrays(
        table["y"],
        table["p"],
        sensitive_features={"race": table["race"], "old": table["old"]},
        control_features={"site": table["site"]},
        sample_weight=table["weight"],
    )
    np.testing.assert_array_equal(counts.rows, loop(table, counts, np.ones(n)))
    np.testing.assert_allclose(counts.counts, loop(table, counts, table["weight"]))
    squares = loop(table, counts, table["weight"] ** 2)
    np.testing.assert_allclose(counts.squares, squares)


def dask_frame(table):
    dd = pytest.importorskip("dask.dataframe")
    return dd.from_pandas(pd.DataFrame(table), npartitions=3)


def duckdb_relation(table):
    duckdb = pytest.importorskip("duckdb")
    frame = pa.table(table)
    assert len(frame)
    return duckdb.sql("select * from frame")


def test_a_parquet_larger_than_the_memory_limit_is_counted(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    path, limit = str(tmp_path / "rows.parquet"), 10_000_000
    rng = np.random.default_rng(0)
    table = columns(0, n=1_500_000) | {"weight": rng.random(1_500_000)}
    pa.parquet.write_table(pa.table(table), path, row_group_size=50_000)
    assert os.path.getsize(path) > limit
    small = {"memory_limit": f"{limit}B", "threads": 1, "temp_directory": ""}
    with duckdb.connect(config=small) as connection:
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.sql(f"create table held as select * from read_parquet('{path}')")
        counts = OutcomeCounts.from_frame(
            connection.read_parquet(path),
            y_true="y",
            y_pred="p",
            sensitive_features=["race", "old"],
            sample_weight="weight",
        )
    expected = OutcomeCounts.from_arrays(
        table["y"],
        table["p"],
        sensitive_features={"race": table["race"], "old": table["old"]},
        sample_weight=table["weight"],
    )
    np.testing.assert_array_equal(counts.rows, expected.rows)
    np.testing.assert_allclose(counts.counts, expected.counts)


FRAMES = {
    "pandas": pd.DataFrame,
    "polars": pl.DataFrame,
    "polars lazy": pl.LazyFrame,
    "pyarrow": pa.table,
    "DuckDB": duckdb_relation,
    "Dask": dask_frame,
}


@pytest.mark.filterwarnings("ignore:Dask support is moving:FutureWarning")
@pytest.mark.parametrize("weight", [None, "weight"])
@pytest.mark.parametrize("kind", FRAMES)
def test_every_engine_counts_what_arrays_give(kind, weight):
    table = columns(0)
    counts = OutcomeCounts.from_frame(
        FRAMES[kind](table),
        y_true="y",
        y_pred="p",
        sensitive_features=["race", "old"],
        control_features="site",
        sample_weight=weight,
    )
    expected = OutcomeCounts.from_arrays(
        table["y"],
        table["p"],
        sensitive_features={"race": table["race"], "old": table["old"]},
        control_features={"site": table["site"]},
        sample_weight=weight and table[weight],
    )
    for name in ("classes", "group_labels", "group_names", "stratum_labels"):
        assert getattr(counts, name) == getattr(expected, name)
    np.testing.assert_allclose(counts.counts, expected.counts)
    np.testing.assert_array_equal(counts.n_rows, expected.n_rows)
    np.testing.assert_allclose(counts.n_squares, expected.n_squares)


@pytest.mark.parametrize("weighted", [False, True])
def test_counts_of_shards_add_up(weighted):
    table = columns(1)

    def count(rows):
        return OutcomeCounts.from_arrays(
            table["y"][rows],
            table["p"][rows],
            sensitive_features=table["race"][rows],
            control_features=table["site"][rows],
            sample_weight=table["weight"][rows] if weighted else None,
        )

    # The shards share no group and no stratum but one.
    order = np.lexsort((table["site"], table["race"]))
    whole, parts = count(order), np.split(order, [5, 90, 200])
    merged = sum((count(part) for part in parts[1:]), start=count(parts[0]))
    assert merged.group_labels == whole.group_labels
    np.testing.assert_array_equal(merged.counts, whole.counts)
    np.testing.assert_array_equal(merged.n_rows, whole.n_rows)
    np.testing.assert_array_equal(merged.n_squares, whole.n_squares)


def test_new_classes_join_when_counts_are_added():
    first = OutcomeCounts.from_arrays(["a", "b"], ["a", "a"], sensitive_features=[0, 1])
    second = OutcomeCounts.from_arrays(["c"], ["a"], sensitive_features=[2])
    total = first + second
    assert total.classes == ["a", "b", "c"]
    assert total.counts[0, 2, 2, 0] == 1
    assert total.counts.sum() == 3


def test_weighted_and_plain_counts_do_not_add():
    plain = OutcomeCounts.from_arrays([0, 1], [0, 1], sensitive_features=[0, 1])
    weighted = OutcomeCounts.from_arrays(
        [0, 1], [0, 1], sensitive_features=[0, 1], sample_weight=[1, 2]
    )
    with pytest.raises(ValueError, match="`is_weighted` is the same"):
        plain + weighted


@pytest.mark.parametrize("with_controls", [False, True])
def test_tensors_are_counted_as_arrays(with_controls):
    table = columns(2)
    controls = table["site"] if with_controls else None
    expected = OutcomeCounts.from_arrays(
        table["y"],
        table["p"],
        sensitive_features=table["old"],
        control_features=controls,
        sample_weight=table["weight"],
    )
    counts = OutcomeCounts.from_arrays(
        torch.as_tensor(table["y"]),
        torch.as_tensor(table["p"]),
        sensitive_features=torch.as_tensor(table["old"]),
        control_features=controls,
        sample_weight=torch.as_tensor(table["weight"]),
    )
    assert isinstance(counts.counts, np.ndarray)
    np.testing.assert_allclose(counts.counts, expected.counts)
    np.testing.assert_array_equal(counts.rows, expected.rows)


def test_unknown_column_names_the_columns():
    frame = pl.DataFrame({"y": [0], "p": [1], "a": ["x"]})
    with pytest.raises(ValueError, match=r"\['sex'\]; the frame has \['y', 'p', 'a'\]"):
        OutcomeCounts.from_frame(
            frame, y_true="y", y_pred="p", sensitive_features="sex"
        )


def test_what_is_no_frame_raises():
    with pytest.raises(TypeError, match="needs a data frame of a library"):
        OutcomeCounts.from_frame(
            np.zeros((3, 3)), y_true="y", y_pred="p", sensitive_features="a"
        )


@pytest.mark.parametrize("bad", [-1.0, None, np.inf])
def test_bad_weights_in_a_frame_raise(bad):
    frame = pl.DataFrame(
        {"y": [0, 1, 1], "p": [1, 1, 1], "a": ["x", "y", "y"], "w": [1.0, 2.0, bad]}
    )
    with pytest.raises(ValueError, match="finite weights of at least 0 in 'w'"):
        OutcomeCounts.from_frame(
            frame, y_true="y", y_pred="p", sensitive_features="a", sample_weight="w"
        )


def test_control_features_of_another_length_raise():
    with pytest.raises(ValueError, match="3 control features for 2 samples"):
        OutcomeCounts.from_arrays(
            [0, 1], [0, 1], sensitive_features=[0, 1], control_features=[0, 1, 1]
        )


def test_wrong_shape_of_counts_raises():
    with pytest.raises(ValueError, match="`counts` of shape"):
        OutcomeCounts(np.zeros((2, 2)), [0, 1], ["a", "b"], ["sex"])
