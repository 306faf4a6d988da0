import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import ShuffleSplit
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from fairsk.reductions import JustTrainTwiceClassifier


@pytest.fixture
def shortcut(rng):
    """A feature that gives away nine labels of ten, and one that gives away all."""
    y = rng.integers(2, size=1000)
    agrees = rng.random(1000) < 0.9
    easy = np.where(agrees, y, 1 - y) + rng.normal(scale=0.05, size=1000)
    hard = 0.3 * y + rng.normal(scale=0.1, size=1000)
    return np.column_stack([easy, hard]), y, agrees


def test_it_is_two_fits_by_hand(shortcut):
    X, y, _ = shortcut
    clf = JustTrainTwiceClassifier(
        LogisticRegression(), upweight=7.0, first_params={"C": 0.01}
    )
    clf.fit(X, y)
    errors = LogisticRegression(C=0.01).fit(X, y).predict(X) != y
    second = LogisticRegression().fit(X, y, np.where(errors, 7.0, 1.0))
    np.testing.assert_array_equal(clf.error_mask_, errors)
    np.testing.assert_allclose(clf.predict_proba(X), second.predict_proba(X))
    assert clf.estimator.C == 1


def test_the_worst_group_gains(shortcut):
    X, y, agrees = shortcut
    model = LogisticRegression(C=0.1)
    twice = JustTrainTwiceClassifier(model, upweight=9.0).fit(X, y)
    plain = model.fit(X, y)
    worst = [np.mean(m.predict(X) == y, where=~agrees) for m in (plain, twice)]
    assert worst[0] < 0.1
    assert worst[1] > 0.5


def test_errors_of_a_model_that_learns_by_heart_come_from_folds(shortcut):
    X, y, _ = shortcut
    tree = DecisionTreeClassifier(random_state=0)
    assert not JustTrainTwiceClassifier(tree).fit(X, y).error_mask_.any()
    folds = JustTrainTwiceClassifier(tree, cv=3).fit(X, y)
    assert 0.01 < folds.error_mask_.mean() < 0.3


def test_the_last_step_of_a_pipeline_gets_the_weights(shortcut):
    X, y, _ = shortcut
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    clf = JustTrainTwiceClassifier(pipe, first_params={"logisticregression__C": 1e-3})
    assert clf.fit(X, y).error_mask_.any()


def test_an_estimator_without_weights_raises(shortcut):
    X, y, _ = shortcut
    with pytest.raises(ValueError, match="sample_weight"):
        JustTrainTwiceClassifier(KNeighborsClassifier()).fit(X, y)


def test_an_estimator_that_ignores_weights_raises(shortcut):
    class Deaf(LogisticRegression):
        def fit(self, X, y, sample_weight=None):
            return super().fit(X, y)

    X, y, _ = shortcut
    with pytest.raises(ValueError, match="heeds `sample_weight`"):
        JustTrainTwiceClassifier(Deaf()).fit(X, y)


def test_folds_that_leave_rows_out_raise_with_their_number(shortcut):
    X, y, _ = shortcut
    folds = ShuffleSplit(1, test_size=0.25, random_state=0)
    with pytest.raises(ValueError, match="Got 750 rows that are never held out and 0"):
        JustTrainTwiceClassifier(LogisticRegression(), cv=folds).fit(X, y)


def test_texts_reach_the_estimator_as_they_are():
    class Words(LogisticRegression):
        def _count(self, X):
            return np.array([[len(text)] for text in X])

        def fit(self, X, y, sample_weight=None):
            return super().fit(self._count(X), y, sample_weight)

        def predict_proba(self, X):
            return super().predict_proba(self._count(X))

        def predict(self, X):
            return super().predict(self._count(X))

    texts = ["a", "bb", "ccccc", "dddddd"] * 5
    y = [0, 0, 1, 1] * 5
    clf = JustTrainTwiceClassifier(Words()).fit(texts, y)
    assert list(clf.predict(texts)) == y
    assert not hasattr(clf, "n_features_in_")
