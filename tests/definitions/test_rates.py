"""Rates, disparities and definitions against brute force and scikit-learn."""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as skm

from fairsk.definitions import (
    DEFINITIONS,
    DISPARITIES,
    RATES,
    FairnessDefinition,
    UndefinedRateWarning,
    get_definition,
    get_disparity,
    group_counts,
    register_definition,
)

every_definition = pytest.mark.parametrize("name", sorted(DEFINITIONS))
every_disparity = pytest.mark.parametrize("disparity", sorted(DISPARITIES))


@st.composite
def samples(draw, max_classes=4):
    n_groups = draw(st.integers(1, 4))
    n_classes = draw(st.integers(2, max_classes))
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    weights = draw(st.sampled_from([None, "integers", "floats"]))
    return {
        "group_codes": rng.integers(n_groups, size=n),
        "y_true": rng.integers(n_classes, size=n),
        "y_pred": rng.integers(n_classes, size=n),
        "n_groups": n_groups,
        "n_classes": n_classes,
        "sample_weight": {
            None: None,
            "integers": rng.integers(0, 4, size=n).astype(float),
            "floats": rng.random(n),
        }[weights],
    }


def loop_counts(group_codes, y_true, y_pred, *, n_groups, n_classes, sample_weight):
    counts = np.zeros((n_groups, n_classes, n_classes))
    weights = np.ones(len(y_true)) if sample_weight is None else sample_weight
    for g, i, j, w in zip(group_codes, y_true, y_pred, weights):
        counts[g, i, j] += w
    return counts


def loop_rate(rate, counts, pos):
    """The rate of one group by explicit loops over the cells."""
    sums = []
    for table in (rate.numerator, rate.denominator):
        total = 0.0
        for i in range(len(counts)):
            for j in range(len(counts)):
                if rate.per_class:
                    coefficient = table[int(i == pos)][int(j == pos)]
                else:
                    coefficient = table[1][1] if i == j else table[0][1]
                total += coefficient * counts[i, j]
        sums.append(total)
    return sums[0] / sums[1] if sums[1] > 0 else np.nan


def loop_disparity(disparity, values):
    defined = [v for v in values if not np.isnan(v)]
    if len(defined) < 2:
        return np.nan
    if disparity == "difference":
        return max(defined) - min(defined)
    if disparity == "ratio":
        return 1.0 if max(defined) == 0 else min(defined) / max(defined)
    return np.var(defined)


@given(samples())
def test_counts_match_a_loop(sample):
    expected = loop_counts(**sample)
    np.testing.assert_allclose(group_counts(**sample), expected)
    tensors = {
        key: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        for key, value in sample.items()
    }
    np.testing.assert_allclose(group_counts(**tensors).numpy(), expected)


@pytest.mark.parametrize("as_torch", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_soft_counts_with_leading_axes_are_a_loop(shared, as_torch, rng):
    # Two folds of three models: those of a fold may share its samples.
    n_models = 1 if shared else 3
    groups, y_true = rng.integers(3, size=(2, 2, n_models, 20))
    weight = rng.uniform(size=(2, n_models, 20))
    p = rng.dirichlet(np.ones(3), size=(2, 3, 20))
    columns = (groups, y_true, p, weight)
    if as_torch:
        columns = tuple(torch.from_numpy(column) for column in columns)
    *arguments, weights = columns
    for sample_weight in (weights, None):
        actual = group_counts(
            *arguments, n_groups=3, n_classes=3, sample_weight=sample_weight
        )
        assert actual.shape == (2, 3, 3, 3, 3)
        for fold, model in np.ndindex(2, 3):
            place = (fold, 0 if shared else model)
            expected = group_counts(
                groups[place],
                y_true[place],
                p[fold, model],
                n_groups=3,
                n_classes=3,
                sample_weight=None if sample_weight is None else weight[place],
            )
            np.testing.assert_allclose(actual[fold, model], expected)


@given(samples())
def test_soft_counts_of_certain_predictions_are_the_hard_counts(sample):
    hard = group_counts(**sample)
    sample["y_pred"] = np.eye(sample["n_classes"])[sample["y_pred"]]
    np.testing.assert_allclose(group_counts(**sample), hard)
    tensors = {
        key: torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        for key, value in sample.items()
    }
    np.testing.assert_allclose(group_counts(**tensors).numpy(), hard)


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES.keys())
@given(sample=samples())
def test_rate_matches_loops_over_the_cells(rate, sample):
    counts = group_counts(**sample)
    n_classes = sample["n_classes"]
    for pos in range(n_classes):
        expected = [[loop_rate(rate, table, pos) for table in counts]]
        np.testing.assert_allclose(rate.values(counts, pos), expected)
    every_class = rate.values(counts)
    n_rates = n_classes if rate.per_class else 1
    expected = [[loop_rate(rate, t, pos) for t in counts] for pos in range(n_rates)]
    np.testing.assert_allclose(every_class, expected)


