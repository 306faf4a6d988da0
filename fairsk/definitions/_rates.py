"""Rates: ratios of cells of the (y_true, y_pred) table, declared as two tables."""

import sys
from dataclasses import dataclass
from functools import cache

import numpy as np

from fairsk.utils._namespace import as_float, constant_like, is_torch, namespace


class UndefinedRateWarning(UserWarning):
    """A rate of a group has an empty denominator, so the group is left out."""


@dataclass(frozen=True)
class Rate:
    r"""A ratio of two sums over cells of the table of true and predicted labels.

    With counts :math:`c_{ij}` (true label i, predicted label j, 1 the positive one),

    .. math:: r = \sum_{ij} a_{ij} c_{ij} \,/\, \sum_{ij} b_{ij} c_{ij}.

    Multiclass counts are collapsed to 2 x 2 for each class against the rest, one rate
    per class. Where `per_class` is False there is one rate for all classes, whose
    diagonal cells have the coefficients of (1, 1) and all others those of (0, 1).

    Parameters
    ----------
    name : str
        Name of the rate, in the field's standard terms.
    numerator, denominator : ((float, float), (float, float))
        Coefficients a and b, rows by true label, columns by predicted label.
    per_class : bool, default=True
        Whether multiclass labels give one rate per class.
    """

    name: str
    numerator: tuple
    denominator: tuple
    per_class: bool = True

    @property
    def is_linear(self):
        """Whether the rate is linear in the predictions.

        It is where the denominator does not depend on the predicted label.
        """
        return all(row[0] == row[1] for row in self.denominator)

    @property
    def conditions_on_label(self):
        """Whether the denominator depends on the true label."""
        return self.denominator[0] != self.denominator[1]

    @property
    def conditions_on_prediction(self):
        """Whether the denominator depends on the predicted label."""
        return not self.is_linear

    @property
    def is_proportion(self):
        """Whether the rate is the share of some samples among others.

        It is where each cell is either in the denominator or not, and the numerator is
        a part of it. Only then is the numerator a binomial count.
        """
        pairs = [pair for rows in zip(self.numerator, self.denominator)
                 for pair in zip(*rows)]  # fmt: skip
        return all(b in (0, 1) and a in (0, b) for a, b in pairs)

    def null_strata(self, n_classes):
        """Rows between which the group is exchangeable where the rate is fair.

        Parameters
        ----------
        n_classes : int
            Number of classes K.

        Returns
        -------
        strata : int ndarray of shape (n_classes, n_classes)
            Stratum of each cell of the table of true and predicted labels: the true
            label where the rate conditions on it, the predicted label where it
            conditions on that, and the samples that the rate looks at where it
            conditions on both. One stratum where it conditions on neither.
        """
        strata = np.zeros((n_classes, n_classes), dtype=int)
        if self.conditions_on_label and self.conditions_on_prediction:
            used = np.not_equal(self.numerator, 0) | np.not_equal(self.denominator, 0)
            for k in range(n_classes):
                own = (np.arange(n_classes) == k).astype(int)
                strata |= used[np.ix_(own, own)]
        elif self.conditions_on_label:
            strata += np.arange(n_classes)[:, None]
        elif self.conditions_on_prediction:
            strata += np.arange(n_classes)
        return strata

    def totals(self, counts, pos_index=None):
        """Numerator and denominator of every group.

        Parameters
        ----------
        counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
            Group counts.
        pos_index : int, default=None
            Class that counts as positive; None gives one rate for each class.

        Returns
        -------
        numerator, denominator : array or tensor of shape (..., n_rates, n_groups)
            Sums of the cells by the two tables.
        """
        return weighted_totals((self,), counts, pos_index)

    def values(self, counts, pos_index=None):
        """Rate of every group.

        Parameters
        ----------
        counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
            Group counts.
        pos_index : int, default=None
            Class that counts as positive; None gives one rate for each class.

        Returns
        -------
        values : array or tensor of shape (..., n_rates, n_groups)
            NaN where the denominator is 0. There is one rate where `pos_index` is given
            or `per_class` is False, otherwise one per class.
        """
        return divide(*self.totals(counts, pos_index))

    def class_tables(self, n_classes, pos_index=None):
        """Coefficients of the rate on the table of classes, for linear consumers.

        Parameters
        ----------
        n_classes : int
            Number of classes.
        pos_index : int, default=None
            Class that counts as positive; None gives one table for each class.

        Returns
        -------
        numerator, denominator : ndarray of shape (n_rates, n_classes, n_classes)
            So that ``values(counts) == sum(numerator * counts) / sum(denominator *
            counts)``, the sums being over true and predicted classes.
        """
        classes = np.arange(n_classes)
        if not self.per_class:
            true = np.ones((1, n_classes, 1), dtype=int)
            predicted = np.eye(n_classes, dtype=int)[None]
        else:
            positive = classes if pos_index is None else classes[[pos_index]]
            is_positive = (classes == positive[:, None]).astype(int)
            true, predicted = is_positive[:, :, None], is_positive[:, None, :]
        return tuple(
            np.asarray(table, dtype=float)[true, predicted]
            for table in (self.numerator, self.denominator)
        )


