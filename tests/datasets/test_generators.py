"""Generated data: every parameter does what its formula says."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from fairsk.datasets import make_biased_classification

N = 40_000
# Four standard errors of a share in a quarter of the rows.
SHARE_TOLERANCE = 4 * 0.5 / np.sqrt(N / 4)


def make(**kwargs):
    return make_biased_classification(N, random_state=0, **kwargs)


def group_means(values, group):
    return np.array([values[group == g].mean() for g in np.unique(group)])


@pytest.mark.parametrize("n_groups", [2, 3, 4])
@pytest.mark.parametrize("gap", [-0.3, 0.0, 0.4])
def test_base_rates_are_spaced_evenly_over_the_gap(n_groups, gap):
    _, y, group = make(n_groups=n_groups, base_rate=0.4, base_rate_gap=gap)
    expected = np.linspace(0.4 + gap / 2, 0.4 - gap / 2, n_groups)
    np.testing.assert_allclose(group_means(y, group), expected, atol=SHARE_TOLERANCE)


@pytest.mark.parametrize("label_bias", [0.0, 0.25, 1.0])
def test_label_bias_flips_that_share_of_disadvantaged_positives(label_bias):
    _, y, group, y_unbiased = make(
        n_groups=3, label_bias=label_bias, return_unbiased=True
    )
    positive = y_unbiased == 1
    flipped = group_means((y == 0)[positive], group[positive])
    assert flipped[0] == 0
    np.testing.assert_allclose(flipped[1:], label_bias, atol=SHARE_TOLERANCE)
    assert not y[~positive].any()


@pytest.mark.parametrize("proxy_strength", [0.0, 0.5, 2.0])
def test_proxy_tells_groups_apart_as_far_as_asked(proxy_strength):
    X, y, group = make(proxy_strength=proxy_strength, base_rate_gap=0.0)
    expected = norm.cdf(proxy_strength / np.sqrt(2))
    assert roc_auc_score(group, X[:, 0]) == pytest.approx(expected, abs=0.01)
    others = [roc_auc_score(group, column) for column in X[:, 1:].T]
    np.testing.assert_allclose(others, 0.5, atol=0.015)
    # given no gap, the proxy tells nothing of the label
    assert roc_auc_score(y, X[:, 0]) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("n_informative", [1, 4])
def test_class_sep_is_shared_by_the_informative_features(n_informative):
    X, _, group, y = make(
        n_informative=n_informative, class_sep=1.5, return_unbiased=True
    )
    score = X[:, 1 : 1 + n_informative].sum(axis=1)
    for g in [0, 1]:
        auc = roc_auc_score(y[group == g], score[group == g])
        assert auc == pytest.approx(norm.cdf(1.5 / np.sqrt(2)), abs=0.015)
    noise = X[:, 1 + n_informative :]
    np.testing.assert_allclose(noise.mean(axis=0), 0, atol=0.03)
    np.testing.assert_allclose(noise.std(axis=0), 1, atol=0.03)


def test_group_weights_are_the_shares_of_the_groups():
    _, _, group = make(n_groups=3, group_weights=[6, 3, 1])
    np.testing.assert_allclose(
        np.bincount(group) / N, [0.6, 0.3, 0.1], atol=SHARE_TOLERANCE
    )


def test_one_group_has_the_base_rate():
    _, y, group = make(n_groups=1, base_rate=0.3, base_rate_gap=0.5, label_bias=0.9)
    assert not group.any()
    assert y.mean() == pytest.approx(0.3, abs=SHARE_TOLERANCE)


def test_no_informative_feature_is_allowed():
    X, y, _ = make(n_features=1, n_informative=0, base_rate_gap=0)
    assert X.shape == (N, 1)
    assert set(y) == {0, 1}


def test_same_random_state_gives_the_same_data():
    first = make_biased_classification(50, random_state=3)
    for left, right in zip(first, make_biased_classification(50, random_state=3)):
        np.testing.assert_array_equal(left, right)
    assert [part.shape for part in first] == [(50, 10), (50,), (50,)]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"n_samples": 0}, "`n_samples` to be an integer, at least 1. Got 0"),
        ({"n_groups": 1.5}, "`n_groups` to be an integer"),
        ({"n_features": 5}, "Raise it, or lower `n_informative`"),
        ({"group_weights": [1, 2, 3]}, "`group_weights` to be 2 shares"),
        ({"group_weights": [1, -1]}, "`group_weights` to be 2 shares"),
        ({"label_bias": 1.2}, "`label_bias` to be a share"),
        ({"base_rate": 0.9, "base_rate_gap": 0.4}, "Lower the gap"),
    ],
)
def test_bad_values_raise(kwargs, message):
    with pytest.raises(ValueError, match=message):
        make_biased_classification(**kwargs)


def test_base_rate_that_is_no_number_raises():
    with pytest.raises(TypeError, match="needs `base_rate` and `base_rate_gap`"):
        make_biased_classification(base_rate="high")
