"""Costs of predictions by group and label, read off the tables of a definition."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import _safe_indexing

from fairsk.definitions import DEFINITIONS, get_definition, group_counts
from fairsk.reductions._saddle_point import Constraints
from fairsk.utils._cells import count_cells


@dataclass(frozen=True)
class ClassificationGame:
    """Error and rates of classifiers, as tables over group, label and prediction.

    Nothing here but the predictions grows with the number of samples: a sample's cost
    is a gather by its group and label.

    Parameters
    ----------
    group_codes, y_codes : int ndarray of shape (n_samples,)
        Group and class of each sample.
    sample_weight : ndarray of shape (n_samples,)
        Weights.
    value_tables : ndarray of shape (n_values, n_groups, n_classes, n_classes)
        Each value is the sum of its table times the counts.
    value_names : list of (str, int) of length n_values
        Rate and group of each value.
    """

    group_codes: np.ndarray
    y_codes: np.ndarray
    sample_weight: np.ndarray
    value_tables: np.ndarray
    value_names: list

    @property
    def shape(self):
        """Numbers of groups and classes."""
        return self.value_tables.shape[1:3]

    def counts(self, y_pred):
        """Weighted group counts of predictions.

        Parameters
        ----------
        y_pred : int ndarray of shape (n_samples,)
            Predicted classes.

        Returns
        -------
        counts : ndarray of shape (n_groups, n_classes, n_classes)
            The counts.
        """
        n_groups, n_classes = self.shape
        return group_counts(
            self.group_codes,
            self.y_codes,
            y_pred,
            n_groups=n_groups,
            n_classes=n_classes,
            sample_weight=self.sample_weight,
        )

    def evaluate(self, y_pred):
        """Error and values of predictions.

        Parameters
        ----------
        y_pred : int ndarray of shape (n_samples,)
            Predicted classes.

        Returns
        -------
        error : float
            Weighted share of wrong predictions.
        values : ndarray of shape (n_values,)
            Rate of each group.
        """
        counts = self.counts(y_pred)
        correct = np.trace(counts, axis1=1, axis2=2).sum()
        values = np.einsum("vgij,gij->v", self.value_tables, counts)
        return 1.0 - correct / counts.sum(), values

    def gains(self, multipliers):
        """What a prediction saves against the costliest one, by group and label.

        Parameters
        ----------
        multipliers : ndarray of shape (n_values,)
            Multipliers of the values.

        Returns
        -------
        gains : ndarray of shape (n_groups, n_classes, n_classes)
            Not negative. Without multipliers 1 for the true label, 0 for the others.
        """
        error = 1.0 - np.eye(self.shape[1])
        total = self.sample_weight.sum()
        costs = error + total * np.tensordot(multipliers, self.value_tables, axes=1)
        return costs.max(axis=2, keepdims=True) - costs

    def relabel(self, X, multipliers):
        """Weighted samples whose best classifier answers the multipliers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples.
        multipliers : ndarray of shape (n_values,)
            Multipliers of the values.

        Returns
        -------
        X, y, sample_weight : array-like, ndarray, ndarray
            Binary samples keep their number. With more classes a sample may stand once
            for each label that saves something.
        """
        gains = self.gains(multipliers)
        if ((gains > 0).sum(axis=2) <= 1).all():
            best = gains.argmax(axis=2)
            saved = gains.max(axis=2)
            cell = self.group_codes, self.y_codes
            return X, best[cell], self._weight(saved[cell])
        saved = gains[self.group_codes, self.y_codes]
        rows, labels = np.nonzero(saved)
        weight = saved[rows, labels] * self.sample_weight[rows]
        return _safe_indexing(X, rows), labels, weight

    def _weight(self, saved):
        weight = saved * self.sample_weight
        # Where no answer saves anything, any classifier is a best one.
        return weight if weight.any() else self.sample_weight


def classification_game(definition, group_codes, y_codes, sample_weight, shape, pos):
    """Game of a linear definition on labelled samples.

    Parameters
    ----------
    definition : FairnessDefinition
        Its rates are linear.
    group_codes, y_codes : int ndarray of shape (n_samples,)
        Group and class of each sample.
    sample_weight : ndarray of shape (n_samples,)
        Weights.
    shape : (int, int)
        Numbers of groups and classes.
    pos : int or None
        Class that counts as positive.

    Returns
    -------
    game : ClassificationGame
        Without the rates that fewer than two groups define.
    """
    numerator, denominator = definition.class_tables(shape[1], pos)
    mass = count_cells((group_codes, y_codes), shape, sample_weight)
    total = np.einsum("ri,gi->rg", denominator[:, :, 0], mass)
    names = definition.value_names(shape[1], pos)
    tables, value_names = [], []
    for rate, group in np.argwhere(total > 0):
        if (total[rate] > 0).sum() > 1:
            table = np.zeros((*shape, shape[1]))
            table[group] = numerator[rate] / total[rate, group]
            tables.append(table)
            value_names.append((names[rate], int(group)))
    tables = np.array(tables).reshape(len(tables), *shape, shape[1])
    return ClassificationGame(group_codes, y_codes, sample_weight, tables, value_names)


def spread_constraints(value_names, tolerance):
    r"""No two groups differ by more than the tolerance in any rate.

    A free middle of each rate makes two constraints a group out of one a pair:
    :math:`|v_{rg} - m_r| \le \epsilon_r / 2`.

    Parameters
    ----------
    value_names : list of (str, int)
        Rate and group of each value.
    tolerance : dict
        Tolerance of each rate.

    Returns
    -------
    constraints : Constraints
        Two a value, one free variable a rate.
    """
    rates = list(dict.fromkeys(name for name, _ in value_names))
    membership = np.array(
        [[float(name == rate) for rate in rates] for name, _ in value_names]
    ).reshape(len(value_names), len(rates))
    half = np.array([tolerance[name] / 2 for name, _ in value_names])
    eye = np.eye(len(value_names))
    return Constraints(
        on_values=np.vstack([eye, -eye]),
        on_free=np.vstack([-membership, membership]),
        bounds=np.concatenate([half, half]),
        free_cost=np.zeros(len(rates)),
        start=np.zeros(2 * len(value_names)),
    )


def require_linear(definition, owner):
    """Raise unless the rates of the definition are linear in the predictions.

    Parameters
    ----------
    definition : FairnessDefinition
        The definition.
    owner : str
        Who asks.
    """
    if not definition.is_linear:
        linear = sorted(name for name, known in DEFINITIONS.items() if known.is_linear)
        raise ValueError(
            f"{owner} needs a definition whose rates are linear in the predictions. "
            f"Got {definition.name!r}. Choose one of {linear}."
        )


def build_game(estimator, groups, y_codes, sample_weight):
    """Game of the definition of an estimator that has `classes_`.

    Parameters
    ----------
    estimator : estimator
        Has `fairness`, `pos_label` and `classes_`.
    groups : Groups
        The groups.
    y_codes : int ndarray of shape (n_samples,)
        Class of each sample.
    sample_weight : ndarray of shape (n_samples,)
        Weights.

    Returns
    -------
    game : ClassificationGame
        The game.
    """
    owner = type(estimator).__name__
    definition = get_definition(estimator.fairness)
    require_linear(definition, owner)
    classes = estimator.classes_
    pos = None
    if estimator.pos_label is not None:
        if estimator.pos_label not in classes:
            raise ValueError(
                f"{owner} needs `pos_label` to be one of the labels "
                f"{classes.tolist()}. Got {estimator.pos_label!r}."
            )
        pos = classes.tolist().index(estimator.pos_label)
    shape = (groups.n_groups, len(classes))
    game = classification_game(
        definition, groups.codes, y_codes, sample_weight, shape, pos
    )
    if min(shape) > 1:
        definition.warn_undefined(game.counts(y_codes), groups.labels, pos)
    return game


def check_tolerance(tolerance, game, owner):
    """Tolerance of each rate.

    Parameters
    ----------
    tolerance : float or dict
        One for all rates, or one each.
    game : ClassificationGame
        The game.
    owner : str
        Who asks.

    Returns
    -------
    tolerances : dict
        By name of the rate.
    """
    rates = {name for name, _ in game.value_names}
    if not isinstance(tolerance, dict):
        return dict.fromkeys(rates, tolerance)
    if not rates <= set(tolerance) or min(tolerance.values()) < 0:
        raise ValueError(
            f"{owner} needs a `tolerance`, at least 0, of each rate: {sorted(rates)}. "
            f"Got {tolerance!r}."
        )
    return tolerance


def spreads(values, value_names):
    """Largest difference between two groups, of each rate.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        The values.
    value_names : list of (str, int)
        Rate and group of each.

    Returns
    -------
    spreads : dict
        By name of the rate.
    """
    by_rate = {}
    for (rate, _), value in zip(value_names, values):
        by_rate.setdefault(rate, []).append(value)
    return {rate: float(np.ptp(of_groups)) for rate, of_groups in by_rate.items()}
