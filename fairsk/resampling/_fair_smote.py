"""Fill all label x group cells with rows made from neighbours."""

from numbers import Integral, Real

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fairsk.resampling._base import GroupAwareSampler, Resampled
from fairsk.resampling._synthetic import cells_to_fill, neighbours, require_rows
from fairsk.utils._cells import SAMPLING_SHAPES
from fairsk.utils._sklearn import Interval, StrOptions


class FairSMOTE(GroupAwareSampler):
    r"""Make rows of all label x group cells until they are of one size.

    A new row of a cell starts from one of its rows and moves, in each feature with the
    probability `crossover`, by the difference of two of its neighbours in the cell,

    .. math:: x_{\text{new}} = x + f \cdot (x_{n_1} - x_{n_2}),

    while a categorical feature takes the value of one of the three. With situation
    testing, rows for which a logistic regression would decide otherwise if only the
    group were another are dropped afterwards.

    Parameters
    ----------
    sampling_strategy : {"independence", "equal_base_rates", "equal_cells"} or dict, \
            default="equal_cells"
        The shape of the label x group table, see :class:`GroupOverSampler`.
    crossover : float, default=0.8
        Probability that a feature moves.
    step : float, default=0.8
        f, the size of the move.
    n_neighbors : int, default=5
        Neighbours to choose from.
    categorical_features : array-like of int, default=None
        Positions of the categorical features.
    situation_testing : bool, default=False
        Whether to drop rows that fail the test.
    small_cells : {"raise", "duplicate"}, default="raise"
        Cells with fewer rows than neighbours are an error, or their rows are copied.
    group_by : str, int, list or callable, default=None
        Column(s) of X, or a function of X, that give the groups where
        `sensitive_features` is not passed.
    random_state : int, RandomState instance or None, default=None
        Source of randomness.

    Attributes
    ----------
    sample_indices_ : ndarray of shape (n_resampled,)
        Position in the input of each row of the output, -1 for rows that were made.
    group_indices_ : ndarray of shape (n_resampled,)
        Position of a row of the same group.
    sampling_strategy_ : dict of (group, label) to int
        Rows of each cell of the output.
    group_labels_ : list of length n_groups
        The groups.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    GroupSampler : Samplers of imbalanced-learn within cells.
    GroupMixup : Makes rows between groups.

    Notes
    -----
    If the sensitive feature is a column of X, the new rows of a cell have its value,
    since all rows of the cell do: declare it categorical all the same, lest rounding
    of sums of equal numbers touches it.

    References
    ----------
    Chakraborty, Majumder & Menzies (2021). Bias in machine learning software: why?
    how? what to do? ESEC/FSE.

    Examples
    --------
    >>> from fairsk.datasets import make_biased_classification
    >>> from fairsk.resampling import FairSMOTE
    >>> X, y, group = make_biased_classification(200, random_state=0)
    >>> sampler = FairSMOTE(random_state=0)
    >>> X_new, y_new = sampler.fit_resample(X, y, sensitive_features=group)
    >>> print(len(y_new), y_new.mean())
    220 0.5
    """

    _makes_rows = True

    _parameter_constraints: dict = {
        "sampling_strategy": [StrOptions(set(SAMPLING_SHAPES)), dict],
        "crossover": [Interval(Real, 0, 1, closed="both")],
        "step": [Interval(Real, 0, None, closed="left")],
        "n_neighbors": [Interval(Integral, 2, None, closed="left")],
        "categorical_features": ["array-like", None],
        "situation_testing": ["boolean"],
        "small_cells": [StrOptions({"raise", "duplicate"})],
        "group_by": [str, int, list, tuple, callable, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        sampling_strategy="equal_cells",
        crossover=0.8,
        step=0.8,
        n_neighbors=5,
        categorical_features=None,
        situation_testing=False,
        small_cells="raise",
        group_by=None,
        random_state=None,
    ):
        self.sampling_strategy = sampling_strategy
        self.crossover = crossover
        self.step = step
        self.n_neighbors = n_neighbors
        self.categorical_features = categorical_features
        self.situation_testing = situation_testing
        self.small_cells = small_cells
        self.group_by = group_by
        self.random_state = random_state

    def _fit_resample(self, strata):
        X = strata.X.toarray() if hasattr(strata.X, "toarray") else strata.X
        made = [np.zeros((0, X.shape[1]))]
        rows_of_made, labels = [np.zeros(0, dtype=int)], [strata.y_codes]
        for group, label, rows, n_more in cells_to_fill(self, strata):
            made.append(self._make(strata, X, group, label, rows, n_more))
            rows_of_made.append(np.full(n_more, rows[0]))
            labels.append(np.full(n_more, label))
        made, rows_of_made = np.vstack(made), np.concatenate(rows_of_made)
        taken, y_codes = np.arange(len(X)), np.concatenate(labels)
        if self.situation_testing:
            codes = strata.groups.codes[np.concatenate([taken, rows_of_made])]
            passed = self._test_situations(
                np.vstack([X, made]), y_codes, codes, strata.groups.n_groups
            )
            n_taken = len(taken)
            taken, y_codes = taken[passed[:n_taken]], y_codes[passed]
            made, rows_of_made = made[passed[n_taken:]], rows_of_made[passed[n_taken:]]
        return Resampled(taken, y_codes, made, rows_of_made)

    def _make(self, strata, X, group, label, rows, n_more):
        if len(rows) <= self.n_neighbors:
            if self.small_cells == "raise":
                require_rows(
                    self, strata, group, label, len(rows), self.n_neighbors + 1
                )
            return X[strata.random_state.choice(rows, size=n_more)]
        rng, of_cell = strata.random_state, X[rows].astype(float)
        near = neighbours(of_cell, self.n_neighbors)
        parent = rng.randint(len(rows), size=n_more)
        # Two different neighbours, without drawing in a loop.
        first = rng.randint(self.n_neighbors, size=n_more)
        second = (first + rng.randint(1, self.n_neighbors, size=n_more)) % (
            self.n_neighbors
        )
        base = of_cell[parent]
        one, other = of_cell[near[parent, first]], of_cell[near[parent, second]]
        moves = rng.uniform(size=base.shape) < self.crossover
        made = base + moves * self.step * (one - other)
        if self.categorical_features is not None:
            columns = np.asarray(self.categorical_features, dtype=int)
            three = np.stack([base, one, other])[:, :, columns]
            pick = rng.randint(3, size=(1, n_more, len(columns)))
            made[:, columns] = np.take_along_axis(three, pick, axis=0)[0]
        return made

    def _test_situations(self, X, y_codes, codes, n_groups):
        """Rows for which the group alone decides nothing."""
        X = StandardScaler().fit_transform(X)
        indicators = np.eye(n_groups)
        model = LogisticRegression(max_iter=1000)
        model.fit(np.hstack([X, indicators[codes]]), y_codes)
        answers = [
            model.predict(np.hstack([X, np.tile(indicator, (len(X), 1))]))
            for indicator in indicators
        ]
        passed = (np.array(answers) == answers[0]).all(axis=0)
        if not passed.any():
            raise ValueError(
                f"{type(self).__name__} needs rows that pass the situation test. For "
                "every row the group decides. Set `situation_testing=False`."
            )
        return passed
