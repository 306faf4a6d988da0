import numpy as np
import pytest
from scipy.optimize import approx_fprime
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

from fairsk.datasets import make_biased_classification
from fairsk.groups import Groups
from fairsk.preprocessing import FairRepresentation
from fairsk.preprocessing._fair_representation import _Problem


@pytest.fixture
def biased():
    X, y, group = make_biased_classification(500, proxy_strength=3.0, random_state=0)
    return StandardScaler().fit_transform(X), y, group


def test_the_gradient_is_that_of_finite_differences(rng):
    X, y = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    groups = Groups.from_columns(rng.integers(3, size=40))
    weight = rng.uniform(1, 2, size=40)
    problem = _Problem(X, y, groups, weight, (4, 3), (0.7, 1.3, 2.1))
    start = problem.start(np.random.RandomState(0))
    numeric = approx_fprime(start, lambda vector: problem(vector)[0], 1e-7)
    np.testing.assert_allclose(problem(start)[1], numeric, atol=1e-5)


def test_the_loss_is_the_formula_of_the_docstring(biased):
    X, y, group = biased
    learner = FairRepresentation(4, random_state=0, max_iter=30)
    M = learner.fit(X, y, sensitive_features=group).transform(X)
    distance = ((X[:, None] - learner.prototypes_) ** 2 * learner.feature_weight_).sum(
        2
    )
    expected = np.exp(-distance) / np.exp(-distance).sum(1, keepdims=True)
    np.testing.assert_allclose(M, expected)
    miss = ((X - M @ learner.prototypes_) ** 2).sum(1).mean()
    cross_entropy = log_loss(y, M @ learner.prototype_labels_)
    gap = np.abs(M[group == 0].mean(0) - M[group == 1].mean(0)).mean()
    loss = 0.01 * miss + cross_entropy + 50 * gap
    assert learner.loss_ == pytest.approx(loss, abs=50 * 1e-4)


def test_groups_use_the_prototypes_alike_when_it_is_asked(biased):
    X, y, group = biased
    gaps = []
    for fairness_weight in (0.0, 50.0):
        learner = FairRepresentation(5, fairness_weight=fairness_weight, random_state=0)
        M = learner.fit(X, y, sensitive_features=group).transform(X)
        gaps.append(np.abs(M[group == 0].mean(0) - M[group == 1].mean(0)).max())
    assert gaps[1] < 0.02 < gaps[0]


def test_labels_are_optional_and_names_are_given(biased):
    X, _, group = biased
    learner = FairRepresentation(3, random_state=0).fit(X, sensitive_features=group)
    assert not hasattr(learner, "prototype_labels_")
    assert learner.get_feature_names_out().tolist() == [
        f"fairrepresentation{k}" for k in range(3)
    ]
