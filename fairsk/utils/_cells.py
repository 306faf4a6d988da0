"""The label x group table, and the tables that weights and samplers aim for."""

import warnings

import numpy as np

from fairsk.utils._factorize import small_codes


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
