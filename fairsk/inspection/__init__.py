"""Look at fairness: displays of groups."""

from fairsk.inspection._frontier_display import FrontierDisplay
from fairsk.inspection._group_calibration_display import GroupCalibrationDisplay
from fairsk.inspection._group_metrics_display import GroupMetricsDisplay
from fairsk.inspection._group_roc_display import GroupRocDisplay
from fairsk.inspection._threshold_sensitivity_display import (
    ThresholdSensitivityDisplay,
)

__all__ = [
    "FrontierDisplay",
    "GroupCalibrationDisplay",
    "GroupMetricsDisplay",
    "GroupRocDisplay",
    "ThresholdSensitivityDisplay",
]
