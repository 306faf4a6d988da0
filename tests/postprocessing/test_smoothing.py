import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from benchmarks.score_methods import ReadyScores, as_features
from fairsk.postprocessing import ThresholdOptimizer
from fairsk.postprocessing._smoothing import smooth_labels


def _draw(rng, n, shares=(0.8, 0.2)):
    """Scores that are too low by half a unit of log-odds in the second group."""
    group = rng.choice(len(shares), size=n, p=shares)
    chance = expit(1.5 * rng.normal(size=n))
    score = expit(logit(chance) - 0.5 * group)
    return score, rng.random(n) < chance, group, chance


def test_smoothed_labels_are_a_penalised_logistic_regression(rng):
    score, positive, group, _ = _draw(rng, 300)
    chance = smooth_labels(score, positive, group, 2, None, is_probability=True)
    odds = logit(score)
    odds /= np.sqrt(np.mean(odds**2))
    own = np.eye(2)[group]
    # A prior of precision 0.01 is one of precision 1 on a feature of 10 times the size.
    common = 10 * np.column_stack([np.ones(300), odds, np.maximum(odds, 0)])
    features = np.column_stack([common, own, own * odds[:, None]])
    oracle = LogisticRegression(fit_intercept=False, tol=1e-10, max_iter=10_000)
    expected = oracle.fit(features, positive).predict_proba(features)[:, 1]
    np.testing.assert_allclose(chance, expected, atol=1e-4)


def test_many_rows_bring_each_group_to_its_own_curve(rng):
    score, positive, group, truth = _draw(rng, 50_000)
    chance = smooth_labels(score, positive, group, 2, None, is_probability=True)
    assert np.abs(chance - truth).max() < 0.05
    assert np.mean(np.abs(score - truth)[group == 1]) > 0.05


def test_smoothed_labels_take_weights_as_copies_and_any_group_names(rng):
    score, positive, group, _ = _draw(rng, 100)
    weight = rng.integers(1, 4, 100).astype(float)
    copies = np.repeat(np.arange(100), weight.astype(int))
    weighted = smooth_labels(score, positive, group, 2, weight, is_probability=True)
    copied = smooth_labels(
        score[copies], positive[copies], group[copies], 2, None, is_probability=True
    )
    np.testing.assert_allclose(weighted[copies], copied, rtol=1e-9)
    renamed = smooth_labels(score, positive, 1 - group, 2, weight, is_probability=True)
    np.testing.assert_allclose(renamed, weighted, rtol=1e-9)


@pytest.mark.parametrize("scores", [np.zeros(20), np.repeat([0.0, 1.0], 10)])
def test_constant_and_certain_scores_are_smoothed(scores):
    positive = np.arange(20) >= 10
    group = np.arange(20) % 2
    for is_probability in (True, False):
        chance = smooth_labels(
            scores, positive, group, 2, None, is_probability=is_probability
        )
        assert np.isfinite(chance).all()


def _fit(score, positive, group, fairness, **params):
    X = as_features(score)
    model = ThresholdOptimizer(
        ReadyScores().fit(X, positive),
        fairness=fairness,
        tolerance=0.02,
        cv="prefit",
        **params,
    )
    return model.fit(X, positive, sensitive_features=group)


@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
@pytest.mark.parametrize("randomize", [True, "auto"])
def test_tolerance_holds_for_the_expected_labels(rng, fairness, randomize):
    score, positive, group, _ = _draw(rng, 400)
    model = _fit(score, positive, group, fairness, randomize=randomize, smoothing=True)
    assert model.disparity_[fairness] <= 0.02 + 1e-9
    assert model.counts_.sum() == pytest.approx(400)


@pytest.mark.parametrize("fairness", ["demographic_parity", "equalized_odds"])
def test_smoothing_raises_the_true_accuracy_of_few_rows(fairness):
    rng = np.random.default_rng(0)
    score, _, group, truth = _draw(rng, 20_000)
    gains = []
    for _ in range(40):
        few = _draw(rng, 200, shares=(0.6, 0.4))[:3]
        accuracy = []
        for smoothing in (True, False):
            model = _fit(*few, fairness, randomize=True, smoothing=smoothing)
            chance = model.predict_proba(as_features(score), sensitive_features=group)
            accuracy.append(np.mean(chance[:, 1] * (2 * truth - 1) + 1 - truth))
        gains.append(accuracy[0] - accuracy[1])
    assert np.mean(gains) > 1.6 * np.std(gains) / np.sqrt(len(gains))


def test_smoothing_needs_the_labels_of_every_group_all_the_same(rng):
    score, positive, group, _ = _draw(rng, 100)
    positive = positive & (group == 0)
    with pytest.raises(ValueError, match="true_positive_rate"):
        _fit(score, positive, group, "equal_opportunity", smoothing=True)
