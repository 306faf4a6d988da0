"""Estimators of any module, with parameters by skorch's prefixes."""

import difflib
from inspect import Parameter, signature

import torch

# What a parameter with a double underscore may belong to.
_PREFIXES = (
    "module",
    "criterion",
    "optimizer",
    "iterator_train",
    "iterator_valid",
    "callbacks",
)


class PrefixedParamsMixin:
    """A module, and parameters of skorch's parts by their prefix and `__`."""

    def get_params(self, deep=True):
        """Parameters of the estimator, those with a prefix included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to go into parameters that are estimators.

        Returns
        -------
        params : dict
            Name to value.
        """
        return {**super().get_params(deep=deep), **self._extra_params()}

    def set_params(self, **params):
        """Set parameters of the estimator, those with a prefix included.

        Parameters
        ----------
        **params : dict
            Name to value.

        Returns
        -------
        self : object
            The estimator.
        """
        extra = {name: value for name, value in params.items() if _is_prefixed(name)}
        vars(self).update(extra)
        super().set_params(**{n: v for n, v in params.items() if n not in extra})
        return self

    def _extra_params(self):
        """What the constructor took as ``**kwargs``."""
        named = self._get_param_names()
        return {
            name: value
            for name, value in vars(self).items()
            if not (name in named or name.startswith("_") or name.endswith("_"))
        }

    def _validate_params(self):
        # Here and not in the constructor, where scikit-learn wants no errors.
        super()._validate_params()
        for name in self._extra_params():
            if not _is_prefixed(name):
                raise TypeError(_unexpected(type(self), name))

    def _module(self):
        sizes = self._sizes()
        arguments = _arguments(self.module)
        filled = {f"module__{k}": v for k, v in sizes.items() if k in arguments}
        return self.module, {
            **filled,
            "criterion__criterion": self.criterion,
            **self._extra_params(),
        }


def _is_prefixed(name):
    prefix, separator, rest = name.partition("__")
    return prefix in _PREFIXES and bool(separator) and bool(rest)


def _unexpected(owner, name):
    known = [*signature(owner).parameters, *_PREFIXES]
    prefix, separator, rest = name.partition("__")
    close = difflib.get_close_matches(prefix, known, n=1)
    guess = close[0] + separator + rest if close else None
    for known_prefix in _PREFIXES:  # module_hidden for module__hidden
        if name.startswith(f"{known_prefix}_"):
            guess = f"{known_prefix}__{name[len(known_prefix) :].lstrip('_')}"
    hint = f" Did you mean {guess!r}?" if guess else ""
    return (
        f"{owner.__name__} got an unexpected parameter {name!r}.{hint} Besides its own "
        "it takes parameters that start with "
        f"{[f'{prefix}__' for prefix in _PREFIXES]}."
    )


def _arguments(module):
    """Names of the constructor's arguments; none of an instance, which is made."""
    if isinstance(module, torch.nn.Module):
        return ()
    return [
        name
        for name, parameter in signature(module).parameters.items()
        if parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    ]
