"""The refit rule against brute force over the candidates, and in real searches."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
)

from fairsk.model_selection import best_within

GAP = "neg_demographic_parity_difference"


def loop_excess(value, low, high):
    parts = [np.inf] if np.isnan(value) else []
    if low is not None:
        parts.append(low - value)
    if high is not None:
        parts.append(value - high)
    return max(parts)


def loop_rule(folds, limits, one_standard_error=False, margin=0.0):
    """Choose as the documentation says, one candidate at a time."""

    def mean(key, c):
        return np.mean(folds[key][:, c])

    def error(key, c):
        return np.std(folds[key][:, c], ddof=1) / np.sqrt(len(folds[key]))

    def outside(c):
        parts = [
            loop_excess(value(mean(key, c)), low, high)
            + (margin * error(key, c) if margin else 0)
            for key, value, low, high in limits
        ]
        return np.inf if np.isnan(parts).any() else max(parts)

    def fairest(candidates):
        return min(candidates, key=lambda c: (outside(c), -mean("accuracy", c), c))

    everyone = range(folds["accuracy"].shape[1])
    scored = [c for c in everyone if not np.isnan(mean("accuracy", c))]
    within = [c for c in scored if outside(c) <= 0]
    if not within:
        return fairest(scored), False
    best = min(within, key=lambda c: (-mean("accuracy", c), outside(c), c))
    if one_standard_error:
        lowest = mean("accuracy", best) - error("accuracy", best)
        best = fairest([c for c in within if mean("accuracy", c) >= lowest])
    return best, True


@st.composite
def searches(draw):
    """Scores of each fold and candidate, coarse so that ties happen."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(2, 5)), draw(st.integers(1, 8))
    folds = {
        "accuracy": rng.integers(6, 10, size=shape) / 10,
        GAP: -rng.integers(0, 5, size=shape) / 10,
        "equalized_odds_ratio": rng.integers(0, 11, size=shape) / 10,
    }
    for values in folds.values():
        if draw(st.booleans()):
            values[rng.random(shape) < 0.1] = np.nan
    # A search without any score raises before it asks the rule.
    folds["accuracy"][:, 0] = 0.5
    return folds


def as_cv_results(folds):
    results = {"params": [{"C": c} for c in range(folds["accuracy"].shape[1])]}
    for key, values in folds.items():
        for fold, row in enumerate(values):
            results[f"split{fold}_test_{key}"] = row
        results[f"mean_test_{key}"] = values.mean(axis=0)
        results[f"std_test_{key}"] = values.std(axis=0)
    return results


@given(
    folds=searches(),
    ceiling=st.sampled_from([0.0, 0.1, 0.2, 0.3]),
    floor=st.sampled_from([None, 0.2, 0.8]),
    prefix=st.sampled_from(["", "neg_"]),
    one_standard_error=st.booleans(),
    margin=st.sampled_from([0.0, 1.0]),
)
def test_choice_matches_a_loop_over_the_candidates(
    folds, ceiling, floor, prefix, one_standard_error, margin
):
    limits = {f"{prefix}demographic_parity_difference": ceiling}
    expected = [(GAP, abs, None, ceiling)]
    if floor is not None:
        limits["equalized_odds_ratio"] = floor
        expected.append(("equalized_odds_ratio", abs, floor, None))
    rule = best_within(
        "accuracy", limits, one_standard_error=one_standard_error, margin=margin
    )
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        chosen = rule(as_cv_results(folds))
    index, kept = loop_rule(folds, expected, one_standard_error, margin)
    assert chosen == index
    assert isinstance(chosen, int)
    assert len(record) == (0 if kept else 1)


