"""Data sets that hold tensors, and the batches that slice them."""

import numpy as np
import torch

# Rows that are gathered in one go, then cut into batches: few large copies, and never
# a second copy of all the data.
_BLOCK_ROWS = 1 << 16


class GroupedDataset(torch.utils.data.Dataset):
    """Samples with their target, group and weight, as tensors on one device.

    Parameters
    ----------
    X : float tensor of shape (n_samples, n_features)
        The features.
    y : int or float tensor of shape (n_samples,), default=None
        Index of the class of each sample, or its target value; None for prediction.
    groups : int or float tensor of shape (n_samples,), default=None
        Code of the group of each sample, or its value of a continuous attribute; None
        puts all samples in one group.
    sample_weight : float tensor of shape (n_samples,), default=None
        Weights; None weighs all samples equally.
    """

    def __init__(self, X, y=None, groups=None, sample_weight=None):
        self.X = torch.as_tensor(X)
        n_samples = len(self.X)
        zeros = torch.zeros(n_samples, dtype=torch.long, device=self.X.device)
        self.y = zeros if y is None else y
        self.groups = zeros if groups is None else groups
        self.sample_weight = sample_weight

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """What skorch takes for X, and the classes."""
        weight = self.sample_weight
        samples = {
            "X": self.X[index],
            "groups": self.groups[index],
            "sample_weight": weight if weight is None else weight[index],
        }
        return samples, self.y[index]

    def cells(self, n_classes=None):
        """Number of the cell, group by class, of each sample.

        Targets that are no classes are one class, and values of a continuous attribute
        one group.

        Parameters
        ----------
        n_classes : int, default=None
            Number of classes; None takes those that occur.

        Returns
        -------
        cells : int ndarray of shape (n_samples,)
            ``group * n_classes + class``.
        """
        groups, y = (_codes(column) for column in (self.groups, self.y))
        if n_classes is None:
            n_classes = int(y.max(initial=0)) + 1
        return groups * n_classes + y

    def count_strata(self, n_groups, n_classes):
        """Number of samples of each group and class.

        Parameters
        ----------
        n_groups, n_classes : int
            Numbers of groups and classes.

        Returns
        -------
        counts : int ndarray of shape (n_groups, n_classes)
            Numbers of samples.
        """
        counts = np.bincount(self.cells(n_classes), minlength=n_groups * n_classes)
        return counts.reshape(n_groups, n_classes)

    def take(self, index):
        """The samples at `index`, as a data set."""
        weight = self.sample_weight
        return GroupedDataset(
            self.X.index_select(0, index),
            self.y.index_select(0, index),
            self.groups.index_select(0, index),
            weight if weight is None else weight.index_select(0, index),
        )


class Batches:
    """Contiguous batches in the order of the rows.

    Parameters
    ----------
    dataset : GroupedDataset
        The samples.
    batch_size : int
        Number of samples of a batch; the last batch may be smaller.
    """

    def __init__(self, dataset, batch_size):
        self.dataset = dataset
        self.batch_size = min(batch_size, max(len(dataset), 1))

    def __len__(self):
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        yield from self._cut(self.dataset)

    def _cut(self, dataset):
        for start in range(0, len(dataset), self.batch_size):
            yield dataset[start : start + self.batch_size]


