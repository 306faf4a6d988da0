"""Named metrics against loops, scikit-learn per group, and fairlearn."""

import inspect
import pickle
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as skm

from fairsk import metrics
from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    FairnessDefinition,
    UndefinedRateWarning,
)
from fairsk.groups import SingleGroupWarning
from fairsk.metrics import fairness_disparity

NAMED = [
    (definition, disparity)
    for definition in DEFINITIONS.values()
    for disparity in ("difference", "ratio")
]
every_named = pytest.mark.parametrize(
    ("definition", "disparity"), NAMED, ids=[f"{d.name}_{how}" for d, how in NAMED]
)
every_definition = pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
every_disparity = pytest.mark.parametrize("disparity", sorted(DISPARITIES))


def named(definition, disparity):
    return getattr(metrics, f"{definition.name}_{disparity}")


def quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@st.composite
def samples(draw, max_classes=2, min_groups=2):
    n = draw(st.integers(1, 60))
    n_groups = draw(st.integers(min_groups, 4))
    n_classes = draw(st.integers(2, max_classes))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.integers(n_classes, size=2 * n)
    if n_classes > 2:  # of {0, 2} it is not evident which one is positive
        labels = np.unique(labels, return_inverse=True)[1]
    return {
        "y_true": labels[:n],
        "y_pred": labels[n:],
        "sensitive_features": rng.integers(n_groups, size=n),
        "sample_weight": rng.integers(0, 4, size=n) if draw(st.booleans()) else None,
    }


def loop_rate(rate, rows, positive):
    """A rate by a loop over the rows (true label, predicted label, weight)."""
    numerator = denominator = 0.0
    for true, predicted, weight in rows:
        i, j = int(true == positive), int(predicted == positive)
        if not rate.per_class:
            i, j = int(true == predicted), 1
        numerator += weight * rate.numerator[i][j]
        denominator += weight * rate.denominator[i][j]
    return numerator / denominator if denominator > 0 else np.nan


def loop_disparity(
    definition, disparity, y_true, y_pred, sensitive_features, sample_weight
):
    """The disparity by loops over rates, classes, groups and rows."""
    weight = np.ones(len(y_true)) if sample_weight is None else sample_weight
    classes = sorted({*y_true.tolist(), *y_pred.tolist()} | {0, 1})
    positives = [1] if len(classes) == 2 else classes
    rows = np.column_stack([y_true, y_pred, weight])
    members = [rows[sensitive_features == g] for g in np.unique(sensitive_features)]
    per_rate = []
    for rate in definition.rates:
        for positive in positives:
            values = [loop_rate(rate, group, positive) for group in members]
            values = [value for value in values if not np.isnan(value)]
            if len(values) > 1 and disparity == "difference":
                per_rate.append(max(values) - min(values))
            elif len(values) > 1:
                per_rate.append(min(values) / max(values) if max(values) else 1.0)
    worst = max if disparity == "difference" else min
    return worst(per_rate, default=np.nan)


@every_named
@given(sample=samples(max_classes=4, min_groups=1))
def test_named_metric_matches_loops(definition, disparity, sample):
    value = quietly(named(definition, disparity), **sample)
    assert isinstance(value, float)
    np.testing.assert_allclose(value, loop_disparity(definition, disparity, **sample))


def test_every_definition_has_its_two_functions_and_no_other_name_is_exported():
    expected = {f"{definition.name}_{how}" for definition, how in NAMED}
    # It compares identity terms of texts, and is no definition.
    assert expected | {"equality_difference"} == {
        name for name in metrics.__all__ if name.endswith(("_difference", "_ratio"))
    }


@every_named
def test_named_metric_is_an_ordinary_function(definition, disparity):
    function = named(definition, disparity)
    assert inspect.isfunction(function)
    assert function.__name__ == function.__qualname__
    assert function.__name__ == f"{definition.name}_{disparity}"
    assert pickle.loads(pickle.dumps(function)) is function
    assert list(inspect.signature(function).parameters) == [
        "y_true",
        "y_pred",
        "sensitive_features",
        "sample_weight",
        "pos_label",
    ]
    for part in (definition.statement, definition.reference):
        assert part in function.__doc__


