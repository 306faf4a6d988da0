"""Fairness definitions: the rates that must agree across groups."""

import difflib
import warnings
from dataclasses import dataclass

import numpy as np

from fairsk.definitions import _rates
from fairsk.definitions._disparity import get_disparity
from fairsk.definitions._rates import (
    UndefinedRateWarning,
    divide,
    weighted_totals,
)
from fairsk.utils._namespace import is_torch


@dataclass(frozen=True)
class FairnessDefinition:
    """What must agree between groups for a prediction to be called fair.

    Parameters
    ----------
    name : str
        Name, as the parameter `fairness` takes it.
    rates : tuple of Rate
        The rates that must be equal in all groups.
    statement : str, default=""
        The definition as a formula in LaTeX, for the documentation.
    reference : str, default=""
        The paper that introduced it.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.definitions import demographic_parity
    >>> counts = np.array([[[6, 2], [1, 1]], [[2, 3], [1, 4]]])
    >>> demographic_parity.values(counts)
    array([[0.3, 0.7]])
    >>> print(demographic_parity.disparity(counts, "difference").round(3))
    0.4
    """

    name: str
    rates: tuple
    statement: str = ""
    reference: str = ""

    @property
    def is_linear(self):
        """Whether every rate is linear in the predictions."""
        return all(rate.is_linear for rate in self.rates)

    @property
    def conditions_on_label(self):
        """Whether some rate conditions on the true label."""
        return any(rate.conditions_on_label for rate in self.rates)

    @property
    def has_positive_class(self):
        """Whether some rate depends on which class is the positive one."""
        return any(rate.per_class for rate in self.rates)

    def null_strata(self, n_classes):
        """Rows between which the group is exchangeable where the definition holds.

        Parameters
        ----------
        n_classes : int
            Number of classes K.

        Returns
        -------
        strata : int ndarray of shape (n_classes, n_classes)
            Stratum of each cell, as :meth:`Rate.null_strata` has it if the rates agree
            on it; otherwise one stratum.
        """
        first, *others = [rate.null_strata(n_classes) for rate in self.rates]
        if all((first == other).all() for other in others):
            return first
        return first * 0

    def values(self, counts, pos_index=None):
        """Rates of every group, stacked.

        Parameters
        ----------
        counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
            Group counts, hard or soft.
        pos_index : int, default=None
            Class that counts as positive. None takes class 1 of binary labels and each
            class against the rest of multiclass labels.

        Returns
        -------
        values : array or tensor of shape (..., n_rates, n_groups)
            NaN where a rate is undefined. Multiclass labels give one row for each rate
            and class (one for a rate that is not per class).
        """
        pos_index = self._positive(counts, pos_index)
        return divide(*weighted_totals(self.rates, counts, pos_index))

    def class_tables(self, n_classes, pos_index=None):
        """Coefficients of every rate on the table of classes, stacked like `values`.

        Parameters
        ----------
        n_classes : int
            Number of classes.
        pos_index : int, default=None
            Class that counts as positive, as in :meth:`values`.

        Returns
        -------
        numerator, denominator : ndarray of shape (n_rates, n_classes, n_classes)
            Rows by true class, columns by predicted class. Where `is_linear`, the
            columns of the denominator are all the same.
        """
        if pos_index is None and n_classes == 2:
            pos_index = 1
        tables = [rate.class_tables(n_classes, pos_index) for rate in self.rates]
        return tuple(np.concatenate(stack) for stack in zip(*tables))

    def value_names(self, n_classes, pos_index=None):
        """Name of each row of `values`, "rate" or "rate (class k)" when multiclass."""
        if n_classes == 2 or pos_index is not None:
            return [rate.name for rate in self.rates]
        return [
            f"{rate.name} (class {k})" if rate.per_class else rate.name
            for rate in self.rates
            for k in range(n_classes if rate.per_class else 1)
        ]

    def disparity(self, counts, disparity="difference", pos_index=None):
        """One number for all groups and rates.

        Parameters
        ----------
        counts : array or tensor of shape (..., n_groups, n_classes, n_classes)
            Group counts, hard or soft.
        disparity : str or Disparity, default="difference"
            How the values of the groups become one number.
        pos_index : int, default=None
            Class that counts as positive, as in :meth:`values`.

        Returns
        -------
        disparity : array or tensor of shape (...)
            Of the rate that is least fair; NaN where no rate is defined in two groups.
        """
        return get_disparity(disparity)(self.values(counts, pos_index))

    def warn_undefined(self, counts, group_labels, pos_index=None):
        """Warn once, by name, of the rates that are undefined in a group.

        Parameters
        ----------
        counts : array of shape (n_groups, n_classes, n_classes)
            Group counts.
        group_labels : sequence of length n_groups
            Labels of the groups.
        pos_index : int, default=None
            Class that counts as positive, as in :meth:`values`.
        """
        values = self.values(counts, pos_index)
        if is_torch(values):
            values = values.detach().cpu().numpy()
        missing = values != values
        if not missing.any():
            return
        names = self.value_names(counts.shape[-1], pos_index)
        undefined = [
            f"{names[row]} of group {group_labels[group]!r}"
            for row, group in zip(*missing.nonzero())
        ]
        shown = ", ".join(undefined[:5]) + (", ..." if len(undefined) > 5 else "")
        warnings.warn(
            f"{self.name}: {shown} undefined, because no sample falls in the "
            "denominator. These groups are left out of the disparity; it is NaN where "
            "fewer than two groups are left.",
            UndefinedRateWarning,
            stacklevel=3,
        )

    @staticmethod
    def _positive(counts, pos_index):
        return 1 if pos_index is None and counts.shape[-1] == 2 else pos_index