class StratifiedBatches(Batches):
    """Shuffled batches, each with its share of every group and class.

    A rare group would be missing from many random batches, where its rates are
    undefined. Here the classes are spread evenly within each group, and the groups over
    the epoch: number r of n samples comes at the relative position (r + 1/2) / n. This
    pattern is computed once; an epoch permutes the samples within each stratum (group
    and class) and turns the pattern by a random amount, so that it costs one pass.

    Parameters
    ----------
    dataset : GroupedDataset
        The samples.
    batch_size : int
        Number of samples of a batch; the last batch may be smaller.
    shuffle : bool, default=True
        Whether to draw new batches for every epoch. Without, the samples keep the order
        of the data.
    stratify : bool, default=True
        Whether to spread the strata evenly; without, batches are drawn at random.
    seed : int, default=0
        Seed of the order of the samples.
    """

    def __init__(self, dataset, batch_size, *, shuffle=True, stratify=True, seed=0):
        super().__init__(dataset, batch_size)
        # One batch holds all samples: their order changes nothing.
        self.shuffle = shuffle and len(self) > 1
        self.stratify = stratify
        # The order is drawn on the CPU, so that all devices see the same batches.
        self._generator = torch.Generator().manual_seed(seed)
        self._cells = {}
        if self.shuffle:
            groups, strata = _strata_by_appearance(dataset)
            if not stratify:
                groups = strata = np.zeros_like(strata)
            self._rows, self._sizes, self._pattern = _spread(groups, strata)
            self._order = self._rows[self._pattern]

    def __iter__(self):
        if not self.shuffle:
            yield from super().__iter__()
            return
        device = self.dataset.X.device
        index = self.draw_order().to(device)
        step = max(_BLOCK_ROWS // self.batch_size, 1) * self.batch_size
        for block in index.split(step):
            yield from self._cut(self.dataset.take(block))

    def draw_order(self):
        """Rows of the data set in the order of the next epoch."""
        permuted = torch.cat(
            [
                torch.randperm(size, generator=self._generator) + start
                for start, size in zip(self._sizes.cumsum() - self._sizes, self._sizes)
            ]
        )
        order = self._rows[permuted[self._pattern]]
        turn = torch.randint(len(order), (), generator=self._generator)
        self._order = order.roll(int(turn))
        return self._order

    def strata_counts(self, n_groups, n_classes):
        """Number of samples of each group and class in every batch.

        The batches are those of the last epoch; before the first one, those of the
        pattern before it is turned. Without shuffling they have the order of the data.

        Parameters
        ----------
        n_groups, n_classes : int
            Numbers of groups and classes.

        Returns
        -------
        counts : int ndarray of shape (n_batches, n_groups, n_classes)
            Numbers of samples.
        """
        if n_classes not in self._cells:
            self._cells[n_classes] = self.dataset.cells(n_classes)
        cells = self._cells[n_classes]
        if self.shuffle:
            cells = cells[self._order.numpy()]
        batch = np.arange(len(cells)) // self.batch_size
        shape = (len(self), n_groups, n_classes)
        counts = np.bincount(
            batch * n_groups * n_classes + cells, minlength=np.prod(shape)
        )
        return counts.reshape(shape)


def _strata_by_appearance(dataset):
    """Group and stratum of each sample, numbered in the order of appearance.

    Numbers that depend on the labels of the groups would make the batches depend on
    them too.
    """
    return _by_appearance(_codes(dataset.groups)), _by_appearance(dataset.cells())


def _codes(column):
    """Codes on the CPU; floating values are no codes, and all alike."""
    if column.is_floating_point():
        return np.zeros(len(column), dtype=np.int64)
    return column.cpu().numpy().astype(np.int64)


def _by_appearance(codes):
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return first.argsort().argsort()[inverse]


def _spread(groups, strata):
    """Rows by stratum, sizes of the strata, and the evenly spread pattern of them."""
    rows = np.argsort(strata, kind="stable")
    groups, strata = groups[rows], strata[rows]
    within = _positions(strata)
    by_group = np.lexsort((within, groups))
    position = np.empty(len(rows))
    position[by_group] = _positions(groups[by_group])
    pattern = np.argsort(position, kind="stable")
    return torch.from_numpy(rows), np.bincount(strata), torch.from_numpy(pattern)


def _positions(codes):
    """Relative position (r + 1/2) / n of each element in its run of equal codes."""
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    sizes = np.diff(starts, append=len(codes))
    rank = np.arange(len(codes)) - np.repeat(starts, sizes)
    return (rank + 0.5) / np.repeat(sizes, sizes)
