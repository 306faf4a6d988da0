import numpy as np
import pandas as pd
import polars as pl
import pytest

from fairsk.text._validation import like_texts, read_texts

TEXTS = ["He is a nurse.", "她是医生。"]

CONTAINERS = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "rows": [[text] for text in TEXTS],
    "object array": np.array(TEXTS, dtype=object),
    "str array": np.array(TEXTS),
    "column": np.array(TEXTS, dtype=object)[:, None],
    "pandas": pd.Series(TEXTS, index=[7, 3], name="t"),
    "pandas of objects": pd.Series(TEXTS, dtype=object),
    "pandas frame": pd.DataFrame({"t": TEXTS}),
    "polars": pl.Series("t", TEXTS),
    "polars frame": pl.DataFrame({"t": TEXTS}),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_texts_are_read_from_any_container(container):
    assert read_texts(CONTAINERS[container], owner="Encoder") == TEXTS


@pytest.mark.parametrize("container", sorted(set(CONTAINERS) - {"tuple", "rows"}))
def test_texts_return_in_the_container_they_came_in(container):
    X = CONTAINERS[container]
    longer = [text + " And a longer sentence." for text in TEXTS]
    new = like_texts(X, longer)
    assert type(new) is type(X)
    assert read_texts(new, owner="Encoder") == longer
    assert np.shape(new) == np.shape(X)
    if hasattr(X, "index") and not callable(X.index):
        assert new.index.equals(X.index)
    more = like_texts(X, longer + longer)
    assert read_texts(more, owner="Encoder") == longer + longer


@pytest.mark.parametrize(
    ("X", "error", "pattern"),
    [
        (["a", None, "b", np.nan], ValueError, r"2 of 4 are missing.*at position 1\."),
        (pd.Series(["a", None]), ValueError, r"1 of 2 is missing.*at position 1\."),
        (pl.Series(["a", None]), ValueError, r"1 of 2 is missing.*at position 1\."),
        (["a", "", " \n"], ValueError, r"2 of 3 are empty.*at position 1\."),
        (["a", 3, b"c"], TypeError, r"2 of 3 are of the type int, .*position 1\."),
        (np.ones((3, 1)), TypeError, "3 of 3 are of the type float"),
        (np.array([["a", "b"]]), ValueError, r"shape \(1, 2\)"),
        (np.array("a"), ValueError, r"shape \(\)"),
        ([["a", "b"]], ValueError, r"rows of \[2\] entries"),
        ("a text", ValueError, "a single str"),
        (7, TypeError, "Got int"),
        ([], ValueError, "at least one text"),
        (pd.DataFrame({"t": ["a"], "u": ["b"]}), ValueError, r"\['t', 'u'\]"),
    ],
)
def test_bad_texts_raise_with_position_and_count(X, error, pattern):
    with pytest.raises(error, match=r"^Encoder needs .*" + pattern):
        read_texts(X, owner="Encoder")


def test_empty_texts_pass_where_they_do_no_harm():
    assert read_texts(["", "a"], owner="Swap", allow_empty=True) == ["", "a"]
