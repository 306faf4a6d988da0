"""Samplers that rank rows by a classifier."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from fairsk.datasets import make_biased_classification
from fairsk.reductions import compute_fairness_weight
from fairsk.resampling import Massaging, PreferentialSampler


@pytest.fixture
def biased():
    return make_biased_classification(
        500, n_groups=3, base_rate_gap=0.5, random_state=0
    )


def test_massaging_equals_the_base_rates_and_keeps_the_positives(biased):
    X, y, group = biased
    _, y_new = Massaging().fit_resample(X, y, sensitive_features=group)
    assert y_new.sum() == y.sum()
    for g in range(3):
        exact = y.mean() * (group == g).sum()
        assert abs(y_new[group == g].sum() - exact) < 1


def test_massaging_flips_the_rows_nearest_to_the_boundary(biased):
    X, y, group = biased
    sampler = Massaging(LogisticRegression())
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    score = LogisticRegression().fit(X, y).predict_proba(X)[:, 1]
    assert set(sampler.flipped_) == set(np.flatnonzero(y != y_new))
    for g in range(3):
        flipped = (group == g) & (y != y_new)
        label = y[flipped][0]
        kept = (group == g) & (y == label) & (y == y_new)
        if label == 1:  # demoted: the lowest scores
            assert score[flipped].max() <= score[kept].min()
        else:
            assert score[flipped].min() >= score[kept].max()


def test_massaging_with_another_positive_label_flips_as_many(biased):
    X, y, group = biased
    labels = np.array(["bad", "good"])[y]
    first, second = Massaging(), Massaging(pos_label="bad")
    first.fit_resample(X, labels, sensitive_features=group)
    second.fit_resample(X, labels, sensitive_features=group)
    assert abs(len(first.flipped_) - len(second.flipped_)) <= 3
    with pytest.raises(ValueError, match="`pos_label` to be one of"):
        Massaging(pos_label="ugly").fit_resample(X, labels, sensitive_features=group)


def test_massaging_takes_two_labels_only(biased):
    X, _, group = biased
    with pytest.raises(ValueError, match="needs two labels"):
        Massaging().fit_resample(X, np.arange(500) % 3, sensitive_features=group)


def test_preferential_sampling_reaches_the_table_of_reweighing(biased):
    X, y, group = biased
    sampler = PreferentialSampler()
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    weight = compute_fairness_weight(y, group)
    group_new = group[sampler.sample_indices_]
    assert abs(len(y_new) - len(y)) <= 3
    for g in range(3):
        for k in range(2):
            cell = (group == g) & (y == k)
            n_new = ((group_new == g) & (y_new == k)).sum()
            assert abs(n_new - weight[cell].sum()) <= 0.5


def test_preferential_sampling_copies_and_drops_the_least_sure(biased):
    X, y, group = biased
    sampler = PreferentialSampler(LogisticRegression())
    sampler.fit_resample(X, y, sensitive_features=group)
    sure = LogisticRegression().fit(X, y).predict_proba(X)[np.arange(500), y]
    times = np.bincount(sampler.sample_indices_, minlength=500)
    for g in range(3):
        for k in range(2):
            cell = np.flatnonzero((group == g) & (y == k))
            order = cell[np.argsort(sure[cell])]
            # Copied: most copies first. Dropped: those dropped first.
            trend = np.diff(times[order])
            assert (trend <= 0).all() or (trend >= 0).all()
            assert (trend <= 0).all() == (times[cell].sum() >= len(cell))


def test_multiclass_preferential_sampling(biased):
    X, _, group = biased
    y = (X[:, 1] > 0).astype(int) + (X[:, 0] > 0.5)
    sampler = PreferentialSampler()
    _, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    group_new = group[sampler.sample_indices_]
    for k in range(3):
        rates = [np.mean(y_new[group_new == g] == k) for g in range(3)]
        assert np.ptp(rates) < 0.03
