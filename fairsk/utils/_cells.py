"""The label x group table, and the tables that weights and samplers aim for."""

import math
import warnings

import numpy as np

from fairsk.utils._namespace import is_torch, namespace

# Rows that are counted, and looked up, at once.
_COUNTED, _BLOCK = 1 << 17, 1 << 15


class EmptyCellWarning(UserWarning):
    """A group has no sample of some label, so its cell cannot be weighted."""


def combine_codes(codes, sizes):
    """One code a row out of several: the row-major position in a table of `sizes`.

    Parameters
    ----------
    codes : sequence of int arrays or tensors of shape (n_samples,)
        Codes, each in [0, size).
    sizes : sequence of int
        Size of each axis of the table.

    Returns
    -------
    combined : int array or tensor of shape (n_samples,)
        In the smallest integer dtype of the table: passes over fewer bytes.
    """
    n_cells = math.prod(sizes)
    combined = _widen(codes[0], n_cells)
    for more, size in zip(codes[1:], sizes[1:]):
        combined = combined * size
        combined += _widen(more, n_cells)
    return combined


def _widen(codes, n_cells):
    if is_torch(codes):
        return codes.long()
    return codes.astype(np.min_scalar_type(n_cells), copy=False)


def count_cells(codes, sizes, sample_weight=None):
    """Weight of each cell of a table.

    Parameters
    ----------
    codes : sequence of int arrays or tensors of shape (n_samples,)
        Codes, each in [0, size).
    sizes : sequence of int
        Size of each axis of the table.
    sample_weight : array or tensor of shape (n_samples,), default=None
        Weights; None counts every row once.

    Returns
    -------
    counts : array or tensor of shape `sizes`
        Integers without weights.
    """
    n_rows, n_cells = len(codes[0]), math.prod(sizes)
    # `bincount` of numpy takes a wide copy of its codes: block by block it stays small
    # and in the cache. A device does better with everything at once.
    size = max(n_rows, 1) if is_torch(codes[0]) else max(_COUNTED, 4 * n_cells)
    cells = 0
    for start in range(0, max(n_rows, 1), size):
        part = slice(start, start + size)
        combined = combine_codes([code[part] for code in codes], sizes)
        weights = None if sample_weight is None else sample_weight[part]
        cells += _count(combined, weights, n_cells)
    return cells.reshape(tuple(sizes))


def _count(codes, weights, n_cells):
    is_long = not is_torch(codes) and len(codes) > 20_000
    if is_long and weights is None and n_cells <= 8:
        # Comparing bytes is vectorised, which beats the one pass of `bincount`.
        return np.array([np.count_nonzero(codes == cell) for cell in range(n_cells)])
    return namespace(codes).bincount(codes, weights, minlength=n_cells)


