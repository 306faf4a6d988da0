"""A perceptron that has the fairness weight for an input, and its loss."""

import copy
import math

import torch

from fairsk.inprocessing._net import FairNet
from fairsk.inprocessing._objectives import Objective, probabilities
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties import Penalty

# Ranges of weights that take turns, each with an average of its own.
N_RANGES = 4
# How much denser small weights are drawn than large ones.
_STEEPNESS = 4.0
# Units of the network that turns a weight into scales and shifts.
_N_CONDITION = 32


class ConditionedPerceptron(MultilayerPerceptron):
    r"""Perceptron whose hidden layers are scaled and shifted by a weight.

    A hidden layer is :math:`(1 + \gamma(\lambda))\, \phi(W h + b) + \beta(\lambda)`,
    which starts as the plain one.

    Parameters
    ----------
    layer_sizes : list of int
        Widths, from the features to the logits.
    activation : str
        Name of the activation.
    max_weight : float
        Largest weight.
    """

    def __init__(self, layer_sizes, activation, max_weight):
        super().__init__(layer_sizes, activation)
        self.max_weight = max_weight
        self.widths = list(layer_sizes[1:-1])
        condition = [1, _N_CONDITION, 2 * sum(self.widths)]
        self.condition = MultilayerPerceptron(condition, "tanh")
        with torch.no_grad():
            self.condition[-1].weight.zero_()
            self.condition[-1].bias.zero_()
        self._turn = 0

    def forward(self, X, weight=None):
        """Logits at a weight.

        Parameters
        ----------
        X : float tensor of shape (n_samples, n_features)
            Features.
        weight : float or float tensor of shape (), default=None
            The weight; None draws one.

        Returns
        -------
        logits : float tensor of shape (n_samples, n_outputs)
            Logits.
        weight : float tensor of shape ()
            The weight.
        turn : int
            Number of the range that it was drawn from.
        """
        position, weight = self._draw(X) if weight is None else self._place(X, weight)
        changes = self.condition(2 * position.view(1, 1) - 1)[0]
        # The children, less the network that is none of the layers.
        *layers, last = [layer for name, layer in self.named_children()][:-1]
        start, n_hidden = 0, sum(self.widths)
        for linear, activation in zip(layers[::2], layers[1::2]):
            end = start + linear.out_features
            scale = 1 + changes[start:end]
            shift = changes[n_hidden + start : n_hidden + end]
            X = torch.addcmul(shift, activation(linear(X)), scale)
            start = end
        return last(X), weight, self._turn

    def _draw(self, X):
        """A position and a weight, from the range whose turn it is."""
        self._turn = (self._turn + 1) % N_RANGES
        position = (self._turn + torch.rand((), dtype=X.dtype)) / N_RANGES
        position = position.to(X.device, non_blocking=True)
        return position, self.max_weight * _grow(position)

    def _place(self, X, weight):
        """The position of a weight."""
        if not torch.is_tensor(weight):
            weight = torch.tensor(weight, dtype=torch.float64)
        share = weight / self.max_weight * math.expm1(_STEEPNESS)
        return (share.log1p() / _STEEPNESS).to(X), weight.to(X)


class ConditionedLoss(Objective):
    r"""Loss and penalty at the weight of the batch, over one plus the weight.

    While fairness warms up, the weight of the penalty is a share of the weight that
    the network is told.

    Parameters
    ----------
    n_classes, n_groups : int
        Numbers of classes and groups.
    penalty : torch.nn.Module
        The penalty. Each range of weights has a copy, with averages of its own.
    **kwargs : dict
        Arguments of :class:`Objective`.
    """

    def __init__(self, n_classes, n_groups, *, penalty, **kwargs):
        super().__init__(n_classes, n_groups, **kwargs)
        #: Share of the weight that a warm-up has reached.
        self.ramp = 1.0
        #: Weight of the penalty in the last batch.
        self.current_weight = 0.0
        self.penalties = torch.nn.ModuleList(
            copy.deepcopy(penalty) for _ in range(N_RANGES)
        )

    def prepare(self, dataset, n_batches):
        """Say how many batches of an epoch each penalty sees."""
        for penalty in self.penalties:
            if isinstance(penalty, Penalty):
                penalty.plan(max(n_batches // N_RANGES, 1))

    def undefined(self, strata):
        """What the penalty cannot compare; as :meth:`SampleLoss.undefined`."""
        undefined = getattr(self.penalties[0], "undefined", None)
        return None if undefined is None else undefined(strata)

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of a batch; the penalty alone stays in `last_penalty`."""
        _, weight, turn = y_pred
        outputs, loss = self.mean_loss(y_pred, y_true, sample_weight)
        self.current_weight = weight = self.ramp * weight
        self.last_penalty = None
        if self.n_groups != 1:
            penalty = self.penalties[turn](
                probabilities(outputs),
                y_true,
                groups,
                sample_weight,
                n_groups=self.n_groups,
            )
            self.last_penalty = penalty.detach()
            loss = loss + weight * penalty
        return loss / (1 + weight)


class ConditionedNet(FairNet):
    """Net whose loss terms are asked at the weight of the batch."""

    def added_loss(self, y_pred, y_true, X):
        """Sum of the loss terms, over one plus the weight as all of the objective."""
        added = super().added_loss(y_pred, y_true, X)
        return added / (1 + self.criterion_.current_weight)

    def respond_again(self, X, y_pred):
        """Output of the module for other features, at the weight that was drawn."""
        return self.module_(X, y_pred[1])


def _grow(position):
    """Weight, as a share of the largest one, at a position in [0, 1]."""
    return torch.expm1(_STEEPNESS * position) / math.expm1(_STEEPNESS)
