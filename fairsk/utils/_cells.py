"""The label x group table, and the tables that weights and samplers aim for."""

import warnings

import numpy as np

from fairsk.utils._factorize import small_codes

_BLOCK = 1 << 15


class EmptyCellWarning(UserWarning):
    """A group has no sample of some label, so its cell cannot be weighted."""


def cell_codes(group_codes, y_codes, n_groups, n_classes):
    """Position of each row in the flat (group, class) table.

    Parameters
    ----------
    group_codes, y_codes : int ndarray of shape (n_samples,)
        Group and class of each row.
    n_groups, n_classes : int
        Size of the table.

    Returns
    -------
    codes : int ndarray of shape (n_samples,)
        ``group * n_classes + class``, in the smallest integer dtype.
    """
    codes = small_codes(group_codes, n_groups * n_classes) * n_classes
    codes += y_codes.astype(codes.dtype, copy=False)
    return codes


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
    entries = np.empty(len(y_codes), dtype=table.dtype)
    # Block by block, the wide indices that numpy makes of codes stay in the cache.
    for start in range(0, len(y_codes), _BLOCK):
        rows = slice(start, start + _BLOCK)
        cells = cell_codes(group_codes[rows], y_codes[rows], *table.shape)
        entries[rows] = table.ravel()[cells]
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