PER_GROUP = {
    "demographic_parity": [lambda t, p: np.mean(p == 1)],
    "equal_opportunity": [skm.recall_score],
    "predictive_equality": [lambda t, p: 1 - skm.recall_score(t, p, pos_label=0)],
    "equalized_odds": [
        skm.recall_score,
        lambda t, p: 1 - skm.recall_score(t, p, pos_label=0),
    ],
    "overall_accuracy_equality": [skm.accuracy_score],
    "predictive_parity": [skm.precision_score],
    "false_negative_rate_parity": [lambda t, p: 1 - skm.recall_score(t, p)],
    "false_discovery_rate_parity": [lambda t, p: 1 - skm.precision_score(t, p)],
    "false_omission_rate_parity": [
        lambda t, p: 1 - skm.precision_score(t, p, pos_label=0)
    ],
}


@pytest.mark.parametrize("fairness", PER_GROUP)
@given(sample=samples())
def test_difference_matches_scikit_learn_per_group(fairness, sample):
    y_true, y_pred = sample["y_true"], sample["y_pred"]
    group = sample["sensitive_features"]
    members = [group == g for g in np.unique(group)]
    # Elsewhere scikit-learn puts a number where the rate is undefined.
    for column in (y_true, y_pred):
        assume(all(len(np.unique(column[rows])) == 2 for rows in members))
    assume(len(members) > 1)
    values = np.array(
        [[f(y_true[rows], y_pred[rows]) for rows in members]
         for f in PER_GROUP[fairness]]
    )  # fmt: skip
    expected = np.ptp(values, axis=1).max()
    value = fairness_disparity(
        y_true, y_pred, sensitive_features=group, fairness=fairness
    )
    np.testing.assert_allclose(value, expected, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    [
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equalized_odds_ratio",
        "equal_opportunity_difference",
        "equal_opportunity_ratio",
    ],
)
@given(sample=samples())
def test_named_metric_matches_fairlearn(name, sample):
    fairlearn = pytest.importorskip("fairlearn.metrics")
    # fairlearn calls an undefined rate 0, so compare where all are defined.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            value = getattr(metrics, name)(**sample)
        except (UndefinedRateWarning, SingleGroupWarning):
            assume(False)
    expected = quietly(getattr(fairlearn, name), **sample)
    assume(not np.isnan(expected))  # 0 / 0, which is 1 for us: rates of 0 are equal
    np.testing.assert_allclose(value, expected, atol=1e-12)


@every_definition
@every_disparity
@given(sample=samples(max_classes=3))
def test_order_of_rows_and_names_of_groups_do_not_matter(fairness, disparity, sample):
    how = {"fairness": fairness, "disparity": disparity}
    expected = quietly(fairness_disparity, **sample, **how)
    order = np.random.default_rng(0).permutation(len(sample["y_true"]))
    permuted = {k: v if v is None else v[order] for k, v in sample.items()}
    value = quietly(fairness_disparity, **permuted, **how)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    names = np.array(["d", "a", "c", "b"])
    renamed = sample | {"sensitive_features": names[sample["sensitive_features"]]}
    value = quietly(fairness_disparity, **renamed, **how)
    np.testing.assert_allclose(value, expected, atol=1e-12)


@every_definition
@given(sample=samples(max_classes=3))
def test_a_weight_equals_repetition(fairness, sample):
    weight = sample["sample_weight"]
    assume(weight is not None)
    assume(weight.any())
    # Rows of weight 0 still say which classes and groups there are.
    classes = sorted({*sample["y_true"].tolist(), *sample["y_pred"].tolist(), 0, 1})
    repeated = {k: np.repeat(v, weight) for k, v in sample.items()}
    repeated["sample_weight"] = None
    options = {"fairness": fairness, "labels": classes}
    np.testing.assert_allclose(
        quietly(fairness_disparity, **sample, **options),
        quietly(fairness_disparity, **repeated, **options),
    )


@every_named
@given(sample=samples())
def test_string_labels_give_the_same_value(definition, disparity, sample):
    names = np.array(["no", "yes"])
    strings = sample | {k: names[sample[k]] for k in ("y_true", "y_pred")}
    function = named(definition, disparity)
    np.testing.assert_allclose(
        quietly(function, **strings, pos_label="yes"), quietly(function, **sample)
    )


