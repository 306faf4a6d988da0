"""Measure fairness: named metrics and scorers for model selection."""

from fairsk.definitions import (
    consistency,
    distance_correlation,
    generalized_entropy,
    hsic,
    maximal_correlation,
    mutual_information,
)
from fairsk.metrics._catalogue import METRICS
from fairsk.metrics._class_gaps import (
    class_gaps,
    gap_share_correlation,
    rms_class_gap,
)
from fairsk.metrics._conditional_disparity import conditional_demographic_disparity
from fairsk.metrics._counterfactual import (
    counterfactual_token_fairness_gap,
    flip_rate,
    make_counterfactual_scorer,
)
from fairsk.metrics._group_metrics import GroupMetrics, group_metrics
from fairsk.metrics._identity_terms import (
    equality_difference,
    generalized_mean,
    identity_term_metrics,
)
from fairsk.metrics._named import (
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    fairness_disparity,
    false_discovery_rate_parity_difference,
    false_discovery_rate_parity_ratio,
    false_negative_rate_parity_difference,
    false_negative_rate_parity_ratio,
    false_omission_rate_parity_difference,
    false_omission_rate_parity_ratio,
    overall_accuracy_equality_difference,
    overall_accuracy_equality_ratio,
    predictive_equality_difference,
    predictive_equality_ratio,
    predictive_parity_difference,
    predictive_parity_ratio,
    treatment_equality_difference,
    treatment_equality_ratio,
)
from fairsk.metrics._outcome_counts import OutcomeCounts
from fairsk.metrics._scorers import (
    get_scorer,
    get_scorer_names,
    make_fairness_scorer,
)
from fairsk.metrics._tests import (
    adjust_pvalues,
    disparity_test,
    non_inferiority,
)

__all__ = [
    "METRICS",
    "GroupMetrics",
    "OutcomeCounts",
    "adjust_pvalues",
    "class_gaps",
    "conditional_demographic_disparity",
    "consistency",
    "counterfactual_token_fairness_gap",
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "disparity_test",
    "distance_correlation",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equality_difference",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "fairness_disparity",
    "false_discovery_rate_parity_difference",
    "false_discovery_rate_parity_ratio",
    "false_negative_rate_parity_difference",
    "false_negative_rate_parity_ratio",
    "false_omission_rate_parity_difference",
    "false_omission_rate_parity_ratio",
    "flip_rate",
    "gap_share_correlation",
    "generalized_entropy",
    "generalized_mean",
    "get_scorer",
    "get_scorer_names",
    "group_metrics",
    "hsic",
    "identity_term_metrics",
    "make_counterfactual_scorer",
    "make_fairness_scorer",
    "maximal_correlation",
    "mutual_information",
    "non_inferiority",
    "overall_accuracy_equality_difference",
    "overall_accuracy_equality_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "rms_class_gap",
    "treatment_equality_difference",
    "treatment_equality_ratio",
]
