import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.tree import DecisionTreeClassifier

from fairsk.preprocessing import NullspaceProjector


@pytest.fixture
def grouped(rng):
    group = rng.integers(3, size=900)
    return rng.normal(size=(900, 6)) + 2 * rng.normal(size=(3, 6))[group], group


def test_it_is_an_orthogonal_projection(grouped):
    X, group = grouped
    projector = NullspaceProjector(tol=0.05).fit(X, sensitive_features=group)
    once = projector.transform(X)
    np.testing.assert_allclose(projector.transform(once), once, atol=1e-10)
    moved = X - once
    np.testing.assert_allclose((moved * (once - X.mean(0))).sum(1), 0, atol=1e-9)
    assert np.linalg.matrix_rank(moved) == projector.rank_


def test_the_last_classifier_is_no_better_than_chance(grouped):
    X, group = grouped
    out = NullspaceProjector(tol=0.05).fit(X, sensitive_features=group).transform(X)
    again = NullspaceProjector(tol=0.05).fit(out, sensitive_features=group)
    assert again.rank_ == 0
    assert again.n_iter_ == 1


def test_running_out_of_classifiers_warns(grouped):
    X, group = grouped
    with pytest.warns(ConvergenceWarning, match="balanced accuracy"):
        NullspaceProjector(max_iter=1, tol=0.0).fit(X, sensitive_features=group)


def test_a_classifier_that_is_not_linear_raises(grouped):
    X, group = grouped
    with pytest.raises(ValueError, match="linear classifier with `coef_`"):
        NullspaceProjector(DecisionTreeClassifier()).fit(X, sensitive_features=group)
