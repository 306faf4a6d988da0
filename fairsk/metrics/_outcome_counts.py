"""The counts that every metric of hard predictions needs, from arrays or an engine."""

from dataclasses import dataclass

import narwhals as nw
import numpy as np

from fairsk.definitions import group_counts
from fairsk.groups import Groups
from fairsk.metrics._inputs import code_groups, code_outcomes
from fairsk.utils._factorize import factorize
from fairsk.utils._namespace import as_numpy

_ROWS, _SUMS, _SQUARES, _LEAST = "__rows", "__sums", "__squares", "__least"


@dataclass(frozen=True, eq=False)
class OutcomeCounts:
    """Confusion table of every group: all that metrics of hard predictions need.

    A metric of hard predictions, its bootstrap and its permutation test depend on the
    samples through ``counts[c, g, i, j]`` alone: the weight of the samples of stratum
    c and group g whose true class is i and whose predicted class is j. The counts of
    two shards add up, so they may come from any engine and in any number of pieces.

    Parameters
    ----------
    counts : ndarray of shape (n_strata, n_groups, n_classes, n_classes)
        Sum of the weights in each cell, or numbers of samples.
    classes : list of length n_classes
        Class labels.
    group_labels : list of length n_groups
        Label of each group, a tuple where several sensitive features are crossed.
    group_names : list
        Name of each sensitive feature.
    stratum_labels : list of length n_strata, default=[()]
        Label of each combination of control features.
    stratum_names : list, default=[]
        Name of each control feature.
    rows : int ndarray of the shape of `counts`, default=None
        Number of samples in each cell; None where no sample has a weight.
    squares : ndarray of the shape of `counts`, default=None
        Sum of the squared weights in each cell, which resampling weighted rows needs.

    See Also
    --------
    group_metrics : The report that is made of them.

    Examples
    --------
    >>> from fairsk.metrics import OutcomeCounts
    >>> monday = OutcomeCounts.from_arrays(
    ...     [0, 1, 1], [0, 1, 0], sensitive_features=["f", "f", "m"]
    ... )
    >>> tuesday = OutcomeCounts.from_arrays(
    ...     [1, 1], [1, 1], sensitive_features=["m", "x"]
    ... )
    >>> both = monday + tuesday
    >>> both.group_labels
    ['f', 'm', 'x']
    >>> both.counts[0, 1]
    array([[0, 0],
           [1, 1]])
    """

    counts: np.ndarray
    classes: list
    group_labels: list
    group_names: list
    stratum_labels: list = None
    stratum_names: list = None
    rows: np.ndarray = None
    squares: np.ndarray = None

    def __post_init__(self):
        defaults = {"stratum_labels": [()], "stratum_names": []}
        for name, default in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, default)
        shape = (len(self.stratum_labels), len(self.group_labels))
        shape += (len(self.classes), len(self.classes))
        for name in ("counts", "rows", "squares"):
            array = getattr(self, name)
            if array is not None and np.shape(array) != shape:
                raise ValueError(
                    f"OutcomeCounts needs `{name}` of shape (n_strata, n_groups, "
                    f"n_classes, n_classes) = {shape} by its labels. Got "
                    f"{np.shape(array)}."
                )
        if (self.rows is None) != (self.squares is None):
            raise ValueError(
                "OutcomeCounts needs both `rows` and `squares` of weighted samples, "
                "and neither of samples without weights."
            )

    @classmethod
    def from_arrays(
        cls,
        y_true,
        y_pred,
        *,
        sensitive_features,
        control_features=None,
        sample_weight=None,
        pos_label=None,
        labels=None,
        owner="OutcomeCounts",
    ):
        """Count arrays, on the device where they are.

        Parameters
        ----------
        y_true, y_pred : array-like, Series or tensor of shape (n_samples,)
            True and predicted class labels.
        sensitive_features : array-like, Series, DataFrame, dict or tensor
            One or several columns of length n_samples.
        control_features : array-like, Series, DataFrame or dict, default=None
            Columns whose combinations are the strata.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights.
        pos_label : object, default=None
            A class that may be missing from the labels.
        labels : array-like, default=None
            All classes; None takes those that occur.
        owner : str, default="OutcomeCounts"
            Who asks, for the error messages.

        Returns
        -------
        counts : OutcomeCounts
            The counts, in host memory.
        """
        outcomes = code_outcomes(
            y_true,
            y_pred,
            sensitive_features=sensitive_features,
            sample_weight=sample_weight,
            pos_label=pos_label,
            labels=labels,
            owner=owner,
        )
        strata = None
        if control_features is not None:
            strata = code_groups(control_features, outcomes.device, owner)
            if len(strata) != len(outcomes.y_true):
                raise ValueError(
                    f"{owner} needs one entry per sample in every argument. Got "
                    f"{len(strata)} control features for {len(outcomes.y_true)} "
                    "samples."
                )
        tables = _tables(outcomes, strata, outcomes.sample_weight)
        if sample_weight is None:
            return _assemble(outcomes, strata, *tables)
        rows = _tables(outcomes, strata, None)
        squares = _tables(outcomes, strata, outcomes.sample_weight**2)
        return _assemble(outcomes, strata, *tables, *rows, *squares)

    @classmethod
    def from_frame(
        cls,
        frame,
        *,
        y_true,
        y_pred,
        sensitive_features,
        control_features=None,
        sample_weight=None,
        pos_label=None,
        labels=None,
        owner="OutcomeCounts.from_frame",
    ):
        """Count a table in the engine that holds it.

        The engine groups the rows and sums them up; only the cells come back, so the
        table may be larger than memory.

        Parameters
        ----------
        frame : DataFrame or lazy frame
            Whatever narwhals reads: pandas, polars (eager and lazy), pyarrow, DuckDB,
            Dask, PySpark and others.
        y_true, y_pred : str
            Columns of the true and predicted class labels.
        sensitive_features : str or list of str
            Columns of the sensitive features.
        control_features : str or list of str, default=None
            Columns whose combinations are the strata.
        sample_weight : str, default=None
            Column of the weights.
        pos_label : object, default=None
            A class that may be missing from the labels.
        labels : array-like, default=None
            All classes; None takes those that occur.
        owner : str, default="OutcomeCounts.from_frame"
            Who asks, for the error messages.

        Returns
        -------
        counts : OutcomeCounts
            The counts, in host memory.

        Examples
        --------
        >>> import polars as pl
        >>> from fairsk.metrics import OutcomeCounts
        >>> scan = pl.LazyFrame({"y": [0, 1], "p": [1, 1], "sex": ["f", "m"]})
        >>> counts = OutcomeCounts.from_frame(
        ...     scan, y_true="y", y_pred="p", sensitive_features="sex"
        ... )
        >>> counts.counts.ravel()
        array([0, 1, 0, 0, 0, 0, 0, 1])
        """
        features, controls = _as_list(sensitive_features), _as_list(control_features)
        keys = [y_true, y_pred, *features, *controls]
        cells = _aggregate(frame, list(dict.fromkeys(keys)), sample_weight, owner)
        weights = cells[_ROWS]
        outcomes = code_outcomes(
            cells[y_true],
            cells[y_pred],
            sensitive_features={name: cells[name] for name in features},
            sample_weight=weights,
            pos_label=pos_label,
            labels=labels,
            owner=owner,
        )
        strata = None
        if controls:
            strata = Groups.from_columns({name: cells[name] for name in controls})
        (rows,) = _tables(outcomes, strata, outcomes.sample_weight)
        rows = np.rint(rows).astype(np.int64)
        if sample_weight is None:
            return _assemble(outcomes, strata, rows)
        sums = _tables(outcomes, strata, cells[_SUMS])
        squares = _tables(outcomes, strata, cells[_SQUARES])
        return _assemble(outcomes, strata, *sums, rows, *squares)

    @property
    def is_weighted(self):
        """Whether the samples have weights."""
        return self.rows is not None

    @property
    def n_rows(self):
        """Number of samples in each cell, of the shape of `counts`."""
        return self.counts if self.rows is None else self.rows

    @property
    def n_squares(self):
        """Sum of the squared weights in each cell, of the shape of `counts`."""
        return self.counts if self.squares is None else self.squares

    @property
    def group_sizes(self):
        """Number of samples of each group, shape (n_strata, n_groups)."""
        return self.n_rows.sum(axis=(-2, -1))

    def __add__(self, other):
        """Counts of the samples of both; groups, strata and classes are joined."""
        if not isinstance(other, OutcomeCounts):
            return NotImplemented
        for name in ("group_names", "stratum_names", "is_weighted"):
            if getattr(self, name) != getattr(other, name):
                raise ValueError(
                    f"OutcomeCounts can be added where `{name}` is the same. Got "
                    f"{getattr(self, name)!r} and {getattr(other, name)!r}."
                )
        axes = ("stratum_labels", "group_labels", "classes")
        joint = {axis: _union(getattr(self, axis), getattr(other, axis))
                 for axis in axes}  # fmt: skip
        shape = tuple(len(joint[axis]) for axis in (*axes, "classes"))
        totals = {}
        for name in ("counts", "rows", "squares"):
            if getattr(self, name) is None:
                continue
            parts = [getattr(part, name) for part in (self, other)]
            total = np.zeros(shape, dtype=np.result_type(*parts))
            for part, array in zip((self, other), parts):
                places = [_positions(getattr(part, axis), joint[axis]) for axis in axes]
                total[np.ix_(*places, places[-1])] += array
            totals[name] = total
        names = {"group_names": self.group_names, "stratum_names": self.stratum_names}
        return OutcomeCounts(**joint, **names, **totals)

    def __repr__(self):
        n_strata, n_groups, n_classes, _ = self.counts.shape
        strata = f", {n_strata} strata" if self.stratum_names else ""
        return (
            f"OutcomeCounts({int(self.n_rows.sum())} samples, {n_groups} groups"
            f"{strata}, {n_classes} classes)"
        )


