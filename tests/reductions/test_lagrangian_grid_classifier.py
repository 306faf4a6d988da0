import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.definitions import DEFINITIONS, group_counts
from fairsk.reductions import LagrangianGridClassifier

LINEAR = [name for name, known in DEFINITIONS.items() if known.is_linear]


@pytest.mark.parametrize("fairness", LINEAR)
@pytest.mark.parametrize("n_groups", [2, 10])
def test_the_chosen_fit_is_fairer_than_the_plain_one(fairness, n_groups):
    X, y, group = make_biased_classification(
        5000, n_groups=n_groups, base_rate_gap=0.4, random_state=0
    )
    model = LagrangianGridClassifier(
        LogisticRegression(), fairness=fairness, tolerance=0.1
    )
    model.fit(X, y, sensitive_features=group)
    gaps = np.max(list(model.disparities_.values()), axis=0)
    assert gaps[model.best_index_] <= max(0.1, 0.75 * gaps[0])
    counts = group_counts(group, y, model.predict(X), n_groups=n_groups, n_classes=2)
    measured = DEFINITIONS[fairness].disparity(counts)
    assert measured == pytest.approx(gaps[model.best_index_])


def test_it_is_the_least_error_among_those_within_the_tolerance():
    X, y, group = make_biased_classification(random_state=0)
    model = LagrangianGridClassifier(LogisticRegression(), n_multipliers=30)
    model.fit(X, y, sensitive_features=group)
    kept = model.disparities_["selection_rate"] <= 0.05
    assert model.errors_[model.best_index_] == model.errors_[kept].min()


def test_a_tolerance_out_of_reach_takes_the_fairest_and_warns():
    X, y, group = make_biased_classification(n_groups=5, random_state=0)
    model = LagrangianGridClassifier(
        LogisticRegression(), n_multipliers=2, multiplier_limit=0.1, tolerance=0.0
    )
    with pytest.warns(UserWarning, match="The fairest of 3 exceeds it by"):
        model.fit(X, y, sensitive_features=group)


def test_probabilities_stand_under_the_labels():
    X, y, group = make_biased_classification(random_state=0)
    labels = np.array(["b", "a"])[y]
    model = LagrangianGridClassifier(LogisticRegression())
    model.fit(X, labels, sensitive_features=group)
    best = model.classes_[model.predict_proba(X).argmax(axis=1)]
    np.testing.assert_array_equal(best, model.predict(X))