def take_cells(table, group_codes, y_codes):
    """Entry of a (group, class) table for each row.

    Parameters
    ----------
    table : ndarray of shape (n_groups, n_classes)
        The table.
    group_codes, y_codes : int ndarray of shape (n_samples,)
        Group and class of each row.

    Returns
    -------
    entries : ndarray of shape (n_samples,)
        The entries.
    """
    entries, flat = np.empty(len(y_codes), dtype=table.dtype), table.ravel()
    positions = np.empty(min(len(y_codes), _BLOCK), dtype=np.intp)
    # Block by block, the wide indices that numpy needs stay in the cache. Codes are in
    # range, and numpy is twice as fast where it need not raise.
    for start in range(0, len(y_codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cells = combine_codes((group_codes[rows], y_codes[rows]), table.shape)
        block = positions[: len(cells)]
        block[:] = cells
        flat.take(block, out=entries[rows], mode="clip")
    return entries


def independent(mass):
    r"""Group and label are independent: :math:`m_{ay} = m_{a+} m_{+y} / m_{++}`."""
    return mass.sum(1, keepdims=True) * mass.sum(0, keepdims=True) / mass.sum()


def balanced_within_groups(mass):
    r"""All labels weigh the same in a group: :math:`m_{ay} = m_{a+} / K_a`."""
    observed = mass > 0
    return mass.sum(1, keepdims=True) * observed / observed.sum(1, keepdims=True)


def equal(mass):
    r"""All cells weigh the same: :math:`m_{ay} = m_{++} / \#\mathrm{cells}`."""
    observed = mass > 0
    return mass.sum() * observed / observed.sum()


WEIGHT_TARGETS = {
    "independence": independent,
    "fair_balance": balanced_within_groups,
    "equal_cells": equal,
}


def warn_empty_cells(mass, group_labels, classes, owner):
    """Warn, by name, of the cells that have no row.

    Parameters
    ----------
    mass : ndarray of shape (n_groups, n_classes)
        Weight of each cell.
    group_labels, classes : sequence
        Names of the rows and columns of the table.
    owner : str
        Who asks.
    """
    empty = np.argwhere(mass == 0)
    # Where there is one class only, no table can say more than the groups do.
    if not len(empty) or mass.shape[1] < 2:
        return
    names = [describe_cell(group_labels[g], classes[k]) for g, k in empty[:5]]
    shown = ", ".join(names) + (", ..." if len(empty) > 5 else "")
    warnings.warn(
        f"{owner} needs samples of each label in each group. Got none of {shown}: no "
        "weight can balance an empty cell. Join the group to another, or collect "
        "samples of it.",
        EmptyCellWarning,
        stacklevel=3,
    )


def describe_cell(group_label, class_label):
    """Name of a cell for messages."""
    class_label = class_label.item() if hasattr(class_label, "item") else class_label
    return f"label {class_label!r} in group {group_label!r}"


def sampling_targets(counts, strategy, *, grow, group_labels, classes, owner):
    """Number of rows that each cell is to have.

    Parameters
    ----------
    counts : int ndarray of shape (n_groups, n_classes)
        Rows of each cell.
    strategy : {"independence", "equal_base_rates", "equal_cells"} or dict
        The table to aim for; a dict has the rows of some cells by (group, label).
    grow : bool
        Whether cells may only grow (over-sampling) or only shrink.
    group_labels, classes : sequence
        Names of the rows and columns of the table.
    owner : str
        Who asks.

    Returns
    -------
    targets : int ndarray of shape (n_groups, n_classes)
        At least `counts` if `grow`, at most `counts` otherwise; 0 for empty cells.
    """
    if isinstance(strategy, dict):
        targets = _targets_of_dict(counts, strategy, group_labels, classes, owner)
    else:
        warn_empty_cells(counts, group_labels, classes, owner)
        shape = SAMPLING_SHAPES[strategy](counts.astype(float))
        targets = np.rint(_scale(counts, *shape, grow=grow)).astype(int)
    targets = np.where(counts > 0, targets, 0)
    limit = np.maximum if grow else np.minimum
    if not isinstance(strategy, dict):
        return limit(targets, counts)
    wrong = np.argwhere(limit(targets, counts) != targets)
    if len(wrong):
        group, label = wrong[0]
        cell = describe_cell(group_labels[group], classes[label])
        raise ValueError(
            f"{owner} needs `sampling_strategy` to "
            f"{'enlarge' if grow else 'reduce'} cells. {cell} has "
            f"{counts[group, label]} rows, and {targets[group, label]} are asked for."
        )
    return targets


def _targets_of_dict(counts, strategy, group_labels, classes, owner):
    targets = counts.copy()
    rows = {label: g for g, label in enumerate(group_labels)}
    columns = {label: k for k, label in enumerate(classes)}
    for key, target in strategy.items():
        group, label = key if isinstance(key, tuple) and len(key) == 2 else (None, None)
        if group not in rows or label not in columns:
            raise ValueError(
                f"{owner} needs the keys of `sampling_strategy` to be (group, label). "
                f"Got {key!r}; the groups are {list(group_labels)}, the labels "
                f"{list(classes)}."
            )
        if counts[rows[group], columns[label]] == 0 and target > 0:
            raise ValueError(
                f"{owner} needs a row to start from. There is none of "
                f"{describe_cell(group, label)}. Leave it out of `sampling_strategy`."
            )
        targets[rows[group], columns[label]] = target
    return targets


def _scale(counts, shape, by_group, *, grow):
    """The multiple of the shape that no cell has to shrink, or grow, for."""
    ratio = np.divide(counts, shape, out=np.full(counts.shape, np.nan), where=shape > 0)
    ratio[counts == 0] = np.nan
    extreme = np.nanmax if grow else np.nanmin
    if by_group:
        return shape * extreme(ratio, axis=1, keepdims=True)
    return shape * extreme(ratio)


def _base_rates(counts):
    return np.tile(counts.sum(0) / counts.sum(), (len(counts), 1)), True


SAMPLING_SHAPES = {
    "independence": lambda counts: (independent(counts), False),
    "equal_base_rates": _base_rates,
    "equal_cells": lambda counts: (np.ones_like(counts), False),
}
