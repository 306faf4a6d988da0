"""Checks of public estimators of texts, which scikit-learn's checks cannot feed.

scikit-learn passes over estimators whose tags say that they take no tables, its own
vectorizers among them. Here are those of its checks that pass no data, and the other
promises on texts.
"""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks, get_tags

from fairsk.base import GroupAwareMixin
from tests.common.instances import fresh_instances

TEXTS = [
    "She is a doctor and he is her brother.",
    "The nurse said that he was late.",
    "Nobody knew her, the queen of the north.",
    "His mother is an actress.",
    "It rained all day.",
    "A girl met the king.",
]
LABELS = np.array([1, 0, 1, 0, 1, 0])
GROUPS = np.array(["f", "m", "f", "m", "m", "f"])
# Rows that a sampler makes are told apart from those that it takes by their texts.
CONTAINERS = {
    "tuple": tuple,
    "object array": lambda texts: np.array(texts, dtype=object),
    "str array": np.array,
    "column": lambda texts: np.array(texts, dtype=object)[:, None],
    "pandas": lambda texts: pd.Series(texts, index=range(len(texts))[::-1]),
    "polars": pl.Series,
}
WITHOUT_DATA = [
    "check_estimator_cloneable",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_mixin_order",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
]

every_estimator = pytest.mark.parametrize(
    "estimator", fresh_instances(of_texts=True), ids=lambda e: type(e).__name__
)


def outcome(estimator, X=None, y=LABELS, groups=GROUPS):
    """What a fresh clone makes of the texts, as an array of rows."""
    X = TEXTS if X is None else X
    estimator = clone(estimator)
    if "random_state" in estimator.get_params():
        estimator.set_params(random_state=0)
    metadata = {}
    if isinstance(estimator, GroupAwareMixin):
        metadata["sensitive_features"] = groups
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if hasattr(estimator, "fit_resample"):
            return rows(estimator.fit_resample(X, y, **metadata)[0])
        estimator.fit(X, y, **metadata)
        for method in ("transform", "predict_proba", "predict"):
            if hasattr(estimator, method):
                return rows(getattr(estimator, method)(X))
    return None


def rows(output):
    output = np.asarray(output)
    return output.reshape(len(output), -1)


def assert_same(actual, expected):
    if expected is None or expected.dtype.kind not in "f":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("check", WITHOUT_DATA)
@every_estimator
def test_scikit_learn_checks_without_data(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, estimator)


@every_estimator
def test_tags_say_texts(estimator):
    tags = get_tags(estimator).input_tags
    assert tags.string
    assert tags.one_d_array


@pytest.mark.parametrize("container", CONTAINERS)
@every_estimator
def test_containers_agree(estimator, container):
    assert_same(outcome(estimator, CONTAINERS[container](TEXTS)), outcome(estimator))


@every_estimator
def test_fitting_again_gives_the_same(estimator):
    assert_same(outcome(estimator), outcome(estimator))


@every_estimator
def test_parameters_are_left_as_they_were(estimator):
    before = {name: repr(v) for name, v in estimator.get_params(deep=False).items()}
    outcome(estimator)
    after = {name: repr(v) for name, v in estimator.get_params(deep=False).items()}
    assert after == before


@every_estimator
def test_pickled_estimator_is_small_and_the_same(estimator):
    pickled = pickle.dumps(estimator)
    assert len(pickled) < 20_000
    assert_same(outcome(pickle.loads(pickled)), outcome(estimator))


@every_estimator
def test_permuted_rows_give_permuted_rows(estimator):
    if not hasattr(estimator, "transform") or hasattr(estimator, "fit_resample"):
        return
    order = np.array([3, 0, 5, 1, 4, 2])
    texts = [TEXTS[i] for i in order]
    permuted = outcome(estimator, texts, LABELS[order], GROUPS[order])
    assert_same(permuted, outcome(estimator)[order])


@pytest.mark.parametrize(
    ("bad", "error", "pattern"),
    [
        ([*TEXTS[:-1], None], ValueError, "1 of 6 is missing.*position 5"),
        ([*TEXTS[:-1], 3.5], TypeError, "1 of 6 is of the type float.*position 5"),
        ("a text", ValueError, "a single str"),
        ([], ValueError, "at least one text"),
    ],
)
@every_estimator
def test_bad_texts_raise(estimator, bad, error, pattern):
    with pytest.raises(error, match=pattern):
        outcome(estimator, bad)
