import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairsk.reductions import DeepFeatureReweightingClassifier


@pytest.fixture
def shortcut(rng):
    y = rng.integers(2, size=2000)
    group = np.where(rng.random(2000) < 0.95, y, 1 - y)
    X = np.column_stack([group, 0.3 * y]) + rng.normal(scale=0.15, size=(2000, 2))
    return X, y, group


def worst(clf, X, y, group):
    right = clf.predict(X) == y
    cells = 2 * group + y
    return min(right[cells == cell].mean() for cell in range(4))


def test_the_worst_group_gains(shortcut):
    X, y, group = shortcut
    plain = LogisticRegression().fit(X, y)
    clf = DeepFeatureReweightingClassifier(random_state=0)
    clf.fit(X, y, sensitive_features=group)
    assert worst(plain, X, y, group) < 0.25
    assert worst(clf, X, y, group) > 0.75


def test_one_draw_is_one_regression_on_balanced_rows(shortcut):
    X, y, group = shortcut
    cells = 2 * group + y
    size = np.bincount(cells).min()
    # Of each cell only so many rows: every draw takes them all.
    rows = np.sort(
        np.concatenate([np.flatnonzero(cells == c)[:size] for c in range(4)])
    )
    clf = DeepFeatureReweightingClassifier(n_draws=3, random_state=0)
    clf.fit(X[rows], y[rows], sensitive_features=group[rows])
    assert clf.cell_size_ == size
    scaled = StandardScaler().fit_transform(X[rows])
    expected = LogisticRegression(max_iter=1000).fit(scaled, y[rows])
    np.testing.assert_allclose(clf.coef_, expected.coef_)
    np.testing.assert_allclose(
        clf.predict_proba(X[rows]), expected.predict_proba(scaled)
    )


def test_the_model_never_sees_the_rows_of_the_head(shortcut):
    X, y, group = shortcut
    seen = []

    def record(rows):
        seen.append(len(rows))
        return rows

    model = PCA(2)
    clf = DeepFeatureReweightingClassifier(model, reweighting_fraction=0.25)
    clf.fit(X, y, sensitive_features=group)
    assert clf.encoder_.n_samples_ == pytest.approx(1500, abs=2)
    frozen = FrozenEstimator(FunctionTransformer(record).fit(X))
    seen.clear()
    DeepFeatureReweightingClassifier(frozen).fit(X, y, sensitive_features=group)
    assert seen == [2000]


def test_three_classes_and_a_rare_cell(rng):
    X = rng.normal(size=(90, 3))
    y = X.argmax(axis=1)
    group = np.array(["a"] * 89 + ["b"])
    clf = DeepFeatureReweightingClassifier(random_state=0)
    clf.fit(X, y, sensitive_features=group)
    assert clf.cell_size_ == 1
    probability = clf.predict_proba(X)
    assert probability.shape == (90, 3)
    np.testing.assert_allclose(probability.sum(axis=1), 1)


def test_head_without_coefficients_raises(shortcut):
    X, y, group = shortcut
    clf = DeepFeatureReweightingClassifier(head=DecisionTreeClassifier())
    with pytest.raises(ValueError, match=r"linear head.*DecisionTreeClassifier"):
        clf.fit(X, y, sensitive_features=group)


def test_one_class_raises(rng):
    X = rng.normal(size=(9, 2))
    with pytest.raises(ValueError, match="at least 2 classes"):
        DeepFeatureReweightingClassifier().fit(
            X, np.ones(9), sensitive_features=["a"] * 4 + ["b"] * 5
        )
