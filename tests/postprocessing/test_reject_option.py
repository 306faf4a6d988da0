import itertools

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.postprocessing import RejectOptionClassifier


@pytest.fixture
def data():
    return make_biased_classification(1500, n_groups=3, random_state=0)


def _fit(data, **params):
    X, y, group = data
    base = LogisticRegression().fit(X, y)
    model = RejectOptionClassifier(base, cv="prefit", **params)
    return model.fit(X, y, sensitive_features=group), base


@pytest.mark.parametrize("fairness", sorted(DEFINITIONS))
def test_margin_and_cut_are_the_best_of_all_pairs(data, fairness):
    X, y, group = data
    model, base = _fit(data, fairness=fairness, tolerance=0.1, n_margins=8, n_cuts=9)
    score = base.predict_proba(X)[:, 1]
    favoured = np.isin(group, model.disadvantaged_)
    best, closest = -np.inf, np.inf
    cuts = np.append(np.linspace(0.01, 0.99, 9), 0.5)
    for cut, margin in itertools.product(cuts, np.linspace(0, 0.5, 8)):
        if margin > min(cut, 1 - cut):
            continue
        y_pred = score > cut
        near = np.abs(score - cut) <= margin
        y_pred = np.where(near, favoured, y_pred).astype(int)
        counts = group_counts(group, y, y_pred, n_groups=3, n_classes=2)
        gap = DEFINITIONS[fairness].disparity(counts)
        closest = min(closest, gap)
        if gap <= 0.1:
            best = max(best, np.mean(y_pred == y))
    if best > -np.inf:
        assert model.objective_value_ == pytest.approx(best)
    else:
        assert model.disparity_ == pytest.approx(closest)


def test_predictions_have_the_reported_disparity(data):
    X, y, group = data
    model, _ = _fit(data, tolerance=0.05)
    y_pred = model.predict(X, sensitive_features=group)
    counts = group_counts(group, y, y_pred, n_groups=3, n_classes=2)
    reached = DEFINITIONS["demographic_parity"].disparity(counts)
    assert reached == pytest.approx(model.disparity_)
    assert np.mean(y_pred == y) == pytest.approx(model.objective_value_)
    near = model.is_rejected(X)
    favoured = np.isin(group, model.disadvantaged_)
    np.testing.assert_array_equal(y_pred[near], favoured[near])


def test_abstaining_form_returns_the_rejected_rows(data):
    X, _, group = data
    model, base = _fit(data, tolerance=0.05, abstain=True, abstain_label="ask")
    y_pred = model.predict(X, sensitive_features=group)
    near = model.is_rejected(X)
    assert near.any()
    assert (y_pred[near] == "ask").all()
    expected = base.predict_proba(X)[~near, 1] > model.cut_
    np.testing.assert_array_equal(y_pred[~near].astype(int), expected)


def test_disadvantaged_groups_can_be_named(data):
    model, _ = _fit(data, disadvantaged=[1], tolerance=1.0)
    assert model.disadvantaged_ == [1]
    with pytest.raises(ValueError, match="name groups of fit"):
        _fit(data, disadvantaged=["x"])
