"""Normalised scores against ranks and quantiles counted by hand."""

import numpy as np
import pytest
from scipy.stats import ks_2samp, rankdata
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.postprocessing import GroupQuantileNormalizer


class Scores(ClassifierMixin, BaseEstimator):
    """Ready scores: the first column of X."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def decision_function(self, X):
        return np.asarray(X)[:, 0]

    def predict(self, X):
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


@pytest.fixture(name="scored")
def fixture_scored(rng):
    group = np.repeat(["a", "b"], 1000)
    score = rng.normal(size=2000) * np.where(group == "a", 1, 3) + (group == "a")
    y = (score + rng.normal(size=2000) > 0).astype(int)
    return score[:, None], y, group


def prefit(scored, **params):
    X, y, group = scored
    model = GroupQuantileNormalizer(Scores().fit(X, y), cv="prefit", **params)
    return model.fit(X, y, sensitive_features=group)


def test_ranks_are_those_within_the_group(scored):
    X, _, group = scored
    model = prefit(scored, scale="rank")
    rank = model.score_samples(X, sensitive_features=group)
    for g in "ab":
        own = group == g
        np.testing.assert_allclose(rank[own], (rankdata(X[own, 0]) - 0.5) / 1000)


def test_barycentre_is_the_mean_of_the_groups_in_order(scored):
    X, _, group = scored
    new = prefit(scored).score_samples(X, sensitive_features=group)
    in_order = [np.sort(X[group == g, 0]) for g in "ab"]
    for g in "ab":
        np.testing.assert_allclose(np.sort(new[group == g]), np.mean(in_order, axis=0))


@pytest.mark.parametrize("scale", ["barycenter", "overall", "rank"])
def test_groups_are_distributed_alike_and_keep_their_order(scored, scale):
    X, _, group = scored
    model = prefit(scored, scale=scale)
    new = model.score_samples(X, sensitive_features=group)
    first, second = group == "a", group == "b"
    assert ks_2samp(new[first], new[second]).statistic < 1e-2
    for own in (first, second):
        np.testing.assert_array_equal(np.argsort(new[own]), np.argsort(X[own, 0]))
    y_pred = model.predict(X, sensitive_features=group)
    assert abs(y_pred[first].mean() - y_pred[second].mean()) < 5e-3
    margin = model.decision_function(X, sensitive_features=group)
    np.testing.assert_array_equal(margin > 0, y_pred == 1)


def test_overall_scale_keeps_the_distribution_of_everybody(scored):
    X, _, group = scored
    new = prefit(scored, scale="overall").score_samples(X, sensitive_features=group)
    assert ks_2samp(new, X[:, 0], method="asymp").statistic < 2e-3


def test_rank_scale_selects_as_many_as_the_model(scored):
    X, _, group = scored
    model = prefit(scored, scale="rank")
    selected = model.predict(X, sensitive_features=group).mean()
    assert selected == pytest.approx(np.mean(X[:, 0] > 0), abs=1e-3)


def test_alpha_is_the_way_back_to_the_scores(scored):
    X, _, group = scored
    full, half, none = (
        prefit(scored, alpha=alpha).score_samples(X, sensitive_features=group)
        for alpha in (0.0, 0.5, 1.0)
    )
    np.testing.assert_allclose(none, X[:, 0])
    np.testing.assert_allclose(half, (full + none) / 2)


def test_first_class_may_be_the_positive_one(scored):
    X, _, group = scored
    first, second = (prefit(scored, pos_label=label) for label in (0, 1))
    np.testing.assert_allclose(
        first.score_samples(X, sensitive_features=group),
        -second.score_samples(X, sensitive_features=group),
        atol=1e-12,
    )
    np.testing.assert_array_equal(
        first.predict(X, sensitive_features=group),
        second.predict(X, sensitive_features=group),
    )


def test_out_of_fold_scores_hold_on_new_rows():
    X, y, group = make_biased_classification(8000, random_state=0)
    model = GroupQuantileNormalizer(LogisticRegression(), random_state=0)
    model.fit(X[:4000], y[:4000], sensitive_features=group[:4000])
    new, fresh = X[4000:], group[4000:]
    y_pred = model.predict(new, sensitive_features=fresh)
    plain = model.estimator_.predict(new)
    labels = np.unique(fresh)
    before, after = (
        np.ptp([decided[fresh == label].mean() for label in labels])
        for decided in (plain, y_pred)
    )
    assert after < 0.04 < before
