"""Measure fairness: named metrics and scorers for model selection."""

from fairsk.metrics._catalogue import METRICS
from fairsk.metrics._group_metrics import GroupMetrics, group_metrics
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
    "demographic_parity_difference",
    "demographic_parity_ratio",
    "disparity_test",
    "equal_opportunity_difference",
    "equal_opportunity_ratio",
    "equalized_odds_difference",
    "equalized_odds_ratio",
    "fairness_disparity",
    "false_discovery_rate_parity_difference",
    "false_discovery_rate_parity_ratio",
    "false_negative_rate_parity_difference",
    "false_negative_rate_parity_ratio",
    "false_omission_rate_parity_difference",
    "false_omission_rate_parity_ratio",
    "get_scorer",
    "get_scorer_names",
    "group_metrics",
    "make_fairness_scorer",
    "non_inferiority",
    "overall_accuracy_equality_difference",
    "overall_accuracy_equality_ratio",
    "predictive_equality_difference",
    "predictive_equality_ratio",
    "predictive_parity_difference",
    "predictive_parity_ratio",
    "treatment_equality_difference",
    "treatment_equality_ratio",
]
