"""A network against an adversary: losses, gradients and schedules."""

import math

import numpy as np
import torch
from skorch.callbacks import Callback
from skorch.dataset import unpack_data
from torch.nn import functional

from fairsk.inprocessing._adversary import (
    blind_perceptron,
    known_of_groups,
    reverse_gradient,
    stratum_shares,
)
from fairsk.inprocessing._net import FairNet
from fairsk.inprocessing._objectives import Objective, weights_of
from fairsk.inprocessing._perceptron import MultilayerPerceptron
from fairsk.penalties._base import score_columns


class AdversarialLoss(Objective):
    r"""Loss of the network, and of an adversary that reads the group from its output.

    The adversary's term is K, what it knows: 0 nothing, 1 all. It descends on -K. The
    gradient that K has in the network is turned round and weighted, so that one
    backward pass serves both sides:

    .. math:: \nabla_\theta L + \lambda \nabla_\theta K.

    Parameters
    ----------
    n_classes : int or None
        Number of classes; None for regression.
    n_groups : int
        Number of groups; 0 for a continuous attribute.
    n_inputs : int
        Number of columns that the adversary sees.
    strata : bool ndarray of shape (n_strata, n_classes)
        Classes of the samples among which it is to know nothing.
    hidden : list of int
        Width of the adversary's hidden layers.
    **kwargs : dict
        Arguments of :class:`Objective`.
    """

    def __init__(
        self,
        n_classes,
        n_groups,
        *,
        n_inputs,
        strata,
        hidden,
        **kwargs,
    ):
        super().__init__(n_classes, n_groups, **kwargs)
        self.strata = strata
        self.weight = 0.0
        n_seen = (n_inputs + 1) * len(strata)
        sizes = [n_seen, *hidden, max(n_groups, 1)]
        # Rectified units die in this game, and an adversary without units is blind.
        self.adversary = blind_perceptron(sizes, "tanh")
        for name in ("shares", "centres", "scales", "places"):
            self.register_buffer(name, torch.zeros(0))

    def prepare(self, dataset, n_batches):
        """Weigh groups equally, and bring a continuous attribute to one scale."""
        strata = torch.as_tensor(self.strata).to(dataset.X)
        y = dataset.y if self.n_classes else torch.zeros_like(dataset.y).long()
        weight = weights_of(dataset)
        self.adversary.to(dataset.X)
        if self.n_groups:
            cells = torch.zeros(self.n_groups, strata.shape[1]).to(dataset.X)
            cells.index_put_((dataset.groups, y), weight, accumulate=True)
            shares, kept = _group_shares(cells, self.strata)
        else:
            mass = strata[:, y] * weight
            self.centres, self.scales, factors, kept = _moments(dataset.groups, mass)
            shares = strata[kept].T * factors
        self.kept = kept
        self.places = torch.eye(len(self.strata)).to(dataset.X)[kept]
        self.shares = torch.as_tensor(shares).to(dataset.X)

    def undefined(self, strata):
        """Which strata lack a group; as :meth:`SampleLoss.undefined`."""
        kept = self.strata[self.kept].astype(int)
        return np.swapaxes(strata @ kept.T, -1, -2) == 0

    def known(self, seen, y_true, groups, sample_weight=None):
        """What the adversary knows of the attribute.

        Parameters
        ----------
        seen : float tensor of shape (n_samples, n_inputs)
            What it is to read the attribute from.
        y_true : int or float tensor of shape (n_samples,)
            Classes or targets.
        groups : int or float tensor of shape (n_samples,)
            Groups, or values of a continuous attribute.
        sample_weight : float tensor of shape (n_samples,), default=None
            Weights.

        Returns
        -------
        known : float tensor of shape ()
            0 nothing, 1 all.
        """
        told = self.adversary(by_stratum(seen, self.places))
        y = y_true if self.n_classes else torch.zeros_like(groups, dtype=torch.long)
        n_compared = max(len(self.kept), 1)
        if self.n_groups:
            total = known_of_groups(told, groups, y, sample_weight, self.shares)
            return total / n_compared
        target = (groups[:, None] - self.centres) / self.scales
        factor = self.shares[y]
        if sample_weight is not None:
            factor = factor * sample_weight[:, None]
        misses = factor * (told[..., 0] - target).square()
        return (len(self.kept) - misses.sum() / len(y)) / n_compared

    def sides(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of the network, and a function for what the adversary knows.

        It takes what the adversary sees, or by default the output of the network.
        """
        outputs, loss = self.mean_loss(y_pred, y_true, sample_weight)
        seen = adversary_inputs(y_pred, outputs, self.n_classes)

        def known(change=lambda tensor: tensor):
            return self.known(change(seen), y_true, groups, sample_weight)

        return loss, known

    @property
    def current_weight(self):
        """Weight of the adversary in the current epoch."""
        return self.weight

    @property
    def has_game(self):
        """Whether there is anything to know."""
        return self.n_groups != 1 and len(self.kept) > 0

    def forward(self, y_pred, y_true, groups, sample_weight=None):
        """Loss of a batch, whose gradients are those of either side."""
        loss, known = self.sides(y_pred, y_true, groups, sample_weight)
        self.last_penalty = None
        if not self.has_game:
            return loss
        term = known(lambda seen: reverse_gradient(seen, self.weight))
        self.last_penalty = term.detach()
        # Its value is what the network minimises.
        return loss - term + (1 + self.weight) * self.last_penalty


class ProjectionNet(FairNet):
    """Net whose steps do not help the adversary (Zhang, Lemoine & Mitchell, 2018)."""

    def train_step_single(self, batch, **fit_params):
        """Gradients of both sides for a batch, of the network by equation 1."""
        criterion = self.criterion_
        if not (criterion.has_game and criterion.weight):
            return super().train_step_single(batch, **fit_params)
        self._set_training(True)
        X, y_true = unpack_data(batch)
        y_pred = self.infer(X)
        loss, known = criterion.sides(y_pred, y_true, X["groups"], X["sample_weight"])
        if self.loss_terms:
            loss = loss + self.added_loss(y_pred, y_true, X)
        term = known()
        network = list(self.module_.parameters())
        adversary = list(criterion.adversary.parameters())
        own = torch.autograd.grad(
            loss, network, retain_graph=True, materialize_grads=True
        )
        theirs = torch.autograd.grad(term, network + adversary, materialize_grads=True)
        steps = project(own, theirs[: len(network)], criterion.weight)
        for parameter, gradient in zip(network, steps):
            parameter.grad = gradient
        for parameter, gradient in zip(adversary, theirs[len(network) :]):
            parameter.grad = -gradient
        criterion.last_penalty = term.detach()
        loss = loss.detach() + criterion.weight * criterion.last_penalty
        return {"loss": loss, "y_pred": y_pred}


def project(own, theirs, weight):
    r"""Gradient of the network that does not help the adversary.

    .. math:: g - \mathrm{proj}_h g + \lambda h

    with the gradient g of the network's loss and h of what the adversary knows. (In the
    paper h is the gradient of the adversary's loss, hence the other sign.)

    Parameters
    ----------
    own, theirs : list of float tensors
        The gradients g and h, parameter by parameter.
    weight : float
        :math:`\lambda`.

    Returns
    -------
    gradients : list of float tensors
        Parameter by parameter.
    """
    g = torch.cat([gradient.flatten() for gradient in own])
    h = torch.cat([gradient.flatten() for gradient in theirs])
    # An adversary that knows nothing has no direction to avoid.
    norm = h.dot(h).clamp(min=torch.finfo(h.dtype).tiny)
    step = g + (weight - g.dot(h) / norm) * h
    parts = step.split([gradient.numel() for gradient in own])
    return [part.view_as(gradient) for part, gradient in zip(parts, own)]


class RepresentingPerceptron(MultilayerPerceptron):
    """A multilayer perceptron that also returns its last hidden layer."""

    def forward(self, X):
        """Outputs and last hidden layer."""
        *layers, last = self
        for layer in layers:
            X = layer(X)
        return last(X), X


def by_stratum(seen, places):
    """What the adversary sees of each sample in each stratum that it is asked of.

    Columns of their own for each stratum let a linear adversary differ between them, as
    that of the paper does.

    Parameters
    ----------
    seen : float tensor of shape (n_samples, n_inputs)
        What it is to read the attribute from.
    places : float tensor of shape (n_kept, n_strata)
        A one in the place of each stratum that it is asked of.

    Returns
    -------
    seen : float tensor of shape (n_samples, n_kept, (n_inputs + 1) * n_strata)
        The columns and a constant, in the place of the stratum; 0 elsewhere.
    """
    seen = functional.pad(seen, (0, 1), value=1.0)
    if places.shape[1] == 1:
        return seen[:, None]
    return (places[None, :, :, None] * seen[:, None, None]).flatten(2)


def adversary_inputs(y_pred, outputs, n_classes):
    """Columns that the adversary sees.

    Parameters
    ----------
    y_pred : tensor or tuple
        Output of the module; the second element of a tuple is a representation.
    outputs : float tensor of shape (n_samples,) or (n_samples, n_classes)
        Predictions, or logits.
    n_classes : int or None
        Number of classes; None for regression.

    Returns
    -------
    seen : float tensor of shape (n_samples, n_inputs)
        The representation, the predictions, or the probability of class 1 of binary
        labels, otherwise that of every class.
    """
    if isinstance(y_pred, tuple):
        return y_pred[1]
    if n_classes is None:
        return outputs[:, None]
    if outputs.ndim == 1:
        columns = outputs.sigmoid()[:, None]
    else:
        columns = score_columns(outputs.softmax(dim=1))
    # Centred and of unit size, as an adversary's first layer expects.
    return 4 * columns - 2


class AdversarySchedule(Callback):
    """Sets the weight of the adversary before every epoch.

    Parameters
    ----------
    weight : float
        The full weight.
    course : {"ramp", "constant", "sqrt"}
        Linear up to the full weight at half of the epochs that are left; the full
        weight from the start; the weight times the square root of the epoch.
    pretrain : int
        Epochs before, in which each side learns by itself.
    n_epochs : int
        Epochs of the fit.
    """

    def __init__(self, weight, course, pretrain, n_epochs):
        self.weight = weight
        self.course = course
        self.pretrain = pretrain
        self.n_epochs = n_epochs

    def on_epoch_begin(self, net, **kwargs):
        """Set the weight of the epoch."""
        t = net.history[-1]["epoch"] - self.pretrain
        left = max((self.n_epochs - self.pretrain) / 2, 1.0)
        growth = {
            "ramp": min(t / left, 1.0),
            "constant": 1.0,
            "sqrt": math.sqrt(max(t, 0)),
        }[self.course]
        net.criterion_.weight = self.weight * growth if t > 0 else 0.0


class NetworkDecay(Callback):
    """Lowers the learning rate of the network, and leaves that of the adversary.

    An adversary that slowed down too could not answer the last moves of the network.

    Parameters
    ----------
    course : {"cosine", "inverse"}
        Half a cosine down to 0, or the initial rate divided by the number of the epoch
        after the pretraining.
    pretrain, n_epochs : int
        Epochs of the pretraining, and of the fit.
    """

    def __init__(self, course, pretrain, n_epochs):
        self.course = course
        self.pretrain = pretrain
        self.n_epochs = n_epochs

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        """Remember where to start."""
        # skorch puts the group that it was given a pattern for first.
        self._initial = net.optimizer_.param_groups[-1]["lr"]

    def on_epoch_begin(self, net, **kwargs):
        """Set the learning rate of the epoch."""
        epoch = net.history[-1]["epoch"]
        if self.course == "cosine":
            factor = (1 + math.cos(math.pi * (epoch - 1) / self.n_epochs)) / 2
        else:
            factor = 1 / max(epoch - self.pretrain, 1)
        net.optimizer_.param_groups[-1]["lr"] = self._initial * factor


def _group_shares(cells, strata):
    """Shares of the strata that have two groups, and which ones these are."""
    cells = cells.double().cpu().numpy()
    kept = ((cells @ strata.T > 0).sum(axis=0) > 1).nonzero()[0]
    return stratum_shares(cells, strata), kept.tolist()


def _moments(attribute, mass):
    """Centre and scale of a continuous attribute in each stratum where it varies.

    Also one over the share of each of these strata, and which ones these are.
    """
    size = mass.sum(dim=1)
    divisor = torch.where(size > 0, size, 1.0)
    centres = mass @ attribute / divisor
    spread = (mass * (attribute - centres[:, None]).square()).sum(dim=1) / divisor
    kept = (spread > 0).nonzero()[:, 0]
    factors = mass.shape[1] / size[kept]
    return centres[kept], spread[kept].sqrt(), factors, kept.tolist()