@given(
    folds=searches(),
    low=st.sampled_from([None, 0.1, 0.2]),
    high=st.sampled_from([0.2, 0.3]),
)
def test_pairs_limit_the_value_as_it_is_named(folds, low, high):
    limits = {"demographic_parity_difference": (low, high), "accuracy": (0.7, None)}
    expected = [(GAP, lambda v: -v, low, high), ("accuracy", float, 0.7, None)]
    negated = {GAP: (-high, None if low is None else -low), "accuracy": [0.7, None]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = best_within("accuracy", limits)(as_cv_results(folds))
        again = best_within("accuracy", negated)(as_cv_results(folds))
    assert chosen == again == loop_rule(folds, expected)[0]


RESULTS = {
    "mean_test_accuracy": np.array([0.9, 0.8, 0.7]),
    f"mean_test_{GAP}": np.array([-0.2, -0.08, -0.1]),
    "params": [{"C": 1}, {"C": 2}, {"C": 3}],
}


def test_broken_limit_warns_by_how_much():
    rule = best_within("accuracy", {"demographic_parity_difference": 0.05})
    with pytest.warns(UserWarning, match="demographic_parity_difference by 0.03") as r:
        assert rule(RESULTS) == 1
    assert "candidate 1 {'C': 2}" in str(r[0].message)


def test_undefined_disparity_is_said_to_be_undefined():
    results = {**RESULTS, f"mean_test_{GAP}": np.full(3, np.nan)}
    rule = best_within("accuracy", {"demographic_parity_difference": 0.05})
    with pytest.warns(UserWarning, match="which is NaN"):
        assert rule(results) == 0


def test_unknown_scorer_lists_the_known_ones():
    known = r"\['accuracy', 'neg_demographic_parity_difference'\]"
    rule = best_within("accuracy", {"equalized_odds_difference": 0.05})
    with pytest.raises(ValueError, match=f"'equalized_odds_difference'.*{known}"):
        rule(RESULTS)
    rule = best_within("precision", {"demographic_parity_difference": 1})
    with pytest.raises(ValueError, match=f"the scorer 'precision'.*{known}"):
        rule(RESULTS)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({}, "dict of scorer key"),
        (0.05, "dict of scorer key"),
        ({"accuracy": 0.8}, "floor or a ceiling"),
        ({"a_difference": -0.05}, "without the sign"),
        ({"a_difference": "0.05"}, "a number or a pair"),
        ({"a_difference": float("nan")}, "a number or a pair"),
        ({"accuracy": (None, None)}, "a pair"),
        ({"accuracy": (0.1, 0.2, 0.3)}, "a pair"),
        ({"accuracy": (0.3, 0.2)}, "low <= high"),
    ],
)
def test_unclear_limits_raise(limits, message):
    with pytest.raises(ValueError, match=message):
        best_within("accuracy", limits)


def test_negative_margin_raises():
    with pytest.raises(ValueError, match="`margin` of at least 0"):
        best_within("accuracy", {"a_difference": 0.1}, margin=-1)


def test_standard_error_needs_two_folds():
    rule = best_within("accuracy", {"demographic_parity_difference": 1}, margin=1)
    with pytest.raises(ValueError, match="at least 2 folds"):
        rule(RESULTS)


def test_no_score_at_all_raises():
    results = {**RESULTS, "mean_test_accuracy": np.full(3, np.nan)}
    rule = best_within("accuracy", {"demographic_parity_difference": 1})
    with pytest.raises(ValueError, match="NaN for all"):
        rule(results)


def test_only_the_last_iteration_of_successive_halving_counts():
    rule = best_within("accuracy", {"demographic_parity_difference": 0.3})
    assert rule({**RESULTS, "iter": [0, 1, 1]}) == 1


def gap(y_true, y_pred):
    """Stands for a group-aware metric: the group is the label."""
    return abs(y_pred[y_true == 1].mean() - y_pred[y_true == 0].mean())


@pytest.fixture
def problem():
    return make_classification(300, n_informative=3, flip_y=0.2, random_state=0)


def test_search_refits_the_choice(problem):
    rule = best_within("accuracy", {"gap_difference": 0.25})
    search = GridSearchCV(
        LogisticRegression(),
        {"C": np.logspace(-4, 1, 8)},
        scoring={
            "accuracy": make_scorer(accuracy_score),
            "neg_gap_difference": make_scorer(gap, greater_is_better=False),
        },
        refit=rule,
    )
    search = clone(search).fit(*problem)
    results = search.cv_results_
    within = np.flatnonzero(results["mean_test_neg_gap_difference"] >= -0.25)
    best = within[np.argmax(results["mean_test_accuracy"][within])]
    assert 0 < len(within) < 8
    assert search.best_index_ == best
    assert results["params"][best]["C"] == search.best_estimator_.C
    assert pickle.loads(pickle.dumps(rule)) == rule
    assert pickle.loads(pickle.dumps(search)).best_index_ == best


def test_random_search_with_its_only_scorer(problem):
    search = RandomizedSearchCV(
        LogisticRegression(),
        {"C": np.logspace(-4, 1, 8)},
        n_iter=5,
        random_state=0,
        refit=best_within("score", {"score": (0.0, 1.0)}),
    ).fit(*problem)
    assert search.best_index_ == np.argmax(search.cv_results_["mean_test_score"])


def test_rule_reads_the_results_of_successive_halving(problem):
    search = HalvingGridSearchCV(
        LogisticRegression(), {"C": np.logspace(-4, 1, 8)}, random_state=0
    ).fit(*problem)
    chosen = best_within("score", {"score": (0.0, None)})(search.cv_results_)
    assert search.cv_results_["iter"][chosen] == search.cv_results_["iter"].max()
    assert search.cv_results_["mean_test_score"][chosen] == search.best_score_