@pytest.mark.parametrize(
    ("rate", "scikit_learn"),
    [
        ("true_positive_rate", lambda t, p, w: skm.recall_score(t, p, sample_weight=w)),
        (
            "true_negative_rate",
            lambda t, p, w: skm.recall_score(t, p, pos_label=0, sample_weight=w),
        ),
        (
            "positive_predictive_value",
            lambda t, p, w: skm.precision_score(t, p, sample_weight=w),
        ),
        (
            "negative_predictive_value",
            lambda t, p, w: skm.precision_score(t, p, pos_label=0, sample_weight=w),
        ),
        ("accuracy", lambda t, p, w: skm.accuracy_score(t, p, sample_weight=w)),
        ("selection_rate", lambda t, p, w: np.average(p, weights=w)),
        ("base_rate", lambda t, p, w: np.average(t, weights=w)),
    ],
)
@given(sample=samples(max_classes=2))
def test_rate_equals_scikit_learn_in_each_group(rate, scikit_learn, sample):
    values = RATES[rate].values(group_counts(**sample), 1)[0]
    for group, value in enumerate(values):
        if np.isnan(value):
            continue
        rows = sample["group_codes"] == group
        weight = sample["sample_weight"]
        expected = scikit_learn(
            sample["y_true"][rows],
            sample["y_pred"][rows],
            None if weight is None else weight[rows],
        )
        assert value == pytest.approx(expected)


@every_definition
@every_disparity
@given(sample=samples())
def test_disparity_of_a_definition_matches_loops(name, disparity, sample):
    counts = group_counts(**sample)
    definition = DEFINITIONS[name]
    per_rate = []
    for rate in definition.rates:
        classes = range(sample["n_classes"] if rate.per_class else 1)
        if sample["n_classes"] == 2:
            classes = [1]
        for pos in classes:
            values = [loop_rate(rate, table, pos) for table in counts]
            per_rate.append(loop_disparity(disparity, values))
    per_rate = [value for value in per_rate if not np.isnan(value)]
    worst = min if disparity == "ratio" else max
    expected = worst(per_rate) if per_rate else np.nan
    result = definition.disparity(counts, disparity)
    np.testing.assert_allclose(result, expected, atol=1e-12)
    tensor = definition.disparity(torch.as_tensor(counts), disparity)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-12)


@every_definition
@every_disparity
def test_leading_axes_are_a_loop_over_tables(name, disparity, rng):
    counts = rng.integers(0, 3, size=(5, 2, 3, 2, 2))
    together = DEFINITIONS[name].disparity(counts, disparity)
    assert together.shape == (5, 2)
    for index in np.ndindex(5, 2):
        alone = DEFINITIONS[name].disparity(counts[index], disparity)
        np.testing.assert_allclose(together[index], alone)


@every_definition
@every_disparity
def test_gradient_through_soft_counts_matches_finite_differences(name, disparity, rng):
    n_groups, n_classes, n = 3, 3, 60
    groups = torch.as_tensor(rng.integers(n_groups, size=n))
    y_true = torch.as_tensor(rng.integers(n_classes, size=n))
    logits = torch.as_tensor(rng.normal(size=(n, n_classes)), dtype=torch.float64)

    def value(logits):
        soft = torch.softmax(logits, 1)
        counts = group_counts(
            groups, y_true, soft, n_groups=n_groups, n_classes=n_classes
        )
        return DEFINITIONS[name].disparity(counts, disparity)

    assert torch.autograd.gradcheck(value, logits.requires_grad_())


@every_definition
def test_gradient_stays_finite_where_a_rate_is_undefined(name):
    counts = torch.zeros((3, 2, 2), dtype=torch.float64)
    counts[0] += 1.0
    counts[1] += torch.tensor([[3.0, 1.0], [0.5, 2.0]])
    counts.requires_grad_()
    DEFINITIONS[name].disparity(counts, "difference").backward()
    assert torch.isfinite(counts.grad).all()
    assert (counts.grad[2] == 0).all()


def test_fewer_than_two_defined_groups_give_nan():
    counts = np.array([[[3, 1], [1, 2]], [[4, 2], [0, 0]]])
    assert np.isnan(DEFINITIONS["equal_opportunity"].disparity(counts))


