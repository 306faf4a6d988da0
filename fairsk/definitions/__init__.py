"""What is fair: every rate, disparity and fairness definition, once."""

from fairsk.definitions._counts import group_counts
from fairsk.definitions._disparity import (
    DISPARITIES,
    Disparity,
    get_disparity,
)
from fairsk.definitions._losses import LOSSES, group_losses
from fairsk.definitions._rates import (
    RATES,
    Rate,
    UndefinedRateWarning,
    confusion_cells,
)
from fairsk.definitions._registry import (
    DEFINITIONS,
    FairnessDefinition,
    demographic_parity,
    equal_opportunity,
    equalized_odds,
    false_discovery_rate_parity,
    false_negative_rate_parity,
    false_omission_rate_parity,
    get_definition,
    overall_accuracy_equality,
    predictive_equality,
    predictive_parity,
    register_definition,
    treatment_equality,
)

__all__ = [
    "DEFINITIONS",
    "DISPARITIES",
    "LOSSES",
    "RATES",
    "Disparity",
    "FairnessDefinition",
    "Rate",
    "UndefinedRateWarning",
    "confusion_cells",
    "demographic_parity",
    "equal_opportunity",
    "equalized_odds",
    "false_discovery_rate_parity",
    "false_negative_rate_parity",
    "false_omission_rate_parity",
    "get_definition",
    "get_disparity",
    "group_counts",
    "group_losses",
    "overall_accuracy_equality",
    "predictive_equality",
    "predictive_parity",
    "register_definition",
    "treatment_equality",
]
