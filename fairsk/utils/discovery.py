"""Find the estimators of fairsk."""

import inspect
import pkgutil
from importlib import import_module

from imblearn.base import SamplerMixin
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
)

__all__ = ["all_estimators"]

_KINDS = {
    "classifier": ClassifierMixin,
    "regressor": RegressorMixin,
    "transformer": TransformerMixin,
    "sampler": SamplerMixin,
}


def all_estimators(type_filter=None):
    """List the public estimators of fairsk.

    Parameters
    ----------
    type_filter : str or list of str, default=None
        Which kinds to list: "classifier", "regressor", "transformer", "sampler", or
        several of them. None lists all estimators.

    Returns
    -------
    estimators : list of (str, class)
        Name and class of each estimator that a public module has in its ``__all__``,
        sorted by name. Modules that need a package which is not installed (an extra of
        fairsk) are passed over.

    Examples
    --------
    >>> from fairsk.utils.discovery import all_estimators
    >>> names = [name for name, _ in all_estimators("classifier")]
    >>> "FairMLPClassifier" in names
    True
    """
    kinds = [type_filter] if isinstance(type_filter, str) else type_filter
    unknown = set(kinds or []) - set(_KINDS)
    if unknown:
        raise ValueError(
            f"all_estimators needs `type_filter` among {sorted(_KINDS)}. "
            f"Got {type_filter!r}."
        )
    members = {
        (name, member)
        for module in _public_modules()
        for name in getattr(module, "__all__", [])
        if _is_estimator(member := getattr(module, name))
    }
    return sorted(
        (name, member)
        for name, member in members
        if kinds is None or any(issubclass(member, _KINDS[kind]) for kind in kinds)
    )


def _public_modules():
    root = import_module("fairsk")
    for _, name, _ in pkgutil.walk_packages(root.__path__, "fairsk."):
        if not any(part.startswith("_") for part in name.split(".")):
            try:
                yield import_module(name)
            except ModuleNotFoundError as error:
                _check_is_extra(error)


def _check_is_extra(error):
    """Re-raise unless a package other than fairsk is what is missing."""
    if (error.name or "fairsk").partition(".")[0] == "fairsk":
        raise error


def _is_estimator(member):
    return (
        inspect.isclass(member)
        and issubclass(member, BaseEstimator)
        and not inspect.isabstract(member)
    )
