"""Folds stratified on label and sensitive features."""

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp
from sklearn.model_selection import BaseCrossValidator
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.multiclass import type_of_target

from fairsk.base import read_groups
from fairsk.utils._columns import as_column, factorize_column


class FairStratifiedKFold(BaseCrossValidator):
    """K folds that share out every label x group cell evenly.

    In a plain split, small groups vanish from some folds, where their rates are then
    undefined. Here the numbers of samples of a cell (a label within a group), of a
    label, of a group and in all differ by at most one between the test folds.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether to shuffle the samples of each cell before they are shared out. If
        False, those that a fold gets of a cell stand next to each other in it.
    random_state : int, RandomState instance or None, default=None
        Seed of `shuffle`.
    group_by : str, int, list of str or int, or callable, default=None
        Column name(s) or position(s) of X, or a function of X that returns the
        sensitive features. Used where `sensitive_features` are not passed.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : Stratified on the label only.
    sklearn.model_selection.GroupKFold : Keeps groups in another sense, samples that
        belong together, out of both sides of a split.

    Notes
    -----
    With metadata routing on, `GridSearchCV` and `cross_validate` hand
    `sensitive_features` to the splitter. With routing off, set `group_by`, or pass
    ``cv=splitter.split(X, y, sensitive_features=...)``.

    Evenly sharing out a label x group table is controlled rounding: fold by fold, the
    counts still to be shared, divided by the number of folds left, are rounded such
    that every cell, row sum, column sum and the total is rounded to a neighbouring
    integer. Such a rounding always exists, since cells, rows and columns of a table are
    a network flow, and is found by an integer programme of one variable for each cell.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.model_selection import FairStratifiedKFold
    >>> X, y = np.zeros((8, 1)), [0, 0, 0, 0, 1, 1, 1, 1]
    >>> sex = ["f", "f", "m", "m", "f", "f", "m", "m"]
    >>> folds = FairStratifiedKFold(n_splits=2)
    >>> for train, test in folds.split(X, y, sensitive_features=sex):
    ...     print(test)
    [0 2 4 6]
    [1 3 5 7]
    """

    __metadata_request__split = {"sensitive_features": True}

    def __init__(self, n_splits=5, *, shuffle=False, random_state=None, group_by=None):
        if not isinstance(n_splits, Integral) or n_splits < 2:
            raise ValueError(
                "FairStratifiedKFold needs `n_splits` to be an integer of at least 2. "
                f"Got {n_splits!r}."
            )
        if not shuffle and random_state is not None:
            raise ValueError(
                "FairStratifiedKFold uses `random_state` to shuffle. Got "
                f"{random_state!r} with shuffle=False. Set shuffle=True, or leave "
                "`random_state` at None."
            )
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.group_by = group_by

    def get_n_splits(self, X=None, y=None, groups=None, *, sensitive_features=None):
        """Return the number of folds.

        Parameters
        ----------
        X, y, groups, sensitive_features : object, default=None
            Ignored.

        Returns
        -------
        n_splits : int
            The number of folds.
        """
        return self.n_splits

    def split(self, X, y, groups=None, *, sensitive_features=None):
        """Generate the indices of training and test samples.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_features)
            The data, of which only `group_by` reads more than the length.
        y : array-like of shape (n_samples,)
            Class labels.
        groups : None
            Not used: scikit-learn's groups are samples that belong together.
        sensitive_features : array-like, Series, DataFrame or dict, default=None
            Sensitive features, crossed if several.

        Yields
        ------
        train, test : ndarray of int
            Indices of the samples of each side.
        """
        fold_of = self._folds(X, y, groups, sensitive_features)
        indices = np.arange(len(fold_of))
        for fold in range(self.n_splits):
            test = fold_of == fold
            yield indices[~test], indices[test]

    def _folds(self, X, y, groups, sensitive_features):
        """Test fold of every sample."""
        if groups is not None:
            raise ValueError(
                "FairStratifiedKFold does not use `groups`, which scikit-learn keeps "
                "out of both sides of a split. Pass `sensitive_features`."
            )
        owner = type(self).__name__
        labels, label_codes = _by_appearance(*_code_labels(y))
        groups = read_groups(X, sensitive_features, self.group_by, owner=owner)
        group_labels, group_codes = _by_appearance(groups.labels, groups.codes)
        if len(label_codes) != len(groups):
            raise ValueError(
                f"{owner} needs one label per sample. Got {len(label_codes)} labels "
                f"for {len(groups)} samples."
            )
        if len(groups) < self.n_splits:
            raise ValueError(
                f"{owner} needs at least as many samples as folds. Got {len(groups)} "
                f"samples for {self.n_splits} folds."
            )
        counts = np.zeros((len(labels), len(group_labels)), dtype=int)
        np.add.at(counts, (label_codes, group_codes), 1)
        self._warn_small_cells(counts, labels, group_labels)
        rng = check_random_state(self.random_state)
        shares = share_out(counts, self.n_splits)
        fold_of = np.empty(len(groups), dtype=int)
        for cell in zip(*counts.nonzero()):
            folds = np.repeat(np.arange(self.n_splits), shares[:, *cell])
            if self.shuffle:
                rng.shuffle(folds)
            fold_of[(label_codes == cell[0]) & (group_codes == cell[1])] = folds
        return fold_of

    def _warn_small_cells(self, counts, labels, group_labels):
        small = [
            f"{counts[cell]} of label {labels[cell[0]]!r} in group "
            f"{group_labels[cell[1]]!r}"
            for cell in zip(*((counts > 0) & (counts < self.n_splits)).nonzero())
        ]
        if small:
            shown = ", ".join(small[:5]) + (", ..." if len(small) > 5 else "")
            warnings.warn(
                f"FairStratifiedKFold needs {self.n_splits} samples of each label and "
                f"group to have one in every fold. Got {shown}. They are spread as far "
                "as they go. Use fewer folds, or join small groups.",
                UserWarning,
                stacklevel=4,
            )


