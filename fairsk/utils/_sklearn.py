"""The only home of what scikit-learn keeps private.

Everything here is used by several folders and may move between scikit-learn
releases; a new release is supported by mending this file.
"""

from sklearn.base import _fit_context
from sklearn.metrics._scorer import _BaseScorer, _cached_call
from sklearn.pipeline import _name_estimators
from sklearn.utils._param_validation import (
    HasMethods,
    Hidden,
    Interval,
    Options,
    StrOptions,
    validate_params,
)
from sklearn.utils._user_interface import _print_elapsed_time
from sklearn.utils.metadata_routing import _raise_for_params, _routing_enabled
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_sample_weight,
    _num_samples,
)

__all__ = [
    "HasMethods",
    "Hidden",
    "Interval",
    "Options",
    "StrOptions",
    "_BaseScorer",
    "_cached_call",
    "_check_feature_names_in",
    "_check_sample_weight",
    "_fit_context",
    "_name_estimators",
    "_num_samples",
    "_print_elapsed_time",
    "_raise_for_params",
    "_routing_enabled",
    "validate_params",
]
