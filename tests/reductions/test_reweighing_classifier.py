import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fairsk.datasets import make_biased_classification
from fairsk.reductions import ReweighingClassifier, compute_fairness_weight
from fairsk.utils._cells import WEIGHT_TARGETS


@pytest.fixture
def biased():
    return make_biased_classification(400, n_groups=3, random_state=0)


@pytest.mark.parametrize("strategy", WEIGHT_TARGETS)
def test_it_is_the_classifier_fitted_with_the_weights(biased, strategy):
    X, y, group = biased
    w = np.arange(len(y)) % 3 + 1.0
    weight = compute_fairness_weight(y, group, strategy=strategy, sample_weight=w)
    plain = LogisticRegression().fit(X, y, sample_weight=weight)
    model = ReweighingClassifier(LogisticRegression(), strategy=strategy)
    model.fit(X, y, sensitive_features=group, sample_weight=w)
    np.testing.assert_array_equal(model.estimator_.coef_, plain.coef_)
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(
        model.decision_function(X), plain.decision_function(X)
    )
    np.testing.assert_array_equal(
        model.predict_log_proba(X), plain.predict_log_proba(X)
    )


@pytest.mark.parametrize("routing", [False, True])
def test_the_last_step_of_a_pipeline_gets_the_weights(biased, routing):
    X, y, group = biased
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    with sklearn.config_context(enable_metadata_routing=routing):
        model = ReweighingClassifier(pipeline).fit(X, y, sensitive_features=group)
    weight = compute_fairness_weight(y, group)
    Z = StandardScaler().fit_transform(X)
    plain = LogisticRegression().fit(Z, y, sample_weight=weight)
    np.testing.assert_array_equal(model.estimator_[-1].coef_, plain.coef_)


def test_routing_hands_over_the_groups_without_requests(biased):
    X, y, group = biased
    with sklearn.config_context(enable_metadata_routing=True):
        scores = sklearn.model_selection.cross_val_score(
            ReweighingClassifier(LogisticRegression()),
            X,
            y,
            params={"sensitive_features": group},
            error_score="raise",
        )
    assert scores.mean() > 0.6


def test_string_labels_and_frames_pass_through(biased):
    X, y, group = biased
    frame = pd.DataFrame(X).add_prefix("x").assign(group=group)
    labels = np.where(y == 1, "yes", "no")
    model = ReweighingClassifier(LogisticRegression(), group_by="group")
    model.fit(frame, labels)
    assert model.classes_.tolist() == ["no", "yes"]
    assert set(model.predict(frame)) == {"no", "yes"}
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


def test_methods_are_those_of_the_estimator():
    model = ReweighingClassifier(LogisticRegression())
    assert hasattr(model, "decision_function")
    assert not hasattr(ReweighingClassifier(sklearn.svm.LinearSVC()), "predict_proba")


def test_an_estimator_without_weights_raises(biased):
    X, y, group = biased
    with pytest.raises(ValueError, match="whose fit takes `sample_weight`"):
        ReweighingClassifier(KNeighborsClassifier()).fit(X, y, sensitive_features=group)
