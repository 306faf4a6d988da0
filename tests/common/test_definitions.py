"""Each definition x disparity gives one number to all that consume it.

tests/definitions/test_rates.py compares numpy with torch, loops and scikit-learn, and
gradients with finite differences; here are the consumers above it.
"""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from fairsk import metrics
from fairsk.definitions import DEFINITIONS, DISPARITIES, group_counts
from fairsk.penalties import DefinitionPenalty

every_definition = pytest.mark.parametrize("name", sorted(DEFINITIONS))
every_disparity = pytest.mark.parametrize("disparity", sorted(DISPARITIES))


@st.composite
def predictions(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(20, 60))
    n_groups = draw(st.integers(2, 4))
    groups = rng.integers(n_groups, size=n)
    # Every group has every cell, so that every rate is defined.
    cells = [(g, i, j) for g in range(n_groups) for i in (0, 1) for j in (0, 1)]
    sure = np.array(cells).T
    rows = np.array([groups, rng.integers(2, size=n), rng.integers(2, size=n)])
    return np.hstack([sure, rows])


@every_definition
@every_disparity
@given(rows=predictions())
@settings(max_examples=10)
def test_metric_and_penalty_equal_the_definition(name, disparity, rows):
    groups, y_true, y_pred = rows
    n_groups = groups.max() + 1
    counts = group_counts(groups, y_true, y_pred, n_groups=n_groups, n_classes=2)
    expected = float(DEFINITIONS[name].disparity(counts, disparity))
    value = metrics.fairness_disparity(
        y_true, y_pred, sensitive_features=groups, fairness=name, disparity=disparity
    )
    assert value == pytest.approx(expected)
    named = getattr(metrics, f"{name}_{disparity}", None)
    if named is not None:
        assert named(y_true, y_pred, sensitive_features=groups) == pytest.approx(value)
    penalty = DefinitionPenalty(name, disparity)
    hard = torch.as_tensor(np.eye(2)[y_pred])
    loss = penalty(
        hard, torch.as_tensor(y_true), torch.as_tensor(groups), n_groups=n_groups
    )
    greater_is_better = DISPARITIES[disparity].greater_is_better
    assert float(loss) == pytest.approx(1 - value if greater_is_better else value)


@every_definition
def test_every_definition_has_its_named_metrics(name):
    for disparity in ("difference", "ratio"):
        assert f"{name}_{disparity}" in metrics.__all__


@every_definition
def test_scorer_is_the_metric_with_its_sign(name):
    class Fixed(ClassifierMixin, BaseEstimator):
        classes_ = np.array([0, 1])

        def predict(self, X):
            return X[:, 0].astype(int)

    rng = np.random.default_rng(0)
    X, y = rng.integers(2, size=(80, 1)), rng.integers(2, size=80)
    groups = rng.integers(3, size=80)
    scorer = metrics.get_scorer(f"neg_{name}_difference")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score = scorer(Fixed(), X, y, sensitive_features=groups)
    metric = getattr(metrics, f"{name}_difference")
    assert score == pytest.approx(-metric(y, X[:, 0], sensitive_features=groups))
