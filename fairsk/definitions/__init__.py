"""What is fair: every rate, disparity and fairness definition, once."""

from fairsk.definitions._count_functions import COUNT_FUNCTIONS, CountFunction
from fairsk.definitions._counts import group_counts
from fairsk.definitions._disparity import (
    DISPARITIES,
    Disparity,
    get_disparity,
)
from fairsk.definitions._distributions import (
    abroca,
    distance_correlation,
    hsic,
    ks_distance,
    ks_to_overall,
    maximal_correlation,
    mutual_information,
    wasserstein_distance,
)
from fairsk.definitions._group_means import GROUP_MEANS, GroupMean
from fairsk.definitions._individual import consistency, generalized_entropy
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
    "COUNT_FUNCTIONS",
    "DEFINITIONS",
    "DISPARITIES",
    "GROUP_MEANS",
    "LOSSES",
    "RATES",
    "CountFunction",
    "Disparity",
    "FairnessDefinition",
    "GroupMean",
    "Rate",
    "UndefinedRateWarning",
    "abroca",
    "confusion_cells",
    "consistency",
    "demographic_parity",
    "distance_correlation",
    "equal_opportunity",
    "equalized_odds",
    "false_discovery_rate_parity",
    "false_negative_rate_parity",
    "false_omission_rate_parity",
    "generalized_entropy",
    "get_definition",
    "get_disparity",
    "group_counts",
    "group_losses",
    "hsic",
    "ks_distance",
    "ks_to_overall",
    "maximal_correlation",
    "mutual_information",
    "overall_accuracy_equality",
    "predictive_equality",
    "predictive_parity",
    "register_definition",
    "treatment_equality",
    "wasserstein_distance",
]
