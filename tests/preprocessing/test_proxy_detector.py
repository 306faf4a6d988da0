import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

from fairsk.datasets import load_adult, make_biased_classification
from fairsk.preprocessing import ProxyDetector


def test_auc_of_a_normal_proxy_is_that_of_theory():
    X, _, group = make_biased_classification(
        20_000, proxy_strength=2.0, base_rate_gap=0.0, random_state=0
    )
    detector = ProxyDetector(random_state=0).fit(X, sensitive_features=group)
    assert detector.scores_[0] == pytest.approx(ndtr(2.0 / np.sqrt(2)), abs=0.02)
    assert np.abs(detector.scores_[1:] - 0.5).max() < 0.03
    assert detector.get_support().tolist() == [False] + [True] * 9


def test_mutual_information_is_one_for_the_group_itself_and_zero_for_noise(rng):
    group = rng.integers(3, size=2000)
    X = np.column_stack([group, rng.integers(4, size=2000)])
    detector = ProxyDetector(method="mutual_info", random_state=0)
    detector.fit(X, sensitive_features=group)
    np.testing.assert_allclose(detector.scores_, [1.0, 0.0], atol=0.01)


def test_relationship_gives_sex_away_on_adult():
    adult = load_adult(as_frame=True)
    frame = adult.data.sample(3000, random_state=0)
    detector = ProxyDetector(group_by="sex", threshold=0.75, random_state=0)
    out = detector.set_output(transform="pandas").fit_transform(frame)
    dropped = set(frame.columns) - set(out.columns)
    assert {"sex", "relationship"} <= dropped


def test_names_of_what_is_left(rng):
    frame = pd.DataFrame(rng.normal(size=(200, 2)), columns=["a", "b"])
    group = frame["a"] > 0
    detector = ProxyDetector(random_state=0).fit(frame, sensitive_features=group)
    assert detector.get_feature_names_out().tolist() == ["b"]
    assert detector.ranking_.tolist() == [0, 1]


def test_a_group_of_one_raises_with_the_other_method_as_remedy(rng):
    X, group = rng.normal(size=(20, 2)), [1] + [0] * 19
    with pytest.raises(ValueError, match="method='mutual_info'"):
        ProxyDetector().fit(X, sensitive_features=group)