DEFINITIONS = {}


def register_definition(definition):
    """Add a definition, so that every consumer takes it by its name.

    Parameters
    ----------
    definition : FairnessDefinition
        The definition. A name that is taken by a different definition is an error.

    Returns
    -------
    definition : FairnessDefinition
        The same.
    """
    if not isinstance(definition, FairnessDefinition):
        raise TypeError(
            "register_definition needs a FairnessDefinition. "
            f"Got {type(definition).__name__}."
        )
    taken = DEFINITIONS.setdefault(definition.name, definition)
    if taken != definition:
        raise ValueError(
            f"register_definition needs a new name. {definition.name!r} is registered "
            "already with other rates. Choose another name."
        )
    return definition


def get_definition(fairness):
    """Definition of that name; an instance is returned as it is.

    Parameters
    ----------
    fairness : str or FairnessDefinition
        Name of a registered definition, or a definition.

    Returns
    -------
    definition : FairnessDefinition
        The definition.
    """
    if isinstance(fairness, FairnessDefinition):
        return fairness
    if isinstance(fairness, str) and fairness in DEFINITIONS:
        return DEFINITIONS[fairness]
    close = difflib.get_close_matches(str(fairness), DEFINITIONS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise ValueError(
        "`fairness` must be a FairnessDefinition or the name of one of "
        f"{sorted(DEFINITIONS)}. Got {fairness!r}.{hint}"
    )


demographic_parity = register_definition(
    FairnessDefinition(
        "demographic_parity",
        (_rates.selection_rate,),
        r"P(\hat Y = 1 \mid A = a) = P(\hat Y = 1)",
        "Calders, Kamiran & Pechenizkiy (2009), Building classifiers with independency "
        "constraints",
    )
)
equal_opportunity = register_definition(
    FairnessDefinition(
        "equal_opportunity",
        (_rates.true_positive_rate,),
        r"P(\hat Y = 1 \mid Y = 1, A = a) = P(\hat Y = 1 \mid Y = 1)",
        "Hardt, Price & Srebro (2016), Equality of opportunity in supervised learning",
    )
)
predictive_equality = register_definition(
    FairnessDefinition(
        "predictive_equality",
        (_rates.false_positive_rate,),
        r"P(\hat Y = 1 \mid Y = 0, A = a) = P(\hat Y = 1 \mid Y = 0)",
        "Corbett-Davies et al. (2017), Algorithmic decision making and the cost of "
        "fairness",
    )
)
equalized_odds = register_definition(
    FairnessDefinition(
        "equalized_odds",
        (_rates.true_positive_rate, _rates.false_positive_rate),
        r"P(\hat Y = 1 \mid Y = y, A = a) = P(\hat Y = 1 \mid Y = y),\; y \in \{0, 1\}",
        "Hardt, Price & Srebro (2016), Equality of opportunity in supervised learning",
    )
)
overall_accuracy_equality = register_definition(
    FairnessDefinition(
        "overall_accuracy_equality",
        (_rates.accuracy,),
        r"P(\hat Y = Y \mid A = a) = P(\hat Y = Y)",
        "Berk et al. (2021), Fairness in criminal justice risk assessments",
    )
)
predictive_parity = register_definition(
    FairnessDefinition(
        "predictive_parity",
        (_rates.positive_predictive_value,),
        r"P(Y = 1 \mid \hat Y = 1, A = a) = P(Y = 1 \mid \hat Y = 1)",
        "Chouldechova (2017), Fair prediction with disparate impact",
    )
)
false_negative_rate_parity = register_definition(
    FairnessDefinition(
        "false_negative_rate_parity",
        (_rates.false_negative_rate,),
        r"P(\hat Y = 0 \mid Y = 1, A = a) = P(\hat Y = 0 \mid Y = 1)",
        "Chouldechova (2017), Fair prediction with disparate impact",
    )
)
false_omission_rate_parity = register_definition(
    FairnessDefinition(
        "false_omission_rate_parity",
        (_rates.false_omission_rate,),
        r"P(Y = 1 \mid \hat Y = 0, A = a) = P(Y = 1 \mid \hat Y = 0)",
        "Berk et al. (2021), Fairness in criminal justice risk assessments",
    )
)
false_discovery_rate_parity = register_definition(
    FairnessDefinition(
        "false_discovery_rate_parity",
        (_rates.false_discovery_rate,),
        r"P(Y = 0 \mid \hat Y = 1, A = a) = P(Y = 0 \mid \hat Y = 1)",
        "Berk et al. (2021), Fairness in criminal justice risk assessments",
    )
)
treatment_equality = register_definition(
    FairnessDefinition(
        "treatment_equality",
        (_rates.error_type_ratio,),
        r"\frac{P(\hat Y = 0, Y = 1 \mid A = a)}{P(\hat Y = 1, Y = 0 \mid A = a)}"
        r" = \frac{P(\hat Y = 0, Y = 1)}{P(\hat Y = 1, Y = 0)}",
        "Berk et al. (2021), Fairness in criminal justice risk assessments",
    )
)
