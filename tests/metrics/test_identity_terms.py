import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from fairsk.definitions import UndefinedRateWarning
from fairsk.metrics import equality_difference, generalized_mean, identity_term_metrics


@pytest.fixture
def data(rng):
    y = rng.integers(2, size=300)
    score = np.round(rng.random(300) + 0.4 * y, 1)  # with ties
    terms = {"deaf": rng.random(300) < 0.3, "old": rng.random(300) < 0.2}
    return y, score, terms, rng.integers(0, 3, size=300).astype(float)


@pytest.mark.parametrize("weighted", [False, True])
def test_aucs_are_those_of_scikit_learn_on_subsets(data, weighted):
    y, score, terms, weight = data
    weight = weight if weighted else None
    table = identity_term_metrics(y, score, memberships=terms, sample_weight=weight)
    for name, inside in terms.items():
        chosen = {
            "subgroup_auc": inside,
            "bpsn_auc": (inside & (y == 0)) | (~inside & (y == 1)),
            "bnsp_auc": (inside & (y == 1)) | (~inside & (y == 0)),
        }
        for key, rows in chosen.items():
            w = None if weight is None else weight[rows]
            expected = roc_auc_score(y[rows], score[rows], sample_weight=w)
            assert table.loc[name, key] == pytest.approx(expected)
        assert table.loc[name, "n_samples"] == inside.sum()


def test_containers_and_labels_agree(data):
    y, score, terms, _ = data
    expected = identity_term_metrics(y, score, memberships=terms)
    of_frame = identity_term_metrics(y, score, memberships=pd.DataFrame(terms))
    pd.testing.assert_frame_equal(of_frame, expected)
    of_polars = identity_term_metrics(
        pl.Series(y), pl.Series(score), memberships=pl.DataFrame(terms)
    )
    assert isinstance(of_polars, pl.DataFrame)
    assert of_polars["bpsn_auc"].to_list() == expected["bpsn_auc"].tolist()
    words = identity_term_metrics(
        np.array(["no", "yes"])[y], score, memberships=terms, pos_label="yes"
    )
    pd.testing.assert_frame_equal(words, expected)


def test_identity_without_both_classes_is_undefined():
    with pytest.warns(UndefinedRateWarning, match="subgroup_auc of 'x', bpsn_auc of"):
        table = identity_term_metrics(
            [0, 1, 1], [0.1, 0.4, 0.3], memberships={"x": [0, 1, 1]}
        )
    assert np.isnan(table.loc["x", "subgroup_auc"])
    assert table.loc["x", "bnsp_auc"] == 1


@pytest.mark.parametrize("rate", ["false_positive_rate", "false_negative_rate"])
def test_equality_difference_equals_a_loop(data, rate):
    y, score, terms, weight = data
    pred = (score > 0.6).astype(int)
    of = 0 if rate == "false_positive_rate" else 1

    def share(rows):
        rows = rows & (y == of)
        return np.average(pred[rows] != y[rows], weights=weight[rows])

    expected = sum(abs(share(y >= 0) - share(inside)) for inside in terms.values())
    value = equality_difference(
        y, pred, memberships=terms, rate=rate, sample_weight=weight
    )
    assert value == pytest.approx(expected)


def test_undefined_rate_of_an_identity_is_left_out():
    with pytest.warns(UndefinedRateWarning, match=r"undefined for \['x'\]"):
        value = equality_difference(
            [1, 0, 0], [1, 1, 0], memberships={"x": [1, 0, 0], "y": [0, 1, 1]}
        )
    assert value == 0


def test_generalized_mean_lies_between_minimum_and_mean(rng):
    values = rng.random(9) + 0.1
    means = [generalized_mean(values, p) for p in (-500, -5, -1, 0, 1, 500)]
    assert means == sorted(means)
    assert means[0] == pytest.approx(values.min(), rel=1e-2)
    assert means[3] == pytest.approx(np.exp(np.log(values).mean()))
    assert means[4] == pytest.approx(values.mean())
    assert generalized_mean([0.5, np.nan]) == 0.5
    assert generalized_mean([0.0, 1.0]) == 0
    assert np.isnan(generalized_mean([]))
    with pytest.raises(ValueError, match="at least 0"):
        generalized_mean([-1.0])


@pytest.mark.parametrize(
    ("change", "error", "pattern"),
    [
        ({"memberships": [1, 0]}, TypeError, "dict or DataFrame"),
        ({"memberships": {}}, TypeError, "dict or DataFrame"),
        ({"memberships": {"x": [1, 2]}}, ValueError, "True or False in .*'x'"),
        ({"memberships": {"x": [1]}}, ValueError, r"lengths \[1, 2\]"),
        ({"y_score": [[1, 2], [3, 4]]}, ValueError, "score of the positive class"),
        ({"y_true": ["a", "b"]}, ValueError, "no `pos_label`"),
    ],
)
def test_bad_input_raises(change, error, pattern):
    given = {"y_true": [0, 1], "y_score": [0.1, 0.2], "memberships": {"x": [1, 0]}}
    with pytest.raises(error, match=pattern):
        identity_term_metrics(**(given | change))


def test_three_classes_and_unknown_rates_raise():
    with pytest.raises(ValueError, match="two classes"):
        identity_term_metrics([0, 1, 2], [0, 1, 2], memberships={"x": [1, 0, 1]})
    with pytest.raises(ValueError, match="`rate` among"):
        equality_difference([0, 1], [0, 1], memberships={"x": [1, 0]}, rate="fpr")


def test_difference_of_three_classes_raises():
    with pytest.raises(ValueError, match="two classes"):
        equality_difference([0, 1, 2], [0, 2, 1], memberships={"a": [1, 1, 0]})


def test_difference_without_any_defined_rate_is_undefined():
    with pytest.warns(UndefinedRateWarning, match="left out"):
        value = equality_difference([1, 1], [0, 1], memberships={"a": [1, 0]})
    assert np.isnan(value)


def test_score_that_is_missing_raises():
    with pytest.raises(ValueError, match="Got 1 NaN among 3"):
        identity_term_metrics([0, 1, 0], [0.1, np.nan, 0], memberships={"a": [1, 1, 0]})
