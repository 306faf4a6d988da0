"""What samplers that make rows share: neighbours, small cells, targets."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from fairsk.utils._cells import describe_cell, sampling_targets


def cells_to_fill(sampler, strata):
    """Cells that are to grow, with their rows.

    Parameters
    ----------
    sampler : estimator
        Has `sampling_strategy`.
    strata : Strata
        The rows.

    Returns
    -------
    cells : list of (int, int, ndarray, int)
        Group, class, rows of the cell, and number of rows to make.
    """
    counts = strata.counts
    targets = sampling_targets(
        counts,
        sampler.sampling_strategy,
        grow=True,
        group_labels=strata.groups.labels,
        classes=strata.classes.tolist(),
        owner=type(sampler).__name__,
    )
    missing = targets - counts
    by_cell = strata.rows_by_cell()
    return [
        (int(g), int(k), by_cell[g * len(strata.classes) + k], int(missing[g, k]))
        for g, k in np.argwhere(missing > 0)
    ]


def require_rows(sampler, strata, group, label, n_rows, n_needed):
    """Raise, naming the cell, where it has too few rows for its neighbours.

    Parameters
    ----------
    sampler : estimator
        Who asks.
    strata : Strata
        The rows.
    group, label : int
        The cell.
    n_rows, n_needed : int
        Rows it has, and rows it needs.
    """
    if n_rows < n_needed:
        cell = describe_cell(strata.groups.labels[group], strata.classes[label])
        raise ValueError(
            f"{type(sampler).__name__} needs {n_needed} rows in a cell to find "
            f"neighbours in it. {cell} has {n_rows} (n_samples={len(strata.y_codes)}). "
            "Ask for fewer neighbours, join the group to another, or set "
            "`small_cells='duplicate'`."
        )


def neighbours(X, n_neighbors):
    """Nearest other rows of each row.

    Parameters
    ----------
    X : ndarray or sparse matrix of shape (n_samples, n_features)
        The rows.
    n_neighbors : int
        How many.

    Returns
    -------
    indices : ndarray of shape (n_samples, n_neighbors)
        Positions of the neighbours, never the row's own.
    """
    found = NearestNeighbors(n_neighbors=n_neighbors).fit(X)
    return found.kneighbors(return_distance=False)
