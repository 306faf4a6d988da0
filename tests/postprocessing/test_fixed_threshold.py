import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.postprocessing import FixedThresholdClassifier


@pytest.fixture
def data():
    return make_biased_classification(600, n_groups=3, random_state=0)


def test_each_group_is_cut_at_its_threshold(data):
    X, y, group = data
    cuts = {0: 0.3, 1: 0.5, 2: 0.8}
    model = FixedThresholdClassifier(LogisticRegression(), thresholds=cuts)
    model.fit(X, y, sensitive_features=group)
    score = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    expected = (score >= np.array([cuts[g] for g in group])).astype(int)
    np.testing.assert_array_equal(model.predict(X, sensitive_features=group), expected)
    probability = model.predict_proba(X, sensitive_features=group)[:, 1]
    np.testing.assert_allclose(probability, score)


def test_prefit_estimator_is_taken_as_it_is(data):
    X, y, group = data
    base = LogisticRegression().fit(X, y)
    model = FixedThresholdClassifier(base, prefit=True, thresholds=0.5)
    model.fit(X, y, sensitive_features=group)
    assert model.estimator_ is base
    unseen = np.full(len(X), 7)
    with pytest.raises(ValueError, match="unseen group"):
        model.predict(X, sensitive_features=unseen)
    model.set_params(default_threshold=0.5).fit(X, y, sensitive_features=group)
    np.testing.assert_array_equal(
        model.predict(X, sensitive_features=unseen), base.predict(X)
    )


def test_group_without_threshold_raises_unless_there_is_a_default(data):
    X, y, group = data
    model = FixedThresholdClassifier(LogisticRegression(), thresholds={0: 0.3})
    with pytest.raises(ValueError, match=r"Got none for \[1, 2\]"):
        model.fit(X, y, sensitive_features=group)
    model.set_params(default_threshold=0.9).fit(X, y, sensitive_features=group)
    assert model.predict(X, sensitive_features=np.full(len(X), None)).mean() < 0.5
    model.set_params(thresholds={0: 0.3, 1: 0.4, 2: 0.5}, default_threshold=None)
    model.fit(X, y, sensitive_features=group)
    with pytest.raises(ValueError, match="unseen group"):
        model.predict(X, sensitive_features=np.full(len(X), 9))


def test_groups_that_only_the_thresholds_name_may_come_later(data):
    X, y, _ = data
    thresholds = {"a": 0.0, "b": 1.1}
    model = FixedThresholdClassifier(LogisticRegression(), thresholds=thresholds)
    with pytest.warns(UserWarning, match="two groups"):
        model.fit(X, y, sensitive_features=np.full(len(X), "a"))
    y_pred = model.predict(X[:2], sensitive_features=["a", "b"])
    np.testing.assert_array_equal(y_pred, [1, 0])
