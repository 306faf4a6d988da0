"""Batches hold every row once, and their share of every stratum."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fairsk.inprocessing._batches import Batches, GroupedDataset, StratifiedBatches


def make_dataset(y, groups, weight=None):
    X = torch.arange(len(y), dtype=torch.float64)[:, None]
    weight = None if weight is None else torch.as_tensor(weight)
    return GroupedDataset(X, torch.as_tensor(y), torch.as_tensor(groups), weight)


def rows_of(batches):
    """The row numbers, which are the feature, of each batch."""
    return [samples["X"][:, 0].long().numpy() for samples, _ in batches]


@st.composite
def datasets(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_groups = draw(st.integers(2, 300)), draw(st.integers(1, 5))
    shares = rng.dirichlet(np.full(2 * n_groups, 0.5))
    cells = rng.choice(2 * n_groups, size=n, p=shares)
    return make_dataset(cells % 2, cells // 2)


@given(
    dataset=datasets(),
    batch_size=st.integers(1, 100),
    shuffle=st.booleans(),
    stratify=st.booleans(),
)
@settings(max_examples=60)
def test_an_epoch_has_every_row_once(dataset, batch_size, shuffle, stratify):
    batches = StratifiedBatches(
        dataset, batch_size, shuffle=shuffle, stratify=stratify, seed=3
    )
    for _ in range(2):
        rows = rows_of(batches)
        assert len(rows) == len(batches)
        assert all(len(batch) == batches.batch_size for batch in rows[:-1])
        assert sorted(np.concatenate(rows)) == list(range(len(dataset)))


@given(dataset=datasets(), batch_size=st.integers(1, 100))
@settings(max_examples=60)
def test_batches_hold_their_share_of_every_stratum(dataset, batch_size):
    cells = (2 * dataset.groups + dataset.y).numpy()
    shares = np.bincount(cells, minlength=10) / len(cells)
    n_strata = np.count_nonzero(shares)
    for rows in rows_of(StratifiedBatches(dataset, batch_size, seed=0)):
        counts = np.bincount(cells[rows], minlength=10)
        # Each stratum is on time up to 1/2 in its group, and the group up to 1/2, at
        # either end of the batch; the seam of the turned pattern doubles that, and the
        # other strata may be early or late too.
        slack = 2 * (2 + n_strata * shares)
        assert (abs(counts - len(rows) * shares) <= slack + 1e-9).all()


def test_stratified_batches_are_closer_to_their_share_than_random_ones():
    rng = np.random.default_rng(0)
    dataset = make_dataset(rng.integers(2, size=5000), rng.random(5000) < 0.02)
    missing = {}
    for stratify in (True, False):
        batches = StratifiedBatches(dataset, 100, stratify=stratify, seed=0)
        counts = [dataset.groups.numpy()[rows].sum() for rows in rows_of(batches)]
        missing[stratify] = sum(count == 0 for count in counts)
    assert missing[True] == 0
    assert missing[False] > 2


def test_rows_keep_their_class_group_and_weight():
    rng = np.random.default_rng(0)
    y, groups, weight = (
        rng.integers(3, size=50),
        rng.integers(2, size=50),
        rng.random(50),
    )
    for samples, y_b in StratifiedBatches(make_dataset(y, groups, weight), 7, seed=0):
        rows = samples["X"][:, 0].long().numpy()
        np.testing.assert_array_equal(y_b, y[rows])
        np.testing.assert_array_equal(samples["groups"], groups[rows])
        np.testing.assert_array_equal(samples["sample_weight"], weight[rows])


def test_blocks_do_not_change_the_order(monkeypatch):
    rng = np.random.default_rng(0)
    dataset = make_dataset(rng.integers(2, size=95), rng.integers(2, size=95))
    whole = rows_of(StratifiedBatches(dataset, 10, seed=1))
    monkeypatch.setattr("fairsk.inprocessing._batches._BLOCK_ROWS", 25)
    for one, other in zip(whole, rows_of(StratifiedBatches(dataset, 10, seed=1))):
        np.testing.assert_array_equal(one, other)


def test_epochs_differ_and_seeds_repeat():
    dataset = make_dataset([0, 1] * 50, [0, 0, 1, 1] * 25)
    batches = StratifiedBatches(dataset, 10, seed=5)
    first, second = np.concatenate(rows_of(batches)), np.concatenate(rows_of(batches))
    again = np.concatenate(rows_of(StratifiedBatches(dataset, 10, seed=5)))
    assert (first != second).any()
    np.testing.assert_array_equal(first, again)


def test_names_of_the_groups_do_not_change_the_batches():
    rng = np.random.default_rng(0)
    y, groups = rng.integers(2, size=60), rng.integers(3, size=60)
    one = StratifiedBatches(make_dataset(y, groups), 8, seed=0)
    other = StratifiedBatches(make_dataset(y, np.array([2, 0, 1])[groups]), 8, seed=0)
    for rows, relabelled in zip(rows_of(one), rows_of(other)):
        np.testing.assert_array_equal(rows, relabelled)


@pytest.mark.parametrize("shuffle", [True, False])
def test_strata_counts_are_those_of_the_batches(shuffle):
    rng = np.random.default_rng(0)
    dataset = make_dataset(rng.integers(2, size=60), rng.integers(3, size=60))
    batches = StratifiedBatches(dataset, 8, shuffle=shuffle, seed=0)
    counts = batches.strata_counts(3, 2)
    assert counts.shape == (8, 3, 2)
    total = np.zeros((3, 2), dtype=int)
    np.add.at(total, (dataset.groups.numpy(), dataset.y.numpy()), 1)
    np.testing.assert_array_equal(counts.sum(axis=0), total)
    if not shuffle:
        assert counts[0].sum() == 8
        assert counts[0, :, 1].sum() == dataset[:8][1].sum()


def test_one_batch_is_not_shuffled():
    dataset = make_dataset([0, 1] * 5, [0] * 10)
    (rows,) = rows_of(StratifiedBatches(dataset, 64, seed=0))
    np.testing.assert_array_equal(rows, np.arange(10))


def test_plain_batches_keep_the_order():
    dataset = make_dataset([0, 1] * 5, [0] * 10)
    rows = rows_of(Batches(dataset, 4))
    assert [len(batch) for batch in rows] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(rows), np.arange(10))


def test_features_alone_make_a_data_set_for_prediction():
    dataset = GroupedDataset(np.zeros((3, 2)))
    samples, y = dataset[1:]
    assert samples["X"].shape == (2, 2)
    assert samples["groups"].tolist() == y.tolist() == [0, 0]
    assert samples["sample_weight"] is None
