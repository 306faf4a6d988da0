"""The parameter `fairness` of the networks: names, instances, lists."""

import numpy as np
import pytest
from sklearn.base import clone

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS
from fairsk.inprocessing import FairMLPClassifier
from fairsk.metrics import demographic_parity_difference
from fairsk.penalties import (
    PENALTIES,
    EachFeaturePenalty,
    HSICPenalty,
    MemoryPenalty,
)


@pytest.fixture(scope="module")
def data():
    return make_biased_classification(1000, base_rate_gap=0.5, random_state=0)


def make(**params):
    return FairMLPClassifier(
        16, max_iter=15, learning_rate_init=0.02, random_state=0, **params
    )


def score_gap(clf, X, group):
    score = clf.predict_proba(X)[:, 1]
    return abs(score[group == 0].mean() - score[group == 1].mean())


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        ("covariance", 20),
        ("distance_correlation", 10),
        ("hsic", 100),
        ("mmd", 10),
        ("mutual_information", 50),
        ("wasserstein", 5),
    ],
)
def test_every_independence_penalty_narrows_the_gap(data, name, weight):
    X, y, group = data
    plain = make(fairness_weight=0).fit(X, y, sensitive_features=group)
    fair = make(fairness=name, fairness_weight=weight)
    fair.fit(X, y, sensitive_features=group)
    assert score_gap(fair, X, group) < 0.4 * score_gap(plain, X, group)


@pytest.mark.parametrize("name", sorted({*PENALTIES, *DEFINITIONS}))
def test_every_name_trains_and_clones(data, name):
    X, y, group = data
    clf = clone(make(fairness=name)).set_params(max_iter=2)
    clf.fit(X, y, sensitive_features=group)
    assert np.isfinite(clf.net_.history[-1]["penalty"])


def test_instances_and_lists_are_left_as_they_were(data):
    X, y, group = data
    memory = MemoryPenalty("wasserstein")
    clf = make(fairness=[memory, ("hsic", 5.0), HSICPenalty(0.5)])
    clf = clone(clf).fit(X, y, sensitive_features=group)
    assert len(clf.fairness[0]._memory) == 0
    assert len(clf.net_.criterion_.penalty.penalties[0]._memory) == 7
    again = clone(clf).fit(X, y, sensitive_features=group)
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


def test_each_feature_penalty_learns_the_features_from_fit(data):
    X, y, group = data
    other = np.arange(len(y)) % 3
    clf = make(fairness=EachFeaturePenalty(), fairness_weight=2.0)
    clf.fit(X, y, sensitive_features={"a": group, "b": other})
    gap = demographic_parity_difference(y, clf.predict(X), sensitive_features=group)
    assert gap < 0.15


def test_unknown_penalty_lists_the_known_ones(data):
    X, y, group = data
    with pytest.raises(ValueError, match=r"'fairness' parameter.*'hsic'"):
        make(fairness="hsicc").fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match="Did you mean 'hsic'"):
        make(fairness=["hsicc"]).fit(X, y, sensitive_features=group)