def weighted_totals(rates, counts, pos_index=None):
    """Numerators and denominators of several rates, in one product.

    Parameters
    ----------
    rates : tuple of Rate
        The rates.
    counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
        Group counts.
    pos_index : int, default=None
        Class that counts as positive; None gives one rate for each class.

    Returns
    -------
    numerators, denominators : array or tensor of shape (..., n_rates, n_groups)
        Sums of cells only, never differences of totals: an empty cell stays exactly 0.
    """
    counts = as_float(counts)
    n_classes = counts.shape[-1]
    cells = counts.reshape((-1, n_classes * n_classes))
    if is_torch(cells):
        table = _tensor_table(rates, n_classes, pos_index, cells.dtype, cells.device)
    else:
        table = _table(rates, n_classes, pos_index)
    # One row per rate: the reductions over groups that follow read along memory.
    totals = namespace(cells).moveaxis(
        (table @ cells.T).reshape((len(table), *counts.shape[:-2])), 0, -2
    )
    n_rates = len(table) // 2
    return totals[..., :n_rates, :], totals[..., n_rates:, :]


def divide(numerator, denominator):
    """Quotient of two totals, NaN where the denominator is 0."""
    xp = namespace(numerator)
    defined = denominator > 0
    # Dividing by 1 where undefined keeps torch's gradients finite.
    quotient = numerator / xp.where(defined, denominator, 1.0)
    return xp.where(defined, quotient, float("nan"))


@cache
def _table(rates, n_classes, pos_index):
    """Coefficients by cell, the numerators of all rates before the denominators."""
    tables = [rate.class_tables(n_classes, pos_index) for rate in rates]
    numerators, denominators = zip(*tables)
    table = np.concatenate([*numerators, *denominators]).reshape(-1, n_classes**2)
    table.flags.writeable = False
    return table


@cache
def _tensor_table(rates, n_classes, pos_index, dtype, device):
    """`_table` as a tensor; a constant on the device spares a copy per batch."""
    torch = sys.modules["torch"]
    with torch.inference_mode(False):  # or it could never enter a gradient
        table = torch.tensor(_table(rates, n_classes, pos_index).tolist())
        return table.to(device=device, dtype=dtype)


def confusion_cells(counts, pos_index=None):
    """Collapse class tables to 2 x 2, each class against the rest.

    Parameters
    ----------
    counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
        Group counts.
    pos_index : int, default=None
        The only class to take; None takes every class in turn.

    Returns
    -------
    true_negative, false_positive, false_negative, true_positive : array or tensor
        Each of shape (..., n_classes or 1, n_groups).
    """
    n_classes = counts.shape[-1]
    if n_classes == 2 and pos_index is not None:
        neg = 1 - pos_index  # views, where the sums below would copy
        pairs = ((neg, neg), (neg, pos_index), (pos_index, neg), (pos_index, pos_index))
        return tuple(counts[..., None, :, i, j] for i, j in pairs)
    xp = namespace(counts)
    same = constant_like([[float(i == j) for j in range(n_classes)]
                          for i in range(n_classes)], counts)  # fmt: skip
    other = 1.0 - same
    if pos_index is not None:
        same, other = same[pos_index : pos_index + 1], other[pos_index : pos_index + 1]
    # Sums of cells only, never differences of totals: an empty cell stays exactly 0.
    cells = [
        xp.einsum("...gij,ki,kj->...kg", counts, rows, columns)
        for rows in (other, same)
        for columns in (other, same)
    ]
    return tuple(cells)


selection_rate = Rate("selection_rate", ((0, 1), (0, 1)), ((1, 1), (1, 1)))
true_positive_rate = Rate("true_positive_rate", ((0, 0), (0, 1)), ((0, 0), (1, 1)))
false_positive_rate = Rate("false_positive_rate", ((0, 1), (0, 0)), ((1, 1), (0, 0)))
true_negative_rate = Rate("true_negative_rate", ((1, 0), (0, 0)), ((1, 1), (0, 0)))
false_negative_rate = Rate("false_negative_rate", ((0, 0), (1, 0)), ((0, 0), (1, 1)))
positive_predictive_value = Rate(
    "positive_predictive_value", ((0, 0), (0, 1)), ((0, 1), (0, 1))
)
negative_predictive_value = Rate(
    "negative_predictive_value", ((1, 0), (0, 0)), ((1, 0), (1, 0))
)
false_discovery_rate = Rate("false_discovery_rate", ((0, 1), (0, 0)), ((0, 1), (0, 1)))
false_omission_rate = Rate("false_omission_rate", ((0, 0), (1, 0)), ((1, 0), (1, 0)))
accuracy = Rate("accuracy", ((1, 0), (0, 1)), ((1, 1), (1, 1)), per_class=False)
error_type_ratio = Rate("error_type_ratio", ((0, 0), (1, 0)), ((0, 1), (0, 0)))
base_rate = Rate("base_rate", ((0, 0), (1, 1)), ((1, 1), (1, 1)))
error_rate = Rate("error_rate", ((0, 1), (1, 0)), ((1, 1), (1, 1)), per_class=False)
f1_score = Rate("f1_score", ((0, 0), (0, 2)), ((0, 1), (1, 2)))
jaccard_index = Rate("jaccard_index", ((0, 0), (0, 1)), ((0, 1), (1, 1)))

RATES = {
    rate.name: rate
    for rate in (
        selection_rate,
        true_positive_rate,
        false_positive_rate,
        true_negative_rate,
        false_negative_rate,
        positive_predictive_value,
        negative_predictive_value,
        false_discovery_rate,
        false_omission_rate,
        accuracy,
        error_type_ratio,
        base_rate,
        error_rate,
        f1_score,
        jaccard_index,
    )
}