def test_undefined_rates_warn_once_with_group_and_rate():
    counts = np.array([[[3, 1], [1, 2]], [[4, 2], [0, 0]]])
    with pytest.warns(UndefinedRateWarning) as record:
        DEFINITIONS["equalized_odds"].warn_undefined(counts, ["f", "m"])
    assert len(record) == 1
    assert "true_positive_rate of group 'm'" in str(record[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DEFINITIONS["demographic_parity"].warn_undefined(counts, ["f", "m"])


def test_linear_definitions_are_those_whose_denominator_ignores_predictions():
    linear = {name for name, d in DEFINITIONS.items() if d.is_linear}
    assert {"demographic_parity", "equalized_odds"} <= linear
    assert not linear & {"predictive_parity", "treatment_equality"}


@pytest.mark.parametrize("getter", [get_definition, get_disparity])
@pytest.mark.parametrize("bad", ["demografic_parity", None, 3])
def test_unknown_name_lists_the_known_ones(getter, bad):
    known = DEFINITIONS if getter is get_definition else DISPARITIES
    with pytest.raises(ValueError, match=sorted(known)[0]):
        getter(bad)


def test_close_misspelling_is_suggested():
    with pytest.raises(ValueError, match="Did you mean 'demographic_parity'"):
        get_definition("demografic_parity")


def test_name_cannot_be_registered_for_another_definition():
    definition = DEFINITIONS["equal_opportunity"]
    assert register_definition(definition) is definition
    with pytest.raises(ValueError, match="is registered already"):
        register_definition(FairnessDefinition("equal_opportunity", ()))
    with pytest.raises(TypeError, match="needs a FairnessDefinition"):
        register_definition("equal_opportunity")


@pytest.mark.parametrize("pos", [0, 1])
@given(case=samples(max_classes=2))
def test_f1_jaccard_and_error_rate_equal_scikit_learn(pos, case):
    counts = group_counts(**case)
    for group in range(case["n_groups"]):
        own = case["group_codes"] == group
        weights = case["sample_weight"]
        if not own.any() or (weights is not None and not weights[own].sum() > 0):
            continue
        true, pred = case["y_true"][own], case["y_pred"][own]
        weights = None if weights is None else weights[own]
        common = {"pos_label": pos, "sample_weight": weights, "zero_division": np.nan}
        expected = {
            "f1_score": skm.f1_score(true, pred, **common),
            "jaccard_index": loop_rate(RATES["jaccard_index"], counts[group], pos),
            "error_rate": skm.zero_one_loss(true, pred, sample_weight=weights),
        }
        for name, value in expected.items():
            rate = RATES[name].values(counts, pos)[0, group]
            np.testing.assert_allclose(rate, value, atol=1e-12)


@pytest.mark.parametrize("name", sorted(RATES))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_a_rate_is_a_ratio_of_its_totals(name, n_classes, rng):
    counts = rng.integers(0, 5, size=(4, n_classes, n_classes))
    with np.errstate(invalid="ignore", divide="ignore"):
        numerator, denominator = RATES[name].totals(counts)
        expected = np.where(denominator > 0, numerator / denominator, np.nan)
    np.testing.assert_array_equal(RATES[name].values(counts), expected)


def test_proportions_are_the_rates_within_their_denominator():
    others = {"error_type_ratio", "f1_score"}
    assert {name for name in RATES if not RATES[name].is_proportion} == others


@pytest.mark.parametrize(
    ("name", "strata"),
    [
        ("demographic_parity", [[0, 0], [0, 0]]),
        ("equal_opportunity", [[0, 0], [1, 1]]),
        ("equalized_odds", [[0, 0], [1, 1]]),
        ("overall_accuracy_equality", [[0, 0], [0, 0]]),
        ("predictive_parity", [[0, 1], [0, 1]]),
        ("treatment_equality", [[0, 1], [1, 0]]),
    ],
)
def test_the_null_permutes_within_what_the_definition_conditions_on(name, strata):
    np.testing.assert_array_equal(get_definition(name).null_strata(2), strata)


def test_rates_that_condition_on_different_labels_share_one_stratum():
    mixed = FairnessDefinition(
        "mixed", (RATES["true_positive_rate"], RATES["positive_predictive_value"])
    )
    assert (mixed.null_strata(3) == 0).all()


@given(
    values=st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0, np.nan]), min_size=1),
    overall=st.sampled_from([0.0, 0.3, 1.0, np.nan]),
)
def test_disparities_to_the_overall_value_equal_loops(values, overall):
    defined = [v for v in values if not np.isnan(v + overall)]
    if defined:
        gaps = [abs(v - overall) for v in defined]
        ratios = [1.0 if v == overall else min(v, overall) / max(v, overall)
                  for v in defined]  # fmt: skip
        expected = {
            "difference": max(gaps),
            "ratio": min(ratios),
            "variance": np.mean(np.square(gaps)),
        }
    for name, disparity in DISPARITIES.items():
        value = disparity.to_overall(np.array(values), np.array(overall))
        want = expected[name] if defined else np.nan
        np.testing.assert_allclose(value, want, atol=1e-12)
        tensor = disparity.to_overall(torch.tensor(values), torch.tensor(overall))
        np.testing.assert_allclose(tensor.item(), want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n_groups", [1, 2, 3])
def test_counts_of_many_rows_match_those_of_their_halves(n_groups, rng):
    n = 50_000
    codes = [rng.integers(size, size=n) for size in (n_groups, 2, 2)]
    sizes = {"n_groups": n_groups, "n_classes": 2}
    whole = group_counts(*codes, **sizes)
    parts = [
        group_counts(*[column[i : i + 10_000] for column in codes], **sizes)
        for i in range(0, n, 10_000)
    ]
    np.testing.assert_array_equal(whole, sum(parts))
    assert whole.dtype == parts[0].dtype