def _as_list(names):
    if names is None:
        return []
    return list(names) if isinstance(names, (list, tuple)) else [names]


def _tables(outcomes, strata, sample_weight):
    """Counts of shape (n_strata, n_groups, n_classes, n_classes), as a list of one."""
    codes, n_groups = outcomes.groups.codes, outcomes.groups.n_groups
    n_strata = 1
    if strata is not None:
        n_strata = strata.n_groups
        wide = codes.long() if hasattr(codes, "long") else codes.astype(np.intp)
        codes = wide + strata.codes * n_groups
    table = group_counts(
        codes,
        outcomes.y_true,
        outcomes.y_pred,
        n_groups=n_strata * n_groups,
        n_classes=len(outcomes.classes),
        sample_weight=sample_weight,
    )
    n_classes = len(outcomes.classes)
    return [as_numpy(table).reshape(n_strata, n_groups, n_classes, n_classes)]


def _assemble(outcomes, strata, counts, rows=None, squares=None):
    return OutcomeCounts(
        counts,
        outcomes.classes,
        outcomes.groups.labels,
        outcomes.groups.names,
        None if strata is None else _as_tuples(strata.labels),
        None if strata is None else strata.names,
        rows,
        squares,
    )


def _as_tuples(labels):
    return [label if isinstance(label, tuple) else (label,) for label in labels]


