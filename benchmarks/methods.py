"""The methods to compare: one table from a name to how it is fitted."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.datasets import Part, make_base_model


@dataclass(frozen=True)
class Method:
    """A way to a fairer predictor.

    Parameters
    ----------
    name : str
        Name.
    fit : callable
        ``fit(base, train, validation, fairness, setting, seed)`` with the name of a
        base model and the name of a definition; returns ``predict(X, group)``.
    settings : tuple
        Values of what steers the method, from strict to loose; a method without such a
        knob has one setting.
    fairness : tuple of str, default=()
        Definitions that it can ask for; empty if it does not ask or can ask for any.
    peer : str, default=None
        Package that it needs, by the name it is imported by.
    """

    name: str
    fit: Callable
    settings: tuple = (None,)
    fairness: tuple = ()
    peer: str | None = None


METHODS = {}


def register_method(method):
    """Add a method, so that every comparison of quality includes it."""
    METHODS[method.name] = method
    return method


def join_parts(*parts):
    """One part with the rows of all, for methods that need no validation data."""
    return Part(
        pd.concat([part.X for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.group for part in parts]),
    )


def _fit_unconstrained(base, train, validation, fairness, setting, seed):
    data = join_parts(train, validation)
    model = make_base_model(base, seed).fit(data.X, data.y)
    return lambda X, group: model.predict(X)


# fairlearn's words for the definitions, and whether it can relax them.
_FAIRLEARN = {
    "demographic_parity": ("demographic_parity", True),
    "equalized_odds": ("equalized_odds", False),
    "equal_opportunity": ("true_positive_rate_parity", True),
}


def _fit_fairlearn_thresholds(base, train, validation, fairness, setting, seed):
    from fairlearn.postprocessing import ThresholdOptimizer

    constraints, can_relax = _FAIRLEARN[fairness]
    model = make_base_model(base, seed).fit(train.X, train.y)
    optimizer = ThresholdOptimizer(
        estimator=model,
        constraints=constraints,
        predict_method="predict_proba",
        prefit=True,
        tol=setting if can_relax else None,
    )
    optimizer.fit(validation.X, validation.y, sensitive_features=validation.group)
    return lambda X, group: optimizer.predict(
        X, sensitive_features=group, random_state=seed
    )


register_method(Method("unconstrained", _fit_unconstrained))
register_method(
    Method(
        "fairlearn ThresholdOptimizer",
        _fit_fairlearn_thresholds,
        settings=(0.0, 0.01, 0.02, 0.05, 0.1),
        fairness=tuple(_FAIRLEARN),
        peer="fairlearn",
    )
)
