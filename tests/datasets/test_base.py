"""Reading tables: types, missing values, frames and arrays."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from fairsk.datasets import _base, load_german_credit


def test_columns_are_parsed_to_the_narrowest_type():
    parsed = [
        _base._parse_column(values)
        for values in [("1", "-2"), ("1", "2.5"), ("1", ""), ("a", ""), ("a", "1")]
    ]
    assert [column.dtype for column in parsed] == [
        np.int64,
        np.float64,
        np.float64,
        object,
        object,
    ]
    assert np.isnan(parsed[2][1])
    assert np.isnan(parsed[3][1])
    assert parsed[4].tolist() == ["a", "1"]


def test_target_is_encoded_in_the_order_of_its_names():
    values = np.array(["good", "bad", "good"], dtype=object)
    assert _base._encode_target(values, ["bad", "good"]).tolist() == [1, 0, 1]
    assert _base._encode_target(np.array([1, 0]), ["no", "yes"]).tolist() == [1, 0]


def test_numeric_columns_stay_numeric_in_arrays():
    columns = {"a": np.array([1, 2]), "b": np.array([0.5, 1.5])}
    assert _base._to_array(columns).dtype == np.float64
    columns["c"] = np.array(["x", "y"], dtype=object)
    assert _base._to_array(columns).dtype == object


@pytest.mark.parametrize("as_frame", ["pandas", 1, None])
def test_bad_as_frame_raises(as_frame):
    with pytest.raises(ValueError, match="load_german_credit needs `as_frame`"):
        load_german_credit(as_frame=as_frame)


def test_pandas_is_not_needed_for_arrays():
    # A None in sys.modules makes `import pandas` fail, as if it were not installed.
    code = """
        import sys
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name: name != "pandas" and find(name) or None
        sys.modules["pandas"] = None
        from fairsk.datasets import load_adult, load_german_credit
        adult = load_adult()
        assert adult.data.shape == (48842, 13) and adult.data.dtype == object
        assert adult.frame is None
        try:
            load_german_credit(as_frame=True)
        except ImportError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("load_german_credit needs pandas to return a frame")
    assert "`as_frame=False`" in done.stdout