@every_named
@given(sample=samples(max_classes=3))
def test_multiclass_is_the_least_fair_class_against_the_rest(
    definition, disparity, sample
):
    function = named(definition, disparity)
    classes = np.union1d(sample["y_true"], sample["y_pred"])
    assume(len(classes) == 3)
    per_class = [quietly(function, **sample, pos_label=label) for label in classes]
    worst = np.nanmax if disparity == "difference" else np.nanmin
    np.testing.assert_allclose(
        quietly(function, **sample), quietly(worst, per_class), atol=1e-12
    )


@every_definition
@given(sample=samples(max_classes=3))
def test_tensors_give_the_same_value_as_arrays(fairness, sample):
    tensors = {k: v if v is None else torch.tensor(v) for k, v in sample.items()}
    value = quietly(fairness_disparity, **tensors, fairness=fairness)
    assert isinstance(value, float)
    expected = quietly(fairness_disparity, **sample, fairness=fairness)
    np.testing.assert_allclose(value, expected)


@every_definition
@every_disparity
def test_equal_tables_of_counts_are_fair(fairness, disparity):
    y_true, y_pred = [0, 0, 0, 1, 1] * 2, [0, 0, 1, 0, 1] * 2
    group = ["a"] * 5 + ["b"] * 5
    value = fairness_disparity(
        y_true,
        y_pred,
        sensitive_features=group,
        fairness=fairness,
        disparity=disparity,
    )
    assert value == (1.0 if DISPARITIES[disparity].greater_is_better else 0.0)


def test_undefined_rate_warns_once_with_group_and_rate_and_leaves_the_group_out():
    y_true, y_pred = [1, 1, 1, 0, 1, 1], [1, 0, 1, 1, 1, 1]
    group = ["a", "a", "b", "c", "b", "b"]
    with pytest.warns(
        UndefinedRateWarning, match="true_positive_rate of group 'c' undefined"
    ) as record:
        value = metrics.equal_opportunity_difference(
            y_true, y_pred, sensitive_features=group
        )
    assert len(record) == 1
    assert value == 0.5


def test_disparity_of_fewer_than_two_defined_groups_is_nan():
    with pytest.warns(UndefinedRateWarning):
        value = metrics.equal_opportunity_difference(
            [1, 0], [1, 1], sensitive_features=["a", "b"]
        )
    assert np.isnan(value)
    with pytest.warns(SingleGroupWarning, match="group 'a': the result is NaN"):
        value = metrics.demographic_parity_ratio(
            [1, 0], [1, 1], sensitive_features=["a", "a"]
        )
    assert np.isnan(value)


@pytest.mark.parametrize("label", [0, 1])
def test_a_single_class_is_enough(label):
    value = metrics.demographic_parity_difference(
        [label] * 3, [label] * 3, sensitive_features=["a", "b", "b"]
    )
    assert value == 0.0


def test_a_positive_class_that_does_not_occur_has_rate_zero():
    value = metrics.demographic_parity_ratio(
        ["no"] * 3, ["no"] * 3, sensitive_features=["a", "b", "b"], pos_label="yes"
    )
    assert value == 1.0


def test_string_labels_need_pos_label_only_where_a_rate_has_a_positive_class():
    arguments = {"y_true": ["n", "y"], "y_pred": ["n", "y"]}
    arguments["sensitive_features"] = ["a", "b"]
    with pytest.raises(ValueError, match=r"Got the labels \['n', 'y'\] and no"):
        metrics.demographic_parity_difference(**arguments)
    assert metrics.overall_accuracy_equality_difference(**arguments) == 0.0


def test_pos_label_outside_the_labels_raises_with_the_labels():
    for name in ("demographic_parity_ratio", "overall_accuracy_equality_ratio"):
        with pytest.raises(ValueError, match=rf"{name}.*\[0, 1\]. Got 'yes'"):
            getattr(metrics, name)(
                [0, 1], [0, 1], sensitive_features=["a", "b"], pos_label="yes"
            )


def test_a_definition_of_ones_own_needs_no_registration():
    definition = FairnessDefinition("mine", DEFINITIONS["demographic_parity"].rates)
    arguments = ([0, 1, 1], [0, 1, 1])
    group = ["a", "a", "b"]
    assert fairness_disparity(
        *arguments, sensitive_features=group, fairness=definition
    ) == metrics.demographic_parity_difference(*arguments, sensitive_features=group)


def test_unknown_definition_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"equalized_odds.*Did you mean"):
        fairness_disparity(
            [0, 1], [0, 1], sensitive_features=[0, 1], fairness="equalised_odds"
        )