def _aggregate(frame, keys, sample_weight, owner):
    """One row per combination of `keys`: numbers of rows and moments of the weights."""
    native = nw.from_native(frame, pass_through=True)
    if not isinstance(native, (nw.DataFrame, nw.LazyFrame)):
        raise TypeError(
            f"{owner} needs a data frame of a library that narwhals reads (pandas, "
            f"polars, pyarrow, DuckDB, Dask, PySpark, ...). Got {type(frame).__name__}."
            " Pass arrays to OutcomeCounts.from_arrays."
        )
    columns = native.collect_schema().names()
    asked = keys if sample_weight is None else [*keys, sample_weight]
    unknown = [name for name in asked if name not in columns]
    if unknown:
        raise ValueError(
            f"{owner} needs names of columns. Got {unknown}; the frame has {columns}."
        )
    aggregates = [nw.len().alias(_ROWS)]
    native = native.select(*dict.fromkeys(asked))
    if sample_weight is not None:
        weight = nw.col(sample_weight).cast(nw.Float64)
        native = native.with_columns(weight.alias(_SUMS), (weight**2).alias(_SQUARES))
        native = native.with_columns(nw.col(_SUMS).alias(_LEAST))
        aggregates += [nw.col(_SUMS).sum(), nw.col(_SQUARES).sum()]
        aggregates += [nw.col(_LEAST).min(), nw.col(sample_weight).count()]
    cells = native.group_by(*keys).agg(*aggregates)
    if isinstance(cells, nw.LazyFrame):
        cells = cells.collect()
    cells = {name: cells[name] for name in cells.columns}
    if sample_weight is not None:
        _check_weights(cells, sample_weight, owner)
        for name in (_SUMS, _SQUARES):
            cells[name] = cells[name].to_numpy().astype(np.float64)
    cells[_ROWS] = cells[_ROWS].to_numpy()
    return {name: column.to_native() if isinstance(column, nw.Series) else column
            for name, column in cells.items()}  # fmt: skip


def _check_weights(cells, sample_weight, owner):
    n_missing = int(cells[_ROWS].sum() - cells[sample_weight].sum())
    sums, least = cells[_SUMS].to_numpy(), cells[_LEAST].to_numpy()
    if n_missing or not np.isfinite(sums).all() or (least < 0).any():
        raise ValueError(
            f"{owner} needs finite weights of at least 0 in {sample_weight!r}. Got "
            f"{n_missing} missing ones, sums per cell up to {np.max(sums)} and "
            f"weights down to {np.min(least)}."
        )


def _union(labels, more):
    if labels == more:
        return labels
    joint = np.empty(len(labels) + len(more), dtype=object)
    joint[:] = labels + more
    return factorize(joint)[0].tolist()


def _positions(labels, joint):
    position = {label: index for index, label in enumerate(joint)}
    return [position[label] for label in labels]
