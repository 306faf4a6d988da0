"""Multilayer perceptrons, and the parameters that describe them."""

from itertools import pairwise
from numbers import Integral, Real

import torch

from fairsk.utils._sklearn import Interval, StrOptions

_ACTIVATIONS = {
    "identity": torch.nn.Identity,
    "logistic": torch.nn.Sigmoid,
    "tanh": torch.nn.Tanh,
    "relu": torch.nn.ReLU,
}


class PerceptronMixin:
    """A module that is made of `hidden_layer_sizes`, `activation` and `alpha`."""

    _parameter_constraints: dict = {
        "hidden_layer_sizes": [
            "array-like",
            Interval(Integral, 1, None, closed="left"),
        ],
        "activation": [StrOptions(set(_ACTIVATIONS))],
        "alpha": [Interval(Real, 0, None, closed="left")],
    }

    def _hidden_sizes(self, name="hidden_layer_sizes"):
        """Widths of hidden layers, by a parameter of that name."""
        sizes = getattr(self, name)
        widths = [sizes] if isinstance(sizes, Integral) else list(sizes)
        if not all(isinstance(width, Integral) and width > 0 for width in widths):
            raise ValueError(
                f"{type(self).__name__} needs positive integers as {name}. "
                f"Got {sizes!r}."
            )
        return widths

    def _module(self):
        sizes = self._hidden_sizes()
        return MultilayerPerceptron, {
            "module__layer_sizes": [self.n_features_in_, *sizes, self._n_outputs],
            "module__activation": self.activation,
            "optimizer__weight_decay": self.alpha,
        }


class MultilayerPerceptron(torch.nn.Sequential):
    """Linear layers with an activation between them.

    Parameters
    ----------
    layer_sizes : list of int
        Widths, from the features to the logits.
    activation : str
        Name of the activation.
    """

    def __init__(self, layer_sizes, activation):
        layers = []
        for n_in, n_out in pairwise(layer_sizes):
            layers += [torch.nn.Linear(n_in, n_out), _ACTIVATIONS[activation]()]
        super().__init__(*layers[:-1])