def share_out(counts, n_splits):
    """Share out the counts of a table evenly.

    Parameters
    ----------
    counts : int ndarray of shape (n_labels, n_groups)
        How many there are of each cell.
    n_splits : int
        Between how many they are shared out.

    Returns
    -------
    shares : int ndarray of shape (n_splits, n_labels, n_groups)
        Sums to `counts`. Each cell, row sum, column sum and total differs by at most
        one between splits.
    """
    left = np.array(counts)
    shares = np.empty((n_splits, *left.shape), dtype=int)
    for split in range(n_splits - 1):
        shares[split] = _round_share(left, n_splits - split)
        left -= shares[split]
    shares[-1] = left
    return shares


def _round_share(counts, divisor):
    """`counts / divisor`, with cells, row sums, column sums and total rounded."""
    whole, remainder = np.divmod(counts, divisor)
    if not remainder.any():
        return whole
    n_rows, n_columns = counts.shape
    sums = sparse.vstack(
        [
            sparse.kron(sparse.identity(n_rows), np.ones((1, n_columns))),
            sparse.kron(np.ones((1, n_rows)), sparse.identity(n_columns)),
            np.ones((1, counts.size)),
        ]
    ).tocsr()
    flat = remainder.ravel()
    low, rest = np.divmod(sums @ flat, divisor)
    rounding = milp(
        np.zeros(flat.size),
        integrality=np.ones(flat.size),
        bounds=Bounds(0, flat > 0),
        constraints=LinearConstraint(sums, low, low + (rest > 0)),
    )
    return whole + rounding.x.round().astype(int).reshape(counts.shape)


def _code_labels(y):
    kind = type_of_target(y)
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            "FairStratifiedKFold needs class labels to stratify on. Got a target of "
            f"type {kind!r}. Bin it first, or use KFold."
        )
    column = as_column(y)
    if getattr(column, "ndim", 1) != 1:
        column = column_or_1d(column)
    labels, codes = factorize_column(column)
    return labels.tolist(), codes


def _by_appearance(labels, codes):
    """Number the labels as they appear, so that what they are called is nothing."""
    observed, first = np.unique(codes, return_index=True)
    order = observed[np.argsort(first)]
    rank = np.empty(len(labels), dtype=int)
    rank[order] = np.arange(len(order))
    return [labels[code] for code in order], rank[codes]
